package verify_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver of the other database

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// A proof beside a process that cuts, builds, merges and refreshes finds nothing, at any moment; events are requeued in the
// middle of it.
func TestVerifyWhileBuilderPublishes(t *testing.T) {
	s := newSite(t, 2, "ndjson")
	s.produce(0, 300)
	s.produce(1, 200)
	s.ingest()
	def, err := cube.ParseCube([]byte(cubeYAML+"cut: {manual: true}\n"), "views.yaml", s.def)
	must(t, err)
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		applied, err := cat.ApplyCube(t.Context(), def.WithDefaults())
		must(t, err)
		s.define(st, fmt.Sprintf("cubes/%s/v1.json", applied.Cube.ID), applied.Cube)
		b, err := builder.New(builder.Options{
			Catalog: cat, Store: st, Node: "n1", BackupEvery: -1, Interval: 5 * time.Millisecond, CutEvery: 10 * time.Millisecond,
			RefreshEvery: 10 * time.Millisecond, MaintenanceEvery: 10 * time.Millisecond, RecoverEvery: 10 * time.Millisecond,
		})
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		defer func() {
			cancel()
			must(t, <-done)
		}()
		requeued := false
		for next := int64(1); ; {
			if next <= 10 {
				end, err := builder.ParsePosition(fmt.Sprintf("0:%d,1:%d", 30*next, 20*next))
				must(t, err)
				_, err = b.Build(ctx, builder.BuildRequest{Request: builder.Request{Project: "default", Cube: "views", By: "ann"}, End: end})
				if conflict := (*catalog.ConflictError)(nil); !errors.As(err, &conflict) { // a merge came between: again
					must(t, err)
					next++
				}
			}
			r, err := verify.Run(ctx, verify.Options{Catalog: cat, Store: st})
			must(t, err)
			s.clean(r)
			c := r.Cubes[0]
			switch {
			case t.Failed():
				return
			case !requeued && next > 5:
				requeued = true
				newer, err := cube.ParseTable([]byte(tableYAML("ndjson", "nn")), "events.yaml")
				must(t, err)
				changed, err := cat.ApplyTable(ctx, newer)
				must(t, err)
				s.define(st, fmt.Sprintf("tables/%s/v2.json", changed.Table.ID), changed.Table)
				res, err := ingest.Requeue(ctx, ingest.RequeueOptions{Catalog: cat, Store: st, Project: "default", Table: topicName, Partition: -1})
				must(t, err)
				if res.Requeued == 0 {
					t.Fatalf("nothing was requeued: %+v", res)
				}
			case requeued && c.Events == r.Events && c.Stale == 0 && c.Building == 0 && c.Segments < 10: // merged too
				return
			}
		}
	})
}

// The same proof of the same catalog in PostgreSQL.
func TestSegmentsInPostgres(t *testing.T) {
	base := os.Getenv("TIDEMARK_TEST_POSTGRES")
	if base == "" {
		t.Skip("TIDEMARK_TEST_POSTGRES is not set")
	}
	s, _, folders := builtSite(t, "parquet")
	var dump bytes.Buffer
	s.with(func(cat *catalog.Catalog, _ blob.Store) { must(t, cat.Dump(t.Context(), &dump)) })
	db, err := sql.Open("pgx", base)
	must(t, err)
	schema := "test_" + strings.ToLower(rand.Text())
	_, err = db.Exec("CREATE SCHEMA " + schema)
	must(t, err)
	t.Cleanup(func() {
		if _, err := db.Exec("DROP SCHEMA " + schema + " CASCADE"); err != nil {
			t.Errorf("drop schema: %v", err)
		}
		db.Close()
	})
	u, err := url.Parse(base)
	must(t, err)
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	cat, err := catalog.Open(t.Context(), u.String(), catalog.Options{})
	must(t, err)
	defer func() { must(t, cat.Close()) }()
	must(t, cat.Restore(t.Context(), &dump, 0))
	st, err := blob.NewDir(s.path(""))
	must(t, err)
	prove := func() *verify.Report {
		t.Helper()
		r, err := verify.Run(t.Context(), verify.Options{Catalog: cat, Store: st})
		must(t, err)
		return r
	}
	r := prove()
	s.clean(r)
	if r.Segments != 3 || len(r.Holes) != 1 {
		t.Errorf("%d segments and %d holes, want 3 and 1", r.Segments, len(r.Holes))
	}
	for _, tt := range []struct {
		change, back string
		want         verify.Kind
	}{
		{`UPDATE segments SET events = events + 1 WHERE number = 4`, `UPDATE segments SET events = events - 1 WHERE number = 4`, verify.ManifestMismatch},
		{`UPDATE segments SET state = 'ready' WHERE number = 2`, `UPDATE segments SET state = 'retired' WHERE number = 2`, verify.SegmentOverlap},
	} {
		for i, text := range []string{tt.change, tt.back} {
			_, err := db.Exec(strings.Replace(text, "segments", schema+".segments", 1))
			must(t, err)
			if r := prove(); i == 0 {
				s.finds(r, tt.want)
			} else {
				s.clean(r)
			}
		}
	}
	must(t, os.Remove(s.path(folders[0]+"/manifest.json")))
	if p := s.finds(prove(), verify.ManifestMissing); p.Segment != 3 {
		t.Errorf("problem %s, want one of segment 3", p)
	}
}
