package catalog

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

func cubeDef(name, table string) *cube.Cube {
	return &cube.Cube{
		Project: "default", Name: name, Table: table, Owner: "ann", MaxJobs: 2,
		Measures: []cube.Measure{{Name: "events", Function: cube.Count}},
	}
}

// cubed is a cube over a new table whose partition 0 has begun at offset 0.
func cubed(t testing.TB, c *Catalog) (cubeID, table string, epoch int64) {
	t.Helper()
	table, epoch = begun(t, c, 0)
	def, err := c.TableByID(context.Background(), table, 0)
	if err != nil {
		t.Fatal(err)
	}
	return applyCube(t, c, cubeDef("cube-"+def.Name, def.Name)).Cube.ID, table, epoch
}

func applyCube(t testing.TB, c *Catalog, def *cube.Cube) AppliedCube {
	t.Helper()
	a, err := c.ApplyCube(context.Background(), def)
	if err != nil {
		t.Fatalf("apply cube %s: %v", def.Name, err)
	}
	return a
}

func cubesRevision(t testing.TB, c *Catalog) int64 {
	t.Helper()
	rev, err := c.CubesRevision(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// C5: equal definitions keep the version, others make the next one, and a rollback makes an old one the next.
func TestCubeVersions(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		applied(t, c, "views")
		def := cubeDef("daily", "views")
		first := applyCube(t, c, def)
		if !first.Created || !first.Changed || first.Cube.Version != 1 || first.Cube.ID == "" || def.ID != "" {
			t.Fatalf("first: got %+v of %+v", first, def)
		}
		rev := cubesRevision(t, c)
		same := applyCube(t, c, def)
		if same.Changed || same.Cube.ID != first.Cube.ID || same.Cube.Version != 1 || cubesRevision(t, c) != rev {
			t.Errorf("the same again: got %+v at revision %d, want no change of revision %d", same, cubesRevision(t, c), rev)
		}
		changed := cubeDef("daily", "views")
		changed.Dimensions = []cube.Dimension{{Name: "at", Column: "at", Grain: cube.Day}}
		if second := applyCube(t, c, changed); second.Created || !second.Changed || second.Cube.Version != 2 {
			t.Errorf("changed: got %+v", second)
		}
		back, err := c.RollbackCube(ctx, "default", "daily", 1)
		if err != nil || back.Cube.Version != 3 || len(back.Cube.Dimensions) != 0 {
			t.Errorf("rollback: got %+v, %v, want version 3 without dimensions", back, err)
		}
		if again, err := c.RollbackCube(ctx, "default", "daily", 1); err != nil || again.Changed || again.Cube.Version != 3 {
			t.Errorf("rollback again: got %+v, %v, want no change", again, err)
		}
		list, err := c.CubeVersions(ctx, first.Cube.ID)
		if err != nil || len(list) != 3 || list[1].Version != 2 || list[1].Dimensions[0].Name != "at" {
			t.Errorf("versions: got %+v, %v", list, err)
		}
		for version, want := range map[int]int{0: 3, 2: 2} {
			if got, err := c.CubeByID(ctx, first.Cube.ID, version); err != nil || got.Version != want {
				t.Errorf("version %d: got %+v, %v, want %d", version, got, err, want)
			}
		}
		info, err := c.Cube(ctx, "default", "daily")
		if err != nil || !info.Enabled || info.Revision == 0 || info.Cube.Version != 3 {
			t.Errorf("cube: got %+v, %v", info, err)
		}
	})
}

func TestCubeRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		applied(t, c, "views")
		applied(t, c, "orders")
		id := applyCube(t, c, cubeDef("daily", "views")).Cube.ID
		var conflict *ConflictError
		if _, err := c.ApplyCube(ctx, cubeDef("daily", "orders")); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "another name") {
			t.Errorf("another table: got %v, want a ConflictError with what to do", err)
		}
		if err := c.DropTable(ctx, "default", "views"); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "cube daily") {
			t.Errorf("drop of a table in use: got %v, want a ConflictError that names the cube", err)
		}
		stranger := cubeDef("daily", "views")
		stranger.Project = "none"
		for name, err := range map[string]error{
			"project":  func() error { _, err := c.ApplyCube(ctx, stranger); return err }(),
			"table":    func() error { _, err := c.ApplyCube(ctx, cubeDef("other", "none")); return err }(),
			"name":     func() error { _, err := c.Cube(ctx, "default", "none"); return err }(),
			"id":       func() error { _, err := c.CubeInfo(ctx, "none"); return err }(),
			"version":  func() error { _, err := c.CubeByID(ctx, id, 9); return err }(),
			"versions": func() error { _, err := c.CubeVersions(ctx, "none"); return err }(),
			"rollback": func() error { _, err := c.RollbackCube(ctx, "default", "daily", 9); return err }(),
			"state":    c.SetCubeState(ctx, "none", CubeState{}),
			"start":    c.SetCubeStart(ctx, "none", nil),
			"purge":    c.PurgeCube(ctx, "default", "none", "ann"),
			"drop":     c.DropCube(ctx, "default", "none", "ann"),
			"snapshot": func() error { _, err := c.CubeSnapshot(ctx, "none"); return err }(),
			"ends":     func() error { _, err := c.CubeEnds(ctx, "none"); return err }(),
			"stale":    func() error { _, err := c.StaleSegments(ctx, "none"); return err }(),
			"segment":  func() error { _, err := c.Segment(ctx, id, 1); return err }(),
			"reserve":  func() error { _, _, err := c.Reserve(ctx, reservation("none", rng(0, 0, 1))); return err }(),
			"retire":   c.Retire(ctx, id, []int64{7}, "test"),
			"job":      func() error { _, err := c.Job(ctx, 7); return err }(),
			"log":      func() error { _, err := c.JobLog(ctx, 7, 0, 1); return err }(),
			"cancel":   c.CancelJob(ctx, 7, "ann"),
			"change":   func() error { _, err := c.TableChange(ctx, "none"); return err }(),
			"unstaged": func() error { _, err := c.Unstaged(ctx, "none", nil); return err }(),
		} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s of what does not exist: got %v, want ErrNotFound", name, err)
			}
		}
	})
}

// What a poller of revisions sees: only cubes that have changed, in order.
func TestCubeChanges(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		applied(t, c, "views")
		a := applyCube(t, c, cubeDef("a", "views")).Cube.ID
		applyCube(t, c, cubeDef("b", "views"))
		rev := cubesRevision(t, c)
		since := func() (names []string) {
			t.Helper()
			ch, err := c.CubeChanges(ctx, rev)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range ch.Live {
				names = append(names, i.Cube.Name)
			}
			for _, id := range ch.Dropped {
				names = append(names, "dropped "+id)
			}
			rev = ch.Revision
			return names
		}
		wantDiff(t, "nothing changed", []string(nil), since())
		state := CubeState{Reason: "too slow"}
		for range 2 { // the second changes nothing
			if err := c.SetCubeState(ctx, a, state); err != nil {
				t.Fatal(err)
			}
		}
		wantDiff(t, "disabled", []string{"a"}, since())
		wantDiff(t, "seen", []string(nil), since())
		info, err := c.CubeInfo(ctx, a)
		if err != nil || info.Enabled || info.Reason != state.Reason {
			t.Errorf("disabled: got %+v, %v", info, err)
		}
		list, err := c.Cubes(ctx, "default")
		if err != nil || len(list) != 2 || list[0].Cube.Name != "a" || list[1].Cube.Name != "b" {
			t.Errorf("cubes: got %+v, %v", list, err)
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(c.DropCube(ctx, "default", "a", "ann"))
		must(c.SetCubeState(ctx, list[1].Cube.ID, state))
		wantDiff(t, "one dropped, one disabled", []string{"b", "dropped " + a}, since())
		wantDiff(t, "seen", []string(nil), since())
		if ch, err := c.CubeChanges(ctx, 0); err != nil || len(ch.Live) != 1 || len(ch.Dropped) != 0 {
			t.Errorf("from the beginning: got %+v, %v, want one live cube", ch, err)
		}
	})
}

// Purge and drop retire all segments and end all jobs at once; a dropped cube's name is free.
func TestPurgeAndDropCube(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		ctx := context.Background()
		id, _, _ := cubed(t, c)
		info, err := c.CubeInfo(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		name := info.Cube.Name
		published(t, c, id, rng(0, 0, 10))
		_, job := reserve(t, c, reservation(id, rng(0, 10, 20)))
		running := claim1(t, c, job.ID)
		if err := c.PurgeCube(ctx, "default", name, "ann"); err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "live after purge", []string(nil), segments(t, c, SegmentQuery{CubeID: id}))
		wantDiff(t, "all after purge", []string{"1 retired p0 [0,10)"}, segments(t, c, all(id)))
		if j, err := c.Job(ctx, job.ID); err != nil || j.State != JobCancelled || j.Reserved || !strings.Contains(j.Problem, "ann") {
			t.Errorf("job after purge: got %+v, %v, want it cancelled by ann", j, err)
		}
		var stale *StaleJobError
		if err := c.Publish(ctx, publication(running, rng(0, 10, 20))); !errors.As(err, &stale) || stale.State != JobCancelled {
			t.Errorf("publish after purge: got %v, want StaleJobError", err)
		}
		start := segmenter.Vector{rng(0, 30, 30)}
		if err := c.SetCubeStart(ctx, id, start); err != nil {
			t.Fatal(err)
		}
		if info, err = c.CubeInfo(ctx, id); err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "start", start, info.Start)
		published(t, c, id, rng(0, 30, 40))
		var conflict *ConflictError
		if err := c.SetCubeStart(ctx, id, start); !errors.As(err, &conflict) {
			t.Errorf("start of a cube with segments: got %v, want ConflictError", err)
		}
		if err := c.DropCube(ctx, "default", name, "ann"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Reserve(ctx, reservation(id, rng(0, 50, 60))); !errors.Is(err, ErrNotFound) {
			t.Errorf("reserve of a dropped cube: got %v, want ErrNotFound", err)
		}
		dropped, err := c.DroppedCubes(ctx)
		if err != nil {
			t.Fatal(err)
		}
		wantDiff(t, "dropped", []string{id}, dropped)
		if ch, err := c.CubeChanges(ctx, 0); err != nil || len(ch.Live) != 0 {
			t.Errorf("cubes: got %v, %v, want none", ch, err)
		}
		if again := applyCube(t, c, info.Cube); !again.Created || again.Cube.ID == id {
			t.Errorf("same name again: got %+v, want a new cube", again)
		}
	})
}
