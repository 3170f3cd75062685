package catalog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// used is a catalog with rows in every table that this package writes.
func used(t *testing.T, c *Catalog) {
	t.Helper()
	ctx := context.Background()
	id, table := withBad(t, c)
	requeue(t, c, table, 5, 6)
	r := reservation(id, rng(0, 0, 10))
	r.Idempotency.Key = "key"
	_, j := reserve(t, c, r)
	j = claim1(t, c, j.ID)
	if err := c.RenewJob(ctx, JobReport{ID: j.ID, Epoch: j.Epoch, Now: clock(0), Lease: lease, Log: []string{"quote \" and \\ and <html>\n"}}); err != nil {
		t.Fatal(err)
	}
	fresh(t, c, table, reservation(id, rng(0, 10, 20)))
	s, err := c.Assign(ctx, Claim{TableID: table})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.NewGeneration(ctx, NewGeneration{TableID: table, Epoch: s.Epoch, Start: 3, Reason: "why"}); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, c, gone(table, s.Epoch, segmenter.Lost, rng(1, 3, 5)))
	for _, err := range []error{
		c.ApplyProject(ctx, Project{Name: "sales", Owner: "ann"}),
		c.MarkGarbage(ctx, []Garbage{{Key: "x/"}}),
		c.AppendDictionary(ctx, slice(table, "x", 1, 0, 3)),
		c.AppendLookup(ctx, lookupVersion("l1", 1)),
		func() error {
			_, err := c.SubmitTasks(ctx, []TaskSubmission{{Kind: "backup", Spec: []byte("{}"), MaxAttempts: 1}})
			return err
		}(),
		func() error { _, err := c.RequestRoll(ctx, RollRequest{TableID: table, Partition: -1}); return err }(),
		func() error { _, err := c.RequestReread(ctx, Reread{TableID: table, Range: rng(0, 0, 10)}); return err }(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// dumpLines is a dump without the time in its header.
func dumpLines(t *testing.T, c *Catalog) (text string, lines []string) {
	t.Helper()
	var b bytes.Buffer
	if err := c.Dump(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	lines = strings.Split(b.String(), "\n")
	return b.String(), lines[1:]
}

// Every table of the schema is dumped, and every row comes back, from each kind of database into each. The order of rows is
// the database's own.
func TestDumpAndRestore(t *testing.T) {
	for _, from := range backends() {
		for _, to := range backends() {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				c := openAt(t, from.dsn(t))
				used(t, c)
				text, want := dumpLines(t, c)
				other := openAt(t, to.dsn(t))
				if err := other.Restore(context.Background(), strings.NewReader(text), 0); err != nil {
					t.Fatal(err)
				}
				_, got := dumpLines(t, other)
				slices.Sort(want)
				slices.Sort(got)
				wantDiff(t, "dump of what was restored", want, got)
				wantDiff(t, "id", c.ID(), other.ID())
				var conflict *ConflictError
				if err := other.Restore(context.Background(), strings.NewReader(text), 0); !errors.As(err, &conflict) {
					t.Errorf("restore into a full catalog: got %v, want ConflictError", err)
				}
			})
		}
	}
}

func TestDumpNamesEveryTable(t *testing.T) {
	c := openAt(t, sqliteDSN(t))
	rows, err := c.w.Query(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'schema_versions'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var want, got []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, table := range dumped() {
		got = append(got, table[0])
	}
	slices.Sort(want)
	slices.Sort(got)
	wantDiff(t, "tables", want, got)
}

// C2: a dump that is cut off or damaged at any place leaves the catalog empty, and says so.
func TestRestoreRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		source := openAt(t, sqliteDSN(t))
		used(t, source)
		text, _ := dumpLines(t, source)
		c := openAt(t, dsn)
		empty := func() string {
			t.Helper()
			_, lines := dumpLines(t, c)
			return strings.Join(lines, "\n")
		}
		before := empty()
		id := c.ID()
		refuse := func(name, dump, want string) {
			t.Helper()
			err := c.Restore(context.Background(), strings.NewReader(dump), 0)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q in it", name, err, want)
			}
			if d := cmp.Diff(before, empty()); d != "" || c.ID() != id {
				t.Fatalf("%s left something, id %s of %s:\n%s", name, c.ID(), id, d)
			}
		}
		lines := strings.SplitAfter(text, "\n")
		for n := 0; n < len(lines)-1; n += 7 {
			refuse("cut off", strings.Join(lines[:n], ""), "EOF")
		}
		refuse("half a line", text[:len(text)/2], "EOF")
		refuse("another file", `{"a":1}`, "format 0")
		refuse("newer", strings.Replace(text, `"schema":`, `"schema":9`, 1), "newer program")
		without := slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.HasPrefix(l, `["sales"`) })
		refuse("a row less", strings.Join(without, ""), "it is damaged")
		refuse("unknown table", strings.Replace(text, `"table":"jobs"`, `"table":"jobs; DROP TABLE jobs"`, 1), "unknown")
		refuse("unknown column", strings.Replace(text, `"columns":["name"`, `"columns":["nome"`, 1), `"nome"`)
		refuse("a fraction", strings.Replace(text, `["default","",0]`, `["default","",0.5]`, 1), "0.5")
		refuse("twice", strings.Replace(text, `["default","",0]`, `["default","",0]`+"\n"+`["default","",0]`, 1), "restore")
	})
}

// What cannot be written is said.
func TestDumpToFullDisk(t *testing.T) {
	c := openAt(t, sqliteDSN(t))
	used(t, c)
	r, w := io.Pipe()
	r.Close()
	if err := c.Dump(context.Background(), w); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want io.ErrClosedPipe", err)
	}
}
