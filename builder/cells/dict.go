package cells

import (
	"bytes"
	"slices"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// Dict holds the distinct values of a dimension, ascending (C1): whole numbers, dates, times and decimals by number,
// strings by their bytes, floats by number with -0 as 0 and one NaN last. Code 0 is null, code i is value i-1. Dicts are
// shared and never change.
type Dict struct {
	Values stage.Column // without nulls and without a dictionary of its own
}

// Len returns the number of codes, null's included.
func (d *Dict) Len() int { return d.Values.Len() + 1 }

// Compare orders the value of code i against that of code j of o, which is of the same dimension. Null comes first.
func (d *Dict) Compare(i uint32, o *Dict, j uint32) int {
	switch {
	case i == 0 || j == 0:
		return int(min(i, 1)) - int(min(j, 1))
	case d == o:
		return int(i) - int(j)
	case d.Values.Kind == stage.Float64:
		return compareWords(orderFloat(d.Values.Floats[i-1]), orderFloat(o.Values.Floats[j-1]))
	case inWords(d.Values.Kind):
		return compareWords(orderInt(d.Values.Ints[i-1]), orderInt(o.Values.Ints[j-1]))
	}
	return compareBytes(d.Values.Kind, d.Values.Bytes(int(i-1)), o.Values.Bytes(int(j-1)))
}

func compareWords(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// MergeDicts returns the dictionary of all values of ds, which are of one dimension, and what becomes of the codes:
// codes[k][c] is the code in merged of code c of ds[k]. codes[k] is nil where the codes of ds[k] stay as they are.
func MergeDicts(ds []*Dict) (merged *Dict, codes [][]uint32) {
	codes = make([][]uint32, len(ds))
	same := true
	for _, d := range ds[1:] {
		same = same && d == ds[0]
	}
	if same {
		return ds[0], codes
	}
	if inWords(ds[0].Values.Kind) {
		merged = mergeWords(ds, codes)
	} else {
		merged = mergeBytes(ds, codes)
	}
	for k, cs := range codes {
		if cs[len(cs)-1] == uint32(len(cs)-1) { // ascending and distinct: nothing has moved
			codes[k] = nil
		}
	}
	for k, d := range ds {
		if codes[k] == nil && d.Len() == merged.Len() {
			return d, codes
		}
	}
	return merged, codes
}

func mergeWords(ds []*Dict, codes [][]uint32) *Dict {
	var words []uint64
	for _, d := range ds {
		words = appendOrdered(words, &d.Values, 0, d.Values.Len())
	}
	groups, distinct := groupWords(words)
	at := 0
	for k, d := range ds {
		codes[k] = make([]uint32, d.Len())
		for c := 1; c < d.Len(); c, at = c+1, at+1 {
			codes[k][c] = groups[at] + 1
		}
	}
	out := &Dict{stage.Column{Kind: ds[0].Values.Kind}}
	for _, w := range distinct {
		appendWord(&out.Values, w)
	}
	return out
}

// cursor is a place in one of the dictionaries that are merged.
type cursor struct {
	prefix uint64
	value  []byte
	dict   int
	code   int
}

func (a *cursor) compare(k stage.Kind, b *cursor) int {
	if a.prefix != b.prefix {
		return compareWords(a.prefix, b.prefix)
	}
	return compareBytes(k, a.value, b.value)
}

// mergeBytes merges with a heap of cursors, the least value on top.
func mergeBytes(ds []*Dict, codes [][]uint32) *Dict {
	kind := ds[0].Values.Kind
	out := &Dict{stage.Column{Kind: kind}}
	var heap []cursor
	load := func(c *cursor) {
		c.value = ds[c.dict].Values.Bytes(c.code - 1)
		c.prefix = prefix(kind, c.value)
	}
	for k, d := range ds {
		codes[k] = make([]uint32, d.Len())
		if d.Len() > 1 {
			c := cursor{dict: k, code: 1}
			load(&c)
			heap = append(heap, c)
		}
	}
	down := func(i int) {
		for {
			least := i
			for child := 2*i + 1; child <= 2*i+2 && child < len(heap); child++ {
				if heap[child].compare(kind, &heap[least]) < 0 {
					least = child
				}
			}
			if least == i {
				return
			}
			heap[i], heap[least] = heap[least], heap[i]
			i = least
		}
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		down(i)
	}
	var last []byte
	for len(heap) > 0 {
		top := &heap[0]
		if out.Values.Len() == 0 || !bytes.Equal(last, top.value) {
			out.Values.AppendBytes(top.value)
			last = top.value
		}
		codes[top.dict][top.code] = uint32(out.Values.Len())
		if top.code++; top.code < ds[top.dict].Len() {
			load(top)
		} else {
			heap[0] = heap[len(heap)-1]
			heap = heap[:len(heap)-1]
		}
		down(0)
	}
	return out
}

// keep returns the dictionary of the codes that are used, and the codes of those in it; nil codes where all are used.
func (d *Dict) keep(used []bool) (*Dict, []uint32) {
	if !slices.Contains(used[1:], false) {
		return d, nil
	}
	codes := make([]uint32, d.Len())
	out := &Dict{stage.Column{Kind: d.Values.Kind}}
	for c := 1; c < d.Len(); c++ {
		if !used[c] {
			continue
		}
		switch {
		case d.Values.Kind == stage.Float64:
			out.Values.AppendFloat(d.Values.Floats[c-1])
		case inWords(d.Values.Kind):
			out.Values.AppendInt(d.Values.Ints[c-1])
		default:
			out.Values.AppendBytes(d.Values.Bytes(c - 1))
		}
		codes[c] = uint32(out.Len() - 1)
	}
	return out, codes
}
