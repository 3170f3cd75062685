//go:build synctests

package ingest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func span(partition int32, start, end int64) segmenter.PartitionRange {
	return segmenter.PartitionRange{Partition: partition, Start: start, End: end}
}

// skip has a person skip offsets at the committed end of a partition.
func (w *world) skip(partition int32, start, end int64) {
	w.t.Helper()
	row := segmenter.LedgerRow{Range: span(partition, start, end), State: segmenter.Skipped, Reason: "by ann"}
	body, err := stage.LedgerRecord{Project: w.def.Project, Table: w.def.Name, TableID: w.def.ID, Topic: w.def.Topic, Row: row}.Encode()
	w.must(err)
	key := stage.LedgerKey(w.def.ID, row.Range, row.State)
	w.must(w.mem.Create(w.t.Context(), key, bytes.NewReader(body)))
	sum := sha256.Sum256(body)
	_, err = w.cat.Skip(w.t.Context(), catalog.Skip{TableID: w.def.ID, Row: catalog.Commit{
		TableID: w.def.ID, Row: row, LedgerFile: &catalog.File{Key: key, Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:]), Schema: 1},
	}})
	w.must(err)
}

func (w *world) ask(r segmenter.PartitionRange) int64 {
	w.t.Helper()
	id, err := w.cat.RequestReread(w.t.Context(), catalog.Reread{TableID: w.def.ID, Range: r, RequestedBy: "ann"})
	w.must(err)
	return id
}

// wantReread wants a request to be done, with a problem that holds all words (none: no problem).
func (w *world) wantReread(id int64, words ...string) {
	w.t.Helper()
	r, err := w.cat.RereadByID(w.t.Context(), id)
	w.must(err)
	if !r.Done || (len(words) == 0) != (r.Problem == "") {
		w.t.Errorf("re-read of %s: done=%t, problem %q; want it done with a problem of %q", r.Range, r.Done, r.Problem, words)
	}
	for _, word := range words {
		if !strings.Contains(r.Problem, word) {
			w.t.Errorf("re-read of %s: problem %q says nothing of %q", r.Range, r.Problem, word)
		}
	}
}

// tiling is the ledger in short: "p0 [0,100) staged".
func (w *world) tiling() (list []string) {
	w.t.Helper()
	rows, _ := w.ledger()
	for _, r := range rows {
		list = append(list, fmt.Sprintf("%s %s", r.Range, r.State))
	}
	return list
}

func (w *world) wantTiling(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.tiling()); diff != "" {
		w.t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

// A person's skip moves the end under a reader that holds more in hand: it goes on behind the skip at once. What was
// skipped is read again by request, beside the tail, which stays as it is.
func TestSimRereadSkipped(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		in, stop := w.start()
		defer stop()
		time.Sleep(2 * time.Second)
		w.produce(0, 100, 0)
		time.Sleep(2 * time.Second)
		w.produce(0, 37, 10)
		time.Sleep(2 * time.Second)
		if s := w.line(in, "events", 0); s.Committed != 100 || s.Next != 137 {
			w.t.Fatalf("%+v, want 37 offsets in hand", s)
		}
		w.skip(0, 100, 120)
		time.Sleep(3 * time.Second)
		if s := w.line(in, "events", 0); s.State != ingest.AtEnd || s.Committed != 120 {
			w.t.Errorf("3 s after the skip: %+v, want it to read on from 120", s)
		}
		time.Sleep(15 * time.Second)
		w.wantTiling("p0 [0,100) staged", "p0 [100,120) skipped", "p0 [120,137) staged")
		w.produce(0, 30, 0)
		time.Sleep(2 * time.Second)
		epoch, tail := w.line(in, "events", 0).Epoch, w.tailOffsets(in, 0)
		id := w.ask(span(0, 100, 120))
		time.Sleep(3 * time.Second)
		w.wantReread(id)
		w.wantTiling("p0 [0,100) staged", "p0 [100,120) staged", "p0 [120,137) staged")
		if diff := cmp.Diff(tail, w.tailOffsets(in, 0)); diff != "" || len(tail) != 30 {
			w.t.Errorf("the tail of %d events changed:\n%s", len(tail), diff)
		}
		if s := w.line(in, "events", 0); s.Epoch != epoch+1 || s.State != ingest.AtEnd {
			w.t.Errorf("after the re-read: %+v, want it to go on under epoch %d", s, epoch+1)
		}
		time.Sleep(15 * time.Second)
		w.proved()
	})
}

// A person's change that leaves the end where it is raises the epoch alone: the reader claims the partition again and keeps
// its tail.
func TestSimEpochRaisedByPerson(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		w.produce(0, 100, 0)
		w.readToEnd()
		w.skip(0, 100, 120)
		w.produce(0, 50, 0)
		in, stop := w.start()
		defer stop()
		time.Sleep(5 * time.Second)
		before := w.tailOffsets(in, 0)
		var rows []catalog.Commit
		for e, err := range w.cat.Ledger(w.t.Context(), catalog.LedgerQuery{TableID: w.def.ID, From: 100, To: 120}) {
			w.must(err)
			rows = append(rows, catalog.Commit{TableID: w.def.ID, Row: e.LedgerRow, LedgerFile: e.LedgerFile})
		}
		rows[0].Row.Reason = "by bob"
		_, err := w.cat.Replace(w.t.Context(), catalog.Replace{TableID: w.def.ID, Old: span(0, 100, 120), Rows: rows})
		w.must(err)
		time.Sleep(2 * time.Second)
		if diff := cmp.Diff(before, w.tailOffsets(in, 0)); diff != "" || len(before) != 30 {
			w.t.Errorf("the tail of %d events changed:\n%s", len(before), diff)
		}
		if s, p := w.line(in, "events", 0), w.part(w.def, 0); s.Epoch != p.Epoch || s.State != ingest.AtEnd {
			w.t.Errorf("got %+v, want it to hold the catalog's epoch %d", s, p.Epoch)
		}
		time.Sleep(15 * time.Second)
		w.wantTiling("p0 [0,100) staged", "p0 [100,120) skipped", "p0 [120,150) staged")
	})
}

// What Kafka has no more stays what it was; the rest of the row is read again.
func TestSimRereadWhatIsLeft(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		w.produce(0, 100, 0)
		w.readToEnd()
		w.skip(0, 100, 150)
		w.produce(0, 200, 20)
		w.readToEnd()
		w.must(w.cluster.DeleteRecords("events", 0, 130))
		id := w.ask(span(0, 100, 150))
		w.readToEnd()
		w.wantReread(id, "p0 [100,130) stays skipped", "starts at 130")
		w.wantTiling("p0 [0,100) staged", "p0 [100,130) skipped", "p0 [130,150) staged", "p0 [150,300) staged")
		id = w.ask(span(0, 100, 130))
		w.readToEnd()
		w.wantReread(id, "p0 [100,130) stays skipped", "starts at 130")
		for off := int64(100); off < 130; off++ {
			delete(w.sent[0], off)
		}
		w.proved()
	})
}

// A staged file that is gone from the store is staged again, several neighbours in one transaction, by the roll's limits.
func TestSimRereadFilesThatAreGone(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		for range 7 {
			w.produce(0, 50, 30)
			w.readToEnd()
		}
		for o, err := range w.mem.List(w.t.Context(), "staged/") {
			w.must(err)
			if k, err := stage.ParseKey(o.Key); err == nil && k.Range.Start >= 100 {
				w.must(w.mem.Delete(w.t.Context(), o.Key))
			}
		}
		w.wantProblems("file_missing", 5)
		id := w.ask(span(0, 0, 350))
		epoch := w.part(w.def, 0).Epoch
		w.readToEnd()
		w.wantReread(id)
		w.proved()
		if got := w.part(w.def, 0).Epoch; got != epoch+2 { // one for the start, one for the rows
			w.t.Errorf("epoch %d, want %d", got, epoch+2)
		}
		for range 2 { // a second request finds nothing to do
			id = w.ask(span(0, 0, 350))
			w.readToEnd()
			w.wantReread(id)
		}
		w.proved()
	})
}

// A table that began at the end of the log is read backwards by request.
func TestSimRereadBeforeTheStart(t *testing.T) {
	simulate(t, 1, worldTable+"start: latest\n", func(w *world) {
		w.produce(0, 250, 10)
		w.must(w.cluster.DeleteRecords("events", 0, 20))
		in, stop := w.start()
		time.Sleep(3 * time.Second)
		w.produce(0, 20, 0)
		time.Sleep(15 * time.Second)
		apart, id := w.ask(span(0, 0, 200)), w.ask(span(0, 0, 250))
		time.Sleep(5 * time.Second)
		w.wantReread(apart, "ask for all up to there")
		w.wantReread(id, "p0 [0,20) cannot be read", "starts at 20")
		if s := w.line(in, "events", 0); s.Start != 20 {
			w.t.Errorf("%+v, want it to start at 20", s)
		}
		stop()
		for off := range int64(20) {
			delete(w.sent[0], off)
		}
		w.proved()
	})
}

// What cannot be served says why.
func TestSimRereadRefused(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		w.produce(0, 100, 0)
		w.readToEnd()
		w.skip(0, 100, 150)
		w.produce(0, 100, 0)
		w.readToEnd()
		later := span(0, 0, 10)
		later.Generation = 3
		for _, c := range []struct {
			r    segmenter.PartitionRange
			word string
		}{
			{span(0, 190, 300), "from 200 on are not committed"},
			{span(0, 110, 150), "ask for all of it"},
			{span(0, 0, 149), "ask for all of it"},
			{span(7, 0, 10), "no such partition"},
			{later, "has no generation 3"},
		} {
			id := w.ask(c.r)
			w.readToEnd()
			w.wantReread(id, c.word)
		}
		w.must(w.cluster.DeleteTopic("events"))
		w.must(w.cluster.CreateTopic("events", 1, nil))
		w.prod.PurgeTopicsFromClient("events")
		id := w.ask(span(0, 100, 150))
		w.readToEnd()
		w.wantReread(id, "generation 0 is closed")
		w.must(w.cat.SetTableState(w.t.Context(), w.def.ID, catalog.TableState{Stopped: true, Reason: "by ann"}))
		id = w.ask(span(0, 100, 150))
		_, stop := w.start()
		time.Sleep(3 * time.Second)
		stop()
		w.wantReread(id, "is not read: by ann")
		w.wantTiling("p0 [0,100) staged", "p0 [100,150) skipped", "p0 [150,200) staged")
	})
}

// Dies at storage call 0, 1, 2 ..., before and after it took effect: what follows serves the request, and nothing is half
// or twice.
func TestSimRereadKilledAtEveryStorageCall(t *testing.T) {
	for _, after := range []bool{false, true} {
		for i := 0; ; i++ {
			fired := false
			t.Run(fmt.Sprintf("call %d after=%t", i, after), func(t *testing.T) {
				simulate(t, 1, worldTable, func(w *world) {
					w.produce(0, 100, 0)
					w.readToEnd()
					w.skip(0, 100, 400)
					w.produce(0, 420, 35)
					id := w.ask(span(0, 100, 400))
					faults := &faultblob.Store{Store: w.mem, At: i, After: after, Dead: true, Err: blob.ErrUnavailable}
					in, err := ingest.New(w.options(func(o *ingest.Options) {
						o.Store, o.UntilEnd, o.StopTimeout = faults, true, time.Millisecond
					}))
					w.must(err)
					ctx, kill := context.WithTimeout(w.t.Context(), 30*time.Second)
					defer kill()
					if err := in.Run(ctx); err != nil && !strings.Contains(err.Error(), "its request 1 stays") {
						w.t.Fatal(err)
					}
					w.checkSome()
					w.readToEnd()
					w.wantReread(id)
					w.proved()
					fired = faults.Fired()
				})
			})
			if !fired || t.Failed() {
				break
			}
		}
	}
}

// checkSome wants the ledger whole, whatever it holds of the skipped row.
func (w *world) checkSome() {
	w.t.Helper()
	rows, _ := w.ledger()
	if problems := segmenter.CheckTiling(rows); len(problems) > 0 {
		w.t.Errorf("ledger does not tile: %v", problems)
	}
	skipped := 0
	for _, r := range rows {
		if r.State == segmenter.Skipped {
			skipped++
			if r.Range != span(0, 100, 400) {
				w.t.Errorf("%s is left of the skipped row: it was replaced by half", r.Range)
			}
		}
	}
	if skipped > 1 {
		w.t.Errorf("%d rows are skipped, want at most 1", skipped)
	}
}

// A member that loses its partition in the middle of a re-read leaves the request to the next owner.
func TestSimRereadMemberLeaves(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		w.produce(0, 100, 0)
		w.readToEnd()
		w.skip(0, 100, 400)
		w.produce(0, 300, 0)
		w.readToEnd()
		slow := &faultblob.Flaky{Store: w.mem, Latency: 5 * time.Minute}
		_, stopA := w.start(func(o *ingest.Options) { o.Group, o.Owner, o.Store, o.StopTimeout = "g", "a", slow, time.Second })
		time.Sleep(20 * time.Second)
		id := w.ask(span(0, 100, 400))
		time.Sleep(12 * time.Second)
		if r, err := w.cat.RereadByID(w.t.Context(), id); err != nil || r.Done {
			w.t.Fatalf("%+v, %v: want the request to be under way", r, err)
		}
		_, stopB := w.start(func(o *ingest.Options) { o.Group, o.Owner = "g", "b"; o.SpoolDir += "b" })
		defer stopB()
		stopA()
		w.produce(0, 30, 0)
		time.Sleep(2 * time.Minute)
		w.wantReread(id)
		w.proved()
	})
}

// Re-reads and the partition's own commits cross over a slow store that fails: nothing is lost, nothing is there twice, and
// nobody takes the raised epochs for another owner.
func TestSimRereadBesideReading(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			simulate(t, 1, worldTable, func(w *world) {
				var ids []int64
				for i := range int64(4) {
					w.produce(0, 50, 0)
					w.readToEnd()
					w.skip(0, i*100+50, i*100+100)
					w.produce(0, 50, 9)
				}
				store := &faultblob.Flaky{Store: w.mem, Latency: 2 * time.Second, ErrorRate: 0.3, Seed: seed}
				in, stop := w.start(func(o *ingest.Options) { o.Store = store })
				defer stop()
				for i := range int64(30) {
					w.produce(0, 40, 11)
					if i%6 == 2 && len(ids) < 4 {
						at := int64(len(ids)) * 100
						ids = append(ids, w.ask(span(0, at+50, at+100)))
					}
					time.Sleep(2500 * time.Millisecond)
					if s := w.line(in, "events", 0); s.State == ingest.TakenOver {
						w.t.Fatalf("%+v, and nobody else reads", s)
					}
				}
				for range 60 { // a third of its calls fail, and the pauses grow to a minute
					time.Sleep(time.Minute)
					if list, err := w.cat.Rereads(w.t.Context()); err == nil && len(list) == 0 {
						break
					}
				}
				time.Sleep(time.Minute) // what was produced last
				for _, id := range ids {
					w.wantReread(id)
				}
				w.proved()
				if got, want := w.part(w.def, 0).Epoch, int64(4+4+1+4); got != want { // starts, skips, the start, re-reads
					w.t.Errorf("epoch %d, want %d: the partition was opened again, without a reason", got, want)
				}
			})
		})
	}
}
