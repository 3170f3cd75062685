package cuboid

import "github.com/tidemarkdb/tidemark/builder/cells"

// GroupBytes is the size of values, without their nulls and codes, with which a row group ends before it has GroupRows:
// sketches and long strings may be large.
const GroupBytes = 16 << 20

// weigher is implemented by states whose stored form grows with what they took in.
type weigher interface {
	// Weight returns the bytes of state i as it is stored. Equal states weigh the same.
	Weight(i int) int
}

// Cutter cuts the rows of a cuboid into row groups: where one ends depends on the rows alone, not on the parts that they
// come in (U2). The zero value is ready. One Cutter is for one cuboid.
type Cutter struct {
	Rows int // of a group; default and at most GroupRows

	parts []cells.Part
	rows  int
	bytes int
	rough bool // bytes is an upper bound: nobody has added them up
}

// Add takes rows that follow those before and returns the groups that are complete now: the parts of each.
func (c *Cutter) Add(p cells.Part) (groups [][]cells.Part) {
	most := GroupRows
	if c.Rows > 0 {
		most = min(most, c.Rows)
	}
	bound, ok := bytesAtMost(p)
	if ok && c.bytes+bound < GroupBytes {
		return c.addLight(p, most)
	}
	if c.rough {
		c.bytes, c.rough = 0, false
		for _, held := range c.parts {
			for _, w := range weightsOf(held) {
				c.bytes += w
			}
		}
	}
	weights := weightsOf(p)
	from := p.From
	for i := p.From; i < p.To; i++ {
		c.rows++
		if weights != nil {
			c.bytes += weights[i-p.From]
		}
		if c.rows < most && c.bytes < GroupBytes {
			continue
		}
		c.parts = append(c.parts, cells.Part{Cells: p.Cells, From: from, To: i + 1})
		groups = append(groups, c.parts)
		from = i + 1
		*c = Cutter{Rows: c.Rows}
	}
	if from < p.To {
		c.parts = append(c.parts, cells.Part{Cells: p.Cells, From: from, To: p.To})
	}
	return groups
}

// addLight takes rows that cannot fill a group by their bytes.
func (c *Cutter) addLight(p cells.Part, most int) (groups [][]cells.Part) {
	for p.From < p.To {
		end := min(p.To, p.From+most-c.rows)
		taken := cells.Part{Cells: p.Cells, From: p.From, To: end}
		c.parts = append(c.parts, taken)
		c.rows += end - p.From
		p.From = end
		if c.rows == most {
			groups = append(groups, c.parts)
			*c = Cutter{Rows: c.Rows}
			continue
		}
		bound, _ := bytesAtMost(taken)
		c.bytes, c.rough = c.bytes+bound, true
	}
	return groups
}

// bytesAtMost returns what weightsOf adds up to at most, if that is known without adding.
func bytesAtMost(p cells.Part) (n int, ok bool) {
	if n, ok = p.WeightAtMost(); !ok {
		return 0, false
	}
	for _, d := range p.Cells.Dicts {
		if d == nil || len(d.Values.Data) == 0 {
			continue
		}
		longest := 0
		for c := range d.Values.Len() {
			longest = max(longest, len(d.Values.Bytes(c)))
		}
		n += longest * (p.To - p.From)
	}
	return n, true
}

// Rest returns the rows that have not made a whole group; nil if there are none.
func (c *Cutter) Rest() []cells.Part { return c.parts }

// weightsOf returns the bytes of strings and sketches of each row; nil where there are none.
func weightsOf(p cells.Part) (weights []int) {
	grow := func() {
		if weights == nil {
			weights = make([]int, p.To-p.From)
		}
	}
	var codes []uint32
	for i, d := range p.Cells.Dicts {
		if d == nil || len(d.Values.Data) == 0 {
			continue
		}
		grow()
		size := make([]int, d.Len())
		for c := 1; c < len(size); c++ {
			size[c] = len(d.Values.Bytes(c - 1))
		}
		codes = p.Cells.Keys.AppendCodes(codes[:0], i, p.From, p.To)
		for k, c := range codes {
			weights[k] += size[c]
		}
	}
	for _, s := range p.Cells.States {
		w, ok := s.(weigher)
		if !ok {
			continue
		}
		grow()
		for k := range weights {
			weights[k] += w.Weight(p.From + k)
		}
	}
	return weights
}
