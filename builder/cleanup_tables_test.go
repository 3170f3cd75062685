package builder

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// tableWorld is a world with an HBase, and the first of its segments.
type tableWorld struct {
	*world
	b          *Builder
	tables     *hbase.Store
	mem        *hbase.Mem
	cubeID, id string
	attempt    int64
}

func newTableWorld(t *testing.T, pieces int64) *tableWorld {
	t.Helper()
	w := &tableWorld{world: newWorld(t, 1, byHand)}
	var err error
	w.tables, w.mem, err = hbase.OpenMem(hbase.Options{})
	must(t, err)
	w.b = w.builder(func(o *Options) { o.Tables = w.tables })
	w.pieces(w.b, pieces)
	w.cubeID, w.id, w.attempt, _, err = segmenter.ParseSegmentFolder(w.keys("segments/")[0])
	must(t, err)
	return w
}

func (w *tableWorld) clean() {
	w.t.Helper()
	_, err := w.b.Cleanup(w.t.Context(), false)
	must(w.t, err)
}

func (w *tableWorld) list() []hbase.Table {
	w.t.Helper()
	list, err := w.tables.Tables(w.t.Context())
	must(w.t, err)
	return list
}

// drop gives the first two segments up.
func (w *tableWorld) drop() {
	w.t.Helper()
	_, err := w.b.Drop(w.t.Context(), DropRequest{Request: w.request(), Choice: Choice{Segments: []int64{1, 2}}})
	must(w.t, err)
}

// Tables go in two passes: one of an attempt that left no manifest is disabled, then dropped a grace period later. That of a
// ready segment stays, that of a folder with a manifest stays as long as the folder, and one that is needed again is enabled.
func TestCleanupOfTablesSim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTableWorld(t, 2)
		table := func(cubeID, id string, attempt int64) string {
			name := hbase.TableName("tidemark", cubeID, id, attempt)
			w.mem.Make(name)
			return name
		}
		ready := table(w.cubeID, w.id, w.attempt)
		failed := table(w.cubeID, w.id, w.attempt+1000)
		foreign := table("somebodys", w.id, 1)
		states := func() string {
			var out []string
			for _, x := range w.list() {
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
			w.clean()
			if got := states(); got != want {
				t.Errorf("tables: %s, want %s", got, want)
			}
		}
		all := states()
		if _, err := w.b.Cleanup(t.Context(), true); err != nil || states() != all {
			t.Errorf("dry run: %v, tables %s, want %s", err, states(), all)
		}
		once := strings.Replace(all, "failed", "failed disabled", 1)
		clean(once)
		clean(once)
		w.mem.Fault = func(int) error { return hbase.ErrDown }
		w.clean()
		w.mem.Fault = nil
		time.Sleep(61 * time.Minute)
		gone := strings.TrimPrefix(strings.Replace(strings.Replace(all, "failed", "", 1), ", , ", ", ", 1), ", ")
		clean(strings.TrimSuffix(gone, ", "))
		w.drop()
		w.outlast()
		if got := states(); got != "foreign" {
			t.Errorf("after the segments were dropped: tables %s, want only the foreign one", got)
		}
	})
}

// I11: the table of a segment that was given up stays as it is until the folder is removed, though its name has another id: that of
// what was known before the last inputs were.
func TestCleanupOfTablesOfOtherIDsSim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTableWorld(t, 2)
		w.mem.Make(hbase.TableName("tidemark", w.cubeID, strings.Repeat("0", 64), w.attempt))
		w.drop()
		w.clean()
		if list := w.list(); len(list) != 1 || list[0].Disabled {
			t.Errorf("after the first pass: got %+v, want the table as it was", list)
		}
		w.outlast()
		if list := w.list(); len(list) != 0 {
			t.Errorf("after grace periods: got %+v, want none", list)
		}
	})
}

// HBase that lists its tables and then does nothing keeps no file from being removed. The mark of a table is there before the
// table is disabled, stays as long as the table does, and a table is dropped by a later pass than the one that disabled it.
func TestCleanupWhereTablesFailSim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTableWorld(t, 1)
		table := hbase.TableName("tidemark", w.cubeID, w.id, w.attempt+1000)
		w.mem.Make(table)
		orphan := strings.Replace(w.keys("staged/")[0], ".e", ".e9", 1)
		must(t, w.store.Create(t.Context(), orphan, strings.NewReader("x")))
		clean := func(down bool, want string) {
			t.Helper()
			time.Sleep(2 * time.Hour)
			n, marked := 0, ""
			w.mem.Fault = func(int) error {
				if n++; n == 2 {
					marked = w.marks()
				}
				if down && n > 1 { // the first call lists the tables
					return hbase.ErrDown
				}
				return nil
			}
			w.clean()
			w.mem.Fault = nil
			list := w.list()
			got := "gone"
			if len(list) > 0 {
				got = "there"
				if list[0].Disabled {
					got = "disabled"
				}
			}
			if slices.Contains(w.keys("staged/"), orphan) {
				got += ", file there"
			}
			if n > 1 && !strings.Contains(marked, table) {
				got += ", changed with the marks " + marked
			}
			if got += "; " + strings.ReplaceAll(w.marks(), table, "table"); got != want {
				t.Errorf("table %s, want %s", got, want)
			}
		}
		clean(true, "there, file there; "+orphan+" hbase:table")
		clean(true, "there; hbase:table")
		clean(false, "disabled; hbase:table")
		clean(true, "disabled; hbase:table")
		clean(false, "gone; ")
	})
}

// marks returns the keys that are marked, in order.
func (w *world) marks() string {
	w.t.Helper()
	var keys []string
	for g, err := range w.cat.Garbage(w.t.Context(), time.Now().UnixMicro()) {
		must(w.t, err)
		keys = append(keys, g.Key)
	}
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(b, a) })
	return strings.Join(keys, " ")
}

// A table that is needed again and cannot be enabled keeps its mark, by which a later pass enables it.
func TestCleanupEnablesLaterSim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTableWorld(t, 1)
		table := hbase.TableName("tidemark", w.cubeID, w.id, w.attempt)
		w.mem.Make(table)
		must(t, w.tables.Disable(t.Context(), table))
		must(t, w.cat.MarkGarbage(t.Context(), []catalog.Garbage{{Key: hbase.Key(table), Reason: "a test"}}))
		for _, down := range []bool{true, false} {
			n := 0
			w.mem.Fault = func(int) error {
				if n++; down && n > 1 {
					return hbase.ErrDown
				}
				return nil
			}
			w.clean()
			w.mem.Fault = nil
			time.Sleep(time.Hour)
			list := w.list()
			if len(list) != 1 || list[0].Disabled != down || (w.marks() != "") != down {
				t.Errorf("enabling fails=%t: tables %+v, marks %q; want the table disabled and marked only while it fails", down, list, w.marks())
			}
		}
	})
}
