package filecache

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

// Cache is a store whose objects are read by way of local disk. It may be used by any number of goroutines at once, but its folder by
// one Cache alone.
type Cache struct {
	blob.Store
	o Options
	m *metrics

	mu      sync.Mutex // guards all below
	blocks  map[blockID]*list.Element
	used    list.List // of *stored, the last used first
	bytes   int64
	failing bool // the last block could not be written
	flights map[blockID]*flight
}

// flight is a block that is being fetched.
type flight struct {
	done chan struct{}
	data []byte // nil: whoever waits must ask again
}

// New opens a cache of a store, with what an earlier one has left in the folder.
func New(st blob.Store, o Options) (*Cache, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("file cache: %w", err)
	}
	m, err := newMetrics(o.Registry)
	if err != nil {
		return nil, fmt.Errorf("file cache metrics: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("file cache: %w", err)
	}
	c := &Cache{Store: st, o: o, m: m, blocks: map[blockID]*list.Element{}, flights: map[blockID]*flight{}}
	m.limit.Set(float64(o.Bytes))
	return c, c.scan()
}

// Stat implements blob.Stater.
func (c *Cache) Stat(ctx context.Context, key string) (blob.Object, error) {
	return blob.Stat(ctx, c.Store, key)
}

// Open implements blob.Store.
func (c *Cache) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if off < 0 || n == 0 || blob.ValidateKey(key) != nil {
		return c.Store.Open(ctx, key, off, n)
	}
	r := &reader{
		c: c, at: off, left: n,
		load: func(first, count int64) ([][]byte, error) { return c.load(ctx, key, first, count) },
	}
	return r, r.fill() // what is not there is said now
}

// object is the name of an object in blockIDs.
func (c *Cache) object(key string) (id [16]byte) {
	sum := sha256.Sum256([]byte(c.o.Store + "\x00" + fmt.Sprint(c.o.BlockBytes) + "\x00" + key))
	return [16]byte(sum[:16])
}

// aheadBlocks is how many blocks that lie side by side are fetched by one call of the store.
const aheadBlocks = 8

// load returns a block, and those behind it that came with it, at most count. One that is shorter than all is the object's last.
func (c *Cache) load(ctx context.Context, key string, first, count int64) ([][]byte, error) {
	id := blockID{c.object(key), first}
	for {
		if data := c.onDisk(id); data != nil {
			c.m.blocks.WithLabelValues("kept").Inc()
			return [][]byte{data}, nil
		}
		mine, other := c.claim(id, min(count, aheadBlocks))
		if len(mine) > 0 {
			c.m.blocks.WithLabelValues("fetched").Add(float64(len(mine)))
			return c.fetch(ctx, key, id, mine)
		}
		if other == nil {
			continue // it has come meanwhile
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if other.data != nil {
			c.m.blocks.WithLabelValues("waited").Inc()
			return [][]byte{other.data}, nil
		}
	}
}

// claim makes blocks the caller's to fetch: the first one and those behind it that nobody has or fetches. Where another one fetches
// the first, his flight is returned; nothing, where it is there.
func (c *Cache) claim(id blockID, count int64) (mine []*flight, other *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[id]; f != nil {
		return nil, f
	}
	if c.blocks[id] != nil {
		return nil, nil
	}
	for i := range count {
		at := blockID{id.object, id.n + i}
		if c.blocks[at] != nil || c.flights[at] != nil {
			break
		}
		f := &flight{done: make(chan struct{})}
		c.flights[at] = f
		mine = append(mine, f)
	}
	return mine, nil
}

// fetch reads blocks that were claimed, and keeps them.
func (c *Cache) fetch(ctx context.Context, key string, id blockID, mine []*flight) (list [][]byte, err error) {
	landed := 0
	land := func(data []byte) {
		c.mu.Lock()
		defer c.mu.Unlock()
		mine[landed].data = data
		delete(c.flights, blockID{id.object, id.n + int64(landed)})
		close(mine[landed].done)
		landed++
	}
	defer func() { // also after a panic: nobody waits for what does not come
		for landed < len(mine) {
			land(nil)
		}
	}()
	size := c.o.BlockBytes
	body, err := c.Store.Open(ctx, key, id.n*size, int64(len(mine))*size)
	if err != nil {
		return nil, err
	}
	defer body.Close() // it is only read
	for i := range mine {
		data := make([]byte, size)
		n, err := io.ReadFull(body, data)
		c.m.fetched.Add(float64(n))
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return nil, fmt.Errorf("read %s at %d: %w", key, (id.n+int64(i))*size+int64(n), err)
		}
		data = data[:n:n]
		if last {
			if err := c.ends(ctx, key, (id.n+int64(i))*size, int64(n)); err != nil {
				return nil, err
			}
		}
		c.keep(blockID{id.object, id.n + int64(i)}, data)
		land(data)
		if list = append(list, data); last {
			break
		}
	}
	return list, nil
}

// ends checks that an object ends where its bytes did: what was cut short must not be kept (F1).
func (c *Cache) ends(ctx context.Context, key string, off, n int64) error {
	o, err := blob.Stat(ctx, c.Store, key)
	if err != nil {
		return err
	}
	if end := off + n; end != o.Size && (n > 0 || off < o.Size) {
		return fmt.Errorf("read %s: %w: it ended at %d of %d bytes", key, blob.ErrUnavailable, end, o.Size)
	}
	return nil
}

// reader reads a range of an object, some blocks at a time.
type reader struct {
	c        *Cache
	load     func(first, count int64) ([][]byte, error)
	at, left int64  // of what is to be read; left < 0: to the end
	now      []byte // of the block at which it stands, from at on
	ahead    [][]byte
	next     int64 // number of ahead's first block
	end      bool  // now is the object's last
}

// fill moves to the block of at.
func (r *reader) fill() error {
	size := r.c.o.BlockBytes
	n := r.at / size
	if len(r.ahead) == 0 || r.next != n {
		count := int64(aheadBlocks)
		if r.left >= 0 {
			count = min((r.at+r.left-1)/size-n+1, aheadBlocks)
		}
		var err error
		if r.ahead, err = r.load(n, count); err != nil {
			return err
		}
	}
	block := r.ahead[0]
	r.ahead, r.next, r.end = r.ahead[1:], n+1, int64(len(block)) < size
	r.now = block[min(r.at-n*size, int64(len(block))):]
	return nil
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.left != 0 && len(r.now) == 0 {
		if r.end {
			return 0, io.EOF
		}
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	if r.left > 0 && int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n := copy(p, r.now)
	r.now, r.at = r.now[n:], r.at+int64(n)
	if r.left > 0 {
		r.left -= int64(n)
	}
	return n, nil
}

func (r *reader) Close() error { return nil }
