package dictionary

import (
	"bytes"
	"container/heap"
	"context"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// stream is values in ascending order, each with the blocks that have it, in no order. Both are valid until the next call.
type stream interface {
	next(ctx context.Context) (ok bool, err error)
	current() []byte
	blocks() []uint32
}

// column streams the values of one block.
type column struct {
	col   *stage.Column
	block [1]uint32
	i     int // of the next value
}

func (c *column) next(ctx context.Context) (bool, error) {
	c.i++
	return c.i <= c.col.Len(), ctx.Err()
}

func (c *column) current() []byte  { return c.col.Bytes(c.i - 1) }
func (c *column) blocks() []uint32 { return c.block[:] }

// union streams what several streams have, each value once.
type union struct {
	waiting []stream // not yet begun
	heap    streams
	value   []byte
	list    []uint32
}

func unionOf(list []stream) stream {
	if len(list) == 1 {
		return list[0]
	}
	return &union{waiting: list}
}

func (u *union) current() []byte  { return u.value }
func (u *union) blocks() []uint32 { return u.list }

func (u *union) next(ctx context.Context) (bool, error) {
	for _, s := range u.waiting {
		ok, err := s.next(ctx)
		if err != nil {
			return false, err
		}
		if ok {
			u.heap = append(u.heap, s)
		}
	}
	if u.waiting != nil {
		u.waiting = nil
		heap.Init(&u.heap)
	}
	if len(u.heap) == 0 {
		return false, nil
	}
	u.value = append(u.value[:0], u.heap[0].current()...)
	u.list = u.list[:0]
	for len(u.heap) > 0 && bytes.Equal(u.heap[0].current(), u.value) {
		u.list = append(u.list, u.heap[0].blocks()...)
		if ok, err := u.heap[0].next(ctx); err != nil {
			return false, err
		} else if ok {
			heap.Fix(&u.heap, 0)
		} else {
			heap.Pop(&u.heap)
		}
	}
	return true, nil
}

// ordered is a heap of what stands at a value.
type ordered[T interface{ current() []byte }] []T

type streams = ordered[stream]

func (s ordered[T]) Len() int           { return len(s) }
func (s ordered[T]) Less(i, j int) bool { return bytes.Compare(s[i].current(), s[j].current()) < 0 }
func (s ordered[T]) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *ordered[T]) Push(x any)        { *s = append(*s, x.(T)) }

func (s *ordered[T]) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

func (c *cursor) current() []byte { return c.value }

// lookup finds values in slices, which have no value in common. Values are asked in ascending order.
type lookup struct {
	waiting []*cursor // not yet begun
	heap    ordered[*cursor]
}

// find returns the cursor that stands at v, nil if no slice has it.
func (l *lookup) find(ctx context.Context, v []byte) (*cursor, error) {
	for _, c := range l.waiting {
		ok, err := c.seek(ctx, v)
		if err != nil {
			return nil, c.f.blame(err)
		}
		if ok {
			l.heap = append(l.heap, c)
		}
	}
	if l.waiting != nil {
		l.waiting = nil
		heap.Init(&l.heap)
	}
	for len(l.heap) > 0 {
		c := l.heap[0]
		switch bytes.Compare(c.value, v) {
		case 0:
			return c, nil
		case 1:
			return nil, nil
		}
		if ok, err := c.seek(ctx, v); err != nil {
			return nil, c.f.blame(err)
		} else if ok {
			heap.Fix(&l.heap, 0)
		} else {
			heap.Pop(&l.heap)
		}
	}
	return nil, nil
}
