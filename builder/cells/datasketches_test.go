package cells_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/datasketches-go/hll"
	"github.com/apache/datasketches-go/tdigest"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// sketchCells are cells of 0, 1, 7 ... distinct values, so that there are sketches of all forms.
func sketchCells(t *testing.T) (*cells.Layout, *cells.Cells) {
	t.Helper()
	tab := &cube.Table{Name: "t", Topic: "t", EventTime: cube.EventTime{Column: "ts"}}
	for _, c := range []string{"ts timestamp(us)", "size int64", "num int64", "name string", "ratio float64"} {
		name, text, _ := strings.Cut(c, " ")
		typ, err := cube.ParseType(text)
		if err != nil {
			t.Fatal(err)
		}
		tab.Columns = append(tab.Columns, cube.Column{Name: name, Type: typ})
	}
	def := &cube.Cube{
		Name: "c", Table: "t", Dimensions: []cube.Dimension{{Column: "size"}},
		Measures: []cube.Measure{{Function: cube.Percentile, Column: "ratio"}, {Name: "wide", Function: cube.Percentile, Column: "ratio", Compression: 20}},
	}
	for _, precision := range []int{4, 12, 14, 17} {
		for _, column := range []string{"num", "name", "ratio"} {
			def.Measures = append(def.Measures, cube.Measure{Name: fmt.Sprint(column, precision), Function: cube.CountDistinct, Column: column, Precision: precision})
		}
	}
	l, err := cells.NewLayout(def.WithDefaults(), tab)
	if err != nil {
		t.Fatal(err)
	}
	s := stage.NewSchema(tab)
	c := stage.NewChunk(s)
	for _, n := range []int{0, 1, 7, 8, 25, 200, 3000, 20000} {
		for i := range n + 1 {
			c.Offsets, c.Timestamps = append(c.Offsets, int64(len(c.Offsets))), append(c.Timestamps, 0)
			c.Columns[s.Field("ts")].AppendInt(0)
			c.Columns[s.Field("size")].AppendInt(int64(n))
			num, name, ratio := &c.Columns[s.Field("num")], &c.Columns[s.Field("name")], &c.Columns[s.Field("ratio")]
			if i == 0 { // so that there is a cell of no values
				num.AppendNull()
				name.AppendNull()
				ratio.AppendNull()
				continue
			}
			num.AppendInt(int64(i * i))
			name.AppendBytes(fmt.Appendf(nil, "visitor %d of %d", i, n))
			ratio.AppendFloat(math.Sqrt(float64(i)))
		}
	}
	b := l.NewBlock(l.Base())
	if err := b.Add(s, c, 0, len(c.Offsets), 0); err != nil {
		t.Fatal(err)
	}
	out, err := b.Cells()
	if err != nil {
		t.Fatal(err)
	}
	return l, out
}

// The Python package of Apache DataSketches reads our sketches, and estimates what we do.
func TestDataSketchesOfPython(t *testing.T) {
	python := testkit.Python(t)
	l, c := sketchCells(t)
	var questions bytes.Buffer
	var names []string
	var want []float64
	ask := func(name, question string, estimate float64, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		questions.WriteString(question + "\n")
		names, want = append(names, name), append(want, estimate)
	}
	for k := range l.Measures {
		m := &l.Measures[k]
		if m.Function != cube.CountDistinct && m.Function != cube.Percentile {
			continue // the count that every cube has
		}
		col := c.States[k].Columns(0, c.Len())
		for row := range c.Len() {
			state, name := col[0].Bytes(row), fmt.Sprintf("%s of cell %d", m.Name, row)
			if m.Function == cube.CountDistinct {
				s, err := hll.NewHllSketchFromSlice(state, true)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				e, err := s.GetEstimate()
				ask(name, fmt.Sprintf("hll %x", state), e, err)
				continue
			}
			s, err := tdigest.DecodeDouble(state)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, q := range []float64{0, 0.01, 0.5, 0.95, 1} {
				if row == 0 {
					continue // there is no quantile of nothing
				}
				v, err := s.Quantile(q)
				ask(fmt.Sprintf("quantile %v of %s", q, name), fmt.Sprintf("tdigest %x %v", state, q), v, err)
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/sketches.py")
	cmd.Stdin, cmd.Stderr = &questions, os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Fields(string(text))
	if len(answers) != len(want) {
		t.Fatalf("%d answers to %d questions", len(answers), len(want))
	}
	for i, answer := range answers {
		got, err := strconv.ParseFloat(answer, 64)
		if err != nil || math.Abs(got-want[i]) > 1e-9*math.Abs(want[i]) {
			t.Errorf("%s: Python says %s, want %v", names[i], answer, want[i])
		}
	}
}
