package catalog

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// schemaBefore is the last schema that knew neither fronts nor bare segments.
const schemaBefore = 3

// olderDump makes of a dump one of schemaBefore: without the tables, the columns and the contents that came later.
func olderDump(t *testing.T, text string) string {
	t.Helper()
	tables := []string{"dictionaries", "dictionary_slices"}
	columns := map[string][]string{"roll_requests": {"generation", "job_id"}, "jobs": {"unstaged"}, "segments": {"bare"}}
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
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		switch {
		case len(out) == 0:
			var h dumpHeader
			if err := json.Unmarshal([]byte(l), &h); err != nil {
				t.Fatal(err)
			}
			h.Schema = schemaBefore
			line(h)
			continue
		case l[0] == '{':
			of = dumpTable{}
			if err := json.Unmarshal([]byte(l), &of); err != nil {
				t.Fatal(err)
			}
			d := of
			d.Rows = rows
			d.Columns = slices.DeleteFunc(slices.Clone(of.Columns), func(c string) bool { return slices.Contains(columns[of.Table], c) })
			if !slices.Contains(tables, of.Table) {
				line(d)
			}
			continue
		case slices.Contains(tables, of.Table):
			continue
		}
		var row, kept []any
		dec := json.NewDecoder(strings.NewReader(l))
		dec.UseNumber()
		if err := dec.Decode(&row); err != nil {
			t.Fatal(err)
		}
		for i, c := range of.Columns {
			switch {
			case c == "start_ranges":
				kept = append(kept, "[]")
			case !slices.Contains(columns[of.Table], c):
				kept = append(kept, row[i])
			}
		}
		rows++
		line(kept)
	}
	return strings.Join(out, "\n") + "\n"
}

// openBefore makes a catalog of schemaBefore that holds a dump.
func openBefore(t *testing.T, dsn, dump string) {
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
	if err := c.run(ctx, c.w, nil, func(t *tx) error { return t.restore(strings.NewReader(dump)) }); err != nil {
		t.Fatalf("fill a catalog of schema %d: %v", schemaBefore, err)
	}
}

// A catalog of an older schema is the same whether it is opened by this program, or restored by it from its backup.
func TestOlderSchema(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		first := openAt(t, sqliteDSN(t))
		used(t, first)
		id, _, _ := cubed(t, first)
		published(t, first, id, rng(0, 7, 20))
		published(t, first, id, rng(0, 20, 30))
		reserve(t, first, reservation(id, rng(0, 30, 40)))
		text, _ := dumpLines(t, first)
		old := olderDump(t, text)

		openBefore(t, dsn, old)
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
