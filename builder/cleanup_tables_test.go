package builder

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// Tables go in two passes: one of an attempt that left no manifest is disabled, then dropped a grace period later. That of a
// ready segment stays, that of a folder with a manifest stays as long as the folder, and one that is needed again is enabled.
func TestCleanupOfTablesSim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		tables, mem, err := hbase.OpenMem(hbase.Options{})
		must(t, err)
		b := w.builder(func(o *Options) { o.Tables = tables })
		w.pieces(b, 2)
		cubeID, id, attempt, _, err := segmenter.ParseSegmentFolder(w.keys("segments/")[0])
		must(t, err)
		table := func(cubeID, id string, attempt int64) string {
			name := hbase.TableName("tidemark", cubeID, id, attempt)
			mem.Make(name)
			return name
		}
		ready := table(cubeID, id, attempt)
		failed := table(cubeID, id, attempt+1000)
		foreign := table("somebodys", id, 1)
		states := func() string {
			list, err := tables.Tables(t.Context())
			must(t, err)
			var out []string
			for _, x := range list {
				what := map[string]string{ready: "ready", failed: "failed", foreign: "foreign"}[x.Name]
				if x.Disabled {
					what += " disabled"
				}
				out = append(out, what)
			}
			return strings.Join(out, ", ")
		}
		clean := func(want string) {
			t.Helper()
			_, err := b.Cleanup(t.Context(), false)
			must(t, err)
			if got := states(); got != want {
				t.Errorf("tables: %s, want %s", got, want)
			}
		}
		all := states()
		if _, err := b.Cleanup(t.Context(), true); err != nil || states() != all {
			t.Errorf("dry run: %v, tables %s, want %s", err, states(), all)
		}
		once := strings.Replace(all, "failed", "failed disabled", 1)
		clean(once)
		clean(once)
		mem.Fault = func(int) error { return hbase.ErrDown }
		if _, err := b.Cleanup(t.Context(), false); err != nil {
			t.Errorf("without hbase: %v", err)
		}
		mem.Fault = nil
		time.Sleep(61 * time.Minute)
		gone := strings.TrimPrefix(strings.Replace(strings.Replace(all, "failed", "", 1), ", , ", ", ", 1), ", ")
		clean(strings.TrimSuffix(gone, ", "))
		if _, err := b.Drop(t.Context(), DropRequest{Request: w.request(), Choice: Choice{Segments: []int64{1, 2}}}); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			time.Sleep(2 * time.Hour)
			_, err := b.Cleanup(t.Context(), false)
			must(t, err)
		}
		if got := states(); got != "foreign" {
			t.Errorf("after the segments were dropped: tables %s, want only the foreign one", got)
		}
	})
}

// I11: the table of a segment that was given up stays as it is until the folder is removed, though its name has another id: that of
// what was known before the last inputs were.
func TestCleanupOfTablesOfOtherIDsSim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, byHand)
		tables, mem, err := hbase.OpenMem(hbase.Options{})
		must(t, err)
		b := w.builder(func(o *Options) { o.Tables = tables })
		w.pieces(b, 2)
		cubeID, _, attempt, _, err := segmenter.ParseSegmentFolder(w.keys("segments/")[0])
		must(t, err)
		mem.Make(hbase.TableName("tidemark", cubeID, strings.Repeat("0", 64), attempt))
		_, err = b.Drop(t.Context(), DropRequest{Request: w.request(), Choice: Choice{Segments: []int64{1, 2}}})
		must(t, err)
		_, err = b.Cleanup(t.Context(), false)
		must(t, err)
		if list, err := tables.Tables(t.Context()); err != nil || len(list) != 1 || list[0].Disabled {
			t.Errorf("after the first pass: got %+v, %v, want the table as it was", list, err)
		}
		for range 4 {
			time.Sleep(2 * time.Hour)
			_, err := b.Cleanup(t.Context(), false)
			must(t, err)
		}
		if list, err := tables.Tables(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("after grace periods: got %+v, %v, want none", list, err)
		}
	})
}
