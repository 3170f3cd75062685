package cells

import (
	"testing"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// fuzzMeasures are those whose states are bytes.
func fuzzMeasures() (out []*Measure) {
	word := column{"c", stage.Int64, cube.Type{Kind: cube.Int64}}
	text := column{"c", stage.Bytes, cube.Type{Kind: cube.String}}
	float := column{"c", stage.Float64, cube.Type{Kind: cube.Float64}}
	for _, m := range []Measure{
		{Measure: cube.Measure{Function: cube.CountDistinct, Precision: 4}, of: word},
		{Measure: cube.Measure{Function: cube.CountDistinct, Precision: 9}, of: word},
		{Measure: cube.Measure{Function: cube.CountDistinctExact}, of: word},
		{Measure: cube.Measure{Function: cube.CountDistinctExact}, of: text},
		{Measure: cube.Measure{Function: cube.Percentile, Compression: 20}, of: float},
		{Measure: cube.Measure{Function: cube.TopN, N: 1, By: []string{"c"}}, of: word, by: []column{text, word}},
		{Measure: cube.Measure{Function: cube.TopN, N: 1, By: []string{"c"}}, of: float, by: []column{float}},
	} {
		m.Name, m.Column = "m", "c"
		out = append(out, &m)
	}
	return out
}

// FuzzFromColumns reads any bytes as states: what is taken for a state can be folded, written and read again (C7).
func FuzzFromColumns(f *testing.F) {
	values := stage.Column{Kind: stage.Int64}
	for i := range 700 {
		values.AppendInt(int64(i*i) % 400)
	}
	for k, m := range fuzzMeasures() {
		if m.of.kind != stage.Int64 || m.Function == cube.TopN {
			f.Add(uint8(k), m.New(1).Columns(0, 1)[0].Data)
			continue
		}
		src := liftColumn(f, m, values)
		for _, n := range []int{0, 1, 5, 20, 700} {
			s := m.New(1)
			if err := s.Fold(make([]uint32, n), src, 0); err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(k), s.Columns(0, 1)[0].Data)
		}
	}
	f.Add(uint8(4), []byte("\x02\x01\x14\x14\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0?\x00\x00\x00\x00\x00\x00\x00@"+
		"\x00\x00\x00\x00\x00\x00\xf0?\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00@\x03\x00\x00\x00\x00\x00\x00\x00"))
	f.Add(uint8(5), []byte("\x01\x02\x00\x0e\x01a\x00\xff\x00\x00\x01\x80\x00\x00\x00\x00\x00\x00\x01\x08\x00\x02\x00\x00\x06\x00"))
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		ms := fuzzMeasures()
		m := ms[int(which)%len(ms)]
		c := stage.Column{Kind: stage.Bytes}
		c.AppendBytes(b)
		c.AppendBytes(b)
		s, err := m.FromColumns([]stage.Column{c})
		if err != nil {
			return
		}
		twice := m.New(1)
		if err := twice.Fold([]uint32{0, 0}, s, 0); err != nil {
			return // a sum of more than 38 digits
		}
		for _, s := range []States{s, twice} {
			stored := s.Columns(0, 1)
			again, err := m.FromColumns(stored)
			if err != nil {
				t.Fatalf("%s of %x: written as %x, which is refused: %v", m.Function, b, stored[0].Data, err)
			}
			if got, want := stateText(again, 0), stateText(s, 0); got != want {
				t.Fatalf("%s of %x: read %s, wrote %s", m.Function, b, got, want)
			}
		}
	})
}
