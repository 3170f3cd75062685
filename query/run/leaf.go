package run

import (
	"bytes"
	"context"
	"sort"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// Edge is where a range ends. Value holds one value, of the dimension's kind and scale.
type Edge struct {
	Value *cells.Dict
	Open  bool // the value itself is outside
}

// Range is true of values between two edges; nil: without end. Of null it is null.
func Range(dim int, low, high *Edge) *Leaf {
	l := runs(dim, func(d *cells.Dict) (uint32, uint32) {
		from, to := uint32(1), uint32(d.Len())
		if low != nil {
			from = search(d, low.Value, low.Open)
		}
		if high != nil {
			to = search(d, high.Value, !high.Open)
		}
		return from, max(from, to)
	})
	for _, e := range []*Edge{low, high} {
		if e != nil {
			l.bytes += e.Value.Values.MemBytes()
		}
	}
	return l
}

// search returns the first code of d that is not below the value v; after: that is above it.
func search(d *cells.Dict, v *cells.Dict, after bool) uint32 {
	least := 0
	if after {
		least = 1
	}
	return uint32(1 + sort.Search(d.Len()-1, func(i int) bool { return d.Compare(uint32(i+1), v, 1) >= least }))
}

// HasPrefix is true of strings that begin with prefix. Of null it is null.
func HasPrefix(dim int, prefix []byte) *Leaf {
	return runs(dim, func(d *cells.Dict) (uint32, uint32) {
		n := d.Values.Len()
		from := sort.Search(n, func(i int) bool { return bytes.Compare(d.Values.Bytes(i), prefix) >= 0 })
		more := sort.Search(n-from, func(i int) bool { return !bytes.HasPrefix(d.Values.Bytes(from+i), prefix) })
		return uint32(1 + from), uint32(1 + from + more)
	})
}

// runs is a leaf that is true of one run of the values in their order.
func runs(dim int, run func(d *cells.Dict) (low, high uint32)) *Leaf {
	return &Leaf{
		Dim: dim, run: run,
		Truths: func(_ context.Context, d *cells.Dict) ([]Truth, error) {
			out := make([]Truth, d.Len())
			out[0] = Null
			low, high := run(d)
			for c := low; c < high; c++ {
				out[c] = True
			}
			return out, nil
		},
		May: func(bounds *cells.Dict, _ bool) bool {
			low, high := run(bounds)
			// Between the two bounds there may be a value of a run that holds neither of them.
			return low < high || low == 2
		},
	}
}

// In is true of the values of list. It is null of null, and where null is in the list too of all other values.
func In(dim int, key string, list *cells.Dict, null bool) *Leaf {
	other := False
	if null {
		other = Null
	} else if list.Len() == 2 {
		return Range(dim, &Edge{Value: list}, &Edge{Value: list}) // of one value: a run of one code, or of none
	}
	return &Leaf{
		Dim: dim, Key: key, bytes: list.Values.MemBytes(),
		Truths: func(ctx context.Context, d *cells.Dict) ([]Truth, error) {
			out := make([]Truth, d.Len())
			out[0] = Null
			for c := 1; c < len(out); c++ {
				out[c] = other
			}
			from := 1
			for v := uint32(1); int(v) < list.Len() && from < d.Len(); v++ {
				if v%1024 == 0 && ctx.Err() != nil {
					return nil, ctx.Err()
				}
				from += sort.Search(d.Len()-from, func(i int) bool { return d.Compare(uint32(from+i), list, v) >= 0 })
				if from < d.Len() && d.Compare(uint32(from), list, v) == 0 {
					out[from] = True
				}
			}
			return out, nil
		},
		May: func(bounds *cells.Dict, _ bool) bool {
			at := search(list, first(bounds), false)
			return int(at) < list.Len() && list.Compare(at, bounds, uint32(bounds.Len()-1)) <= 0
		},
	}
}

// first returns the first value of d as a dictionary.
func first(d *cells.Dict) *cells.Dict {
	out := &cells.Dict{Values: stage.Column{Kind: d.Values.Kind}}
	out.Values.AppendFrom(&d.Values, 0, 1)
	return out
}

// IsNull is true of null and false of values.
func IsNull(dim int) *Leaf {
	return &Leaf{
		Dim: dim,
		run: func(*cells.Dict) (uint32, uint32) { return 0, 1 },
		Truths: func(_ context.Context, d *cells.Dict) ([]Truth, error) {
			out := make([]Truth, d.Len())
			out[0] = True
			return out, nil
		},
		May: func(_ *cells.Dict, nulls bool) bool { return nulls },
	}
}
