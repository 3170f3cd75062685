//go:build unix

package run

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

const (
	benchSegments = 10
	benchMinutes  = 1000 // of each
)

func benchLayout(b *testing.B) *cells.Layout {
	b.Helper()
	c := &cube.Cube{Name: "c", Table: "t", Measures: []cube.Measure{
		{Function: cube.Count},
		{Function: cube.Sum, Column: "bytes"},
		{Function: cube.Avg, Column: "share"},
		{Function: cube.CountDistinct, Column: "visitor"},
	}}
	t := &cube.Table{Name: "t", Topic: "t", EventTime: cube.EventTime{Column: "ts"}}
	for name, kind := range map[string]cube.Kind{
		"ts": cube.Timestamp, "country": cube.String, "device": cube.String, "page": cube.String, "bytes": cube.Int64, "share": cube.Float64, "visitor": cube.Int64,
	} {
		t.Columns = append(t.Columns, cube.Column{Name: name, Type: cube.Type{Kind: kind}})
	}
	for _, d := range []string{"ts", "country", "device", "page"} {
		c.Dimensions = append(c.Dimensions, cube.Dimension{Column: d})
	}
	l, err := cells.NewLayout(c.WithDefaults(), t)
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// benchBatches are cells that ascend by minute, with 50 countries, 5 devices and 10,000 pages by Zipf's law.
func benchBatches(b *testing.B, l *cells.Layout, benchRows int) []*Batch {
	b.Helper()
	var out []*Batch
	for s := range benchSegments {
		r := rand.New(rand.NewPCG(uint64(s), 7))
		rows := &cuboid.Rows{N: benchRows, Dicts: make([]*cells.Dict, 4), Codes: make([][]uint32, 4)}
		minutes := &cells.Dict{Values: stage.Column{Kind: stage.Int64}}
		for m := range benchMinutes {
			minutes.Values.AppendInt(int64(s*benchMinutes+m) * 60e6)
		}
		rows.Dicts[0] = minutes
		for i := range benchRows {
			rows.Codes[0] = append(rows.Codes[0], uint32(1+i*benchMinutes/benchRows))
		}
		for d, n := range []int{50, 5, 10_000} {
			dict := &cells.Dict{Values: stage.Column{Kind: stage.Bytes}}
			for v := range n {
				dict.Values.AppendBytes(fmt.Appendf(nil, "value-%06d", v))
			}
			z := rand.NewZipf(r, 1.3, 3, uint64(n-1))
			for range benchRows {
				rows.Codes[d+1] = append(rows.Codes[d+1], uint32(1+z.Uint64()))
			}
			rows.Dicts[d+1] = dict
		}
		rows.States = benchStates(b, l, r, benchRows)
		out = append(out, NewBatch(rows))
	}
	return out
}

func benchStates(b *testing.B, l *cells.Layout, r *rand.Rand, benchRows int) (out []cells.States) {
	for i := range l.Measures {
		m := &l.Measures[i]
		var cols []stage.Column
		for _, spec := range m.Columns() {
			c := stage.Column{Kind: spec.Kind}
			for range benchRows {
				switch v := r.Int64N(1000); spec.Kind {
				case stage.Int64:
					c.AppendInt(1 + v)
				case stage.Float64:
					c.AppendFloat(float64(v))
				case stage.Decimal128:
					c.AppendBytes([]byte{15: byte(v), 14: byte(v >> 8)})
				default: // a sketch of three coupons
					sketch := []byte{2, 1, 7, 12, 3, 8, 3, 8}
					a := uint32(r.Uint32N(1 << 20))
					for k := range uint32(3) {
						x := 1<<26 | (a + k)
						sketch = append(sketch, byte(x), byte(x>>8), byte(x>>16), byte(x>>24))
					}
					c.AppendBytes(sketch)
				}
			}
			cols = append(cols, c)
		}
		s, err := m.FromColumns(cols)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// benchBlock is a block of the dashboard mix.
type benchBlock struct {
	name     string
	groups   []int
	hours    bool // the first group is the hour of its minutes
	where    *Cond
	measures []int
	top      int64 // rows, by the first aggregate
}

func benchBlocks() []benchBlock {
	country := &Cond{Leaf: In(1, "", &cells.Dict{Values: oneString("value-000003")}, false)}
	day := &Cond{Leaf: Range(0, &Edge{Value: oneInt(2000 * 60e6)}, &Edge{Value: oneInt(3440 * 60e6), Open: true})}
	either := &Cond{Kind: Or, Of: []*Cond{country, {Leaf: In(2, "", &cells.Dict{Values: oneString("value-000001")}, false)}}}
	return []benchBlock{
		{name: "total", measures: []int{0, 1}},
		{name: "minutes", groups: []int{0}, measures: []int{0, 1}},
		{name: "hours", groups: []int{0}, hours: true, measures: []int{0, 1}},
		{name: "minutes-country", groups: []int{0}, where: country, measures: []int{0, 1}},
		{name: "minutes-day", groups: []int{0}, where: day, measures: []int{0, 1}},
		{name: "hours-either", groups: []int{0}, hours: true, where: either, measures: []int{0}},
		{name: "country", groups: []int{1}, measures: []int{0, 1}},
		{name: "country-device", groups: []int{1, 2}, measures: []int{0, 2}},
		{name: "top-pages", groups: []int{3}, measures: []int{0}, top: 10},
		{name: "top-pages-country", groups: []int{3}, where: country, measures: []int{0}, top: 10},
		{name: "pages-country", groups: []int{3, 1}, measures: []int{0}, top: 10},
		{name: "pages-minutes", groups: []int{3, 0}, measures: []int{0}, top: 10},
		{name: "visitors-hours", groups: []int{0}, hours: true, measures: []int{3}},
		{name: "visitors-country", groups: []int{1}, measures: []int{3}},
	}
}

func oneString(v string) stage.Column {
	c := stage.Column{Kind: stage.Bytes}
	c.AppendBytes([]byte(v))
	return c
}

func oneInt(v int64) *cells.Dict {
	return &cells.Dict{Values: stage.Column{Kind: stage.Int64, Ints: []int64{v}}}
}

func (x *benchBlock) program(b *testing.B, l *cells.Layout) *Program {
	b.Helper()
	a := Answer{}
	p := Program{Layout: l, Where: x.where, Measures: x.measures}
	for k, g := range x.groups {
		key, values := fmt.Sprint(g), (func(context.Context, *cells.Dict) (*stage.Column, error))(nil)
		if k == 0 && x.hours {
			key, values = "hour", func(_ context.Context, d *cells.Dict) (*stage.Column, error) {
				out := &stage.Column{Kind: stage.Int64}
				out.AppendNull()
				for _, v := range d.Values.Ints {
					out.AppendInt(v - v%3600e6)
				}
				return out, nil
			}
		}
		a.Groups = append(a.Groups, GroupColumn{l.Dims[g].Name, TypeOf(l.Dims[g].Type), key})
		p.Groups = append(p.Groups, Group{g, values})
	}
	for i, m := range x.measures {
		a.States = append(a.States, State{Measure: &l.Measures[m]})
		a.Aggregates = append(a.Aggregates, Aggregate{Name: l.Measures[m].Name, Func: l.Measures[m].Function, States: []int{i}})
	}
	if x.top > 0 {
		a.Order, a.Limit = []Order{{Column: len(x.groups), Descending: true}}, &x.top
	}
	var err error
	if p.Answer, err = NewAnswer(a); err != nil {
		b.Fatal(err)
	}
	out, err := NewProgram(p)
	if err != nil {
		b.Fatal(err)
	}
	return out
}

// BenchmarkBlocks answers blocks of a dashboard over a million cells in 10 segments, and over 20,000, where what a query costs
// in any case is seen; warm, on one thread.
func BenchmarkBlocks(b *testing.B) {
	l := benchLayout(b)
	for _, rows := range []int{100_000, 2000} {
		batches := benchBatches(b, l, rows)
		for _, x := range benchBlocks() {
			b.Run(fmt.Sprintf("%s/cells=%d", x.name, rows*benchSegments), func(b *testing.B) { x.measure(b, l, batches) })
		}
	}
}

func (x *benchBlock) measure(b *testing.B, l *cells.Layout, batches []*Batch) {
	r, err := New(Options{Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	p := x.program(b, l)
	b.ReportAllocs()
	n, rows, before := 0, int64(0), cpuTime(b)
	for b.Loop() {
		rec, err := runOnce(r, p.Answer, p, batches)
		if err != nil {
			b.Fatal(err)
		}
		rows = rec.NumRows()
		rec.Release()
		n++
	}
	cpu := float64(cpuTime(b)-before) / float64(n)
	cells := 0
	for _, batch := range batches {
		cells += batch.Rows()
	}
	b.ReportMetric(cpu/1e6, "cpu-ms/op")
	b.ReportMetric(float64(cells)*1e3/cpu, "Mcells/s/core")
	b.ReportMetric(float64(rows), "groups")
}

// BenchmarkClients has 32 clients ask the blocks of the mix in turn, over 200,000 cells in 10 segments.
func BenchmarkClients(b *testing.B) {
	l := benchLayout(b)
	batches := benchBatches(b, l, 20_000)
	r, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	var programs []*Program
	for _, x := range benchBlocks() {
		if x.name != "pages-minutes" { // which has more groups than any dashboard
			programs = append(programs, x.program(b, l))
		}
	}
	next := atomic.Int64{}
	before := cpuTime(b)
	b.SetParallelism(max(1, 32/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p := programs[next.Add(1)%int64(len(programs))]
			rec, err := runOnce(r, p.Answer, p, batches)
			if err != nil {
				b.Error(err)
				return
			}
			rec.Release()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N)/1e6, "cpu-ms/op")
}

// cpuTime is the process's, collection of garbage included: that hardly changes with the load of the machine.
func cpuTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
