package run

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// domain gives the values of a group column ids that stay the same from query to query, in order of appearance; 0 is null.
type domain struct {
	id    *identity
	kind  stage.Kind
	count atomic.Int64 // ids there are
	bytes atomic.Int64 // of memory

	mu     sync.Mutex
	values stage.Column // by id
	words  map[uint64]uint32
	texts  map[string]uint32
}

func newDomain(k stage.Kind) *domain {
	d := &domain{id: new(identity), kind: k, values: stage.Column{Kind: k}, words: map[uint64]uint32{}, texts: map[string]uint32{}}
	d.values.AppendNull()
	d.count.Store(1)
	d.bytes.Store(256)
	return d
}

// view returns the values so far, by id. Those that are added later do not change it.
func (d *domain) view() stage.Column {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.values // which only ever grow behind what there is
}

// idsOf returns the id of each value of c, new ones where there are none yet.
func (d *domain) idsOf(ctx context.Context, c *stage.Column, nullFirst bool) ([]uint32, error) {
	if c.Kind != d.kind {
		return nil, fmt.Errorf("N2: values of kind %d, want %d", c.Kind, d.kind)
	}
	n, shift := c.Len(), 0
	if nullFirst {
		shift = 1
	}
	ids := make([]uint32, n+shift)
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.count.Store(int64(d.values.Len())) }()
	for i := range n {
		if i%8192 == 8191 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !c.IsNull(i) {
			ids[i+shift] = d.idOf(c, i)
		}
	}
	return ids, nil
}

func (d *domain) idOf(c *stage.Column, i int) uint32 {
	next := uint32(d.values.Len())
	if d.kind == stage.Bytes || d.kind == stage.Decimal128 {
		b := c.Bytes(i)
		id, ok := d.texts[string(b)]
		if !ok {
			id = next
			d.texts[string(b)] = id
			d.values.AppendBytes(b)
			d.bytes.Add(2*int64(len(b)) + 64)
		}
		return id
	}
	w := uint64(0)
	if d.kind == stage.Float64 {
		w = wordOf(c.Float(i))
	} else {
		w = uint64(c.Int(i))
	}
	id, ok := d.words[w]
	if !ok {
		id = next
		d.words[w] = id
		if d.kind == stage.Float64 {
			d.values.AppendFloat(math.Float64frombits(w))
		} else {
			d.values.AppendInt(int64(w))
		}
		d.bytes.Add(48)
	}
	return id
}

// wordOf is the same for values that group together: -0 is 0, and NaN is one.
func wordOf(v float64) uint64 {
	switch {
	case v != v:
		return math.Float64bits(math.NaN())
	case v == 0:
		return 0
	}
	return math.Float64bits(v)
}

// translate returns the id in dom of each code of d.
func (g *Group) translate(ctx context.Context, d *cells.Dict, dom *domain) ([]uint32, error) {
	if g.Values == nil {
		return dom.idsOf(ctx, &d.Values, true)
	}
	c, err := g.Values(ctx, d)
	if err != nil {
		return nil, err
	}
	if c.Len() != d.Len() {
		return nil, fmt.Errorf("N2: %d values of %d codes", c.Len(), d.Len())
	}
	return dom.idsOf(ctx, c, false)
}
