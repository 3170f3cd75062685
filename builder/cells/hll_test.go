package cells

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/apache/datasketches-go/hll"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"pgregory.net/rapid"
)

func hllMeasure(precision int, of stage.Kind) *Measure {
	typ := cube.Type{Kind: cube.Int64}
	if of == stage.Bytes {
		typ = cube.Type{Kind: cube.String}
	}
	return &Measure{
		Measure: cube.Measure{Name: "d", Function: cube.CountDistinct, Column: "c", Precision: precision},
		of:      column{"c", of, typ},
	}
}

// liftColumn returns a state for each value of a column.
func liftColumn(t testing.TB, m *Measure, c stage.Column) States {
	t.Helper()
	l := m.plan().lift(m)
	e := &events{
		schema: &stage.Schema{Fields: []stage.Field{{Name: "c", Kind: c.Kind}}}, index: map[string]int{"c": 0},
		chunk: &stage.Chunk{Columns: []stage.Column{c}}, to: c.Len(),
	}
	if err := l.add(e); err != nil {
		t.Fatal(err)
	}
	s, err := l.states(nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unordered passes a sketch through a union, which marks it as out of order.
func unordered(t testing.TB, sketch hll.HllSketch) hll.HllSketch {
	t.Helper()
	u, err := hll.NewUnion(sketch.GetLgConfigK())
	if err != nil {
		t.Fatal(err)
	}
	if err := u.UpdateSketch(sketch); err != nil {
		t.Fatal(err)
	}
	out, err := u.GetResult(hll.TgtHllTypeHll8)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// canonicalSketch sorts the coupons of a compact sketch and marks registers as out of order.
func canonicalSketch(b []byte) []byte {
	b = slices.Clone(b)
	start := 0
	switch b[7] & 3 {
	case 0:
		start = hllListStart
	case 1:
		start = hllSetStart
	default:
		copy(b[8:16], make([]byte, 8))
		b[5] |= hllOutOfOrder
		return b
	}
	var coupons []uint32
	for i := start; i < len(b); i += 4 {
		coupons = append(coupons, binary.LittleEndian.Uint32(b[i:]))
	}
	slices.Sort(coupons)
	for i, c := range coupons {
		binary.LittleEndian.PutUint32(b[start+4*i:], c)
	}
	return b
}

// TestSketchesAreDataSketches holds bytes and estimates against the library, for every precision and form.
func TestSketchesAreDataSketches(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := hllMeasure(rapid.IntRange(4, 14).Draw(r, "precision"), rapid.SampledFrom([]stage.Kind{stage.Int64, stage.Bytes}).Draw(r, "kind"))
		n := rapid.SampledFrom([]int{0, 1, 5, 7, 8, 9, 24, 25, 48, 49, 96, 97, 192, 193, 384, 385, 3000, 9000}).Draw(r, "n")
		seed := rapid.Int64().Draw(r, "seed")
		want, err := hll.NewHllSketch(m.Precision, hll.TgtHllTypeHll8)
		if err != nil {
			r.Fatal(err)
		}
		c := stage.Column{Kind: m.of.kind}
		for i := range n {
			v := seed + int64(i)
			if m.of.kind == stage.Int64 {
				c.AppendInt(v)
				err = want.UpdateInt64(v)
			} else {
				text := fmt.Sprintf("%0*d", int(uint64(v)%40), v) // of many lengths
				c.AppendBytes([]byte(text))
				err = want.UpdateString(text)
			}
			if err != nil {
				r.Fatal(err)
			}
		}
		got := m.New(3)
		groups := make([]uint32, n)
		for i := range groups {
			groups[i] = 1
		}
		if err := got.Fold(groups, liftColumn(t, m, c), 0); err != nil {
			r.Fatal(err)
		}
		stored := got.Columns(1, 2)[0].Bytes(0)
		theirs, err := want.ToCompactSlice()
		if err != nil {
			r.Fatal(err)
		}
		if !bytes.Equal(stored, canonicalSketch(theirs)) {
			r.Fatalf("precision %d, %d values: got\n%x, want\n%x", m.Precision, n, stored, canonicalSketch(theirs))
		}
		back, err := hll.NewHllSketchFromSlice(stored, true)
		if err != nil {
			r.Fatal(err)
		}
		a, err := back.GetEstimate()
		if err != nil {
			r.Fatal(err)
		}
		if b, _ := unordered(t, want).GetCompositeEstimate(); a != b {
			r.Fatalf("precision %d, %d values: estimate %v, want %v", m.Precision, n, a, b)
		}
		for name, write := range map[string]func() ([]byte, error){"compact": want.ToCompactSlice, "updatable": want.ToUpdatableSlice} {
			b, err := write()
			if err != nil {
				r.Fatal(err)
			}
			col := stage.Column{Kind: stage.Bytes}
			col.AppendBytes(b)
			s, err := m.FromColumns([]stage.Column{col})
			if err != nil {
				r.Fatalf("precision %d, %d values, %s: %v", m.Precision, n, name, err)
			}
			if again := s.Columns(0, 1)[0].Bytes(0); !bytes.Equal(again, stored) {
				r.Fatalf("precision %d, %d values, %s: read as\n%x, want\n%x", m.Precision, n, name, again, stored)
			}
		}
	})
}

// TestSketchesFoldInAnyOrder folds sets of values, of all forms, in two orders and in one go (I6).
func TestSketchesFoldInAnyOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := hllMeasure(rapid.IntRange(4, 10).Draw(r, "precision"), stage.Int64)
		const states = 4
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 3, 30, 200, 2000}), 1, 6).Draw(r, "sizes")
		var parts []States
		var all stage.Column
		all.Kind = stage.Int64
		var allGroups []uint32
		for p, n := range sizes {
			c := stage.Column{Kind: stage.Int64}
			groups := make([]uint32, n)
			for i := range n {
				groups[i] = uint32(i * p % states)
				c.AppendInt(int64(hashWord(uint64(i*p)) % 3000))
			}
			s := m.New(states)
			if err := s.Fold(groups, liftColumn(t, m, c), 0); err != nil {
				r.Fatal(err)
			}
			parts = append(parts, s)
			all.Ints = append(all.Ints, c.Ints...)
			allGroups = append(allGroups, groups...)
		}
		whole := m.New(states)
		if err := whole.Fold(allGroups, liftColumn(t, m, all), 0); err != nil {
			r.Fatal(err)
		}
		forth, back := m.New(states), m.New(states)
		same := []uint32{0, 1, 2, 3}
		for i := range parts {
			if err := forth.Fold(same, parts[i], 0); err != nil {
				r.Fatal(err)
			}
			if err := back.Fold(same, parts[len(parts)-1-i], 0); err != nil {
				r.Fatal(err)
			}
		}
		for i := range states {
			want := stateText(whole, i)
			if stateText(forth, i) != want || stateText(back, i) != want {
				r.Fatalf("state %d of sizes %v: the order of folds shows", i, sizes)
			}
		}
	})
}
