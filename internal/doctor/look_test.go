package doctor

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/catalogtest"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// What is in a real catalog is seen: a table, a cube, its failed job.
func TestLook(t *testing.T) {
	ctx := t.Context()
	c, err := catalog.Open(ctx, catalogtest.Put(t, filepath.Join(t.TempDir(), "catalog.db")), catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	if r, err := Look(ctx, c, Query{}, now); err != nil || len(r.Findings) != 0 {
		t.Fatalf("empty: %+v, %v", r, err)
	}
	def, err := cube.ParseTable([]byte("table: clicks\ntopic: clicks\nevent_time: {column: ts}\ncolumns: [{name: ts, type: timestamp(ms)}]\n"), "")
	if err != nil {
		t.Fatal(err)
	}
	table, err := c.ApplyTable(ctx, def)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Assign(ctx, catalog.Claim{TableID: table.Table.ID, Owner: "me"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Begin(ctx, catalog.Begin{TableID: table.Table.ID, Epoch: s.Epoch}); err != nil {
		t.Fatal(err)
	}
	cdef, err := cube.ParseCube([]byte("cube: c\ntable: clicks\ndimensions: [hour(ts)]\n"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.ApplyCube(ctx, cdef)
	if err != nil {
		t.Fatal(err)
	}
	_, j, err := c.Reserve(ctx, catalog.Reservation{CubeID: made.Cube.ID, Range: segmenter.Vector{{End: 5}}, Reason: "age", JobKind: "build"})
	if err != nil {
		t.Fatal(err)
	}
	j, _, err = c.ClaimJob(ctx, catalog.JobClaim{ID: j.ID, Owner: "me", Now: now, Lease: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.FailJob(ctx, catalog.JobPause{ID: j.ID, Epoch: j.Epoch, Until: now.Add(time.Hour), Problem: "disk on fire"}); err != nil {
		t.Fatal(err)
	}
	r, err := Look(ctx, c, Query{}, now)
	if err != nil || len(r.Findings) != 2 || r.Findings[0].Kind != "table" || r.Findings[0].Blocked {
		t.Fatalf("got %+v, %v", r, err)
	}
	if f := r.Findings[1]; !strings.Contains(f.Says, "disk on fire") || f.Command != "tidemark job retry 1" {
		t.Errorf("cube: %+v", f)
	}
	if r, err := Look(ctx, c, Query{Name: "c"}, now); err != nil || len(r.Findings) != 1 {
		t.Errorf("one cube: %+v, %v", r, err)
	}
	if _, err := Look(ctx, c, Query{Name: "none"}, now); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("a name that is nothing: %v", err)
	}
}
