//go:build synctests

package ingest_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// part returns what the catalog knows of one partition.
func (w *world) part(def *cube.Table, partition int32) catalog.PartitionInfo {
	w.t.Helper()
	list, err := w.cat.Partitions(w.t.Context(), def.ID)
	w.must(err)
	for _, p := range list {
		if p.Partition == partition {
			return p
		}
	}
	w.t.Fatalf("table %s has no partition %d in the catalog: %+v", def.Name, partition, list)
	return catalog.PartitionInfo{}
}

// line returns the source of one partition of a table.
func (w *world) line(in *ingest.Ingester, table string, partition int32) ingest.Source {
	w.t.Helper()
	for _, s := range in.Sources() {
		if s.Table == table && s.Partition == partition {
			return s
		}
	}
	w.t.Fatalf("no source is partition %d of %s: %+v", partition, table, in.Sources())
	return ingest.Source{}
}

// While one table of a topic cannot commit, the others wait with it, and say so; nobody takes that for a client that hangs.
func TestSimSharedTopicWaitsForMinutes(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		def, err := cube.ParseTable([]byte(strings.NewReplacer("table: events", "table: copies", "rows: 100, age: 10s", "rows: 1000000, age: 20m").Replace(worldTable)), "copies.yaml")
		w.must(err)
		applied, err := w.cat.ApplyTable(w.t.Context(), def)
		w.must(err)
		store := &halfStore{Store: w.mem, table: w.def.ID}
		store.closed.Store(true)
		in, stop := w.start(func(o *ingest.Options) { o.Store = store })
		defer stop()
		for range 300 {
			w.produce(0, 20, 0)
			time.Sleep(2 * time.Second)
		}
		if s := w.line(in, "copies", 0); s.State != ingest.Paused || !strings.Contains(s.Reason, "another table") {
			w.t.Errorf("the table that could go on: state %q, reason %q; want paused, for the other table", s.State, s.Reason)
		}
		store.closed.Store(false)
		time.Sleep(30 * time.Minute)
		w.wantAll(w.def, applied.Table)
		for _, d := range []*cube.Table{w.def, applied.Table} {
			if p := w.part(d, 0); p.Epoch != 1 {
				w.t.Errorf("table %s is at epoch %d: it was opened again, without a reason", d.Name, p.Epoch)
			}
		}
	})
}

// A topic that is made again with fewer partitions is read on: those that are gone keep none of the others closed.
func TestSimTopicMadeAgainWithFewerPartitions(t *testing.T) {
	simulate(t, 4, worldTable, func(w *world) {
		in, stop := w.start()
		defer stop()
		for p := range int32(4) {
			w.produce(p, 50, 0)
		}
		time.Sleep(15 * time.Second)
		w.must(w.cluster.DeleteTopic("events"))
		w.must(w.cluster.CreateTopic("events", 1, nil))
		w.sent = map[int32]map[int64]string{}
		w.prod.PurgeTopicsFromClient("events")
		w.produce(0, 150, 0)
		time.Sleep(5 * time.Minute)
		_, got := w.ledger()
		w.same("0.1", got["0.1"], w.sent[0])
		if s := w.sourceOf(in, "events"); s.Partition != 0 || s.State != ingest.AtEnd {
			w.t.Errorf("%+v, want partition 0 at its end, and no other", s)
		}
	})
}

// A partition that was taken over, and then given to another member of the group, is no longer told as ours.
func TestSimTakenOverAndGivenAway(t *testing.T) {
	simulate(t, 2, worldTable, func(w *world) {
		copies := w.also("copies")
		store := &halfStore{Store: w.mem, table: copies.ID}
		a, stopA := w.start(func(o *ingest.Options) { o.Group, o.Owner, o.Store = "g", "a", store })
		defer stopA()
		time.Sleep(20 * time.Second)
		store.closed.Store(true)
		for p := range int32(2) {
			_, err := w.cat.Assign(w.t.Context(), catalog.Claim{TableID: w.def.ID, Partition: p, Owner: "other"})
			w.must(err)
			w.produce(p, 120, 0)
		}
		time.Sleep(2 * time.Second)
		b, stopB := w.start(func(o *ingest.Options) { o.Group, o.Owner = "g", "b"; o.SpoolDir += "b" })
		defer stopB()
		time.Sleep(30 * time.Second)
		store.closed.Store(false)
		time.Sleep(10 * time.Minute)
		if lines := append(a.Sources(), b.Sources()...); len(lines) != 4 || states(a) != "at_end" || states(b) != "at_end" {
			w.t.Errorf("two members with two tables of two partitions tell %+v, want each once and at its end", lines)
		}
		w.wantAll(w.def, copies)
	})
}

// A stop that comes while a partition is given up lets it finish.
func TestSimStopWhileReopening(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		_, stop := w.start(func(o *ingest.Options) { o.Store = &faultblob.Flaky{Store: w.mem, Latency: 5 * time.Second} })
		time.Sleep(12 * time.Second)
		w.produce(0, 50, 0)
		time.Sleep(2 * time.Second)
		w.also("copies") // opens the partition again, once what is in hand is written
		time.Sleep(1500 * time.Millisecond)
		began := time.Now()
		stop()
		if took := time.Since(began); took > 21*time.Second {
			w.t.Errorf("the stop took %s, its limit is 20 s", took)
		}
		if p := w.part(w.def, 0); p.End != 50 {
			w.t.Errorf("committed up to %d, want what was in hand: 50", p.End)
		}
	})
}

// One partition without a leader keeps no other from being opened, and is told.
func TestSimOnePartitionWithoutLeader(t *testing.T) {
	simulate(t, 3, worldTable, func(w *world) {
		var healed atomic.Bool
		w.cluster.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if healed.Load() {
				return nil, nil, false
			}
			resp := kmsg.NewPtrListOffsetsResponse()
			resp.SetVersion(req.GetVersion())
			for _, t := range req.(*kmsg.ListOffsetsRequest).Topics {
				rt := kmsg.NewListOffsetsResponseTopic()
				rt.Topic = t.Topic
				for _, p := range t.Partitions {
					rp := kmsg.NewListOffsetsResponseTopicPartition()
					rp.Partition, rp.Offset, rp.LeaderEpoch = p.Partition, 30, -1
					if p.Timestamp == -2 {
						rp.Offset = 0
					}
					if p.Partition == 1 {
						rp.Offset, rp.ErrorCode = -1, kerr.KafkaStorageError.Code
					}
					rt.Partitions = append(rt.Partitions, rp)
				}
				resp.Topics = append(resp.Topics, rt)
			}
			return resp, nil, true
		})
		for p := range int32(3) {
			w.produce(p, 30, 0)
		}
		in, stop := w.start()
		defer stop()
		time.Sleep(time.Minute)
		if s := w.line(in, "events", 1); s.State != ingest.Failing || !strings.Contains(s.Reason, "KAFKA_STORAGE_ERROR") {
			w.t.Errorf("the partition without an answer: state %q, reason %q; want failing, in the broker's words", s.State, s.Reason)
		}
		for _, p := range []int32{0, 2} {
			if s := w.line(in, "events", p); s.Committed != 30 || s.State != ingest.AtEnd {
				w.t.Errorf("partition %d beside it: %+v, want 30 offsets committed", p, s)
			}
		}
		healed.Store(true)
		time.Sleep(time.Minute)
		w.check(true)
		if got := states(in); got != string(ingest.AtEnd) {
			w.t.Errorf("state is %q, want at_end: %+v", got, in.Sources())
		}
	})
}
