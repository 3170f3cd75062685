package query

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/query/source"
)

// results keeps answers under a limit of bytes, by what they were made of (Q8): those that were not asked for the longest give way.
type results struct {
	limit int64
	m     *metrics

	mu    sync.Mutex
	items map[resultKey]*list.Element
	order list.List // of *result, the one asked for last in front
	bytes int64
}

// resultKey is a hash of the plan of a statement and of the events that it reads.
type resultKey [sha256.Size]byte

// result is an answer. It never changes.
type result struct {
	key      resultKey
	schema   *arrow.Schema
	records  []arrow.Record
	blocks   []BlockReport
	warnings []string
	from     string
	bytes    int64
}

// largestResult is the part of all bytes that one answer may take.
const largestResult = 16

// resultBytes is about what an answer takes beside its rows.
const resultBytes = 2048

func newResults(limit int64, m *metrics) *results {
	return &results{limit: limit, m: m, items: map[resultKey]*list.Element{}}
}

func (c *results) get(key resultKey) *result {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.items[key]
	if !ok {
		return nil
	}
	c.order.MoveToFront(at)
	r := at.Value.(*result)
	for _, rec := range r.records {
		rec.Retain() // for the caller: it may give way at once
	}
	return r
}

// put keeps an answer, whose records are its own from now on.
func (c *results) put(r *result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[r.key]; ok {
		r.release()
		return
	}
	c.items[r.key] = c.order.PushFront(r)
	for c.bytes += r.bytes; c.bytes > c.limit; {
		old := c.order.Remove(c.order.Back()).(*result)
		delete(c.items, old.key)
		c.bytes -= old.bytes
		old.release()
		c.m.resultsDropped.Inc()
	}
	c.m.resultBytes.Set(float64(c.bytes))
}

func (r *result) release() {
	for _, rec := range r.records {
		rec.Release()
	}
}

// add keeps one more record; false: the answer is too large to be kept.
func (r *result) add(rec arrow.Record, limit int64) bool {
	rec.Retain()
	r.records, r.bytes = append(r.records, rec), r.bytes+recordBytes(rec)
	return r.bytes <= limit/largestResult
}

// recordBytes is what a record holds of memory.
func recordBytes(rec arrow.Record) (n int64) {
	for _, c := range rec.Columns() {
		n += dataBytes(c.Data())
	}
	return n
}

func dataBytes(d arrow.ArrayData) (n int64) {
	for _, b := range d.Buffers() {
		if b != nil {
			n += int64(b.Len())
		}
	}
	for _, c := range d.Children() {
		n += dataBytes(c)
	}
	return n
}

// fixed reports whether a statement has the same answer as long as events are the same.
func (e *Engine) fixed(root duck.Query, st *plan.Statement) bool {
	fixed := !st.Timely && e.random(root) == ""
	duck.Walk(root, func(n duck.Node) bool {
		if f, ok := n.(*duck.Function); ok {
			fixed = fixed && e.db.Functions().Kind(f.Name) != duck.PerStatement
		}
		return fixed
	})
	return fixed // snapshots of lookup tables are those of the plan
}

// random names what of a statement gives another answer each time that it is asked; "": nothing does.
func (e *Engine) random(root duck.Query) (name string) {
	duck.Walk(root, func(n duck.Node) bool {
		switch n := n.(type) {
		case *duck.Function:
			if e.db.Functions().Kind(n.Name) == duck.Volatile {
				name = n.Name + "()"
			}
		case *duck.Select:
			if len(n.Sample) > 0 {
				name = "USING SAMPLE"
			}
		}
		return name == ""
	})
	return name
}

// known returns the answer over what the snapshots have, if it is kept; it also finds the key under which it would be.
func (x *execution) known(ctx context.Context) *result {
	x.key = nil
	if x.e.results == nil {
		return nil
	}
	key, ok := x.resultKey(ctx)
	if !ok {
		x.e.m.results.WithLabelValues("never").Inc()
		return nil
	}
	x.key = &key
	r := x.e.results.get(key)
	if r != nil {
		x.e.m.results.WithLabelValues("kept").Inc()
	} else {
		x.e.m.results.WithLabelValues("made").Inc()
	}
	return r
}

func (x *execution) resultKey(ctx context.Context) (key resultKey, ok bool) {
	if !x.p.fixed {
		return key, false
	}
	b := binary.AppendVarint(make([]byte, 0, 1024), x.p.id)
	b = fmt.Appendf(b, "%s %+v", x.policy(), x.r.AsOf)
	each := func(t *tableRun, r plan.Range) {
		if b = append(b, '#'); !ok || r.Empty() {
			return
		}
		if t.cube != nil {
			b = append(b, t.cube.def.ID...)
		}
		var times []source.Span
		if r != plan.Always() {
			times = spans([]plan.Range{r})
		}
		b, ok = t.snap.AppendContent(ctx, b, times)
	}
	ok = true
	for _, r := range x.blocks {
		each(r.t, r.p.b.Time)
	}
	for _, s := range x.scans {
		each(s.t, s.s.Time)
	}
	return sha256.Sum256(b), ok
}

// kept is an answer that was made before, over the same events.
func (x *execution) kept(r *result) *Answer {
	a := &Answer{x: x, Cached: true, Schema: r.schema, only: append([]arrow.Record{}, r.records...), Blocks: r.blocks, Warnings: r.warnings, Tables: x.covers()}
	x.from = r.from
	x.e.history.note(x.id, func(run *Running) { run.Blocks = a.Blocks })
	for _, t := range x.tables {
		t.snap.Release()
	}
	return a
}

// gather makes an answer keep its rows as they are handed out.
func (a *Answer) gather() {
	if a.x.key != nil {
		a.keep = &result{key: *a.x.key, schema: a.Schema, blocks: a.Blocks, warnings: a.Warnings, from: a.x.from, bytes: resultBytes}
	}
}

// gathered takes in a record, or keeps the answer once it is whole.
func (a *Answer) gathered(rec arrow.Record, whole bool) {
	switch {
	case a.keep == nil:
	case whole:
		a.x.e.results.put(a.keep)
		a.keep = nil
	case !a.keep.add(rec, a.x.e.results.limit):
		a.drop()
	}
}

// drop forgets what was gathered.
func (a *Answer) drop() {
	if a.keep != nil {
		a.keep.release()
		a.keep = nil
	}
}
