package hbase

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/testkit/celltest"
)

// A table that is read by itself has the header, the groups and the first rows that were written, over all its regions.
func TestAlone(t *testing.T) {
	w := newWorld(t, 40, 200)
	s, _ := fakeStore(t, Options{ShardEvents: 60, GroupRows: 50})
	if err := w.write(t, s, w.spec(1, 200), 70); err != nil {
		t.Fatal(err)
	}
	a, err := s.OpenAlone(t.Context(), w.stored.Table)
	if err != nil {
		t.Fatal(err)
	}
	if a.shards < 3 {
		t.Errorf("the table has %d shards, want some", a.shards)
	}
	rows := map[uint64]int64{}
	for _, g := range a.Groups {
		rows[g.Cuboid] += g.Rows
	}
	for _, e := range w.entries {
		mask := uint64(e.Cuboid)
		if rows[mask] != e.Rows {
			t.Errorf("groups of cuboid %d have %d rows, want %d", mask, rows[mask], e.Rows)
		}
		for _, n := range []int{0, 1, 17, 1000} {
			cols, err := a.First(t.Context(), mask, n)
			if err != nil {
				t.Fatal(err)
			}
			want := celltest.Rows(w.cells[mask])
			want = want[:min(n, len(want))]
			got := make([]string, cols[0].Len())
			for i := range got {
				for k := range cols {
					text := celltest.Value(&cols[k], i)
					if k < len(a.Header.Dimensions) && mask>>(len(a.Header.Dimensions)-1-k)&1 == 0 {
						text = "-"
					}
					got[i] += text + "|"
				}
			}
			if d := cmp.Diff(want, got); d != "" && len(want)+len(got) > 0 {
				t.Errorf("first %d rows of cuboid %d (-written +read):\n%s", n, mask, d)
			}
		}
	}
}

// What was changed or is gone is an error that names the table, never a part of a report.
func TestAloneOfDamaged(t *testing.T) {
	w := newWorld(t, 41, 30)
	s, f := fakeStore(t, Options{})
	if err := w.write(t, s, w.spec(1, 30), 9); err != nil {
		t.Fatal(err)
	}
	look := func() error {
		a, err := s.OpenAlone(t.Context(), w.stored.Table)
		if err != nil {
			return err
		}
		for _, e := range w.entries {
			if _, err := a.First(t.Context(), uint64(e.Cuboid), 100); err != nil {
				return err
			}
		}
		return nil
	}
	for n := 0; ; n++ {
		i, key, was := 0, "", []byte(nil)
		f.Each(w.stored.Table, func(k, v []byte) []byte {
			if i++; i == n+1 {
				key, was = string(k), append([]byte(nil), v...)
				v[len(v)-1] ^= 1
			}
			return v
		})
		if was == nil {
			break
		}
		var format *cuboid.FormatError
		if err := look(); !errors.As(err, &format) || !strings.Contains(err.Error(), w.stored.Table) {
			t.Errorf("row % x has another last byte: %v, want a *cuboid.FormatError that names the table", key, err)
		}
		f.Each(w.stored.Table, func(k, v []byte) []byte {
			if string(k) == key {
				return nil
			}
			return v
		})
		if err := look(); !errors.As(err, &format) && !lastGroup(key, f, w.stored.Table) {
			t.Errorf("row % x is gone: %v, want a *cuboid.FormatError", key, err)
		}
		f.named[w.stored.Table].rows[key] = was
		f.named[w.stored.Table].sorted = nil
	}
	if err := look(); err != nil {
		t.Fatal(err)
	}
	f.Make(w.stored.Table)
	if err := look(); err == nil || !strings.Contains(err.Error(), "never finished") {
		t.Errorf("an empty table: %v, want one that was never finished", err)
	}
	if err := s.Drop(t.Context(), w.stored.Table); err != nil {
		t.Fatal(err)
	}
	if err := look(); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("a dropped table: %v, want one that is gone", err)
	}
}

// lastGroup reports whether a key is that of the last group of a cuboid: a table alone does not say that there was one.
func lastGroup(key string, f *Mem, table string) bool {
	if len(key) < 3 || key[:3] != string([]byte{0, 0, groupTag}) {
		return false
	}
	next := []byte(key)
	next[len(next)-1]++
	_, more := f.named[table].rows[string(next)]
	return !more
}
