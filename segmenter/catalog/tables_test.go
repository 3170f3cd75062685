package catalog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

func revision(t *testing.T, c *Catalog) int64 {
	t.Helper()
	r, err := c.Revision(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func apply(t *testing.T, c *Catalog, def *cube.Table) Applied {
	t.Helper()
	a, err := c.ApplyTable(context.Background(), def)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func names(t *testing.T) func(list []*cube.Table, err error) []string {
	return func(list []*cube.Table, err error) (out []string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			out = append(out, d.Project+"/"+d.Name)
		}
		return out
	}
}

// C5: an equal definition keeps its version, a changed one gets the next, and every version stays readable.
func TestApplyTable(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		def := tableDef("views")
		def.Start = cube.Start{At: "time", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))}
		first := apply(t, c, def)
		if !first.Created || !first.Changed || first.Table.Version != 1 || len(first.Table.ID) != 8 {
			t.Fatalf("new table: got %+v", first)
		}
		if def.ID != "" || def.Version != 0 {
			t.Errorf("apply changed the caller's definition: %+v", def)
		}
		rev := revision(t, c)
		same := apply(t, c, def)
		if same.Created || same.Changed || same.Table.ID != first.Table.ID || same.Table.Version != 1 {
			t.Errorf("equal definition: got %+v", same)
		}
		again := *first.Table // with its id and version, as a client gives back what it has read
		if a := apply(t, c, &again); a.Changed {
			t.Errorf("the definition as it was read: got %+v", a)
		}
		if got := revision(t, c); got != rev {
			t.Errorf("revision went from %d to %d though nothing changed", rev, got)
		}
		changed := *def
		changed.Columns = append(changed.Columns, cube.Column{Name: "url", Path: "page.url", Type: cube.Type{Kind: cube.String}})
		next := apply(t, c, &changed)
		if next.Created || !next.Changed || next.Table.Version != 2 || next.Table.ID != first.Table.ID {
			t.Errorf("changed definition: got %+v", next)
		}
		if got := revision(t, c); got <= rev {
			t.Errorf("revision %d after a change, want above %d", got, rev)
		}
		for version, want := range map[int]int{0: 2, 1: 1, 2: 2} {
			got, err := c.TableByID(ctx, first.Table.ID, version)
			if err != nil || got.Version != want || len(got.Columns) != want {
				t.Errorf("version %d: got %+v, %v", version, got, err)
			}
		}
		versions, err := c.TableVersions(ctx, first.Table.ID)
		if err != nil || len(versions) != 2 || len(versions[0].Columns) != 1 {
			t.Errorf("versions: got %v, %v", versions, err)
		}
	})
}

func TestApplyTableRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		apply(t, c, tableDef("views"))
		moved := tableDef("views")
		moved.Topic = "elsewhere"
		var conflict *ConflictError
		if _, err := c.ApplyTable(ctx, moved); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "another name") {
			t.Errorf("another topic: got %v, want ConflictError that says what to do", err)
		}
		foreign := tableDef("views")
		foreign.Project = "sales"
		if _, err := c.ApplyTable(ctx, foreign); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "project sales") {
			t.Errorf("unknown project: got %v, want ErrNotFound that names it", err)
		}
		if _, err := c.ApplyTable(ctx, &cube.Table{Project: "default", Name: "x"}); err == nil {
			t.Error("a table without a topic was accepted")
		}
		for name, err := range map[string]error{
			"table":    func() error { _, err := c.Table(ctx, "default", "none"); return err }(),
			"id":       func() error { _, err := c.TableByID(ctx, "none", 0); return err }(),
			"version":  func() error { _, err := c.TableByID(ctx, apply(t, c, tableDef("views")).Table.ID, 9); return err }(),
			"versions": func() error { _, err := c.TableVersions(ctx, "none"); return err }(),
			"state":    func() error { _, err := c.TableState(ctx, "none"); return err }(),
			"set":      c.SetTableState(ctx, "none", TableState{}),
			"drop":     c.DropTable(ctx, "default", "none"),
			"assign":   func() error { _, err := c.Assign(ctx, Claim{TableID: "none"}); return err }(),
			"stats":    func() error { _, err := c.Stats(ctx, "none"); return err }(),
			"parts":    func() error { _, err := c.Partitions(ctx, "none"); return err }(),
			"requeue":  func() error { _, err := c.NextRequeue(ctx, "none"); return err }(),
		} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s of what does not exist: got %v, want ErrNotFound", name, err)
			}
		}
	})
}

func TestProjectsAndLists(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		for _, p := range []Project{{"sales", "ann"}, {"sales", "bob"}} {
			if err := c.ApplyProject(ctx, p); err != nil {
				t.Fatal(err)
			}
		}
		projects, err := c.Projects(ctx)
		if err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "projects", []Project{{Name: "default"}, {"sales", "bob"}}, projects)
		apply(t, c, tableDef("views"))
		apply(t, c, tableDef("orders"))
		sold := tableDef("orders")
		sold.Project = "sales"
		apply(t, c, sold)
		wantDiff(t, "all", []string{"default/orders", "default/views", "sales/orders"}, names(t)(c.Tables(ctx, "")))
		wantDiff(t, "one project", []string{"sales/orders"}, names(t)(c.Tables(ctx, "sales")))
	})
}

func TestDropTable(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		table, epoch := begun(t, c, 0)
		def, err := c.TableByID(ctx, table, 0)
		if err != nil {
			t.Fatal(err)
		}
		mustCommit(t, c, staged(table, epoch, rng(0, 0, 5)))
		if _, err := c.RequestRoll(ctx, RollRequest{TableID: table, Partition: -1}); err != nil {
			t.Fatal(err)
		}
		reread, err := c.RequestReread(ctx, Reread{TableID: table, Range: rng(0, 0, 5)})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.DropTable(ctx, def.Project, def.Name); err != nil {
			t.Fatal(err)
		}
		if err := c.Commit(ctx, staged(table, epoch, rng(0, 5, 6))); !errors.Is(err, ErrNotFound) {
			t.Errorf("commit to a dropped table: got %v, want ErrNotFound", err)
		}
		if got := names(t)(c.Tables(ctx, "")); got != nil {
			t.Errorf("tables after drop: %v", got)
		}
		if rolls, err := c.RollRequests(ctx); err != nil || len(rolls) > 0 {
			t.Errorf("roll requests after drop: %v, %v", rolls, err)
		}
		if r, err := c.RereadByID(ctx, reread); err != nil || !r.Done || r.Problem == "" {
			t.Errorf("re-read after drop: got %+v, %v, want it done with a problem", r, err)
		}
		for key, err := range c.Referenced(ctx, table) {
			t.Errorf("a dropped table still needs %q, %v", key, err)
		}
		wantDiff(t, "ledger", []string{"p0 [0,5)"}, ranges(entries(t, c, LedgerQuery{TableID: table, Partition: -1})))
		dropped, err := c.DroppedTables(ctx)
		if err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "dropped", []string{table}, dropped)
		if again := apply(t, c, def); !again.Created || again.Table.ID == table || again.Table.Version != 1 {
			t.Errorf("same name again: got %+v, want a new table", again)
		}
	})
}

func TestTableState(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		table := applied(t, c, "views")
		rev := revision(t, c)
		want := TableState{Stopped: true, Reason: "too many bad records"}
		if err := c.SetTableState(ctx, table, want); err != nil {
			t.Fatal(err)
		}
		got, err := c.TableState(ctx, table)
		if err != nil || got != want {
			t.Errorf("state: got %+v, %v, want %+v", got, err, want)
		}
		if now := revision(t, c); now <= rev {
			t.Errorf("revision %d after a change, want above %d", now, rev)
		}
	})
}

// I12: a catalog of a newer program is refused with both versions and what to do, and is left as it is.
func TestNewerVersion(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		if _, err := c.w.Exec(`INSERT INTO schema_versions (version_id, is_applied) VALUES (99, true)`); err != nil {
			t.Fatal(err)
		}
		_, err := Open(context.Background(), dsn, Options{})
		var newer *NewerVersionError
		if !errors.As(err, &newer) || newer.Catalog != 99 || newer.Known >= 99 {
			t.Fatalf("got %v, want NewerVersionError of 99", err)
		}
		for _, want := range []string{"99", "newer program", "backup"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("message %q does not say %q", err, want)
			}
		}
	})
}

func TestOpenRefused(t *testing.T) {
	dir := t.TempDir()
	notOurs := filepath.Join(dir, "text.db")
	if err := os.WriteFile(notOurs, []byte(strings.Repeat("this is not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		dsn  string
		o    Options
		want string
	}{
		"empty":        {"", Options{}, "no path given"},
		"mysql":        {"mysql://user:secret@host/db", Options{}, `unknown kind "mysql"`},
		"no folder":    {filepath.Join(dir, "no", "catalog.db"), Options{}, "its folder"},
		"no database":  {notOurs, Options{}, "not a database"},
		"bad postgres": {"postgres://user:secret@host:notaport/db", Options{}, "open catalog"},
		"options":      {filepath.Join(dir, "c.db"), Options{MaxConns: 1, CallTimeout: -1}, "max conns 1"},
	} {
		_, err := Open(context.Background(), tt.dsn, tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the message shows the password: %v", name, err)
		}
	}
}

// A path may hold what means something in a URI.
func TestOddPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c=%20#d&ü")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "catalog.db")
	id := openAt(t, path).ID()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	wantDiff(t, "id", id, openAt(t, path).ID())
}
