package run

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// countsOf returns a program that counts by number, whose values have a key, and a batch of one row for each of some numbers.
func countsOf(t *testing.T, key string) (*Program, func(from, rows int) []Input) {
	t.Helper()
	l := layoutOf(t, []string{"num"}, []cube.Measure{{Function: cube.Count}})
	a, err := NewAnswer(Answer{
		Groups:     []GroupColumn{{"num", TypeOf(cube.Type{Kind: cube.Int64}), key}},
		States:     []State{{Measure: &l.Measures[0]}},
		Aggregates: []Aggregate{{Name: "n", Func: cube.Count, States: []int{0}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewProgram(Program{Answer: a, Layout: l, Groups: []Group{{}}, Measures: []int{0}})
	if err != nil {
		t.Fatal(err)
	}
	return p, func(from, rows int) []Input {
		d := &cells.Dict{Values: stage.Column{Kind: stage.Int64}}
		out := &cuboid.Rows{N: rows, Dicts: []*cells.Dict{d}, Codes: make([][]uint32, 1)}
		counts := stage.Column{Kind: stage.Int64}
		for i := range rows {
			d.Values.AppendInt(int64(from + i))
			out.Codes[0] = append(out.Codes[0], uint32(i+1))
			counts.AppendInt(1)
		}
		s, err := l.Measures[0].FromColumns([]stage.Column{counts})
		if err != nil {
			t.Fatal(err)
		}
		out.States = []cells.States{s}
		return []Input{{Program: p, Batch: NewBatch(out)}}
	}
}

// wantFolded compares the metric of what was asked of folded groups, by outcome.
func wantFolded(t *testing.T, reg *prometheus.Registry, want map[string]float64) {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	totals := map[string]float64{}
	for _, family := range all {
		for _, m := range family.Metric {
			if family.GetName() == "tidemark_query_run_folded_total" {
				totals[m.Label[0].GetValue()] = m.Counter.GetValue()
			}
		}
	}
	if !maps.Equal(totals, want) {
		t.Errorf("counted %v, want %v", totals, want)
	}
}

// What a query apart has folded is of its query's domains, though these were forgotten meanwhile; a query of others does not take it.
func TestFoldedOfForgottenDomains(t *testing.T) {
	reg := prometheus.NewRegistry()
	run := newRunner(t, Options{DomainBytes: minCacheBytes, Registry: reg})
	p, rows := countsOf(t, "mine")
	q, err := run.Start(p.Answer)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if err := q.Fold(t.Context(), rows(100, 3)); err != nil {
		t.Fatal(err)
	}
	o, many := countsOf(t, "others")
	other, err := run.Start(o.Answer)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Fold(t.Context(), many(0, 100_000)); err != nil {
		t.Fatal(err)
	}
	other.Close() // which forgets domains
	apart := q.Apart()
	if err := apart.Fold(t.Context(), rows(200, 3)); err != nil {
		t.Fatal(err)
	}
	f, err := apart.Folded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	apart.Close()
	if err := q.Take(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	rec, err := q.Record(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	var nums []string
	for i := range int(rec.NumRows()) {
		nums = append(nums, rec.Column(0).ValueStr(i)+" "+rec.Column(1).ValueStr(i))
	}
	slices.Sort(nums)
	if want := []string{"100 1", "101 1", "102 1", "200 1", "201 1", "202 1"}; !slices.Equal(nums, want) {
		t.Errorf("got %q, want %q", nums, want)
	}
	late, err := run.Start(p.Answer)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if late.Takes(f) {
		t.Error("a query of a new domain takes the groups of a forgotten one")
	}
	key := FoldedKey{1}
	if !run.Keep(key, f) {
		t.Fatal("three groups are too many to be kept")
	}
	if got, wanted := late.Known(key); got != nil || !wanted {
		t.Errorf("a query of a new domain is given %v, wanted %t; want none, to be folded again", got, wanted)
	}
	if got, _ := q.Known(key); got != f {
		t.Errorf("a query of the domain is given %v, want what was kept", got)
	}
	wantFolded(t, reg, map[string]float64{"first": 0, "again": 1, "kept": 1, "large": 0})
	if late.Take(t.Context(), f) == nil {
		t.Error("it took them")
	}
}

// A query apart that has no room to be taken says so, and its query goes on.
func TestFoldedWithoutRoom(t *testing.T) {
	run := newRunner(t, Options{MemoryBytes: minMemoryBytes, Threads: 1})
	p, rows := countsOf(t, "mine")
	all := rows(0, 16_000)
	q, err := run.Start(p.Answer)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	apart := q.Apart()
	defer apart.Close()
	if err = apart.Fold(t.Context(), all); err == nil {
		_, err = apart.Folded(t.Context())
	}
	var memory *MemoryError
	if !errors.As(err, &memory) {
		t.Fatalf("got %v, want a MemoryError: the test wants more groups", err)
	}
	apart.Undo()
	if err := q.Fold(t.Context(), all); err != nil {
		t.Errorf("folded as it comes: %v", err)
	}
}
