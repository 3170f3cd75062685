package run

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"math"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// sortKey is a column that rows are sorted by.
type sortKey struct {
	Order
	values stage.Column
	ids    []uint32 // of a group column: the place in values of each row; nil: its own
}

// at returns the place of a row's value.
func (k *sortKey) at(row uint32) int {
	if k.ids != nil {
		return int(k.ids[row])
	}
	return int(row)
}

// compare orders two rows by the key.
func (k *sortKey) compare(a, b uint32) int {
	i, j := k.at(a), k.at(b)
	switch a, b := k.values.IsNull(i), k.values.IsNull(j); {
	case a && b:
		return 0
	case a || b:
		if a == k.NullsFirst {
			return -1
		}
		return 1
	}
	c := compareValues(&k.values, i, j)
	if k.Descending {
		return -c
	}
	return c
}

// compareValues orders two values that are not null: floats with NaN last, strings by their bytes.
func compareValues(c *stage.Column, i, j int) int {
	switch c.Kind {
	case stage.Float64:
		return cmp.Compare(floatOrder(c.Floats[i]), floatOrder(c.Floats[j]))
	case stage.Bytes:
		return bytes.Compare(c.Bytes(i), c.Bytes(j))
	case stage.Decimal128:
		a, b := c.Bytes(i), c.Bytes(j)
		if a[0]^b[0] >= 0x80 {
			return cmp.Compare(int8(a[0]), int8(b[0]))
		}
		return bytes.Compare(a, b)
	}
	return cmp.Compare(c.Ints[i], c.Ints[j])
}

// floatOrder compares as floats do, with -0 as 0 and NaN last.
func floatOrder(v float64) uint64 {
	w := wordOf(v)
	switch {
	case v != v:
		return math.MaxUint64
	case w>>63 != 0:
		return ^w
	}
	return w | 1<<63
}

// words returns for each of n rows a number that ascends where the key does not descend: most rows are told apart by them
// alone. Nulls are at the end where they belong, beside the values that are there too.
func (k *sortKey) words(n int) []uint64 {
	out := make([]uint64, n)
	narrow := k.values.Kind == stage.Decimal128 && fits64(&k.values)
	for row := range out {
		i := k.at(uint32(row))
		if k.values.IsNull(i) {
			if !k.NullsFirst {
				out[row] = math.MaxUint64
			}
			continue
		}
		w := uint64(0)
		switch k.values.Kind {
		case stage.Float64:
			w = floatOrder(k.values.Floats[i])
		case stage.Bytes:
			var b [8]byte
			copy(b[:], k.values.Bytes(i))
			w = binary.BigEndian.Uint64(b[:])
		case stage.Decimal128:
			b := k.values.Bytes(i)
			if narrow {
				b = b[8:]
			}
			w = binary.BigEndian.Uint64(b) ^ 1<<63
		default:
			w = uint64(k.values.Ints[i]) ^ 1<<63
		}
		if k.Descending {
			w = ^w
		}
		out[row] = w
	}
	return out
}

// fits64 reports whether all numbers fit into 64 bits.
func fits64(c *stage.Column) bool {
	for i := range c.Len() {
		b := c.Bytes(i)
		if binary.BigEndian.Uint64(b) != uint64(int64(binary.BigEndian.Uint64(b[8:]))>>63) {
			return false
		}
	}
	return true
}

// key lays out a column to sort by: of groups only the places of values, which are there already.
func (q *Query) key(o Order, results []*result) (*sortKey, error) {
	if o.Column >= len(q.a.Groups) {
		v, err := q.allValues(o.Column, results)
		return &sortKey{Order: o, values: v}, err
	}
	return &sortKey{Order: o, values: q.values(o.Column), ids: groupIDs(o.Column, results)}, nil
}

// sorted returns rows in the order of the answer, and of them no more than its limit leaves. Rows that are equal by it are in
// the order of their groups, then of grouping sets (N6).
func (q *Query) sorted(ctx context.Context, results []*result, rows []uint32) ([]uint32, error) {
	orders := slices.Clone(q.a.Order)
	for g := range q.a.Groups {
		orders = append(orders, Order{Column: g})
	}
	var keys []*sortKey
	for _, o := range orders {
		k, err := q.key(o, results)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return rows, nil
	}
	first := keys[0].words(rowsOf(results))
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	compare := func(a, b uint32) int {
		if first[a] != first[b] {
			return cmp.Compare(first[a], first[b])
		}
		for _, k := range keys {
			if c := k.compare(a, b); c != 0 {
				return c
			}
		}
		return cmp.Compare(a, b)
	}
	if q.a.Limit != nil {
		if n := *q.a.Limit + q.a.Offset; n >= 0 && n < int64(len(rows))/4 {
			rows = least(rows, int(n), compare)
		}
	}
	slices.SortFunc(rows, compare)
	return rows, nil
}

// least returns the n least of rows in no order: a heap of them, the greatest on top.
func least(rows []uint32, n int, compare func(a, b uint32) int) []uint32 {
	if n == 0 {
		return nil
	}
	heap := slices.Clone(rows[:n])
	down := func(i int) {
		for {
			top := i
			for child := 2*i + 1; child <= 2*i+2 && child < n; child++ {
				if compare(heap[child], heap[top]) > 0 {
					top = child
				}
			}
			if top == i {
				return
			}
			heap[i], heap[top] = heap[top], heap[i]
			i = top
		}
	}
	for i := n/2 - 1; i >= 0; i-- {
		down(i)
	}
	for _, row := range rows[n:] {
		if compare(row, heap[0]) < 0 {
			heap[0] = row
			down(0)
		}
	}
	return heap
}

// having returns the rows that pass the answer's condition: its columns are turned into dictionaries and codes, and filtered as
// any batch is.
func (q *Query) having(ctx context.Context, results []*result, rows []uint32) ([]uint32, error) {
	n := compile(q.a.Having, false)
	b := &Batch{n: len(rows), dims: make([]*dimension, len(q.a.schema.Fields()))}
	for _, c := range n.dims(nil) {
		if b.dims[c] != nil {
			continue
		}
		v, err := q.allValues(c, results)
		if err != nil {
			return nil, err
		}
		d, codes := dictOf(&v)
		b.dims[c] = &dimension{id: new(identity), dict: d, codes: codes}
	}
	where, err := q.r.bind(ctx, n, b, nil)
	if err != nil || where.never {
		return nil, err
	}
	if where.all() {
		return rows, nil
	}
	s := q.r.getScratch()
	defer q.r.scratch.Put(s)
	var out []uint32
	for from := 0; from < len(rows); from += morsel {
		out = append(out, where.rows(s, s.rows, from, min(morsel, len(rows)-from))...)
	}
	return out, nil
}

// dictOf returns the dictionary of a column and the codes of its rows.
func dictOf(c *stage.Column) (*cells.Dict, []uint32) {
	d := &cells.Dict{Values: stage.Column{Kind: c.Kind}}
	codes := make([]uint32, c.Len())
	rows := slices.DeleteFunc(iota32(c.Len()), func(r uint32) bool { return c.IsNull(int(r)) })
	slices.SortFunc(rows, func(a, b uint32) int { return compareValues(c, int(a), int(b)) })
	for i, r := range rows {
		if i == 0 || compareValues(c, int(rows[i-1]), int(r)) != 0 {
			d.Values.AppendFrom(c, int(r), int(r)+1)
		}
		codes[r] = uint32(d.Values.Len())
	}
	return d, codes
}
