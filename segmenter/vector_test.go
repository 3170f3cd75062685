package segmenter

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// offset is one offset of the slow model.
type offset struct {
	Partition, Generation int32
	At                    int64
}

type offsets map[offset]bool

func setOf(ranges []PartitionRange) offsets {
	m := make(offsets)
	for _, r := range ranges {
		for o := r.Start; o < r.End; o++ {
			m[offset{r.Partition, r.Generation, o}] = true
		}
	}
	return m
}

func (m offsets) and(o offsets, both bool) offsets {
	out := make(offsets)
	for k := range m {
		if o[k] == both {
			out[k] = true
		}
	}
	return out
}

// drawVector returns a vector of few partitions and generations with short ranges, some of them empty.
func drawVector(t *rapid.T, label string) Vector {
	var v Vector
	for p := range int32(3) {
		for g := range int32(2) {
			if !rapid.Bool().Draw(t, label+" has line") {
				continue
			}
			start := rapid.Int64Range(0, 8).Draw(t, label+" start")
			v = append(v, PartitionRange{Partition: p, Generation: g, Start: start, End: rapid.Int64Range(start, 12).Draw(t, label+" end")})
		}
	}
	return v
}

// S5, S6: every operation says of every offset what sets say.
func TestVectorAgainstSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, o := drawVector(t, "v"), drawVector(t, "o")
		sv, so := setOf(v), setOf(o)
		before := slices.Clone(v)
		if err := v.Validate(); err != nil {
			t.Fatalf("S5: %s: %v", v, err)
		}
		if got := v.Len(); got != int64(len(sv)) || v.Empty() != (len(sv) == 0) {
			t.Fatalf("%s: len %d, empty %t, want %d", v, got, v.Empty(), len(sv))
		}
		both := sv.and(so, true)
		if got := v.Overlaps(o); got != (len(both) > 0) {
			t.Fatalf("%s overlaps %s: %t, they share %d offsets", v, o, got, len(both))
		}
		if d := cmp.Diff(both, setOf(v.Intersect(o))); d != "" {
			t.Fatalf("%s intersect %s:\n%s", v, o, d)
		}
		if got, want := v.Covers(o), len(both) == len(so); got != want {
			t.Fatalf("%s covers %s: %t, want %t", v, o, got, want)
		}
		rest := v.Subtract(o)
		if d := cmp.Diff(sv.and(so, false), setOf(rest)); d != "" {
			t.Fatalf("%s subtract %s:\n%s", v, o, d)
		}
		for i := 1; i < len(rest); i++ {
			if compareRange(rest[i-1], rest[i]) >= 0 || rest[i-1].Abuts(rest[i]) || rest[i].Empty() {
				t.Fatalf("%s subtract %s: got %v: want whole ranges ascending", v, o, rest)
			}
		}
		if d := cmp.Diff(before, v, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("an operation changed its receiver:\n%s", d)
		}
		checkJoin(t, v, o)
	})
}

// checkJoin: a join is refused if a line would not be one range, else it is the union.
func checkJoin(t *rapid.T, v, o Vector) {
	refused := false
	for _, r := range v {
		if x, ok := o.Line(r.Partition, r.Generation); ok && r.End != x.Start && x.End != r.Start {
			refused = true
		}
	}
	got, err := v.Join(o)
	if refused != (err != nil) {
		t.Fatalf("S6: %s join %s: error %v, want one: %t", v, o, err, refused)
	}
	if err != nil {
		return
	}
	want := setOf(append(slices.Clone(v), o...))
	if d := cmp.Diff(want, setOf(got)); d != "" || got.Validate() != nil || got.Len() != v.Len()+o.Len() {
		t.Fatalf("S6: %s join %s is %s (-want +got):\n%s", v, o, got, d)
	}
	back, err := o.Join(v)
	if err != nil || !slices.Equal(got, back) {
		t.Fatalf("S6: %s join %s is %s, the other way %s, %v", v, o, got, back, err)
	}
}

func TestNormalizeAgainstSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawVector(t, "v")
		var pieces Vector
		for _, r := range v { // cut every range in two and shuffle
			mid := rapid.Int64Range(r.Start, r.End).Draw(t, "mid")
			a, b := r, r
			a.End, b.Start = mid, mid
			pieces = append(pieces, a, b)
		}
		got, err := Vector(rapid.Permutation(pieces).Draw(t, "order")).Normalize()
		if err != nil {
			t.Fatalf("%s: %v", pieces, err)
		}
		if d := cmp.Diff(v, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("normalize %s (-want +got):\n%s", pieces, d)
		}
	})
	for _, v := range []Vector{
		{{Start: 0, End: 5}, {Start: 4, End: 9}},
		{{Start: 0, End: 5}, {Start: 6, End: 9}},
		{{Start: 5, End: 4}},
		{{Partition: -1}},
	} {
		if got, err := v.Normalize(); err == nil {
			t.Errorf("normalize %s: got %s, want an error", v, got)
		}
	}
}

// Compare is an order, and that of the log for segments that were cut one after another (S7).
func TestCompareIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawVector(t, "a"), drawVector(t, "b"), drawVector(t, "c")
		if a.Compare(b) != -b.Compare(a) || a.Compare(a) != 0 {
			t.Fatalf("%s and %s: %d one way, %d the other", a, b, a.Compare(b), b.Compare(a))
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Fatalf("not transitive: %s, %s, %s", a, b, c)
		}
		next := make(Vector, 0, len(a))
		for _, r := range a.Ends() {
			r.End += rapid.Int64Range(0, 2).Draw(t, "more")
			next = append(next, r)
		}
		if !a.Empty() && a.Compare(next) >= 0 && next.Len() > 0 {
			t.Fatalf("%s goes on at %s, but does not come before it", a, next)
		}
	})
}

func TestVectorValidate(t *testing.T) {
	for text, v := range map[string]Vector{
		"of one line":   {{Start: 0, End: 1}, {Start: 2, End: 3}},
		"comes after":   {{Partition: 1}, {Partition: 0}},
		"want 0 <=":     {{Start: 3, End: 1}},
		"is negative":   {{Generation: -1}},
		"comes after p": {{Generation: 1}, {Generation: 0}},
	} {
		if err := v.Validate(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("validate %v: got %v, want an error with %q", []PartitionRange(v), err, text)
		}
	}
}

func TestStartsAndEnds(t *testing.T) {
	v := Vector{{Start: 3, End: 9}, {Partition: 1, Start: 4, End: 6}, {Partition: 1, Generation: 2, Start: 0, End: 7}}
	if d := cmp.Diff(Vector{{Start: 3, End: 3}, {Partition: 1, Start: 4, End: 4}}, v.Starts()); d != "" {
		t.Errorf("starts of %s (-want +got):\n%s", v, d)
	}
	if d := cmp.Diff(Vector{{Start: 9, End: 9}, {Partition: 1, Generation: 2, Start: 7, End: 7}}, v.Ends()); d != "" {
		t.Errorf("ends of %s (-want +got):\n%s", v, d)
	}
}

// S6: the table of what goes on where.
func TestAdjacent(t *testing.T) {
	g := Generations{
		{Partition: 0, Generation: 0, Start: 10, End: 50, Closed: true},
		{Partition: 0, Generation: 1, Start: 0, End: 0, Closed: true}, // nothing was written in it
		{Partition: 0, Generation: 2, Start: 5, End: 90},
		{Partition: 1, Generation: 0, Start: 7, End: 80},
		{Partition: 2, Generation: 0, Start: 0, End: 3, Closed: true},
		{Partition: 2, Generation: 1, Start: 0, End: 9},
	}
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	p := func(partition, generation int32, start, end int64) PartitionRange {
		return PartitionRange{partition, generation, start, end}
	}
	for _, c := range []struct {
		name    string
		v, next Vector
		want    string // part of the error; empty: adjacent
	}{
		{"next offset", Vector{p(0, 0, 10, 20)}, Vector{p(0, 0, 20, 30)}, ""},
		{"both stand still", Vector{p(0, 0, 10, 20)}, Vector{p(0, 0, 20, 20)}, ""},
		{"hole", Vector{p(0, 0, 10, 20)}, Vector{p(0, 0, 21, 30)}, "ends at 20"},
		{"overlap", Vector{p(0, 0, 10, 20)}, Vector{p(0, 0, 19, 30)}, "ends at 20"},
		{"closed end and first offset", Vector{p(0, 0, 10, 50)}, Vector{p(0, 2, 5, 6)}, ""},
		{"before the closed end", Vector{p(0, 0, 10, 49)}, Vector{p(0, 2, 5, 6)}, "its generation at 50"},
		{"behind the first offset", Vector{p(0, 0, 10, 50)}, Vector{p(0, 2, 6, 7)}, "begins at 5"},
		{"open generation before", Vector{p(1, 0, 7, 80)}, Vector{p(1, 1, 0, 1)}, "not closed"},
		{"earlier generation", Vector{p(0, 2, 5, 6)}, Vector{p(0, 0, 50, 50)}, "ends in generation 2"},
		{"new partition", Vector{p(0, 0, 10, 20)}, Vector{p(0, 0, 20, 21), p(1, 0, 7, 9)}, ""},
		{"new partition, not from its start", Vector{p(0, 0, 10, 20)}, Vector{p(0, 0, 20, 21), p(1, 0, 8, 9)}, "begins at 7"},
		{"new partition, not from its first generation", Vector{}, Vector{p(2, 1, 0, 1)}, "begins with p2 [0,3)"},
		{"partition left out", Vector{p(0, 0, 10, 20), p(1, 0, 7, 8)}, Vector{p(1, 0, 8, 9)}, ""},
		{"both generations in next", Vector{p(0, 0, 10, 20)}, Vector{p(0, 0, 20, 50), p(0, 2, 5, 6)}, ""},
		{"hole within next", Vector{p(0, 0, 10, 20)}, Vector{p(0, 0, 20, 40), p(0, 2, 5, 6)}, "its generation at 50"},
		{"two partitions, one wrong", Vector{p(0, 0, 10, 20), p(1, 0, 7, 8)}, Vector{p(0, 0, 20, 21), p(1, 0, 9, 10)}, "ends at 8"},
	} {
		err := c.v.Adjacent(c.next, g)
		var not *NotAdjacentError
		switch {
		case c.want == "" && err != nil, c.want == "" && !c.v.Abuts(c.next, g):
			t.Errorf("%s: %s then %s: %v", c.name, c.v, c.next, err)
		case c.want != "" && (!errors.As(err, &not) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %s then %s: got %v, want an error with %q", c.name, c.v, c.next, err, c.want)
		}
	}
}

func TestGenerationsValidate(t *testing.T) {
	for text, g := range map[string]Generations{
		"is open":    {{Generation: 0, End: 3}, {Generation: 1}},
		"ascending":  {{Partition: 1}, {Partition: 0}},
		"want 0 <= ": {{Start: 4, End: 3}},
	} {
		if err := g.Validate(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("validate %v: got %v, want an error with %q", g, err, text)
		}
	}
}

// Kylin's number of a place in one partition leads back to an equal place; in several it grows with every offset.
func TestNumberAndPosition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g Generations
		for p := range rapid.Int32Range(1, 3).Draw(t, "partitions") {
			last := rapid.Int32Range(0, 2).Draw(t, "generations")
			for n := range last + 1 {
				start := rapid.Int64Range(0, 5).Draw(t, "start")
				g = append(g, Generation{
					Partition: p, Generation: n, Start: start, End: start + rapid.Int64Range(0, 9).Draw(t, "len"), Closed: n < last,
				})
			}
		}
		ends := g.Read().Ends()
		got, err := g.Number(ends)
		want := int64(0)
		for _, x := range g {
			want += x.End // the ends of the earlier ones, and where it stands in the last
		}
		if err != nil || got != want {
			t.Fatalf("number of %s in %v: %d, %v, want %d", ends, g, got, err, want)
		}
		one := g.Of(0)
		for _, r := range one.Read() {
			for at := r.Start; at <= r.End; at++ {
				n, err := one.Number(Vector{{Generation: r.Generation, Start: at, End: at}})
				if err != nil {
					t.Fatal(err)
				}
				back, err := one.Position(n, nil)
				if err != nil || len(back) != 1 {
					t.Fatalf("position of %d in %v: %v, %v", n, one, back, err)
				}
				// An end and the start of what follows it may have one number.
				again, err := one.Number(back)
				if err != nil || again != n || back[0].Generation < r.Generation {
					t.Fatalf("number %d is %s, whose number is %d, %v", n, back, again, err)
				}
			}
		}
	})
}

func TestPositionOfSeveralPartitions(t *testing.T) {
	g := Generations{
		{Partition: 0, End: 100, Closed: true},
		{Partition: 0, Generation: 1, End: 30},
		{Partition: 1, End: 90},
	}
	known := []Vector{
		{{Start: 10, End: 10}, {Partition: 1, Start: 20, End: 20}},
		{{Start: 20, End: 20}, {Partition: 1, Start: 10, End: 10}},
		{{Generation: 1, Start: 5, End: 5}, {Partition: 1, Start: 90, End: 90}},
	}
	for _, c := range []struct {
		n    int64
		want Vector
		text string
	}{
		{195, known[2], ""},
		{95, known[2], ""}, // the raw sum
		{30, nil, "is the sum of p0 [10,10) p1 [20,20) and of"},
		{31, nil, "no known place"},
		{-1, nil, "negative"},
	} {
		got, err := g.Position(c.n, known)
		if !slices.Equal(got, c.want) || (err == nil) != (c.text == "") || (err != nil && !strings.Contains(err.Error(), c.text)) {
			t.Errorf("position of %d: got %v, %v, want %v, error with %q", c.n, got, err, c.want, c.text)
		}
	}
	if _, err := g.Number(Vector{{Generation: 3, Start: 1, End: 1}}); err == nil {
		t.Error("number of a generation whose predecessors are not known: want an error")
	}
	huge := Vector{{Start: 1 << 62, End: 1 << 62}, {Partition: 1, Start: 1 << 62, End: 1 << 62}}
	if n, err := g.Number(huge); err == nil {
		t.Errorf("number of %s: got %d, want an error", huge, n)
	}
}
