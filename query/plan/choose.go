package plan

import (
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Choice is the cuboid that answers a block for one segment.
type Choice struct {
	Need     *Need
	Entry    segmenter.CuboidEntry
	Mask     uint64 // dimensions that are read of it: of Need.Mask, or of Need.Fixed
	Constant bool   // conditions on the event time are the same for the whole segment
}

// Choose returns the cuboid of a segment with the fewest rows that has what one of the needs asks for; times are those of
// the segment's events. A need that leaves fewer times to single events goes before. ok is false if events must tell.
func Choose(needs []*Need, cuboids []segmenter.CuboidEntry, times Range) (best Choice, ok bool) {
	left := int64(math.MaxInt64)
	for _, n := range needs {
		mask, constant := n.Mask, n.Constant(times)
		if constant {
			mask = n.Fixed
		} else if n.Time < 0 && len(n.cuts) > 0 {
			continue
		}
		single := int64(0)
		for _, r := range n.Events {
			if o := r.intersect(times); !constant && !o.Empty() {
				single += o.Hi - o.Lo + 1
			}
		}
		for _, e := range cuboids {
			if mask&^uint64(e.Cuboid) != 0 || ok && (single > left || single == left && e.Rows >= best.Entry.Rows) {
				continue
			}
			best, left, ok = Choice{Need: n, Entry: e, Mask: mask, Constant: constant}, single, true
		}
	}
	return best, ok
}

// Cuboid names the dimensions of the cuboid that is read.
func (c *Choice) Cuboid() string { return c.Need.CuboidName(&c.Entry) }

// CuboidName names the dimensions of a cuboid of the need's layout.
func (n *Need) CuboidName(e *segmenter.CuboidEntry) string {
	return "(" + strings.Join(n.Names(uint64(e.Cuboid)), ", ") + ")"
}

// Missing names a dimension that a cuboid lacks for what is asked; "": it has all.
func (c *Choice) Missing(e *segmenter.CuboidEntry) string {
	if m := c.Mask &^ uint64(e.Cuboid); m != 0 {
		return c.Need.Names(m)[0]
	}
	return ""
}

// Argue says which cuboid is chosen, and what the runner-up lacks: the smallest of those with fewer rows that want for one
// dimension; without one it is the next larger one that would do, nil if there is none either.
func (c *Choice) Argue(cuboids []segmenter.CuboidEntry) (runnerUp *segmenter.CuboidEntry, why string) {
	text := func(e *segmenter.CuboidEntry) string {
		return fmt.Sprintf("%s of %d rows", c.Need.CuboidName(e), e.Rows)
	}
	why = text(&c.Entry)
	var larger *segmenter.CuboidEntry
	for i := range cuboids {
		e := &cuboids[i]
		missing := c.Mask &^ uint64(e.Cuboid)
		switch {
		case bits.OnesCount64(missing) == 1 && e.Rows < c.Entry.Rows && (runnerUp == nil || e.Rows < runnerUp.Rows):
			runnerUp = e
		case missing == 0 && e.Cuboid != c.Entry.Cuboid && (larger == nil || e.Rows < larger.Rows):
			larger = e
		}
	}
	switch {
	case runnerUp != nil:
		return runnerUp, why + "; " + text(runnerUp) + " lacks " + c.Missing(runnerUp)
	case larger != nil:
		return larger, why + "; next would be " + text(larger)
	}
	return nil, why
}
