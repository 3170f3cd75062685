package catalog

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// shops is a version of a lookup table with a key of a type and columns of text.
func shops(id string, version int64, key string, columns ...string) LookupVersion {
	v := lookupVersion(id, version)
	v.Lookup.Columns = []cube.LookupColumn{{Name: "id", Type: key}}
	for _, name := range columns {
		v.Lookup.Columns = append(v.Lookup.Columns, cube.LookupColumn{Name: name, Type: "string"})
	}
	return v
}

// sales is a cube over table sales; derived columns of lookup table shops make it name that.
func sales(name string, derived ...string) *cube.Cube {
	def := cubeDef(name, "sales")
	def.Dimensions = []cube.Dimension{{Column: "shop"}}
	if len(derived) > 0 {
		l := cube.CubeLookup{Lookup: "shops", ForeignKey: "shop"}
		for _, c := range derived {
			l.Derived = append(l.Derived, cube.Derived{Column: c})
		}
		def.Lookups = []cube.CubeLookup{l}
	}
	return def.WithDefaults()
}

func salesTable() *cube.Table {
	def := tableDef("sales")
	def.Columns = append(def.Columns, cube.Column{Name: "shop", Path: "shop", Type: cube.Type{Kind: cube.Int64}, Null: cube.NullKeep})
	return def
}

func wantConflict(t *testing.T, what string, err error, text string) {
	t.Helper()
	var conflict *ConflictError
	if !errors.As(err, &conflict) || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: got %v, want a ConflictError with %q", what, err, text)
	}
}

// C5: a cube names lookup tables that are there, and they stay and keep what it derives.
func TestCubeLookups(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		ctx, c := context.Background(), openAt(t, dsn)
		apply(t, c, salesTable())
		_, err := c.ApplyCube(ctx, sales("views", "city"))
		wantConflict(t, "before the lookup table", err, `there is no lookup table "shops"`)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(c.AppendLookup(ctx, shops("a", 1, "int64", "city", "land")))
		_, err = c.ApplyCube(ctx, sales("views", "town"))
		wantConflict(t, "unknown column", err, `has no column "town"`)
		applyCube(t, c, sales("views", "city"))
		applyCube(t, c, sales("more", "land"))
		applyCube(t, c, sales("none"))

		wantConflict(t, "drop", c.DropLookup(ctx, "default", "shops"), "cubes more, views name it")
		wantConflict(t, "a column less", c.AppendLookup(ctx, shops("a", 2, "int64", "land")), `cube views could not use this version (lookups[0].derived[0].column: lookup table shops has no column "city"`)
		wantConflict(t, "another key", c.AppendLookup(ctx, shops("a", 2, "string", "land", "city")), "column shop is int64")
		if v, err := c.Lookup(ctx, "default", "shops"); err != nil || v.Lookup.Version != 1 {
			t.Errorf("after refused versions: got %+v, %v, want version 1", v.Lookup, err)
		}
		must(c.AppendLookup(ctx, shops("a", 2, "int64", "land", "city", "x")))

		must(c.DropCube(ctx, "default", "more", "ann"))
		wantConflict(t, "drop", c.DropLookup(ctx, "default", "shops"), "cube views names it")
		applyCube(t, c, sales("views"))
		must(c.DropLookup(ctx, "default", "shops"))
		_, err = c.RollbackCube(ctx, "default", "views", 1)
		wantConflict(t, "rollback", err, `there is no lookup table "shops"`)
	})
}

// A cube and the drop of what it names at once: one of them is refused.
func TestCubeLookupRace(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		ctx, c := context.Background(), openAt(t, dsn)
		apply(t, c, salesTable())
		for range 8 {
			id, version, err := c.NextLookup(ctx, "default", "shops")
			if err != nil {
				t.Fatal(err)
			}
			if err := c.AppendLookup(ctx, shops(id, version, "int64", "city")); err != nil {
				t.Fatal(err)
			}
			var made, dropped error
			var wg sync.WaitGroup
			one, other := openAt(t, dsn), openAt(t, dsn)
			wg.Go(func() { _, made = one.ApplyCube(ctx, sales("views", "city")) })
			wg.Go(func() { dropped = other.DropLookup(ctx, "default", "shops") })
			wg.Wait()
			if (made == nil) == (dropped == nil) {
				t.Fatalf("apply: %v, drop: %v, want one of them refused", made, dropped)
			}
			if made == nil {
				if err := c.DropCube(ctx, "default", "views", "ann"); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
