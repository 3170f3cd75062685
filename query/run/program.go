package run

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// Program says how the cells of one layout come to an answer. NewProgram checks it; from then on it never changes and any
// number of queries may use it.
type Program struct {
	Answer   *Answer
	Layout   *cells.Layout
	Where    *Cond
	Filters  []*Cond // of States
	Groups   []Group // one for each of Answer.Groups
	Measures []int   // of the layout: one for each of Answer.States

	where   *node
	filters []*node
	dims    uint64 // that are read
	reads   []int  // measures that are read, ascending
}

// Group is a function of one dimension's value.
type Group struct {
	Dim int

	// Values returns the value of each code of a dictionary, of null first. nil: the dimension's values as they are.
	Values func(ctx context.Context, d *cells.Dict) (*stage.Column, error)
}

// NewProgram returns p ready for use. The error joins every complaint.
func NewProgram(p Program) (*Program, error) {
	out := &p
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(len(p.Groups) != len(p.Answer.Groups), "%d groups, the answer has %d", len(p.Groups), len(p.Answer.Groups))
	bad(len(p.Measures) != len(p.Answer.States), "%d measures, the answer has %d states", len(p.Measures), len(p.Answer.States))
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	out.where = compile(p.Where, false)
	dims := out.where.dims(nil)
	for _, f := range p.Filters {
		n := compile(f, false)
		out.filters = append(out.filters, n)
		dims = n.dims(dims)
	}
	for i, g := range p.Groups {
		dims = append(dims, g.Dim)
		if g.Values == nil && g.Dim >= 0 && g.Dim < len(p.Layout.Dims) {
			bad(!holds(p.Answer.Groups[i].Type, p.Layout.Dims[g.Dim].Kind), "group %s is %s, dimension %s is %s",
				p.Answer.Groups[i].Name, p.Answer.Groups[i].Type, p.Layout.Dims[g.Dim].Name, p.Layout.Dims[g.Dim].Type)
		}
	}
	for _, d := range dims {
		if d < 0 || d >= len(p.Layout.Dims) {
			bad(true, "there is no dimension %d of %d", d, len(p.Layout.Dims))
			continue
		}
		out.dims |= 1 << (len(p.Layout.Dims) - 1 - d)
	}
	for i, m := range p.Measures {
		s := &p.Answer.States[i]
		bad(s.Filter < 0 || s.Filter > len(p.Filters), "state %d: there is no filter %d", i, s.Filter)
		if m < 0 || m >= len(p.Layout.Measures) {
			bad(true, "state %d: there is no measure %d", i, m)
			continue
		}
		bad(!p.Layout.Measures[m].FoldsInto(s.Measure), "state %d: measure %s does not fold into the answer's %s", i, p.Layout.Measures[m].Name, s.Measure.Name)
		out.reads = append(out.reads, m)
	}
	slices.Sort(out.reads)
	out.reads = slices.Compact(out.reads)
	if out.reads == nil {
		out.reads = []int{} // a Reader takes nil for all
	}
	return out, errors.Join(errs...)
}

// MemBytes returns about what the program takes of memory: above all its lists of values.
func (p *Program) MemBytes() int64 {
	n := int64(programBytes + 64*(len(p.Groups)+len(p.Measures)))
	for _, f := range append(p.filters[:len(p.filters):len(p.filters)], p.where) {
		n += f.memBytes()
	}
	return n
}

// programBytes and nodeBytes are what a program and a part of its conditions take beside what they hold.
const (
	programBytes = 1024
	nodeBytes    = 512
)

func (n *node) memBytes() int64 {
	sum := int64(nodeBytes + 2*len(n.key)) // of the leaf too
	if n.leaf != nil {
		sum += n.leaf.bytes
	}
	for _, part := range n.of {
		sum += part.memBytes()
	}
	return sum
}

// Dims returns the dimensions that the program reads, as a mask.
func (p *Program) Dims() uint64 { return p.dims }

// Reads returns the measures that the program reads, ascending.
func (p *Program) Reads() []int { return p.reads }

// May reports whether a row of a row group, or of anything else with such bounds, can count: nil bounds of a dimension
// say nothing.
func (p *Program) May(bounds []*cells.Dict, nulls []int64) bool { return p.where.may(bounds, nulls) }

// holds reports whether values of a kind are laid out as an Arrow type.
func holds(t arrow.DataType, k stage.Kind) bool {
	want, err := KindOf(t)
	return err == nil && want == k
}
