package blob

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Mem is a Store in memory, for tests and the demo. The zero value is ready; it is safe for concurrent use.
type Mem struct {
	mu      sync.Mutex
	objects map[string]memObject
}

type memObject struct {
	data    []byte // never written again (B1), so readers share it
	created time.Time
}

func (m *Mem) get(key string) (memObject, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return memObject{}, fmt.Errorf("open %s: %w", key, ErrNotFound)
	}
	return o, nil
}

// Open implements Store. An offset at or past the end reads as empty.
func (m *Mem) Open(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if err := validateOpen(key, off); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open %s: %w", key, err)
	}
	o, err := m.get(key)
	if err != nil {
		return nil, err
	}
	data := o.data[min(off, int64(len(o.data))):]
	if n >= 0 {
		data = data[:min(n, int64(len(data)))]
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// Create implements Store.
func (m *Mem) Create(ctx context.Context, key string, body io.Reader) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	data, err := io.ReadAll(&bodyReader{ctx: ctx, r: body})
	if err != nil {
		return fmt.Errorf("create %s: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.objects[key]; ok {
		return fmt.Errorf("create %s: %w", key, ErrExists)
	}
	if m.objects == nil {
		m.objects = make(map[string]memObject)
	}
	m.objects[key] = memObject{data: data, created: time.Now()}
	return nil
}

// List implements Store. It yields what was there when it began.
func (m *Mem) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := validatePrefix(prefix); err != nil {
			yield(Object{}, err)
			return
		}
		m.mu.Lock()
		objects := maps.Clone(m.objects)
		m.mu.Unlock()
		for _, key := range slices.Sorted(maps.Keys(objects)) {
			if !strings.HasPrefix(key, prefix) {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(Object{}, fmt.Errorf("list %s: %w", prefix, err))
				return
			}
			o := objects[key]
			if !yield(Object{Key: key, Size: int64(len(o.data)), ModTime: o.created}, nil) {
				return
			}
		}
	}
}

// Stat implements Stater.
func (m *Mem) Stat(_ context.Context, key string) (Object, error) {
	if err := ValidateKey(key); err != nil {
		return Object{}, err
	}
	o, err := m.get(key)
	if err != nil {
		return Object{}, err
	}
	return Object{Key: key, Size: int64(len(o.data)), ModTime: o.created}, nil
}

// Delete implements Store.
func (m *Mem) Delete(ctx context.Context, key string) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

// bodyReader reads a body for Create: it stops when ctx is done and keeps the body's own error apart from errors of the
// store.
type bodyReader struct {
	ctx context.Context // for the time of one Create only
	r   io.Reader
	err error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		b.err = err
		return 0, err
	}
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		b.err = fmt.Errorf("read the body: %w", err)
		return n, b.err
	}
	return n, err
}
