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
// greatest are compared, sums of float64 up to rounding, and top_n is left out.
type Totals struct {
	layout *cells.Layout // with the measures that are in the totals
	index  []int         // of them among those of the cells
	sum    *cells.Cells  // one row of no dimensions; nil: no rows
	rows   int64
	abs    map[string]float64 // sum of absolute values, by column of float64
}

// NewTotals returns the totals of no rows. The cells to come are of the layout.
func NewTotals(l *cells.Layout) *Totals {
	only := *l
	only.Measures = nil
	t := &Totals{layout: &only, abs: map[string]float64{}}
	for i, m := range l.Measures {
		if m.Function != cube.TopN {
			only.Measures = append(only.Measures, m)
			t.index = append(t.index, i)
		}
	}
	return t
}

// Add takes in all rows of c. The error is a *cells.OverflowError.
func (t *Totals) Add(c *cells.Cells) error {
	if c.Len() == 0 {
		return nil
	}
	part := *c
	part.States = nil
	for k, i := range t.index {
		part.States = append(part.States, c.States[i])
		m := &t.layout.Measures[k]
		for j, col := range c.States[i].Columns(0, c.Len()) {
			if rounds(m, &col) {
				t.abs[m.Columns()[j].Name] += absolute(&col)
			}
		}
	}
	t.rows += int64(c.Len())
	parts := []cells.Part{{Cells: &part, To: part.Len()}}
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

func absolute(c *pages.Column) (sum float64) {
	for i := range c.Len() {
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
// so: what was merged may have lost all digits of a sum, and then no bound holds.
func (t *Totals) Differs(o *Totals, floats bool) string {
	if t.sum == nil || o.sum == nil {
		if t.rows == o.rows {
			return ""
		}
		return fmt.Sprintf("%d rows against %d", t.rows, o.rows)
	}
	for k := range t.layout.Measures {
		m := &t.layout.Measures[k]
		for k2 := range o.layout.Measures {
			if o.layout.Measures[k2].Name != m.Name {
				continue
			}
			a, b := t.sum.States[k].Columns(0, 1), o.sum.States[k2].Columns(0, 1)
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
	return math.Abs(a-b) <= math.Ldexp(float64(t.rows+o.rows)*scale, -50)
}

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

// Prints are fingerprints of cuboids: for each column of counts and exact sums, the sum modulo 2^64 over all rows of the
// column's number times the hash of the row's dimensions. Both are additive, so that rows of a cuboid have the print that the
// rows have of every larger cuboid it can be made of, and of the events. A number in a wrong row changes it.
type Prints struct {
	masks []uint64
	sums  [][]uint64 // per mask and column
	names []string   // of the columns
}

// NewPrints returns the fingerprints that no rows give to the cuboids.
func NewPrints(l *cells.Layout, masks ...uint64) *Prints {
	p := &Prints{masks: masks, sums: make([][]uint64, len(masks))}
	for i := range l.Measures {
		m := &l.Measures[i]
		for _, spec := range m.Columns() {
			if additive(m, spec) {
				p.names = append(p.names, spec.Name)
			}
		}
	}
	for k := range p.sums {
		p.sums[k] = make([]uint64, len(p.names))
	}
	return p
}

func additive(m *cells.Measure, spec cells.ColumnSpec) bool {
	switch m.Function {
	case cube.Count, cube.Sum, cube.Avg:
		return spec.Kind == pages.Int64 || spec.Kind == pages.Decimal128
	}
	return false
}

// Add takes in all rows of c, which must have the dimensions of all masks.
func (p *Prints) Add(l *cells.Layout, c *cells.Cells) {
	n := c.Len()
	var numbers [][]uint64
	for i := range l.Measures {
		m := &l.Measures[i]
		cols := c.States[i].Columns(0, n)
		for j, spec := range m.Columns() {
			if additive(m, spec) {
				numbers = append(numbers, lowWords(&cols[j]))
			}
		}
	}
	keys := newKeyWords(c)
	for k, mask := range p.masks {
		for row, h := range keys.hashes(mask) {
			word := h.Hi ^ h.Lo | 1 // odd, so that no difference is lost
			for i := range numbers {
				p.sums[k][i] += word * numbers[i][row]
			}
		}
	}
}

// lowWords returns the low 64 bits of whole numbers; of null 0.
func lowWords(c *pages.Column) []uint64 {
	out := make([]uint64, c.Len())
	for i := range out {
		switch {
		case c.IsNull(i):
		case c.Kind == pages.Decimal128:
			out[i] = binary.BigEndian.Uint64(c.Bytes(i)[pages.DecimalBytes-8:])
		default:
			out[i] = uint64(c.Int(i))
		}
	}
	return out
}

// Differs names the first column in which the prints of a cuboid do not agree; "": none.
func (p *Prints) Differs(o *Prints, mask uint64) string {
	a, b := p.of(mask), o.of(mask)
	for i, name := range p.names {
		for k, other := range o.names {
			if name == other && a[i] != b[k] {
				return name
			}
		}
	}
	return ""
}

func (p *Prints) of(mask uint64) []uint64 {
	for k, m := range p.masks {
		if m == mask {
			return p.sums[k]
		}
	}
	return make([]uint64, len(p.names))
}
