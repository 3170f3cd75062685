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
// are those of the sample's columns.
func EstimateCuboids(l *cells.Layout, masks []uint64, sample *cells.Cells, events int64) ([]Estimate, error) {
	counts := slices.IndexFunc(l.Measures, func(m cells.Measure) bool { return m.Function == cube.Count && m.Column == "" })
	if counts < 0 {
		return nil, fmt.Errorf("the cube has no measure count")
	}
	sampled := sum(sample.States[counts].Columns(0, sample.Len())[0].Ints)
	if sampled == 0 {
		return nil, fmt.Errorf("a sample without events")
	}
	dims, states, err := columnBytes(l, sample)
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
		perRow := states
		for i, b := range dims {
			if mask>>(len(dims)-1-i)&1 == 1 {
				perRow += b
			}
		}
		e.Bytes = int64(math.Ceil(float64(e.Rows) * perRow))
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

// columnBytes encodes cells and returns the bytes a row of each dimension, and of all states together.
func columnBytes(l *cells.Layout, c *cells.Cells) (dims []float64, states float64, err error) {
	e, err := NewEncoder(l)
	if err != nil {
		return nil, 0, err
	}
	n := min(c.Len(), GroupRows)
	g, err := e.Encode(cells.Part{Cells: c, To: n})
	if err != nil {
		return nil, 0, err
	}
	for i := range g.rg.Columns {
		b := float64(g.rg.Columns[i].MetaData.TotalCompressedSize) / float64(n)
		switch {
		case i == 0:
		case i <= len(l.Dims):
			dims = append(dims, b)
		default:
			states += b
		}
	}
	return dims, states, nil
}
