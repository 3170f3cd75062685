package segmenter

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func line(p, g int32, start, end int64) PartitionRange {
	return PartitionRange{Partition: p, Generation: g, Start: start, End: end}
}

// S17: what moves a front, and what does not.
func TestFront(t *testing.T) {
	g := Generations{
		{Partition: 0, Generation: 0, Start: 0, End: 50, Closed: true},
		{Partition: 0, Generation: 1, Start: 7, End: 90},
		{Partition: 1, Generation: 0, Start: 3, End: 90},
	}
	at10 := Vector{line(0, 0, 10, 10), line(1, 0, 5, 5)}
	for _, tt := range []struct {
		name      string
		got, want Vector
	}{
		{"the first one makes it", LowerFront(nil, Vector{line(0, 0, 10, 20), line(0, 1, 7, 9), line(1, 0, 5, 5)}, g), at10},
		{"a later one leaves it", LowerFront(at10, Vector{line(0, 0, 20, 30), line(1, 0, 5, 9)}, g), at10},
		{"one before it moves it", LowerFront(at10, Vector{line(0, 0, 2, 4)}, g), Vector{line(0, 0, 2, 2), line(1, 0, 5, 5)}},
		{"a later generation leaves it", LowerFront(at10, Vector{line(0, 1, 7, 9)}, g), at10},
		{"a new partition begins at its first offset", LowerFront(at10[:1], Vector{line(1, 0, 8, 9)}, g), Vector{at10[0], line(1, 0, 3, 3)}},
		{"the first is given up", RaiseFront(at10, []Vector{{line(0, 0, 10, 20), line(1, 0, 5, 5)}}, g), Vector{line(0, 0, 20, 20), at10[1]}},
		{"another is given up", RaiseFront(at10, []Vector{{line(0, 0, 20, 30), line(1, 0, 6, 7)}}, g), at10},
		{"two in any order", RaiseFront(at10, []Vector{{line(0, 0, 20, 30)}, {line(0, 0, 10, 20)}}, g), Vector{line(0, 0, 30, 30), at10[1]}},
		{"over the end of a generation", RaiseFront(at10, []Vector{{line(0, 0, 10, 50)}, {line(0, 1, 7, 9)}}, g), Vector{line(0, 1, 9, 9), at10[1]}},
		{"not over what a generation has left", RaiseFront(at10, []Vector{{line(0, 0, 10, 40)}, {line(0, 1, 7, 9)}}, g), Vector{line(0, 0, 40, 40), at10[1]}},
		{"expired with the hole before it", PassFront(at10, []Vector{{line(0, 0, 20, 30)}}, Vector{line(0, 0, 35, 40)}), Vector{line(0, 0, 30, 30), at10[1]}},
		{"not over what is held", PassFront(at10, []Vector{{line(0, 0, 20, 30)}}, Vector{line(0, 0, 12, 15)}), Vector{line(0, 0, 12, 12), at10[1]}},
	} {
		if d := cmp.Diff(tt.want, tt.got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}

// S17: neighbours are taken in, then given up in any order. The front is the lowest offset that is neither before the first
// one nor given up along with all before it.
func TestFrontAgainstOffsets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := Generations{{Partition: 0, End: 1000}}
		start := rapid.Int64Range(0, 9).Draw(t, "start")
		var front Vector
		var all, retired []Vector
		gone := map[int64]bool{}
		for at, n := start, rapid.IntRange(1, 9).Draw(t, "segments"); n > 0; n-- {
			end := at + rapid.Int64Range(1, 4).Draw(t, "length")
			all = append(all, Vector{line(0, 0, at, end)})
			at = end
		}
		for _, v := range rapid.Permutation(all).Draw(t, "order") {
			front = LowerFront(front, v, g)
			if rapid.Bool().Draw(t, "given up") {
				retired = append(retired, v)
				for o := v[0].Start; o < v[0].End; o++ {
					gone[o] = true
				}
			}
		}
		want := start
		for gone[want] {
			want++
		}
		if got := RaiseFront(front, retired, g); len(got) != 1 || got[0] != line(0, 0, want, want) {
			t.Fatalf("S17: front %v of %v without %v, want %d", got, all, retired, want)
		}
	})
}
