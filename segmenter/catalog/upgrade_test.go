package catalog

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// schemaBefore is the last schema that knew neither fronts nor bare segments.
const schemaBefore = 3

// olderDump makes of a dump one of schemaBefore: without the tables, the columns and the contents that came later.
func olderDump(t *testing.T, text string, columns map[string][]string) string {
	t.Helper()
	var out []string
	var of dumpTable
	rows := int64(0)
	line := func(v any) {
		s, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(s))
	}
	read := func(l string, to any) {
		dec := json.NewDecoder(strings.NewReader(l))
		dec.UseNumber()
		if err := dec.Decode(to); err != nil {
			t.Fatal(err)
		}
	}
	for i, l := range strings.Split(strings.TrimSpace(text), "\n") {
		var row, kept []any
		switch known := columns[of.Table]; {
		case i == 0:
			var h dumpHeader
			read(l, &h)
			h.Schema = schemaBefore
			line(h)
		case l[0] == '{':
			of = dumpTable{}
			read(l, &of)
			known = columns[of.Table]
			d := dumpTable{Table: of.Table, End: of.End, Rows: rows}
			for _, c := range of.Columns {
				if slices.Contains(known, c) {
					d.Columns = append(d.Columns, c)
				}
			}
			if of.End || len(known) > 0 {
				line(d)
			}
		case len(known) > 0:
			read(l, &row)
			for i, c := range of.Columns {
				if c == "start_ranges" {
					row[i] = "[]"
				}
				if slices.Contains(known, c) {
					kept = append(kept, row[i])
				}
			}
			rows++
			line(kept)
		}
	}
	return strings.Join(out, "\n") + "\n"
}

// openBefore makes a catalog of schemaBefore, and fills it with a dump of a later one. It returns the dump as that schema's.
func openBefore(t *testing.T, dsn, dump string) string {
	t.Helper()
	open := openSQLite
	if isPostgres(dsn) {
		open = openPostgres
	}
	c, err := open(dsn, Options{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, err := c.migrator()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := p.UpTo(ctx, schemaBefore); err != nil {
		t.Fatalf("migrate to %d: %v", schemaBefore, err)
	}
	columns := map[string][]string{}
	for _, table := range dumped() {
		rows, err := c.w.Query(`SELECT * FROM ` + table[0])
		if err != nil {
			continue // it came later
		}
		if columns[table[0]], err = rows.Columns(); err != nil || rows.Close() != nil {
			t.Fatal(err)
		}
	}
	old := olderDump(t, dump, columns)
	if err := c.run(ctx, c.w, nil, func(t *tx) error { return t.restore(strings.NewReader(old)) }); err != nil {
		t.Fatalf("fill a catalog of schema %d: %v", schemaBefore, err)
	}
	return old
}

// A catalog of an older schema is the same whether it is opened by this program, or restored by it from its backup.
func TestOlderSchema(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		first := openAt(t, sqliteDSN(t))
		used(t, first)
		id, _, _ := cubed(t, first)
		published(t, first, id, rng(0, 7, 20))
		published(t, first, id, rng(0, 20, 30))
		if err := first.Retire(context.Background(), id, []int64{2}, "dropped by ann"); err != nil {
			t.Fatal(err)
		}
		reserve(t, first, reservation(id, rng(0, 30, 40)))
		text, _ := dumpLines(t, first)

		if !isPostgres(dsn) {
			dsn = filepath.Join(t.TempDir(), "older.db") // one that is not migrated
		}
		old := openBefore(t, dsn, text)
		upgraded := openAt(t, dsn)
		wantFront(t, upgraded, id, rng(0, 7, 7))
		for _, s := range liveOf(t, upgraded, id) {
			if ready := s.Number < 3; s.Bare != ready {
				t.Errorf("upgraded: segment %d (%s): bare %t, want %t", s.Number, s.State, s.Bare, ready)
			}
		}
		_, want := dumpLines(t, upgraded)

		restored := openAt(t, sqliteDSN(t))
		if err := restored.Restore(context.Background(), strings.NewReader(old), 0); err != nil {
			t.Fatal(err)
		}
		_, got := dumpLines(t, restored)
		slices.Sort(got)
		slices.Sort(want)
		if !cmp.Equal(want, got) {
			t.Errorf("a backup of schema %d restored is not that catalog upgraded (-upgraded +restored):\n%s", schemaBefore, cmp.Diff(want, got))
		}
	})
}

func liveOf(t *testing.T, c *Catalog, cubeID string) (list []SegmentEntry) {
	t.Helper()
	for s, err := range c.Segments(context.Background(), all(cubeID)) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}
