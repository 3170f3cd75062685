package cuboid

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Estimate is what a cuboid will be like, by a sample.
type Estimate struct {
	Cuboid uint64
	Rows   int64
	Bytes  int64  // in files
	Parent uint64 // the cuboid that it is made from; of the base itself
}

// EstimateCuboids guesses rows and bytes of cuboids, which ascend with the base last, for a segment of so many events, by
// the base cells of a sample of them. Rows are scaled by the estimator of Charikar and others (GEE): what came once in a
// sample of n of N events stands for sqrt(N/n) rows, what came more often for one; it is off by at most that factor. Bytes
// of dimensions are those of the base cells, and of states those of the cuboid's own rows: a sketch of a smaller cuboid holds
// more. Sketches grow by sqrt(N/n) too, up to what they take at most.
func EstimateCuboids(l *cells.Layout, masks []uint64, sample *cells.Cells, events int64) ([]Estimate, error) {
	counts := slices.IndexFunc(l.Measures, func(m cells.Measure) bool { return m.Function == cube.Count && m.Column == "" })
	if counts < 0 {
		return nil, fmt.Errorf("the cube has no measure count")
	}
	sampled := sum(sample.States[counts].Columns(0, sample.Len())[0].Ints)
	if sampled == 0 {
		return nil, fmt.Errorf("a sample without events")
	}
	w, err := newSizer(l, sample, max(64, encodedRows/len(masks)))
	if err != nil {
		return nil, err
	}
	scale := math.Sqrt(max(1, float64(events)/float64(sampled)))
	made, kept := map[uint64]*cells.Cells{}, int64(0)
	out := make([]Estimate, 0, len(masks))
	for _, mask := range slices.Backward(slices.SortedFunc(slices.Values(masks), bySize)) {
		from := sample
		for m, c := range made {
			if m&mask == mask && (c.Len() < from.Len() || c.Len() == from.Len() && m < from.Mask) {
				from = c
			}
		}
		c := sample
		if mask != sample.Mask {
			if c, err = l.Combine(mask, cells.Part{Cells: from, To: from.Len()}); err != nil {
				return nil, err
			}
		}
		if n := c.MemBytes(); kept+n <= estimateBytes {
			made[mask], kept = c, kept+n
		}
		once := 0
		for _, n := range c.States[counts].Columns(0, c.Len())[0].Ints {
			if n == 1 {
				once++
			}
		}
		e := Estimate{Cuboid: mask, Rows: min(events, int64(math.Round(float64(c.Len()-once)+scale*float64(once))))}
		if e.Bytes, err = w.bytes(c, e.Rows, scale); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Estimate) int { return cmp.Compare(a.Cuboid, b.Cuboid) })
	setParents(out)
	return out, nil
}

// estimateBytes is how much of a sample's cuboids is kept to make smaller ones from.
const estimateBytes = 128 << 20

// setParents finds for each cuboid the smallest that has more dimensions (U6); of equals the one of lower bits.
func setParents(all []Estimate) {
	for i := range all {
		parent := &all[len(all)-1]
		for k := len(all) - 1; k > i; k-- { // the lower bits come last
			if p := &all[k]; p.Cuboid&all[i].Cuboid == all[i].Cuboid && p.Rows <= parent.Rows {
				parent = p
			}
		}
		all[i].Parent = parent.Cuboid
	}
}

// bySize orders cuboids by dimensions, then by their bits.
func bySize(a, b uint64) int {
	return cmp.Or(cmp.Compare(bits.OnesCount64(a), bits.OnesCount64(b)), cmp.Compare(a, b))
}

func sum(vs []int64) (n int64) {
	for _, v := range vs {
		n += v
	}
	return n
}

// encodedRows is how many rows of all cuboids together are encoded to see what their states take.
const encodedRows = 1 << 18

// sizer tells what cuboids take in files.
type sizer struct {
	layout *cells.Layout
	enc    *Encoder
	dims   []float64 // bytes a row of each dimension in the base cells
	most   int       // rows of a cuboid that are encoded
}

func newSizer(l *cells.Layout, base *cells.Cells, most int) (*sizer, error) {
	enc, err := NewEncoder(l)
	if err != nil {
		return nil, err
	}
	w := &sizer{layout: l, enc: enc, most: most}
	g, err := enc.Encode(cells.Part{Cells: base, To: min(base.Len(), GroupRows)})
	if err != nil {
		return nil, err
	}
	for i := range l.Dims {
		w.dims = append(w.dims, float64(g.rg.Columns[1+i].MetaData.TotalCompressedSize)/float64(g.Rows))
	}
	return w, nil
}

// bytes estimates a cuboid of so many rows by the cells c of a sample, whose rows stand for scale rows each at most.
func (w *sizer) bytes(c *cells.Cells, rows int64, scale float64) (int64, error) {
	perRow := 0.0
	for i, b := range w.dims {
		if c.Mask>>(len(w.dims)-1-i)&1 == 1 {
			perRow += b
		}
	}
	g, err := w.enc.Encode(spread(c, w.most)...)
	if err != nil {
		return 0, err
	}
	column := 1 + len(w.dims)
	for i := range w.layout.Measures {
		m := &w.layout.Measures[i]
		b := 0.0
		for range m.Columns() {
			b += float64(g.rg.Columns[column].MetaData.TotalCompressedSize) / float64(g.Rows)
			column++
		}
		if limit, grows := m.StateLimit(); grows {
			more := b * scale * float64(c.Len()) / float64(rows)
			if limit > 0 {
				more = min(more, float64(limit))
			}
			b = max(b, more)
		}
		perRow += b
	}
	return int64(math.Ceil(float64(rows) * perRow)), nil
}

// spread returns at most so many rows of cells, in pieces from all over: neighbours are alike.
func spread(c *cells.Cells, most int) (parts []cells.Part) {
	const pieces = 16
	if c.Len() <= most {
		return []cells.Part{{Cells: c, To: c.Len()}}
	}
	for i := range pieces {
		from := i * c.Len() / pieces
		parts = append(parts, cells.Part{Cells: c, From: from, To: from + most/pieces})
	}
	return parts
}
