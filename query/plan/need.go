package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Need is one way in which a cuboid of a layout answers a block.
type Need struct {
	Layout  *cells.Layout
	Mask    uint64         // dimensions that a cuboid must have
	Columns []ColumnSource // how the columns of the block's terms follow from dimensions
	Sources []Source       // of each of the block's Aggs

	// What is asked of the event time is asked of the starts of dimension Time's spans; -1: nothing is, or there is no such
	// dimension. Cells count only if they start in one of Cells. What lies in Events is not told apart by cells: events of
	// these times count one by one, whatever segment holds them. Within one range of Events, and of events all of which
	// lie in a range that is Constant, the answers do not change but for what Fixed tells apart: there a cuboid of Fixed is
	// enough, every cell counts, and the event time is the start of its span or the range's Lo, whichever is later (P6).
	Time   int
	Fixed  uint64
	Cells  []Range
	Events []Range

	Approximate []string // what sketches answer though exact was asked

	cuts []int64
}

// ColumnSource says how the values of a column of the relation follow from a dimension's. Of a time column it is Step.Start
// of it; of a column of a lookup table what it has for the key.
type ColumnSource struct {
	Column Column
	Dim    int // of Layout.Dims
}

// SourceKind says what of a measure's states an aggregate is.
type SourceKind string

// The kinds.
const (
	FromCount  SourceKind = "count"
	FromSum    SourceKind = "sum"
	FromAvg    SourceKind = "avg" // the sum of Measure divided by the count of Count
	FromValue  SourceKind = "value"
	FromSketch SourceKind = "sketch" // HyperLogLog
	FromExact  SourceKind = "exact"  // roaring bitmap
	FromDigest SourceKind = "digest"
	FromTop    SourceKind = "top"
)

// Source is where an aggregate comes from. Measure and Count are indexes of Layout.Measures; -1 where they are not used.
// A count or a sum may come from an avg measure, which holds both.
type Source struct {
	Kind    SourceKind
	Measure int
	Count   int
}

// Lacks says what a cube would have to have.
type Lacks struct {
	Columns  []string // a dimension, with the grain where one is wanted
	Measures []string
}

// Error returns "no dimension page_url; no measure sum(bytes)".
func (l *Lacks) Error() string {
	var out []string
	for _, c := range l.Columns {
		out = append(out, "no dimension "+c)
	}
	for _, m := range l.Measures {
		out = append(out, "no measure "+m)
	}
	return strings.Join(out, "; ")
}

// lack adds to a list what is not there yet.
func lack(list *[]string, what string) {
	if !slices.Contains(*list, what) {
		*list = append(*list, what)
	}
}

// maxNeeds is how many ways are looked at: columns with several fitting grains multiply them.
const maxNeeds = 16

// Need returns the ways in which cuboids of the layout answer the block, the coarsest first; or what c, whose layout it is,
// lacks.
func (b *Block) Need(layout *cells.Layout, c *cube.Cube) ([]*Need, *Lacks) {
	m := &matcher{b: b, layout: layout, zone: zoneOf(c), approximate: b.approximate}
	m.sources()
	m.dependencies()
	for _, d := range m.deps {
		m.candidates(d)
	}
	if len(m.lacks.Columns)+len(m.lacks.Measures) > 0 {
		return nil, &m.lacks
	}
	return m.needs(), nil
}

// matcher finds out what a layout has of what a block asks for.
type matcher struct {
	b           *Block
	layout      *cells.Layout
	zone        *time.Location
	approximate bool

	from   []Source
	approx []string
	deps   []*want
	cuts   []int64 // of conditions on the event time
	lacks  Lacks
}

// want is what must be known of a column of the table, and the dimensions that tell, the coarsest first.
type want struct {
	Dep
	dims []int
}

func (l *Lacks) columns(d *want) {
	text := d.Column
	if !d.Whole && len(d.Steps) > 0 {
		steps := make([]string, len(d.Steps))
		for i, s := range d.Steps {
			steps[i] = s.String()
		}
		text += " by " + strings.Join(steps, " and ")
	} else if !d.Whole && len(d.Cuts) > 0 { // else only whether it is null matters
		text += " that tells times apart at " + timeText(d.Cuts[0])
	}
	lack(&l.Columns, text)
}

// dependencies gathers what all terms ask of each column. Of the event time cuts are kept apart: events tell what cells
// cannot.
func (m *matcher) dependencies() {
	take := func(t *Term) {
		for _, d := range t.Deps {
			m.want(d)
		}
	}
	cond := func(c *Cond) {
		for _, l := range c.Leaves() {
			if l.Timed {
				m.cuts = append(m.cuts, cuts(l.Times)...)
			} else {
				take(&l.Term)
			}
		}
	}
	top := m.top()
	for i := range m.b.Groups {
		if !top {
			take(&m.b.Groups[i].Term)
		}
	}
	for _, a := range m.b.Aggs {
		cond(a.Filter)
	}
	cond(m.b.Where)
	m.cuts = sortedCuts(m.cuts)
}

func (m *matcher) want(d Dep) {
	if event := m.eventTime(); d.Column == event {
		m.cuts = append(m.cuts, d.Cuts...)
		if d.Cuts = nil; !d.Whole && len(d.Steps) == 0 {
			return
		}
	}
	for _, w := range m.deps {
		if w.Column == d.Column {
			w.Whole = w.Whole || d.Whole
			w.Steps = append(w.Steps, d.Steps...)
			w.Cuts = sortedCuts(append(w.Cuts, d.Cuts...))
			return
		}
	}
	m.deps = append(m.deps, &want{Dep: Dep{d.Column, d.Whole, slices.Clone(d.Steps), slices.Clone(d.Cuts)}})
}

func (m *matcher) eventTime() string { return m.b.Relation.Table.EventTime.Column }

// candidates finds the dimensions that tell what is wanted of a column.
func (m *matcher) candidates(w *want) {
	col, _ := m.b.Relation.column(w.Column)
	for i, d := range m.layout.Dims {
		if d.Column != w.Column || d.Type.Kind != col.Type.Kind || d.Type.Scale != col.Type.Scale {
			continue
		}
		if m.tells(w.Dep, m.step(i)) {
			w.dims = append(w.dims, i)
		}
	}
	if len(w.dims) == 0 {
		m.lacks.columns(w)
	}
	m.coarsest(w.dims)
}

// zoneOf returns the zone of a cube's grains, which its check has found.
func zoneOf(c *cube.Cube) *time.Location {
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// step returns the spans that a dimension of a time has; the zero Step is the value itself.
func (m *matcher) step(dim int) Step {
	d := m.layout.Dims[dim]
	if d.Type.Kind == cube.Date {
		return stepOf(d.Grain, nil)
	}
	return stepOf(d.Grain, m.zone)
}

func (m *matcher) tells(d Dep, s Step) bool {
	if s.whole() {
		return true
	}
	within := m.b.Relation.span(d.Column)
	return !d.Whole && !slices.ContainsFunc(d.Steps, func(o Step) bool { return !s.divides(o, within) }) &&
		!slices.ContainsFunc(d.Cuts, func(c int64) bool { return !s.cuts(c) })
}

// coarsest sorts dimensions of one column.
func (m *matcher) coarsest(dims []int) {
	rank := func(dim int) int {
		return slices.Index([]cube.Grain{cube.Year, cube.Quarter, cube.Month, cube.Week, cube.Day, cube.Hour, cube.Minute, cube.Second, ""}, m.layout.Dims[dim].Grain)
	}
	slices.SortStableFunc(dims, func(i, j int) int { return cmp.Compare(rank(i), rank(j)) })
}

// top reports whether a top_n measure answers the groups.
func (m *matcher) top() bool {
	return slices.ContainsFunc(m.from, func(s Source) bool { return s.Kind == FromTop })
}

// bit returns the bit of a dimension in a mask.
func (m *matcher) bit(dim int) uint64 { return 1 << (len(m.layout.Dims) - 1 - dim) }

// needs makes the ways: one dimension for each column.
func (m *matcher) needs() (out []*Need) {
	picks := [][]int{nil}
	for _, w := range m.deps {
		var next [][]int
		for _, p := range picks {
			for _, d := range w.dims {
				if len(next) < maxNeeds {
					next = append(next, append(slices.Clone(p), d))
				}
			}
		}
		picks = next
	}
	for _, p := range picks {
		for _, t := range m.timeDims(p) {
			if len(out) < maxNeeds {
				out = append(out, m.need(p, t))
			}
		}
	}
	return out
}

// timeDims lists the dimensions of which conditions on the event time may be asked: the one that is picked anyway, else any.
func (m *matcher) timeDims(picked []int) []int {
	if len(m.cuts) == 0 {
		return []int{-1}
	}
	for i, w := range m.deps {
		if w.Column == m.eventTime() {
			return picked[i : i+1]
		}
	}
	var dims []int
	for i, d := range m.layout.Dims {
		if d.Column == m.eventTime() {
			dims = append(dims, i)
		}
	}
	m.coarsest(dims)
	if len(dims) == 0 {
		return []int{-1}
	}
	return dims
}

func (m *matcher) need(picked []int, timeDim int) *Need {
	n := &Need{Layout: m.layout, Sources: m.from, Time: timeDim, cuts: m.cuts, Approximate: m.approx}
	for i, w := range m.deps {
		n.Fixed |= m.bit(picked[i])
		for _, c := range m.b.columns() {
			if c.Of == w.Column {
				n.Columns = append(n.Columns, ColumnSource{c, picked[i]})
			}
		}
	}
	n.Mask = n.Fixed
	if timeDim >= 0 {
		n.Mask |= m.bit(timeDim)
	}
	if len(m.cuts) > 0 {
		m.times(n)
	}
	return n
}

// times divides all times into those that cells tell and those that events must.
func (m *matcher) times(n *Need) {
	var ragged []Range
	for _, c := range m.cuts {
		switch {
		case n.Time < 0:
			ragged = append(ragged, Always())
		default:
			if s := m.step(n.Time); !s.cuts(c) {
				ragged = append(ragged, s.around(c))
			}
		}
	}
	for _, r := range Always().minus(union(ragged)) {
		n.Cells = append(n.Cells, m.matter(r.split(m.cuts))...)
	}
	n.Cells = union(n.Cells)
	for _, r := range slices.Compact(ragged) { // not joined: none holds more than a span
		n.Events = append(n.Events, m.matter(r.split(m.cuts))...)
	}
}

// matter returns the ranges in which some event may pass. Conditions on the event time do not change in any of them.
func (m *matcher) matter(ranges []Range) (out []Range) {
	for _, r := range ranges {
		t := m.b.Where.Eval(func(c *Cond) Truth {
			if c.Timed {
				return c.At(r.Lo)
			}
			return Unknown
		})
		if t != False {
			out = append(out, r)
		}
	}
	return out
}

// columns lists the columns that the block's terms name.
func (b *Block) columns() (out []Column) {
	add := func(t *Term) {
		for _, name := range t.Columns {
			c, ok := b.Relation.column(name)
			if ok && !slices.ContainsFunc(out, func(o Column) bool { return o.Name == c.Name }) {
				out = append(out, c)
			}
		}
	}
	for i := range b.Groups {
		add(&b.Groups[i].Term)
	}
	conds := []*Cond{b.Where}
	for i := range b.Aggs {
		conds = append(conds, b.Aggs[i].Filter)
	}
	for _, c := range conds {
		for _, l := range c.Leaves() {
			add(&l.Term)
		}
	}
	return out
}

// Constant reports whether nothing that is compared with the event time lies within r.
func (n *Need) Constant(r Range) bool { return len(r.split(n.cuts)) <= 1 }

// String writes the dimensions of a mask.
func (n *Need) String() string { return fmt.Sprintf("(%s)", strings.Join(n.Names(n.Mask), ", ")) }

// Names lists the dimensions of a mask in the order of the row key.
func (n *Need) Names(mask uint64) (out []string) {
	for i, d := range n.Layout.Dims {
		if mask>>(len(n.Layout.Dims)-1-i)&1 == 1 {
			out = append(out, d.Name)
		}
	}
	return out
}
