package filecache

import (
	"container/list"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A block's file is its bytes and, behind them, CRC-32C of its name and its bytes.
const trailerBytes = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blockID names a block: a hash of store and key, and its number.
type blockID struct {
	object [16]byte
	n      int64
}

func (id blockID) name() string {
	return hex.EncodeToString(id.object[:]) + "." + strconv.FormatInt(id.n, 10)
}

func (id blockID) sum(data []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(id.name()), castagnoli), castagnoli, data)
}

func parseName(name string) (id blockID, ok bool) {
	object, n, _ := strings.Cut(name, ".")
	b, err := hex.DecodeString(object)
	if err != nil || len(b) != len(id.object) {
		return id, false
	}
	copy(id.object[:], b)
	id.n, err = strconv.ParseInt(n, 10, 64)
	return id, err == nil && id.n >= 0 && id.name() == name
}

// stored is a block on disk.
type stored struct {
	id      blockID
	size    int64 // of its file
	touched time.Time
}

// path has a folder for each first byte, so that none has all.
func (c *Cache) path(id blockID) string {
	name := id.name()
	return filepath.Join(c.o.Dir, name[:2], name)
}

const newPrefix = "new-" // files that are being written

// scan finds what an earlier process has kept.
func (c *Cache) scan() error {
	var found []*stored
	err := filepath.WalkDir(c.o.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		id, ok := parseName(d.Name())
		if !ok {
			if strings.HasPrefix(d.Name(), newPrefix) {
				return os.Remove(path) // of a process that died
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		found = append(found, &stored{id, info.Size(), info.ModTime()})
		return nil
	})
	if err != nil {
		return fmt.Errorf("file cache: %w", err)
	}
	slices.SortFunc(found, func(a, b *stored) int { return b.touched.Compare(a.touched) })
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range found {
		c.blocks[s.id] = c.used.PushBack(s)
		c.bytes += s.size
	}
	c.evict()
	return nil
}

// touchEvery is how often a block's file is told that it was used, which is what counts after a restart.
const touchEvery = 10 * time.Minute

// onDisk returns a block that is kept; nil: it is not.
func (c *Cache) onDisk(id blockID) []byte {
	c.mu.Lock()
	at, ok := c.blocks[id]
	touch := false
	if ok {
		c.used.MoveToFront(at)
		if s := at.Value.(*stored); time.Since(s.touched) > touchEvery {
			s.touched, touch = time.Now(), true
		}
	}
	c.mu.Unlock()
	if !ok {
		return nil
	}
	data, err := os.ReadFile(c.path(id))
	if n := len(data) - trailerBytes; err == nil && n >= 0 && int64(n) <= c.o.BlockBytes && string(appendSum(nil, id.sum(data[:n]))) == string(data[n:]) {
		if touch {
			_ = os.Chtimes(c.path(id), time.Time{}, time.Now()) // else it gives way earlier
		}
		return data[:n:n]
	}
	c.drop(id, at, err)
	return nil
}

// drop forgets a block that does not hold, unless it has given way already.
func (c *Cache) drop(id blockID, at *list.Element, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocks[id] != at {
		return
	}
	c.remove(at)
	c.m.dropped.WithLabelValues("damaged").Inc()
	c.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "block of the file cache is damaged and fetched again", slog.String("path", c.path(id)), slog.Any("err", err))
}

// remove takes a block away, under the lock.
func (c *Cache) remove(at *list.Element) {
	s := c.used.Remove(at).(*stored)
	delete(c.blocks, s.id)
	c.bytes -= s.size
	if err := os.Remove(c.path(s.id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "block of the file cache cannot be removed", slog.String("path", c.path(s.id)), slog.Any("err", err))
	}
	c.m.bytes.Set(float64(c.bytes))
}

// evict makes room, under the lock.
func (c *Cache) evict() {
	for c.bytes > c.o.Bytes {
		c.remove(c.used.Back())
		c.m.dropped.WithLabelValues("room").Inc()
	}
	c.m.bytes.Set(float64(c.bytes))
}

// keep writes a block. Where that fails it is not kept (F4); the log has the first of failures in a row.
func (c *Cache) keep(id blockID, data []byte) {
	err := c.write(id, data)
	c.mu.Lock()
	defer c.mu.Unlock()
	if first := err != nil && !c.failing; first {
		c.o.Logger.LogAttrs(context.Background(), slog.LevelWarn, "file cache cannot be written, the store is read straight", slog.String("path", c.o.Dir), slog.Any("err", err))
	}
	if c.failing = err != nil; err != nil {
		c.m.unwritten.Inc()
		return
	}
	if at, ok := c.blocks[id]; ok { // written by another one meanwhile
		c.used.MoveToFront(at)
		return
	}
	c.blocks[id] = c.used.PushFront(&stored{id, int64(len(data)) + trailerBytes, time.Now()})
	c.bytes += int64(len(data)) + trailerBytes
	c.evict()
}

func (c *Cache) write(id blockID, data []byte) error {
	path := c.path(id)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), newPrefix)
	if err != nil {
		return err
	}
	_, err = f.Write(appendSum(data[:len(data):len(data)], id.sum(data)))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path) // not synced: a block that was cut short does not hold its sum
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

func appendSum(b []byte, sum uint32) []byte {
	return append(b, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
}
