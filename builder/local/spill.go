package local

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/zeebo/xxh3"
)

// folder is where a build keeps temporary files. Files are whole or end in partSuffix.
type folder struct {
	path  string
	disk  *disk
	files files
}

// files makes temporary files. Tests have a disk that is full.
type files interface {
	create(path string) (handle, error)
	open(path string) (handle, error)
	rename(from, to string) error
}

type handle interface {
	io.Writer
	io.ReaderAt
	io.Closer
	Stat() (os.FileInfo, error)
}

// osFiles are those of the operating system.
type osFiles struct{}

func (osFiles) create(path string) (handle, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
}
func (osFiles) open(path string) (handle, error) { return os.Open(path) }
func (osFiles) rename(from, to string) error     { return os.Rename(from, to) }

const partSuffix = ".part"

// frame is a run of bytes of a file.
type frame struct {
	At   int64
	Size int64
	Rows int
	Hash uint64 // xxh3 of the bytes
}

// file is a temporary file: written by one goroutine, finished, then read.
type file struct {
	in     folder
	name   string
	f      handle // nil: closed
	w      *bufio.Writer
	frames []frame
	size   int64 // written or buffered
	taken  int64 // of the disk's limit
	full   bool  // finish was called
	lent   bool  // another one accounts for it and removes it
}

// spillStep is how much is taken of the disk's limit at once.
const spillStep = 1 << 20

func (d folder) create(name string) (*file, error) {
	s := &file{in: d, name: name}
	f, err := d.files.create(filepath.Join(d.path, name+partSuffix))
	if err != nil {
		return nil, s.wrap(err)
	}
	s.f, s.w = f, bufio.NewWriterSize(f, 256<<10)
	return s, nil
}

// add writes one frame.
func (s *file) add(data []byte, rows int) error {
	fr := frame{At: s.size, Size: int64(len(data)), Rows: rows, Hash: xxh3.Hash(data)}
	if err := s.write(data); err != nil {
		return err
	}
	s.frames = append(s.frames, fr)
	return nil
}

func (s *file) write(data []byte) error {
	n := int64(len(data))
	for s.size+n > s.taken {
		step := max(spillStep, s.size+n-s.taken)
		if err := s.in.disk.take(step); err != nil {
			return err
		}
		s.taken += step
	}
	if _, err := s.w.Write(data); err != nil {
		return s.wrap(err)
	}
	s.size += n
	return nil
}

// wrap says what to do about a disk that is full.
func (s *file) wrap(err error) error {
	if full := asDiskFull(s.in.path, err); full != nil {
		return full
	}
	return fmt.Errorf("temporary file %s: %w", s.name, err)
}

// spillMagic ends a file that is whole: [frames] [count u32] [magic 8].
const spillMagic = "tmspill1"

// flush makes what was written readable, of a file that no other attempt can use.
func (s *file) flush() error {
	if err := s.push(); err != nil {
		return err
	}
	s.w = nil
	s.in.disk.give(s.taken - s.size)
	s.taken = s.size
	return nil
}

// push makes what was written readable; more may be written.
func (s *file) push() error {
	if err := s.w.Flush(); err != nil {
		return s.wrap(err)
	}
	return nil
}

// finish writes what is left, with the list of frames behind it, and gives the file its name.
func (s *file) finish() error {
	var tail []byte
	for _, fr := range s.frames {
		tail = binary.LittleEndian.AppendUint64(tail, uint64(fr.At))
		tail = binary.LittleEndian.AppendUint64(tail, uint64(fr.Size))
		tail = binary.LittleEndian.AppendUint64(tail, uint64(fr.Rows))
		tail = binary.LittleEndian.AppendUint64(tail, fr.Hash)
	}
	tail = binary.LittleEndian.AppendUint64(tail, xxh3.Hash(tail))
	tail = binary.LittleEndian.AppendUint32(tail, uint32(len(s.frames)))
	tail = append(tail, spillMagic...)
	if err := s.write(tail); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	path := filepath.Join(s.in.path, s.name)
	if err := s.in.files.rename(path+partSuffix, path); err != nil {
		return s.wrap(err)
	}
	s.full = true
	return nil
}

// open opens a file that an earlier attempt finished; ok is false where there is none that is whole. All of it is read: a
// machine that went down may have kept the name and lost the bytes, and that is as good as absent.
func (d folder) open(name string) (s *file, ok bool, err error) {
	if s, err = d.finished(name); errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, err
	}
	err = s.readFrames()
	for i := 0; i < len(s.frames) && err == nil; i++ {
		_, err = s.read(s.frames[i])
	}
	if err != nil {
		s.f.Close() // read only
		return nil, false, nil
	}
	if err := d.disk.take(s.size); err != nil {
		s.f.Close()
		return nil, false, err
	}
	s.taken = s.size
	return s, true, nil
}

// clear removes the files whose names end so.
func (d folder) clear(suffix string) error {
	list, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("temporary files: %w", err)
	}
	for _, e := range list {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		if err := os.Remove(filepath.Join(d.path, e.Name())); err != nil {
			return fmt.Errorf("temporary files: %w", err)
		}
	}
	return nil
}

func (d folder) finished(name string) (*file, error) {
	s := &file{in: d, name: name, full: true}
	f, err := d.files.open(filepath.Join(d.path, name))
	if err != nil {
		return nil, s.wrap(err)
	}
	s.f = f
	return s, nil
}

// lend opens a finished file once more, for somebody who reads only.
func (s *file) lend() (*file, error) {
	again, err := s.in.finished(s.name)
	if err != nil {
		return nil, err
	}
	again.frames, again.size, again.lent = s.frames, s.size, true
	return again, nil
}

func (s *file) readFrames() error {
	info, err := s.f.Stat()
	if err != nil {
		return err
	}
	const end, each = 8 + 4 + len(spillMagic), 32
	s.size = info.Size()
	tail := make([]byte, end)
	if _, err := s.f.ReadAt(tail, s.size-int64(end)); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(tail[8:]))
	start := s.size - int64(end) - n*each
	if string(tail[12:]) != spillMagic || start < 0 {
		return io.ErrUnexpectedEOF
	}
	list := make([]byte, n*each)
	if _, err := s.f.ReadAt(list, start); err != nil {
		return err
	}
	if binary.LittleEndian.Uint64(tail) != xxh3.Hash(list) {
		return io.ErrUnexpectedEOF
	}
	at := int64(0)
	for ; len(list) > 0; list = list[each:] {
		u := func(i int) uint64 { return binary.LittleEndian.Uint64(list[8*i:]) }
		fr := frame{At: int64(u(0)), Size: int64(u(1)), Rows: int(u(2)), Hash: u(3)}
		if fr.At != at || fr.Size < 0 || fr.Size > start-at || fr.Rows < 0 {
			return io.ErrUnexpectedEOF
		}
		at += fr.Size
		s.frames = append(s.frames, fr)
	}
	if at != start {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// read returns the bytes of a frame of a finished file. Several may read at once.
func (s *file) read(fr frame) ([]byte, error) {
	buf := make([]byte, fr.Size)
	if _, err := s.f.ReadAt(buf, fr.At); err != nil {
		return nil, s.wrap(err)
	}
	if xxh3.Hash(buf) != fr.Hash {
		return nil, fmt.Errorf("temporary file %s: its bytes have changed since they were written", s.name)
	}
	return buf, nil
}

// close forgets the file, which stays on disk for another attempt.
func (s *file) close() {
	s.shut()
	s.in.disk.give(s.taken)
	s.taken = 0
}

// shut closes a file that stays, and counts.
func (s *file) shut() {
	if s.f != nil {
		s.f.Close() // what was not finished is of no use, what was finished has been flushed
		s.f = nil
	}
}

// remove deletes it.
func (s *file) remove() {
	s.close()
	if s.lent {
		return
	}
	path := filepath.Join(s.in.path, s.name)
	if !s.full {
		path += partSuffix
	}
	_ = os.Remove(path) // what stays goes with the folder
}
