//go:build synctests

package ingest_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// simulate runs f in a bubble of virtual time.
func simulate(t *testing.T, partitions int32, yaml string, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newWorld(t, partitions, yaml)) })
}

func TestSimReadsToTheEndTwice(t *testing.T) {
	simulate(t, 3, worldTable, func(w *world) {
		for p := range int32(3) {
			w.produce(p, 250, 50)
		}
		w.readToEnd()
		w.check(true)
		w.produce(1, 30, 0)
		w.readToEnd()
		w.check(true)
		w.readToEnd() // nothing new: nothing happens
		w.check(true)
	})
}

func TestSimServesAndRollsByAge(t *testing.T) {
	simulate(t, 2, worldTable, func(w *world) {
		in, stop := w.start()
		defer stop()
		time.Sleep(2 * time.Second)
		w.produce(0, 20, 0)
		time.Sleep(5 * time.Second)
		if got := len(w.tailOffsets(in, 0)); got != 20 {
			w.t.Errorf("tail holds %d events after 5s, want 20", got)
		}
		time.Sleep(15 * time.Second) // past the age of 10 s
		if got := w.tailOffsets(in, 0); len(got) != 0 {
			w.t.Errorf("tail still holds %v", got)
		}
		w.check(true)
	})
}

// A restart in the middle reads on where the catalog ends, and a clean stop commits what is in hand.
func TestSimStopCommitsWhatIsInHand(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		_, stop := w.start()
		w.produce(0, 37, 5)
		time.Sleep(3 * time.Second)
		stop()
		w.check(true)
	})
}

// Dies at storage call 0, 1, 2 ..., before and after it took effect; what follows finds every offset once.
func TestSimKilledAtEveryStorageCall(t *testing.T) {
	for _, after := range []bool{false, true} {
		for i := 0; ; i++ {
			fired := false
			t.Run(fmt.Sprintf("call %d after=%t", i, after), func(t *testing.T) {
				simulate(t, 2, worldTable, func(w *world) {
					w.produce(0, 130, 25)
					w.produce(1, 130, 0)
					faults := &faultblob.Store{Store: w.mem, At: i, After: after, Dead: true, Err: blob.ErrUnavailable}
					in, err := ingest.New(w.options(func(o *ingest.Options) {
						o.Store, o.UntilEnd, o.StopTimeout = faults, true, time.Millisecond
					}))
					w.must(err)
					ctx, kill := context.WithTimeout(w.t.Context(), 30*time.Second)
					defer kill()
					w.must(in.Run(ctx))
					w.check(false)
					w.readToEnd()
					w.check(true)
					fired = faults.Fired()
				})
			})
			if !fired || t.Failed() {
				break
			}
		}
	}
}

// The store is away for minutes: reading pauses at its limits, nothing is lost, and all is committed once it is back.
func TestSimStoreAwayForMinutes(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		store := &faultblob.Flaky{Store: w.mem}
		in, stop := w.start(func(o *ingest.Options) { o.Store = store })
		defer stop()
		time.Sleep(2 * time.Second)
		store.Cut()
		for range 6 {
			w.produce(0, 100, 0)
			time.Sleep(30 * time.Second)
		}
		if got := states(in); got != string(ingest.Failing) && got != string(ingest.Paused) {
			w.t.Errorf("state is %q while the store is away", got)
		}
		store.Heal()
		time.Sleep(time.Minute)
		w.check(true)
		if got := states(in); got != string(ingest.AtEnd) {
			w.t.Errorf("state is %q, want at_end: %+v", got, in.Sources())
		}
	})
}

func TestSimBrokerAwayForMinutes(t *testing.T) {
	simulate(t, 2, worldTable, func(w *world) {
		in, stop := w.start()
		defer stop()
		w.produce(0, 50, 0)
		time.Sleep(3 * time.Second)
		w.net.cut()
		time.Sleep(5 * time.Minute)
		w.net.heal()
		w.produce(0, 50, 0)
		w.produce(1, 50, 0)
		time.Sleep(2 * time.Minute)
		w.check(true)
		if got := states(in); got != string(ingest.AtEnd) {
			w.t.Errorf("state is %q, want at_end: %+v", got, in.Sources())
		}
	})
}

func TestSimTopicComesLater(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		w.must(w.cluster.DeleteTopic("events"))
		in, stop := w.start()
		defer stop()
		time.Sleep(10 * time.Second)
		if got := states(in); got != string(ingest.WaitingForTopic) {
			w.t.Errorf("state is %q, want waiting_for_topic", got)
		}
		w.must(w.cluster.CreateTopic("events", 2, nil))
		time.Sleep(20 * time.Second)
		w.produce(1, 10, 0)
		time.Sleep(30 * time.Second)
		w.check(true)
	})
}

func TestSimMissingTopicFailsByFlag(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		w.must(w.cluster.DeleteTopic("events"))
		in, err := ingest.New(w.options(func(o *ingest.Options) { o.UntilEnd, o.FailOnMissingTopic = true, true }))
		w.must(err)
		if err := in.Run(w.t.Context()); err == nil {
			w.t.Error("no error for a topic that does not exist")
		}
	})
}

// Retention overtakes a reader that was away: the offsets are recorded as lost, and reading goes on.
func TestSimRetentionOvertakes(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		w.produce(0, 100, 0)
		w.readToEnd()
		w.produce(0, 100, 0)
		w.must(w.cluster.DeleteRecords("events", 0, 150))
		w.produce(0, 10, 0)
		w.readToEnd()
		for off := int64(100); off < 150; off++ {
			delete(w.sent[0], off)
		}
		w.check(true)
		if got, want := w.lost(), []string{"p0 [100,150)"}; !slices.Equal(got, want) {
			w.t.Errorf("lost %v, want %v", got, want)
		}
	})
}

// The same while it reads, and with the policy that stops the table until a person says go on.
func TestSimRetentionOvertakesAndStops(t *testing.T) {
	simulate(t, 1, worldTable+"\n", func(w *world) {
		def := *w.def
		def.OnLoss = cube.LossStop
		applied, err := w.cat.ApplyTable(w.t.Context(), &def)
		w.must(err)
		w.def = applied.Table
		w.produce(0, 100, 0)
		w.readToEnd()
		w.produce(0, 100, 0)
		w.must(w.cluster.DeleteRecords("events", 0, 150))
		_, stop := w.start()
		time.Sleep(20 * time.Second)
		st, err := w.cat.TableState(w.t.Context(), w.def.ID)
		w.must(err)
		if !st.Stopped || st.Reason == "" {
			w.t.Errorf("table state is %+v, want stopped with a reason", st)
		}
		w.must(w.cat.SetTableState(w.t.Context(), w.def.ID, catalog.TableState{}))
		time.Sleep(20 * time.Second)
		stop()
		for off := int64(100); off < 150; off++ {
			delete(w.sent[0], off)
		}
		w.check(true)
	})
}

// A topic that is deleted and made again begins a new generation: its offsets never mix with the old ones.
func TestSimTopicMadeAgain(t *testing.T) {
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprintf("running=%t", running), func(t *testing.T) {
			simulate(t, 1, worldTable, func(w *world) {
				stop := func() {}
				if running {
					_, stop = w.start()
				}
				w.produce(0, 120, 0)
				time.Sleep(15 * time.Second)
				if !running {
					w.readToEnd()
				}
				old := w.sent[0]
				w.must(w.cluster.DeleteTopic("events"))
				time.Sleep(30 * time.Second)
				w.must(w.cluster.CreateTopic("events", 1, nil))
				w.sent[0] = map[int64]string{}
				w.prod.PurgeTopicsFromClient("events")
				w.produce(0, 150, 0)
				time.Sleep(2 * time.Minute)
				stop()
				if !running {
					w.readToEnd()
				}
				_, got := w.ledger()
				w.same("0.0", got["0.0"], old)
				w.same("0.1", got["0.1"], w.sent[0])
			})
		})
	}
}

// Aborted transactions, markers and a compacted end are gaps; progress goes past them.
func TestSimTransactionsAndCompaction(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		tx, err := kgo.NewClient(append(w.kafka(), kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		w.must(err)
		defer tx.Close()
		for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
			w.must(tx.BeginTransaction())
			for j := range 5 {
				w.n++
				id := fmt.Sprintf("t%d-%d", i, j)
				value := fmt.Sprintf(`{"ts":%d,"id":%q,"n":1}`, time.Now().UnixMilli(), id)
				r, err := tx.ProduceSync(w.t.Context(), &kgo.Record{Topic: "events", Value: []byte(value)}).First()
				w.must(err)
				if commit == kgo.TryCommit {
					if w.sent[0] == nil {
						w.sent[0] = map[int64]string{}
					}
					w.sent[0][r.Offset] = id
				}
			}
			w.must(tx.EndTransaction(w.t.Context(), commit))
		}
		w.readToEnd()
		w.check(true)
		rows, _ := w.ledger()
		var gaps int64
		for _, r := range rows {
			gaps += r.Exceptions.Count(segmenter.Gap)
		}
		if gaps != 14 { // two aborted transactions of 5 records, four markers
			w.t.Errorf("%d gaps, want 14: %+v", gaps, rows)
		}
	})
}

// The end that a partition is read to is no later than the transactions that are open: their records lie beyond it.
func TestSimEndBeforeOpenTransactions(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		tx, err := kgo.NewClient(append(w.kafka(), kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		w.must(err)
		defer tx.Close()
		in, stop := w.start()
		defer stop()
		end := func() time.Time {
			time.Sleep(20 * time.Second)
			s := w.sourceOf(in, "events")
			if s.State != ingest.AtEnd {
				w.t.Fatalf("%+v, want it at its end", s)
			}
			return s.EndAt
		}
		w.produce(0, 10, 0)
		if at := end(); time.Since(at) > 10*time.Second {
			w.t.Errorf("all is read to the end of %s ago, want no more than 10s", time.Since(at))
		}
		w.must(tx.BeginTransaction())
		begun := time.Now()
		w.must(tx.ProduceSync(w.t.Context(), &kgo.Record{Topic: "events", Value: []byte(`{"ts":1,"id":"t","n":1}`)}).FirstErr())
		if at := end(); at.After(begun) || at.IsZero() {
			w.t.Errorf("with a transaction open since %s: the end of %s, want one of before it", begun, at)
		}
		w.must(tx.EndTransaction(w.t.Context(), kgo.TryCommit))
		if at := end(); time.Since(at) > 10*time.Second {
			w.t.Errorf("after the transaction: the end of %s ago, want no more than 10s", time.Since(at))
		}
	})
}

func TestSimNewPartitionsFromTheirFirstOffset(t *testing.T) {
	simulate(t, 1, worldTable+"start: latest\n", func(w *world) {
		w.produce(0, 10, 0)
		_, stop := w.start()
		defer stop()
		time.Sleep(5 * time.Second)
		w.sent[0] = nil // before the start
		resp, err := w.admin().CreatePartitions(w.t.Context(), 2, "events")
		w.must(err)
		w.must(resp.Error())
		w.prod.ForceMetadataRefresh()
		for i := range int32(3) {
			w.produce(i, 10, 0)
		}
		time.Sleep(time.Minute)
		w.check(true)
	})
}

// A roll request makes what a build waits for committed, long before the file is old enough.
func TestSimRollRequest(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		def := *w.def
		def.Staging.RollAge = time.Hour
		applied, err := w.cat.ApplyTable(w.t.Context(), &def)
		w.must(err)
		w.def = applied.Table
		_, stop := w.start()
		defer stop()
		w.produce(0, 40, 0)
		time.Sleep(10 * time.Second)
		_, err = w.cat.RequestRoll(w.t.Context(), catalog.RollRequest{TableID: w.def.ID, Partition: -1, UpTo: 0})
		w.must(err)
		time.Sleep(10 * time.Second)
		w.check(true)
		reqs, err := w.cat.RollRequests(w.t.Context())
		w.must(err)
		if len(reqs) != 0 {
			w.t.Errorf("requests left: %+v", reqs)
		}
	})
}

// A roll request for offsets of a topic that was made again ends: they never come, and the new topic is not rolled for it.
func TestSimRollRequestOfAnOldGeneration(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		_, stop := w.start()
		defer stop()
		w.produce(0, 120, 0)
		time.Sleep(15 * time.Second)
		_, err := w.cat.RequestRoll(w.t.Context(), catalog.RollRequest{TableID: w.def.ID, Partition: 0, UpTo: 1000})
		w.must(err)
		w.must(w.cluster.DeleteTopic("events"))
		time.Sleep(30 * time.Second)
		w.must(w.cluster.CreateTopic("events", 1, nil))
		w.sent[0] = map[int64]string{}
		w.prod.PurgeTopicsFromClient("events")
		w.produce(0, 50, 0)
		time.Sleep(2 * time.Minute)
		reqs, err := w.cat.RollRequests(w.t.Context())
		w.must(err)
		if len(reqs) != 0 {
			w.t.Errorf("requests left: %+v", reqs)
		}
	})
}

// A new version of the definition is used from the next record on; a file holds one version.
func TestSimDefinitionChangesWhileReading(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		_, stop := w.start()
		w.produce(0, 20, 0)
		time.Sleep(3 * time.Second)
		def := *w.def
		def.Columns = append(slices.Clone(def.Columns), cube.Column{Name: "extra", Path: "extra", Type: cube.Type{Kind: cube.String}, Null: cube.NullKeep})
		applied, err := w.cat.ApplyTable(w.t.Context(), &def)
		w.must(err)
		w.def = applied.Table
		time.Sleep(3 * time.Second)
		w.produce(0, 20, 0)
		time.Sleep(3 * time.Second)
		stop()
		w.check(true)
	})
}

// Two members share a group's partitions. One dies without a word: the other reads on, each offset once.
func TestSimTwoMembersOneDies(t *testing.T) {
	simulate(t, 4, worldTable, func(w *world) {
		member := func(name string, st blob.Store) func(*ingest.Options) {
			return func(o *ingest.Options) {
				o.Group, o.Owner, o.Store = "g", name, st
				o.SpoolDir += name
				o.StopTimeout = time.Second
			}
		}
		dying := &faultblob.Flaky{Store: w.mem}
		a, stopA := w.start(member("a", w.mem))
		_, stopB := w.start(member("b", dying))
		time.Sleep(30 * time.Second)
		for round := range 5 {
			for p := range int32(4) {
				w.produce(p, 30, 7)
			}
			time.Sleep(20 * time.Second)
			if round == 2 {
				dying.Cut() // nothing of b takes effect any more
				stopB()
			}
		}
		time.Sleep(3 * time.Minute)
		w.check(true)
		if n := len(a.Sources()); n != 4 {
			w.t.Errorf("the one that is left reads %d partitions, want 4: %+v", n, a.Sources())
		}
		stopA()
	})
}

// Too many unreadable records stop a table that says so.
func TestSimTooManyBadRecordsStop(t *testing.T) {
	simulate(t, 1, worldTable+"quarantine: {max_share: 10%, window: 100}\n", func(w *world) {
		_, stop := w.start()
		defer stop()
		w.produce(0, 300, 4)
		time.Sleep(20 * time.Second)
		st, err := w.cat.TableState(w.t.Context(), w.def.ID)
		w.must(err)
		if !st.Stopped {
			w.t.Error("the table reads on with 25% unreadable records")
		}
	})
}

// Memory stays within its budget while the store is slow, and every offset arrives.
func TestSimBudgetHolds(t *testing.T) {
	simulate(t, 4, worldTable, func(w *world) {
		def := *w.def
		def.Staging.RollRows, def.Staging.RollAge = 1_000_000, time.Hour
		applied, err := w.cat.ApplyTable(w.t.Context(), &def)
		w.must(err)
		w.def = applied.Table
		big := make([]byte, 64<<10)
		for i := range big {
			big[i] = 'x'
		}
		for i := range 400 {
			id := fmt.Sprintf("b%d-%s", i, big)
			w.send(int32(i%4), id, fmt.Appendf(nil, `{"ts":%d,"id":%q,"n":1}`, time.Now().UnixMilli(), id))
		}
		w.readToEnd(func(o *ingest.Options) { o.MemoryBudget = 8 << 20; o.FetchBytes = 1 << 20 })
		w.check(true)
	})
}

func (w *world) tailOffsets(in *ingest.Ingester, partition int32) (offsets []int64) {
	pin := in.PinTail(w.def.ID)
	defer pin.Release()
	for _, r := range pin.Ranges {
		for _, c := range r.Chunks {
			if r.Range.Partition == partition {
				offsets = append(offsets, c.Offsets...)
			}
		}
	}
	return offsets
}

func (w *world) lost() (out []string) {
	rows, _ := w.ledger()
	for _, r := range rows {
		if r.State == segmenter.Lost {
			out = append(out, r.Range.String())
		}
	}
	return out
}

func (w *world) same(line string, got, want map[int64]string) {
	w.t.Helper()
	if len(got) != len(want) {
		w.t.Errorf("line %s holds %d offsets, want %d", line, len(got), len(want))
		return
	}
	for off, id := range want {
		if got[off] != id {
			w.t.Errorf("line %s offset %d: got %q, want %q", line, off, got[off], id)
		}
	}
}
