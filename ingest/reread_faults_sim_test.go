//go:build synctests

package ingest_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func (w *world) problems() (list []string) {
	w.t.Helper()
	w.storeDefinitions()
	report, err := verify.Run(w.t.Context(), verify.Options{Catalog: w.cat, Store: w.mem})
	w.must(err)
	for _, p := range report.Problems {
		list = append(list, fmt.Sprint(p))
	}
	return list
}

// storeDefinitions writes what the program writes beside ingest: the store's owner, and each version of each table.
func (w *world) storeDefinitions() {
	w.t.Helper()
	w.must(blob.Claim(w.t.Context(), w.mem, w.cat.ID()))
	tables, err := w.cat.Tables(w.t.Context(), "")
	w.must(err)
	for _, table := range tables {
		versions, err := w.cat.TableVersions(w.t.Context(), table.ID)
		w.must(err)
		for _, v := range versions {
			text, err := json.MarshalIndent(v, "", "  ")
			w.must(err)
			if err := w.mem.Create(w.t.Context(), fmt.Sprintf("tables/%s/v%d.json", v.ID, v.Version), bytes.NewReader(append(text, '\n'))); !errors.Is(err, blob.ErrExists) {
				w.must(err)
			}
		}
	}
}

// proved wants all that was sent to be there once, and verify to find nothing wrong.
func (w *world) proved() {
	w.t.Helper()
	w.check(true)
	if list := w.problems(); len(list) > 0 {
		w.t.Errorf("verify says: %s", strings.Join(list, "\n"))
	}
}

func (w *world) wantProblems(word string, n int) {
	w.t.Helper()
	list := w.problems()
	if len(list) != n || slices.ContainsFunc(list, func(p string) bool { return !strings.Contains(p, word) }) {
		w.t.Errorf("verify says %q, want %d times %q", list, n, word)
	}
}

// lose removes the staged files of offsets from start on.
func (w *world) lose(start int64) {
	w.t.Helper()
	for o, err := range w.mem.List(w.t.Context(), "staged/") {
		w.must(err)
		if k, err := stage.ParseKey(o.Key); err == nil && k.Range.Start >= start {
			w.must(w.mem.Delete(w.t.Context(), o.Key))
		}
	}
}

// wantPending wants a request to wait, with the reason why its last try failed.
func (w *world) wantPending(id int64, word string) {
	w.t.Helper()
	r, err := w.cat.RereadByID(w.t.Context(), id)
	w.must(err)
	if r.Done || !strings.Contains(r.Problem, word) {
		w.t.Errorf("re-read of %s: done=%t, problem %q; want it to wait, and to say %q", r.Range, r.Done, r.Problem, word)
	}
}

// breaks has a change of the catalog's database fail until mend.
func (w *world) breaks(trigger string) (mend func()) {
	w.t.Helper()
	run := func(stmt string) {
		w.t.Helper()
		db, err := sql.Open("sqlite", "file:"+filepath.Join(w.dir, "catalog.db")+"?_pragma=busy_timeout(5000)")
		w.must(err)
		_, err = db.ExecContext(context.WithoutCancel(w.t.Context()), stmt)
		w.must(err)
		w.must(db.Close())
	}
	run("CREATE TRIGGER broken BEFORE " + trigger + " BEGIN SELECT RAISE(ABORT, 'broken on purpose'); END")
	return func() { run("DROP TRIGGER broken") }
}

// The store is away: the request says so, and is served once it is back.
func TestSimRereadStoreAway(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		w.produce(0, 100, 0)
		w.readToEnd()
		w.skip(0, 100, 150)
		w.produce(0, 50, 7)
		store := &faultblob.Flaky{Store: w.mem}
		store.Cut()
		in, stop := w.start(func(o *ingest.Options) { o.Store = store })
		defer stop()
		time.Sleep(2 * time.Second)
		id := w.ask(span(0, 100, 150))
		time.Sleep(5 * time.Minute)
		w.wantPending(id, "object storage unavailable")
		if s := w.line(in, "events", 0); s.State != ingest.AtEnd {
			w.t.Errorf("%+v, want the partition to be read on", s)
		}
		if n := store.Failed(); n > 20 {
			w.t.Errorf("%d calls in 5 minutes, want pauses that grow", n)
		}
		store.Heal()
		time.Sleep(2 * time.Minute)
		w.wantReread(id)
		w.proved()
	})
}

// A reader that is to end gives up a request that fails again and again, says which, and leaves it to the next.
func TestSimRereadUntilEndGivesUp(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		w.produce(0, 100, 0)
		w.readToEnd()
		w.skip(0, 100, 150)
		w.produce(0, 50, 0)
		id := w.ask(span(0, 100, 150))
		store := &faultblob.Flaky{Store: w.mem}
		store.Cut()
		in, err := ingest.New(w.options(func(o *ingest.Options) { o.Store, o.UntilEnd = store, true }))
		w.must(err)
		began := time.Now()
		err = in.Run(w.t.Context())
		if want := fmt.Sprintf("p0 [100,150) was not read again in 5 tries; its request %d stays", id); err == nil || !strings.Contains(err.Error(), want) {
			w.t.Errorf("got %v, want %q", err, want)
		}
		if took := time.Since(began); took > 2*time.Minute {
			w.t.Errorf("it took %s", took)
		}
		w.wantPending(id, "object storage unavailable")
		w.readToEnd()
		w.wantReread(id)
		w.proved()
	})
}

// The rows are replaced and the request cannot be ended: the next owner finds nothing left to do, and ends it.
func TestSimRereadDiesBeforeItsEnd(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		w.produce(0, 100, 0)
		w.readToEnd()
		w.skip(0, 100, 150)
		w.produce(0, 100, 9)
		w.readToEnd()
		mend := w.breaks("UPDATE ON reread_requests WHEN NEW.done = 1")
		_, stopA := w.start(func(o *ingest.Options) { o.Group, o.Owner = "g", "a" })
		time.Sleep(20 * time.Second)
		id := w.ask(span(0, 100, 150))
		time.Sleep(10 * time.Second)
		w.wantPending(id, "broken on purpose")
		want := []string{"p0 [0,100) staged", "p0 [100,150) staged", "p0 [150,200) staged"}
		w.wantTiling(want...)
		_, stopB := w.start(func(o *ingest.Options) { o.Group, o.Owner = "g", "b"; o.SpoolDir += "b" })
		defer stopB()
		stopA()
		mend()
		time.Sleep(2 * time.Minute)
		w.wantReread(id)
		w.wantTiling(want...)
		w.proved()
	})
}

// The transaction fails, at its removal of rows and at its addition: nothing of it is seen, and the next try does it.
func TestSimRereadCatalogFails(t *testing.T) {
	for _, trigger := range []string{"DELETE ON ledger", "INSERT ON ledger", "UPDATE ON partitions"} {
		t.Run(trigger, func(t *testing.T) {
			simulate(t, 1, worldTable, func(w *world) {
				w.produce(0, 100, 0)
				w.readToEnd()
				w.skip(0, 100, 150)
				w.produce(0, 50, 9)
				_, stop := w.start()
				defer stop()
				time.Sleep(2 * time.Second)
				mend := w.breaks(trigger)
				id := w.ask(span(0, 100, 150))
				time.Sleep(10 * time.Second)
				w.wantPending(id, "broken on purpose")
				w.wantTiling("p0 [0,100) staged", "p0 [100,150) skipped")
				mend()
				time.Sleep(time.Minute)
				w.wantReread(id)
				w.wantTiling("p0 [0,100) staged", "p0 [100,150) staged")
				w.proved()
			})
		})
	}
}

// Another process claims the partition while its rows are staged again: the rows under the old epoch are refused, and whoever
// reads next serves the request.
func TestSimRereadTakenOver(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		w.produce(0, 100, 0)
		w.readToEnd()
		w.skip(0, 100, 150)
		w.produce(0, 50, 9)
		slow := &faultblob.Flaky{Store: w.mem, Latency: 20 * time.Second}
		in, stop := w.start(func(o *ingest.Options) { o.Store = slow })
		defer stop()
		time.Sleep(2 * time.Second)
		id := w.ask(span(0, 100, 150))
		time.Sleep(5 * time.Second)
		st, err := w.cat.Assign(w.t.Context(), catalog.Claim{TableID: w.def.ID, Owner: "another"})
		w.must(err)
		time.Sleep(37 * time.Second) // both files are uploaded
		if s := w.line(in, "events", 0); s.State != ingest.TakenOver {
			w.t.Errorf("%+v, want taken_over", s)
		}
		w.wantTiling("p0 [0,100) staged", "p0 [100,150) skipped")
		if p := w.part(w.def, 0); p.Epoch != st.Epoch || p.Owner != "another" {
			w.t.Errorf("epoch %d of %q, want %d of the other", p.Epoch, p.Owner, st.Epoch)
		}
		time.Sleep(3 * time.Minute) // it claims the partition again, as the other does not fight for it
		w.wantReread(id)
		w.proved()
	})
}

// A definition that this program cannot use: its requests end with the reason.
func TestSimRereadOfUnusableTable(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		w.produce(0, 100, 0)
		w.readToEnd()
		w.skip(0, 100, 150)
		w.produce(0, 50, 0)
		def := *w.def
		def.Columns = slices.Clone(def.Columns)
		def.Columns[1].Path = "a[["
		_, err := w.cat.ApplyTable(w.t.Context(), &def)
		w.must(err)
		id := w.ask(span(0, 100, 150))
		_, stop := w.start()
		time.Sleep(5 * time.Second)
		stop()
		w.wantReread(id, "table events is not read", "a[[")
		w.wantTiling("p0 [0,100) staged", "p0 [100,150) skipped")
	})
}

// Much is read again in small pieces: what one transaction has brought, a failure later does not undo. Before the first
// offset the pieces come from the end.
func TestSimRereadInPieces(t *testing.T) {
	simulate(t, 1, worldTable+"start: latest\n", func(w *world) {
		pieces := func(o *ingest.Options) { o.RereadOffsets = 100 }
		w.produce(0, 250, 10)
		w.readToEnd(pieces)
		for range 5 {
			w.produce(0, 50, 0)
			w.readToEnd(pieces)
		}
		w.lose(250)
		store := &faultblob.Flaky{Store: w.mem}
		_, stop := w.start(pieces, func(o *ingest.Options) { o.Store = store })
		defer stop()
		time.Sleep(3 * time.Second)
		mend := w.breaks("INSERT ON ledger WHEN NEW.end_offset = 500 OR NEW.start_offset < 100")
		id := w.ask(span(0, 0, 500))
		time.Sleep(10 * time.Second)
		w.wantPending(id, "broken on purpose")
		w.wantProblems("file_missing", 1)
		mend()
		time.Sleep(time.Minute)
		w.wantReread(id)
		w.wantTiling("p0 [0,50) staged", "p0 [50,150) staged", "p0 [150,250) staged", "p0 [250,350) staged", "p0 [350,450) staged", "p0 [450,500) staged")
		w.proved()
	})
}

// A large re-read shares the memory budget with reading, and reading goes on beside it.
func TestSimRereadSharesTheBudget(t *testing.T) {
	simulate(t, 1, strings.Replace(worldTable, "rows: 100", "rows: 100000", 1), func(w *world) {
		random, text := rand.NewChaCha8([32]byte{1}), make([]byte, 10_000) // what a broker sends compressed counts when it is unpacked
		much := func(n int) {
			for range n {
				w.n++
				_, _ = random.Read(text)
				id := fmt.Sprintf("%d%x", w.n, text)
				w.send(0, id, fmt.Appendf(nil, `{"ts":%d,"id":%q,"n":1}`, time.Now().UnixMilli(), id))
			}
		}
		const budget = 8 << 20
		w.produce(0, 10, 0)
		w.readToEnd()
		much(1000)
		w.skip(0, 10, 1010)
		reg := prometheus.NewRegistry()
		store := &faultblob.Flaky{Store: w.mem, Latency: time.Second}
		in, stop := w.start(func(o *ingest.Options) {
			o.Registry, o.MemoryBudget, o.FetchBytes, o.Store = reg, budget, 1<<20, store
		})
		defer stop()
		time.Sleep(2 * time.Second)
		id := w.ask(span(0, 10, 1010))
		most, moved, committed := 0.0, 0, int64(0)
		for i := range 600 {
			if i%10 == 0 && i < 400 {
				much(20)
			}
			time.Sleep(100 * time.Millisecond)
			most = max(most, gauge(w.t, reg, "tidemark_ingest_memory_bytes"))
			if s := w.line(in, "events", 0); s.Committed > committed {
				moved, committed = moved+1, s.Committed
			}
			if r, err := w.cat.RereadByID(w.t.Context(), id); err == nil && r.Done && i < 30 {
				w.t.Fatalf("the re-read ended after %d rounds: too early to have been beside anything", i)
			}
		}
		w.wantReread(id)
		if most > budget*5/4 || most < budget/8 {
			w.t.Errorf("at most %.0f bytes were held, want at most a fetch or two over the budget of %d, and something", most, budget)
		}
		if moved < 5 {
			w.t.Errorf("reading committed %d times beside the re-read, want it to go on", moved)
		}
		time.Sleep(time.Minute)
		w.proved()
		if left := gauge(w.t, reg, "tidemark_ingest_memory_bytes"); left != 0 {
			w.t.Errorf("%.0f bytes are still counted when all is committed", left)
		}
	})
}

func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// What a person declares lost is no problem any more; only rows without their file, or offsets before the first, can be. It
// is read again by request like any other.
func TestSimDeclareLost(t *testing.T) {
	simulate(t, 1, worldTable+"start: latest\n", func(w *world) {
		w.produce(0, 20, 0)
		w.readToEnd()
		for range 3 {
			w.produce(0, 50, 9)
			w.readToEnd()
		}
		in, stop := w.start()
		defer stop()
		time.Sleep(2 * time.Second)
		w.produce(0, 30, 0)
		time.Sleep(2 * time.Second)
		tail := w.tailOffsets(in, 0)
		declare := func(start, end int64, word string) {
			w.t.Helper()
			_, err := ingest.DeclareLost(w.t.Context(), ingest.LossOptions{Catalog: w.cat, Store: w.mem, Table: w.def, Range: span(0, start, end), Reason: "disk died"})
			if (err == nil) != (word == "") || err != nil && !strings.Contains(err.Error(), word) {
				w.t.Errorf("declare [%d,%d): got %v, want %q", start, end, err, word)
			}
		}
		w.lose(70)
		declare(20, 70, "has its file")
		declare(80, 120, "only part of row p0 [70,120)")
		declare(70, 100, "only part of row p0 [70,120)")
		declare(120, 180, "from 170 on are not committed")
		declare(5, 10, "first offset 20")
		w.wantProblems("file_missing", 2)
		declare(70, 170, "")
		declare(70, 170, "is lost already")
		w.wantProblems("", 0)
		time.Sleep(2 * time.Second)
		if diff := cmp.Diff(tail, w.tailOffsets(in, 0)); diff != "" || len(tail) != 30 {
			w.t.Errorf("the tail of %d events changed:\n%s", len(tail), diff)
		}
		declare(10, 20, "")
		time.Sleep(15 * time.Second)
		w.wantTiling("p0 [10,20) lost", "p0 [20,70) staged", "p0 [70,170) lost", "p0 [170,200) staged")
		w.wantProblems("", 0)
		id := w.ask(span(0, 0, 170))
		time.Sleep(3 * time.Second)
		w.wantReread(id)
		w.proved()
		w.lose(70)
		row, err := ingest.DeclareLost(w.t.Context(), ingest.LossOptions{Catalog: w.cat, Store: w.mem, Table: w.def, Range: span(0, 70, 170), Reason: "again"})
		if err != nil || row.Reason != "disk died" {
			w.t.Errorf("declared again: got reason %q, %v; want the one of the file that is left", row.Reason, err)
		}
		declare(170, 200, "")
		w.wantTiling("p0 [0,10) staged", "p0 [10,20) staged", "p0 [20,70) staged", "p0 [70,170) lost", "p0 [170,200) lost")
		w.wantProblems("", 0)
	})
}
