//go:build unix

package cells

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// The data of the measured figures that this package is held against: nine dimensions of 200, 5, 8, 12, 30, 3, 50, 1000
// and 20 values, by Zipf's law, whose keys have 46 bits; of 2 M rows nearly all are distinct, and of the first six
// dimensions' about one in four.

const benchRows = 2_000_000

func benchCards() []uint64 { return []uint64{200, 5, 8, 12, 30, 3, 50, 1000, 20} }

func benchLayout(b *testing.B, measures ...cube.Measure) *Layout {
	b.Helper()
	c := &cube.Cube{Name: "c", Table: "t", Measures: measures}
	t := &cube.Table{Name: "t", Topic: "t", EventTime: cube.EventTime{Column: "ts"}, Columns: []cube.Column{
		{Name: "ts", Type: cube.Type{Kind: cube.Timestamp}},
		{Name: "bytes", Type: cube.Type{Kind: cube.Int64}},
		{Name: "visitor", Type: cube.Type{Kind: cube.Int64}},
	}}
	for i := range benchCards() {
		name := fmt.Sprintf("d%d", i)
		c.Dimensions = append(c.Dimensions, cube.Dimension{Column: name})
		t.Columns = append(t.Columns, cube.Column{Name: name, Type: cube.Type{Kind: cube.String}})
	}
	l, err := NewLayout(c, t)
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// benchChunk returns events whose dimensions have dictionaries, as a staged file's have.
func benchChunk(rows int) (*stage.Schema, *stage.Chunk) {
	t := &cube.Table{Name: "t", EventTime: cube.EventTime{Column: "ts"}, Columns: []cube.Column{
		{Name: "ts", Type: cube.Type{Kind: cube.Timestamp}},
		{Name: "bytes", Type: cube.Type{Kind: cube.Int64}},
		{Name: "visitor", Type: cube.Type{Kind: cube.Int64}},
	}}
	for i := range benchCards() {
		t.Columns = append(t.Columns, cube.Column{Name: fmt.Sprintf("d%d", i), Type: cube.Type{Kind: cube.String}})
	}
	s := stage.NewSchema(t)
	c := stage.NewChunk(s)
	r := rand.New(rand.NewPCG(5, 5))
	for d, card := range benchCards() {
		z := rand.NewZipf(r, 1.5, 2, card-1)
		dict := &stage.Column{Kind: stage.Bytes}
		for v := range card {
			dict.AppendBytes(fmt.Appendf(nil, "value-%d", v))
		}
		col := &c.Columns[3+d]
		col.Dict, col.Codes = dict, make([]uint32, rows)
		for i := range col.Codes {
			col.Codes[i] = uint32(z.Uint64())
		}
	}
	for i := range rows {
		c.Offsets = append(c.Offsets, int64(i))
		c.Columns[0].AppendInt(int64(i) * 1000)
		c.Columns[1].AppendInt(r.Int64N(100000))
		c.Columns[2].AppendInt(int64(hashWord(uint64(r.IntN(100000)))))
	}
	return s, c
}

func benchMeasures() []cube.Measure {
	return []cube.Measure{{Function: cube.Count}, {Function: cube.Sum, Column: "bytes"}, {Function: cube.Max, Column: "bytes"}}
}

// benchKeys packs the first dims dimensions of the events.
func benchKeys(c *stage.Chunk, dims int) Keys {
	dicts := make([]*Dict, len(benchCards()))
	for d := range dims {
		dicts[d] = &Dict{*c.Columns[3+d].Dict}
	}
	k := layKeys(dicts, c.Rows())
	for at := 0; at < c.Rows(); at += moveTile {
		for d := range dims {
			k.put(d, at, c.Columns[3+d].Codes[at:min(at+moveTile, c.Rows())], nil)
		}
	}
	return k
}

// measure runs f and reports what a row costs of CPU, collection of garbage included: that hardly changes with the load of
// the machine.
func measure(b *testing.B, rows int, f func()) {
	b.ReportAllocs()
	runtime.GC()
	before := cpuTime(b)
	n := 0
	for b.Loop() {
		f()
		n++
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(n)/float64(rows), "cpu-ns/row")
}

func cpuTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkGroup groups keys, beside a Go map that does the same.
func BenchmarkGroup(b *testing.B) {
	_, c := benchChunk(benchRows)
	b.Run("pack", func(b *testing.B) {
		measure(b, benchRows, func() {
			benchKeys(c, 9)
		})
	})
	for _, dims := range []int{9, 6, 4} {
		all := benchKeys(c, dims)
		for _, rows := range []int{benchRows, 1 << 19} {
			keys := all
			keys.data = keys.data[:rows]
			b.Run(fmt.Sprintf("dims=%d/rows=%d/map", dims, rows), func(b *testing.B) {
				measure(b, rows, func() {
					groups, places := make([]uint32, rows), map[uint64]uint32{}
					for i, k := range keys.data {
						p, ok := places[k]
						if !ok {
							p = uint32(len(places))
							places[k] = p
						}
						groups[i] = p
					}
				})
			})
			ways := map[string]func([]uint64, int) ([]uint32, []uint64){"group": group64, "radix": groupRadix}
			for name, way := range ways {
				b.Run(fmt.Sprintf("dims=%d/rows=%d/%s", dims, rows, name), func(b *testing.B) {
					n := 0
					measure(b, rows, func() {
						_, distinct := way(keys.data, keys.width(0))
						n = len(distinct)
					})
					b.ReportMetric(float64(n), "groups")
				})
			}
		}
	}
}

// BenchmarkFold folds states of events into nearly as many cells, and into a quarter.
func BenchmarkFold(b *testing.B) {
	const rows = 1 << 20
	_, c := benchChunk(rows)
	bytes, visitor := c.Columns[1], c.Columns[2]
	l := benchLayout(b, append(benchMeasures(), cube.Measure{Function: cube.CountDistinct, Column: "visitor"},
		cube.Measure{Function: cube.CountDistinctExact, Column: "visitor"}, cube.Measure{Function: cube.Percentile, Column: "bytes"},
		cube.Measure{Function: cube.TopN, By: []string{"visitor"}}, cube.Measure{Function: cube.Last, Column: "bytes"})...)
	for _, dims := range []int{9, 6, 1} {
		keys := benchKeys(c, dims)
		groups, distinct := Group(keys)
		for i := range l.Measures {
			m := &l.Measures[i]
			of := bytes
			if m.Column == "visitor" || m.Function == cube.TopN {
				of = visitor
			}
			b.Run(fmt.Sprintf("%s/groups=%d", m.Name, distinct.Len()), func(b *testing.B) {
				src := liftWith(b, m, c, of)
				measure(b, rows, func() {
					s := m.New(distinct.Len())
					if err := s.Fold(groups, src, 0); err != nil {
						b.Fatal(err)
					}
					settled(s)
				})
			})
		}
	}
}

func liftWith(b *testing.B, m *Measure, c *stage.Chunk, of stage.Column) States {
	l := m.plan().lift(m)
	chunk := *c
	chunk.Columns = []stage.Column{of, c.Columns[0]}
	e := &events{
		schema: &stage.Schema{Fields: []stage.Field{{}, {Type: cube.Type{Kind: cube.Timestamp}}}, EventTime: 1},
		index:  map[string]int{m.Column: 0}, chunk: &chunk, to: c.Rows(),
	}
	if m.Function == cube.TopN {
		e.index["visitor"] = 0
	}
	if err := l.add(e); err != nil {
		b.Fatal(err)
	}
	s, err := l.states(nil)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkBlock takes in events and groups them, all steps together.
func BenchmarkBlock(b *testing.B) {
	const rows = 1 << 19
	s, c := benchChunk(rows)
	for name, measures := range benchSets() {
		l := benchLayout(b, measures...)
		b.Run(name, func(b *testing.B) {
			measure(b, rows, func() {
				blk := l.NewBlock(l.Base())
				if err := blk.Add(s, c, 0, rows, 0); err != nil {
					b.Fatal(err)
				}
				if _, err := blk.Cells(); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func benchSets() map[string][]cube.Measure {
	return map[string][]cube.Measure{
		"simple": benchMeasures(),
		"hll":    append(benchMeasures(), cube.Measure{Function: cube.CountDistinct, Column: "visitor"}),
	}
}

// BenchmarkCombine makes children of a block's cells, and merges two blocks' cells.
func BenchmarkCombine(b *testing.B) {
	const rows = 1 << 19
	s, c := benchChunk(2 * rows)
	for name, measures := range benchSets() {
		l := benchLayout(b, measures...)
		var parts []Part
		for at := 0; at < 2*rows; at += rows {
			blk := l.NewBlock(l.Base())
			if err := blk.Add(s, c, at, at+rows, 0); err != nil {
				b.Fatal(err)
			}
			cells, err := blk.Cells()
			if err != nil {
				b.Fatal(err)
			}
			parts = append(parts, Part{cells, 0, cells.Len()})
		}
		for _, mask := range []uint64{0b111111110, 0b111111000, 0b000111111, 0b101010101, 0b111000000, 0b000000001} {
			b.Run(fmt.Sprintf("%s/child=%09b", name, mask), func(b *testing.B) {
				n := 0
				measure(b, parts[0].Cells.Len(), func() {
					child, err := l.Combine(mask, parts[0])
					if err != nil {
						b.Fatal(err)
					}
					n = child.Len()
				})
				b.ReportMetric(float64(n), "groups")
			})
		}
		b.Run(name+"/merge", func(b *testing.B) {
			measure(b, parts[0].Cells.Len()+parts[1].Cells.Len(), func() {
				if _, err := l.Combine(l.Base(), parts...); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}
