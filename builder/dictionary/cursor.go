package dictionary

import (
	"bytes"
	"context"
	"encoding/binary"
)

// cursor walks the values of a file in ascending order. It reads no frame that it is told to pass over.
type cursor struct {
	f           *file
	data, index window

	begun   bool
	entries []byte     // of the index frame in hand, not yet taken
	indexAt int64      // of the next index frame
	ahead   indexEntry // of the next frame of values, if there is more
	more    bool
	dataAt  int64 // of that frame
	seen    int64 // values in frames left behind or in hand
	frames  int64 // so many

	payload []byte // of the frame in hand, not yet taken
	left    int64  // values in it
	fresh   bool   // none of them was taken
	least   []byte // of the frame in hand
	read    bool   // value and id are set
	value   []byte
	id      int64
}

// cursor holds memory bytes, 64 KiB at least, and more for a value that is longer.
func (f *file) cursor(memory int64) *cursor {
	return &cursor{
		f: f, indexAt: f.foot.IndexOffset, dataAt: int64(len(magic)),
		data:  window{src: f.src, end: f.foot.IndexOffset, most: max(memory-leastAhead, leastAhead)},
		index: window{src: f.src, end: f.end, most: leastAhead},
	}
}

// next moves to the next value; ok is false behind the last one.
func (c *cursor) next(ctx context.Context) (ok bool, err error) {
	if err := c.begin(ctx); err != nil {
		return false, err
	}
	if c.left == 0 {
		if !c.more {
			return false, c.finish()
		}
		at, e := c.dataAt, c.ahead
		if err := c.leave(ctx); err != nil {
			return false, err
		}
		if err := c.load(ctx, at, e); err != nil {
			return false, err
		}
	}
	return true, c.take()
}

// seek moves to the first value that is not below v, never back; ok is false where there is none.
func (c *cursor) seek(ctx context.Context, v []byte) (ok bool, err error) {
	if c.read && bytes.Compare(c.value, v) >= 0 {
		return true, nil
	}
	if err := c.begin(ctx); err != nil {
		return false, err
	}
	if c.more && bytes.Compare(c.ahead.least, v) <= 0 {
		// The last frame that does not begin above v.
		at, e := c.dataAt, c.ahead
		for c.more && bytes.Compare(c.ahead.least, v) <= 0 {
			at, e = c.dataAt, c.ahead
			if err := c.leave(ctx); err != nil {
				return false, err
			}
		}
		if err := c.load(ctx, at, e); err != nil {
			return false, err
		}
	}
	for {
		if ok, err := c.next(ctx); !ok || err != nil {
			return false, err
		}
		if bytes.Compare(c.value, v) >= 0 {
			return true, nil
		}
	}
}

func (c *cursor) begin(ctx context.Context) error {
	if c.begun {
		return nil
	}
	c.begun = true
	return c.peek(ctx)
}

// peek takes the next entry of the index.
func (c *cursor) peek(ctx context.Context) error {
	c.more = len(c.entries) > 0 || c.indexAt < c.f.end
	if !c.more {
		return nil
	}
	if len(c.entries) == 0 {
		head, err := c.index.read(ctx, c.indexAt, 4)
		if err != nil {
			return err
		}
		size := frameGuard + int64(binary.LittleEndian.Uint32(head))
		text, err := c.index.read(ctx, c.indexAt, size)
		if err != nil {
			return err
		}
		if c.entries, err = openFrame(text); err != nil {
			return err
		}
		c.indexAt += size
	}
	var err error
	c.ahead, c.entries, err = takeIndex(c.entries)
	return err
}

// leave steps over the frame ahead.
func (c *cursor) leave(ctx context.Context) error {
	if c.read && bytes.Compare(c.value, c.ahead.least) >= 0 || c.frames > 0 && bytes.Compare(c.least, c.ahead.least) >= 0 {
		return damaged("the index is not in order")
	}
	c.least = append(c.least[:0], c.ahead.least...)
	c.dataAt += frameGuard + c.ahead.payload
	c.seen += c.ahead.values
	c.frames++
	return c.peek(ctx)
}

// load reads the frame that was left behind last.
func (c *cursor) load(ctx context.Context, at int64, e indexEntry) error {
	b, err := c.data.read(ctx, at, frameGuard+e.payload)
	if err != nil {
		return err
	}
	if b, err = openFrame(b); err != nil {
		return err
	}
	c.payload, c.left, c.fresh = b, e.values, true
	return nil
}

// take takes the next value of the frame in hand.
func (c *cursor) take() (err error) {
	before := c.id
	if c.fresh {
		c.value, before = c.value[:0], -1
	}
	c.payload, c.value, c.id, err = takeEntry(c.payload, c.value, before, c.fresh)
	if err != nil {
		return err
	}
	if c.fresh && bytes.Compare(c.value, c.least) < 0 {
		return damaged("a frame begins below what the index says")
	}
	if f := c.f.foot; c.id < f.FirstID || c.id >= f.FirstID+f.Values {
		return damaged("slice %d with %d values from id %d has id %d", f.Slice, f.Values, f.FirstID, c.id)
	}
	c.read, c.fresh = true, false
	if c.left--; c.left == 0 && len(c.payload) > 0 {
		return damaged("a frame has more values than the index says")
	}
	return nil
}

// finish checks, behind the last value, that the index has led to all of them.
func (c *cursor) finish() error {
	if f := c.f.foot; c.seen != f.Values || c.frames != f.Frames || c.dataAt != f.IndexOffset {
		return damaged("%d values in %d frames of %d bytes were found, the footer says %d in %d of %d",
			c.seen, c.frames, c.dataAt, f.Values, f.Frames, f.IndexOffset)
	}
	return nil
}
