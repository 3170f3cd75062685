package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func slice(table, column string, number, first, values int64) DictionarySlice {
	return DictionarySlice{
		TableID: table, Column: column, Slice: number, FirstID: first, Values: values, Size: 10 * values,
		Key: fmt.Sprintf("dictionaries/%s/%s/%d.%d", table, column, number, first), SHA256: "ab",
	}
}

func slicesOf(t testing.TB, c *Catalog, table, column string, after int64) []DictionarySlice {
	t.Helper()
	list, err := c.DictionarySlices(context.Background(), table, column, after)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAppendDictionary(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		ctx, c := context.Background(), openAt(t, dsn)
		table := applied(t, c, "a")
		one, two, other := slice(table, "x", 1, 0, 3), slice(table, "x", 2, 3, 4), slice(table, "X", 1, 0, 1)
		for _, s := range []DictionarySlice{one, two, one, two, other} { // again is a success (C3)
			if err := c.AppendDictionary(ctx, s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		rival := two
		rival.Key += "b"
		for _, s := range []DictionarySlice{rival, slice(table, "x", 3, 6, 1), slice(table, "x", 4, 7, 1), slice(table, "x", 1, 0, 3)} {
			if s == one {
				continue
			}
			if err := c.AppendDictionary(ctx, s); !errors.Is(err, ErrDictionaryMoved) {
				t.Errorf("%s from id %d: got %v, want ErrDictionaryMoved", s, s.FirstID, err)
			}
		}
		if err := c.AppendDictionary(ctx, slice("none", "x", 1, 0, 1)); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown table: got %v, want ErrNotFound", err)
		}
		ignore := cmpopts.IgnoreFields(DictionarySlice{}, "CreatedUs")
		if d := cmp.Diff([]DictionarySlice{two}, slicesOf(t, c, table, "x", 1), ignore); d != "" {
			t.Errorf("slices after 1 (-want +got):\n%s", d)
		}
		all, err := c.TableDictionaries(ctx, table)
		if err != nil || len(all) != 3 {
			t.Errorf("got %v, %v, want 3 slices", all, err)
		}
		if err := c.DropTable(ctx, "default", "a"); err != nil {
			t.Fatal(err)
		}
		if err := c.AppendDictionary(ctx, slice(table, "x", 3, 7, 1)); !errors.Is(err, ErrNotFound) {
			t.Errorf("dropped table: got %v, want ErrNotFound", err)
		}
		if all, err := c.TableDictionaries(ctx, table); err != nil || len(all) != 0 {
			t.Errorf("dropped table: got %v, %v, want no slice", all, err)
		}
	})
}

// Ids end at 2^32, and what no slice can be is refused before it is asked of the database.
func TestDictionaryLimits(t *testing.T) {
	c := openAt(t, sqliteDSN(t))
	table := applied(t, c, "a")
	bad := map[string]func(s *DictionarySlice){
		"no key": func(s *DictionarySlice) { s.Key = "" }, "no hash": func(s *DictionarySlice) { s.SHA256 = "" },
		"no number": func(s *DictionarySlice) { s.Slice = 0 }, "no values": func(s *DictionarySlice) { s.Values = 0 },
		"id below 0": func(s *DictionarySlice) { s.FirstID = -1 }, "id of 33 bits": func(s *DictionarySlice) { s.Values = MaxDictionaryValues + 1 },
	}
	for name, change := range bad {
		s := slice(table, "x", 1, 0, 5)
		change(&s)
		if err := c.AppendDictionary(context.Background(), s); err == nil || errors.Is(err, ErrDictionaryMoved) {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
	for _, s := range []DictionarySlice{slice(table, "x", 1, 0, MaxDictionaryValues-1), slice(table, "x", 2, MaxDictionaryValues-1, 1)} {
		if err := c.AppendDictionary(context.Background(), s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	if err := c.AppendDictionary(context.Background(), slice(table, "x", 3, MaxDictionaryValues, 1)); err == nil {
		t.Error("a value more than there are ids was taken")
	}
}

// C13: whatever is appended, in whatever order and by whom, a dictionary is what a list with the same rule is.
func TestDictionaryProperty(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		n := 0
		rapid.Check(t, func(t *rapid.T) {
			n++
			a, err := c.ApplyTable(context.Background(), tableDef(fmt.Sprint("t", n)))
			if err != nil {
				t.Fatal(err)
			}
			model := map[string][]DictionarySlice{}
			for range rapid.IntRange(1, 12).Draw(t, "steps") {
				column := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "column")
				have := model[column]
				next := int64(0)
				for _, s := range have {
					next += s.Values
				}
				s := slice(a.Table.ID, column, int64(len(have)+1+rapid.IntRange(-1, 1).Draw(t, "off")),
					next+rapid.Int64Range(-1, 1).Draw(t, "shift"), rapid.Int64Range(1, 5).Draw(t, "values"))
				s.Key += fmt.Sprint("-", s.Values)
				if s.Slice < 1 || s.FirstID < 0 {
					continue
				}
				known := s.Slice <= int64(len(have)) && have[s.Slice-1].Key == s.Key
				fits := s.Slice == int64(len(have))+1 && s.FirstID == next
				err := c.AppendDictionary(context.Background(), s)
				switch {
				case (known || fits) != (err == nil):
					t.Fatalf("%s from id %d onto %d slices with %d values: %v", s, s.FirstID, len(have), next, err)
				case err != nil && !errors.Is(err, ErrDictionaryMoved):
					t.Fatal(err)
				case fits:
					model[column] = append(have, s)
				}
			}
			for column, want := range model {
				got, err := c.DictionarySlices(context.Background(), a.Table.ID, column, 0)
				if d := cmp.Diff(want, got, cmpopts.IgnoreFields(DictionarySlice{}, "CreatedUs"), cmpopts.EquateEmpty()); d != "" || err != nil {
					t.Fatalf("column %s, %v (-want +got):\n%s", column, err, d)
				}
			}
		})
	})
}

// C13: of those that append at once one wins each number; together they lose nothing.
func TestAppendersRace(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		table := applied(t, openAt(t, dsn), "a")
		const workers, each = 4, 10
		var wg sync.WaitGroup
		for w := range workers {
			c := openAt(t, dsn)
			wg.Go(func() {
				for done := 0; done < each; {
					have, err := c.DictionarySlices(context.Background(), table, "x", 0)
					if err != nil {
						t.Error(err)
						return
					}
					s := slice(table, "x", int64(len(have)+1), int64(len(have)), 1)
					s.Key += fmt.Sprint("-", w)
					switch err := c.AppendDictionary(context.Background(), s); {
					case err == nil:
						done++
					case !errors.Is(err, ErrDictionaryMoved):
						t.Errorf("worker %d: %v", w, err)
						return
					}
				}
			})
		}
		wg.Wait()
		for i, s := range slicesOf(t, openAt(t, dsn), table, "x", 0) {
			if s.Slice != int64(i+1) || s.FirstID != int64(i) {
				t.Errorf("place %d holds %s from id %d", i, s, s.FirstID)
			}
		}
		if got := len(slicesOf(t, openAt(t, dsn), table, "x", 0)); got != workers*each {
			t.Errorf("%d slices, want %d", got, workers*each)
		}
	})
}

func TestImportDictionary(t *testing.T) {
	ctx, from, to := context.Background(), openAt(t, sqliteDSN(t)), openAt(t, sqliteDSN(t))
	table := applied(t, from, "a")
	versions, err := from.TableVersions(ctx, table)
	if err != nil {
		t.Fatal(err)
	}
	one, two := slice(table, "x", 1, 0, 3), slice(table, "x", 2, 3, 4)
	if err := to.Import(ctx, func(i *Importer) error {
		return errors.Join(i.Table(versions, 1), i.DictionarySlice(one), i.DictionarySlice(two))
	}); err != nil {
		t.Fatal(err)
	}
	if got := slicesOf(t, to, table, "x", 0); len(got) != 2 || got[1].Key != two.Key {
		t.Errorf("got %v, want both slices", got)
	}
	err = openAt(t, sqliteDSN(t)).Import(ctx, func(i *Importer) error {
		return errors.Join(i.Table(versions, 1), i.DictionarySlice(two))
	})
	if !errors.Is(err, ErrDictionaryMoved) {
		t.Errorf("slice 2 without 1: got %v, want ErrDictionaryMoved", err)
	}
}
