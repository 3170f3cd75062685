package run

import (
	"context"
	"slices"
	"sync"
)

// axis gives the values of one group column ids of the query's own, without holes: only they size the arrays of groups.
// Where the domain has few values its own ids do, and nothing is to be worked out for a batch.
type axis struct {
	dom    *domain
	direct bool

	mu    sync.Mutex
	local []uint32 // by id in dom: id of the axis plus one, 0: none yet
	ids   []uint32 // by id of the axis: id in dom
	told  int64    // bytes that the query's memory has been told of
}

// bind returns the id of each code, given those in the domain, and how many ids there are. Of codes that p, unless it is
// nil, does not pick it says nothing. buf is memory for it.
func (x *axis) bind(ids []uint32, p *picks, buf []uint32) (tab, _ []uint32, size int) {
	if x.direct {
		return ids, buf, int(x.dom.count.Load())
	}
	low, high := uint32(0), uint32(len(ids))
	if p != nil {
		low, high = p.low, p.high
	}
	buf = slices.Grow(buf[:0], len(ids))[:len(ids)]
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := int(x.dom.count.Load()); n > len(x.local) {
		x.local = append(x.local, make([]uint32, n-len(x.local))...)
	}
	for c := low; c < high; c++ {
		if p != nil && p.of != nil && p.of[c] == 0 {
			continue
		}
		at := &x.local[ids[c]]
		if *at == 0 {
			x.ids = append(x.ids, ids[c])
			*at = uint32(len(x.ids))
		}
		buf[c] = *at - 1
	}
	return buf, buf, len(x.ids)
}

// domainIDs turns ids of the axis into those of its domain, in their place.
func (x *axis) domainIDs(ids []uint32) {
	if x.direct {
		return
	}
	for i, id := range ids {
		ids[i] = x.ids[id]
	}
}

// grown returns by how many bytes the axis has grown since it was asked last.
func (x *axis) grown() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := int64(4 * (cap(x.local) + cap(x.ids)))
	more := n - x.told
	x.told = n
	return more
}

// ids returns the id in the domain of each code of a dimension, kept from an earlier query where there was one (N7).
// The query's memory counts by how much the domain has grown.
func (q *Query) ids(ctx context.Context, g *Group, d *dimension, dom *domain) ([]uint32, error) {
	key := tableKey{dict: d.id, dom: dom.id}
	if v, ok := q.r.tables.get(key); ok {
		return v.([]uint32), nil
	}
	had := dom.bytes.Load()
	ids, err := g.translate(ctx, d.dict, dom)
	if err != nil {
		return nil, err
	}
	q.r.tables.put(key, ids, int64(64+4*len(ids)))
	return ids, q.mem.add(dom.bytes.Load() - had)
}

// pick returns what passes a condition on one dimension, kept from an earlier query where its key says that it can be.
func (r *Runner) pick(ctx context.Context, n *node, d *dimension) (*picks, error) {
	key := tableKey{dict: d.id, cond: n.key}
	if n.key != "" {
		if v, ok := r.tables.get(key); ok {
			return v.(*picks), nil
		}
	}
	p, err := r.work(ctx, n, d)
	if err == nil && n.key != "" {
		r.tables.put(key, p, p.bytes()+int64(len(n.key)))
	}
	return p, err
}

func (r *Runner) work(ctx context.Context, n *node, d *dimension) (*picks, error) {
	if n.leaf != nil {
		return n.leaf.pick(ctx, d.dict, n.want)
	}
	out, err := r.pick(ctx, n.of[0], d)
	for _, part := range n.of[1:] {
		if err != nil {
			return nil, err
		}
		var p *picks
		if p, err = r.pick(ctx, part, d); err == nil {
			out = n.join2(out, p, d.dict.Len())
		}
	}
	return out, err
}
