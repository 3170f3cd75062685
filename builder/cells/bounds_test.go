package cells

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

// topMeasure ranks a column by the sum of itself.
func topMeasure(kind stage.Kind, typ cube.Kind) *Measure {
	c := column{"c", kind, cube.Type{Kind: typ}}
	return &Measure{Measure: cube.Measure{Name: "top", Function: cube.TopN, Column: "c", By: []string{"c"}, N: 10}, of: c, by: []column{c}}
}

// foldedTop folds parts of values one after the other.
func foldedTop(t testing.TB, m *Measure, parts ...stage.Column) States {
	t.Helper()
	out := m.New(1)
	for _, c := range parts {
		s := m.New(1)
		if err := s.Fold(make([]uint32, c.Len()), liftColumn(t, m, c), 0); err != nil {
			t.Fatal(err)
		}
		if err := out.Fold([]uint32{0}, must(m.FromColumns(s.Columns(0, 1))), 0); err != nil {
			t.Fatal(err)
		}
		settled(out)
	}
	return out
}

func columnOf(values []int64) stage.Column {
	c := stage.Column{Kind: stage.Int64}
	for _, v := range values {
		c.AppendInt(v)
	}
	return c
}

// TestTopsOfTheSameEvents folds the same values in different ways, full states too: they never contradict each other, and do
// after a value has been added that no error explains.
func TestTopsOfTheSameEvents(t *testing.T) {
	m := topMeasure(stage.Int64, cube.Int64)
	rapid.Check(t, func(r *rapid.T) {
		spread := rapid.SampledFrom([]uint64{100, 1500, 8000}).Draw(r, "spread")
		seed := rapid.Uint64().Draw(r, "seed")
		var values []int64
		for i := range rapid.IntRange(1, 6000).Draw(r, "values") {
			values = append(values, 1+int64(hashWord(seed+uint64(i))%spread))
		}
		cut := rapid.IntRange(0, len(values)).Draw(r, "cut")
		a := foldedTop(t, m, columnOf(values))
		b := foldedTop(t, m, columnOf(values[cut:]), columnOf(values[:cut]))
		check := RankedCheck{Unsigned: true}
		if why := a.(Ranked).Contradicts(b, check); why != "" {
			r.Fatalf("cut at %d of %d: %s", cut, len(values), why)
		}
		if a.(Ranked).Signed() {
			r.Fatal("weights above zero have a sign")
		}
		total := int64(0)
		for _, v := range values {
			total += v
		}
		// More than any sum and than all errors.
		c := foldedTop(t, m, columnOf(append(slices.Clone(values), 2*total)))
		for _, why := range []string{a.(Ranked).Contradicts(c, check), c.(Ranked).Contradicts(a, check)} {
			if why == "" {
				r.Fatalf("%d values up to %d: a further %d is not seen", len(values), spread, 2*total)
			}
		}
	})
}

// TestTopsWithSigns drops values below zero, which no floor tells of: full states are then not compared, others are.
func TestTopsWithSigns(t *testing.T) {
	m := topMeasure(stage.Int64, cube.Int64)
	var values []int64
	for i := range int64(3000) {
		values = append(values, i-1500)
	}
	full := foldedTop(t, m, columnOf(values))
	other := foldedTop(t, m, columnOf(append(values[:3000:3000], 1<<40)))
	events := m.New(1)
	if err := events.Fold(make([]uint32, len(values)), liftColumn(t, m, columnOf(values)), 0); err != nil {
		t.Fatal(err)
	}
	if !settled(events).(Ranked).Signed() || full.(Ranked).Signed() {
		t.Error("weights below zero have no sign, or what was read has the sign of what it does not have any more")
	}
	if why := full.(Ranked).Contradicts(other, RankedCheck{}); why != "" {
		t.Errorf("full states with signs: %s, want nothing", why)
	}
	few := foldedTop(t, m, columnOf([]int64{-5, 7}))
	if why := few.(Ranked).Contradicts(foldedTop(t, m, columnOf([]int64{7, -5})), RankedCheck{}); why != "" {
		t.Errorf("the same values: %s", why)
	}
	for _, values := range [][]int64{{-5, 7, 7}, {-5}, {-5, 7, 8}} {
		o := foldedTop(t, m, columnOf(values))
		for _, why := range []string{few.(Ranked).Contradicts(o, RankedCheck{}), o.(Ranked).Contradicts(few, RankedCheck{})} {
			if why == "" {
				t.Errorf("-5 and 7 against %d: nothing, want what differs", values)
			}
		}
	}
}

// Sums of float64 are compared up to rounding, and only where asked.
func TestTopsOfFloats(t *testing.T) {
	m := topMeasure(stage.Float64, cube.Float64)
	of := func(values ...float64) Ranked {
		c := stage.Column{Kind: stage.Float64}
		for _, v := range values {
			c.AppendFloat(v)
		}
		return foldedTop(t, m, c).(Ranked)
	}
	check := RankedCheck{Unsigned: true, Floats: true, States: 2}
	for _, tt := range []struct {
		a, b  []float64
		check RankedCheck
		want  string
	}{
		{[]float64{0.1, 0.1}, []float64{0.1, 0.1}, check, ""},
		{[]float64{0.1, 0.1}, []float64{0.1}, check, "at least 0.2"},
		{[]float64{0.1}, []float64{0.1, 0.1}, check, "the other way round"},
		{[]float64{0.1, 0.1}, []float64{0.1}, RankedCheck{Unsigned: true}, ""},
		{[]float64{0.1, 0.1}, []float64{0.1}, RankedCheck{Floats: true}, ""},
		{[]float64{0.1, 0.2}, []float64{0.1}, RankedCheck{}, "no such value"},
		{[]float64{math.Inf(1), math.Inf(1)}, []float64{math.Inf(1)}, check, ""},
		{[]float64{math.NaN()}, []float64{math.NaN(), math.NaN()}, check, ""},
	} {
		a, b := of(tt.a...), of(tt.b...)
		if got := a.Contradicts(b.(States), tt.check); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%v against %v, %+v: %q, want %q", tt.a, tt.b, tt.check, got, tt.want)
		}
	}
}

// Items are all values of a state, or none where it may have dropped one.
func TestItems(t *testing.T) {
	m := topMeasure(stage.Int64, cube.Int64)
	got, ok := foldedTop(t, m, columnOf([]int64{3, 4, 3})).(Items).AppendItems(nil, 0, 0, 9)
	if len(got) != 2 || !ok || got[0].Amount+got[1].Amount != 10 || got[0].Hash == got[1].Hash {
		t.Errorf("items of 3, 4, 3: %v, %t, want 6 and 4", got, ok)
	}
	var many []int64
	for i := range int64(1000) {
		many = append(many, i+1)
	}
	if got, ok := foldedTop(t, m, columnOf(many)).(Items).AppendItems(nil, 0, 0, 2000); ok {
		t.Errorf("a full state has %d items, want none", len(got))
	}
	sets := &idSets[uint32]{sets: newSets[uint32](2)}
	if err := sets.Fold([]uint32{1, 1, 0}, &idSets[uint32]{single: []uint32{7, 9, 7}}, 0); err != nil {
		t.Fatal(err)
	}
	settled(sets)
	first, _ := sets.AppendItems(nil, 0, 0, 9)
	second, ok := sets.AppendItems(nil, 1, 0, 9)
	if len(first) != 1 || len(second) != 2 || !ok || first[0] != second[0] {
		t.Errorf("items of {7} and {7, 9}: %v and %v, %t", first, second, ok)
	}
	parts, _ := sets.AppendItems(nil, 1, 0, 1)
	parts, _ = sets.AppendItems(parts, 1, 1, 1)
	if parts, _ = sets.AppendItems(parts, 1, 2, 1); !slices.Equal(parts, second) {
		t.Errorf("items of {7, 9} one by one: %v, together %v", parts, second)
	}
}

// A state of few values that says it has an error was made by nobody.
func TestWholeStatesHaveNoError(t *testing.T) {
	m := topMeasure(stage.Int64, cube.Int64)
	col := foldedTop(t, m, columnOf([]int64{3})).Columns(0, 1)
	col[0].Data = slices.Clone(col[0].Data)
	col[0].Data[len(col[0].Data)-1] = 2 // 1
	if _, err := m.FromColumns(col); err == nil || !strings.Contains(err.Error(), "an error of 1") {
		t.Errorf("got %v, want that 1 value has no error of 1", err)
	}
}
