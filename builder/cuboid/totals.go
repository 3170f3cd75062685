package cuboid

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// Totals are what all rows of a cuboid fold to, whatever their dimensions. Those of any two cuboids of the same events are
// equal, but for measures that depend on the order in which they fold: of percentile the number of values, the least and the
// greatest are compared, sums of float64 up to rounding, and of a top_n that is full what its errors leave open.
type Totals struct {
	layout   *cells.Layout
	sum      *cells.Cells // one row of no dimensions; nil: no rows
	rows     int64
	abs      map[string]float64 // sum of absolute values, by column of float64
	events   bool               // the rows are of events
	learned  int64              // how many events the rows are of; 0: not known
	unsigned map[string]bool    // top_n whose weights are known to be never below zero
}

// NewTotals returns the totals of no rows. The cells to come are of the layout.
func NewTotals(l *cells.Layout) *Totals {
	return &Totals{layout: l, abs: map[string]float64{}, unsigned: map[string]bool{}}
}

// NewEventTotals is NewTotals for cells that were grouped from events and came out of no file: these alone tell all signs. How
// much rounding there may be in sums of float64 is not seen of cells, in which values may have cancelled out: see Weigh.
func NewEventTotals(l *cells.Layout) *Totals {
	t := NewTotals(l)
	t.events = true
	return t
}

// Weigh takes in rows [from, to) of a column of the events that Totals of events are of: their absolute values bound what
// any order of adding them up may lose.
func (t *Totals) Weigh(column string, c *pages.Column, from, to int) {
	for k := range t.layout.Measures {
		m := &t.layout.Measures[k]
		if m.Column == column && rounds(m, c) {
			t.abs[m.Columns()[0].Name] += absolute(c, from, to)
		}
	}
}

// additions bounds those that any value of the totals took.
func (t *Totals) additions() int64 {
	if t.events {
		return t.Events()
	}
	return max(t.rows, t.learned)
}

// Learn takes from totals of the events themselves what cells cannot tell: which weights have no signs, how many values were
// added up, and how large they were.
func (t *Totals) Learn(events *Totals) {
	t.learned = events.Events()
	for name, abs := range events.abs {
		t.abs[name] = max(t.abs[name], abs)
	}
	for k := range events.layout.Measures {
		t.unsigned[events.layout.Measures[k].Name] = events.isUnsigned(k)
	}
}

// isUnsigned reports whether measure k is a top_n whose weights are known to be never below zero.
func (t *Totals) isUnsigned(k int) bool {
	m := &t.layout.Measures[k]
	if m.Function != cube.TopN || m.Column == "" || !t.events || t.sum == nil {
		return m.Function == cube.TopN && (m.Column == "" || t.unsigned[m.Name])
	}
	return !t.sum.States[k].(cells.Ranked).Signed()
}

// Add takes in all rows of c. The error is a *cells.OverflowError.
func (t *Totals) Add(c *cells.Cells) error {
	if c.Len() == 0 {
		return nil
	}
	for k := range t.layout.Measures {
		m := &t.layout.Measures[k]
		if t.events || m.Function != cube.Sum && m.Function != cube.Avg {
			continue // to write sketches out is dear
		}
		for j, col := range c.States[k].Columns(0, c.Len()) {
			if rounds(m, &col) {
				t.abs[m.Columns()[j].Name] += absolute(&col, 0, c.Len())
			}
		}
	}
	t.rows += int64(c.Len())
	parts := []cells.Part{{Cells: c, To: c.Len()}}
	if t.sum != nil {
		parts = append([]cells.Part{{Cells: t.sum, To: t.sum.Len()}}, parts...)
	}
	sum, err := t.layout.Combine(0, parts...)
	if err != nil {
		return err
	}
	t.sum = sum
	return nil
}

// rounds reports whether a column of a measure's states is a sum of float64.
func rounds(m *cells.Measure, c *pages.Column) bool {
	return c.Kind == pages.Float64 && (m.Function == cube.Sum || m.Function == cube.Avg)
}

func absolute(c *pages.Column, from, to int) (sum float64) {
	for i := from; i < to; i++ {
		if !c.IsNull(i) {
			sum += math.Abs(c.Float(i))
		}
	}
	return sum
}

// Events returns the count of events. Every cube has one (cube.Cube.WithDefaults).
func (t *Totals) Events() int64 {
	for k, m := range t.layout.Measures {
		if m.Function == cube.Count && m.Column == "" && t.sum != nil {
			return t.sum.States[k].Columns(0, 1)[0].Int(0)
		}
	}
	return 0
}

// Differs says in which measures that both have they do not agree; "": in none. Sums of float64 are compared where floats says
// so: what was merged may have lost all digits of a sum, and then no bound holds but that of the events (Learn).
func (t *Totals) Differs(o *Totals, floats bool) string {
	if t.sum == nil || o.sum == nil {
		if t.rows == o.rows {
			return ""
		}
		return fmt.Sprintf("%d rows against %d", t.rows, o.rows)
	}
	for k := range t.layout.Measures {
		for k2 := range o.layout.Measures {
			if t.layout.Measures[k].Name != o.layout.Measures[k2].Name {
				continue
			}
			if why := t.differsIn(k, o, k2, floats); why != "" {
				return why
			}
		}
	}
	return ""
}

// differsIn compares measure k with measure k2 of o. Both have rows.
func (t *Totals) differsIn(k int, o *Totals, k2 int, floats bool) string {
	m, s, s2 := &t.layout.Measures[k], t.sum.States[k], o.sum.States[k2]
	if m.Function == cube.TopN {
		c := cells.RankedCheck{Unsigned: t.isUnsigned(k) || o.isUnsigned(k2), Floats: floats, States: t.bothAdditions(o)}
		if why := s.(cells.Ranked).Contradicts(s2, c); why != "" {
			return m.Name + ": " + why
		}
		return ""
	}
	a, b := s.Columns(0, 1), s2.Columns(0, 1)
	for j, spec := range m.Columns() {
		if x, y := &a[j], &b[j]; rounds(m, x) {
			if floats && !t.near(o, spec.Name, x, y) {
				return fmt.Sprintf("%s is %s against %s", spec.Name, textOf(x, spec.Type), textOf(y, spec.Type))
			}
		} else if m.Function == cube.Percentile {
			if a, b := digestText(x.Bytes(0)), digestText(y.Bytes(0)); a != b {
				return fmt.Sprintf("%s has %s against %s", spec.Name, a, b)
			}
		} else if x.IsNull(0) != y.IsNull(0) || !x.IsNull(0) && !sameValue(x, y) {
			return fmt.Sprintf("%s is %s against %s", spec.Name, textOf(x, spec.Type), textOf(y, spec.Type))
		}
	}
	return ""
}

// digestText says what two digests of the same values have in common, whatever the order in which they came. The bytes, which
// cells has checked, are those of docs/format/states.md.
func digestText(b []byte) string {
	const single, head, centroid = 16, 32, 16
	float := func(at int) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b[at:])) }
	switch {
	case len(b) < single:
		return "no values"
	case len(b) == single:
		return fmt.Sprintf("1 value from %v to %v", float(8), float(8))
	}
	n := uint64(0)
	for at := head; at+centroid <= len(b); at += centroid {
		n += binary.LittleEndian.Uint64(b[at+8:])
	}
	return fmt.Sprintf("%d values from %v to %v", n, float(16), float(24))
}

func sameValue(x, y *pages.Column) bool {
	if x.Kind == pages.Bytes || x.Kind == pages.Decimal128 {
		return string(x.Bytes(0)) == string(y.Bytes(0))
	}
	return x.Word(0) == y.Word(0)
}

// near reports whether two sums of the same values differ by rounding only. Where they are not finite, some order of
// additions overflows or meets two infinities, and nothing can be said.
func (t *Totals) near(o *Totals, name string, x, y *pages.Column) bool {
	if x.IsNull(0) || y.IsNull(0) {
		return x.IsNull(0) == y.IsNull(0)
	}
	a, b, scale := x.Float(0), y.Float(0), max(t.abs[name], o.abs[name])
	if math.IsNaN(a-b) || math.IsInf(a-b, 0) || math.IsNaN(scale) || math.IsInf(scale, 0) {
		return true
	}
	return math.Abs(a-b) <= math.Ldexp(float64(t.bothAdditions(o))*scale, -50)
}

func (t *Totals) bothAdditions(o *Totals) int64 { return 2 * max(t.additions(), o.additions()) }

// textOf shows the value of a one-row column.
func textOf(c *pages.Column, t cube.Type) string {
	switch {
	case c.IsNull(0):
		return "null"
	case c.Kind == pages.Float64:
		return fmt.Sprint(c.Float(0))
	case c.Kind == pages.Decimal128 || c.Kind == pages.Bytes && t.Kind == "":
		return fmt.Sprintf("bytes %x", c.Bytes(0)[:min(32, len(c.Bytes(0)))])
	case c.Kind == pages.Bytes:
		return fmt.Sprintf("%.100q", c.Bytes(0))
	}
	return fmt.Sprint(c.Int(0))
}
