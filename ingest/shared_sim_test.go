//go:build synctests

package ingest_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// halfStore takes nothing for one table while it is closed.
type halfStore struct {
	blob.Store
	table  string
	closed atomic.Bool
}

func (s *halfStore) Create(ctx context.Context, key string, body io.Reader) error {
	if s.closed.Load() && strings.Contains(key, s.table) {
		return fmt.Errorf("create %s: %w", key, blob.ErrUnavailable)
	}
	return s.Store.Create(ctx, key, body)
}

// also applies a second table over the world's topic.
func (w *world) also(name string) *cube.Table {
	w.t.Helper()
	def, err := cube.ParseTable([]byte(strings.Replace(worldTable, "table: events", "table: "+name, 1)), name+".yaml")
	w.must(err)
	applied, err := w.cat.ApplyTable(w.t.Context(), def)
	w.must(err)
	return applied.Table
}

// wantAll checks that each table has every offset of every partition.
func (w *world) wantAll(tables ...*cube.Table) {
	w.t.Helper()
	first := w.def
	for _, def := range tables {
		w.def = def
		w.check(true)
	}
	w.def = first
}

// A table that cannot commit holds its topic back, and another table's commits do not let it go.
func TestSimSharedTopicWaitsForTheSlowTable(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		other := w.also("copies")
		// One table's ranges take 4 s to commit, so that it has to wait as well, now and then.
		store := &halfStore{Store: &faultblob.Flaky{Store: w.mem, Latency: 4 * time.Second}, table: w.def.ID}
		store.closed.Store(true)
		in, stop := w.start(func(o *ingest.Options) { o.Store = store })
		defer stop()
		for range 60 {
			w.produce(0, 100, 0)
			time.Sleep(time.Second)
		}
		slow := w.sourceOf(in, "events")
		if slow.Committed != 0 || slow.Next > 1000 {
			w.t.Errorf("%d of 6000 offsets read and %d committed by the table that cannot commit; want it held back, and none", slow.Next, slow.Committed)
		}
		store.closed.Store(false)
		time.Sleep(2 * time.Minute)
		w.wantAll(w.def, other)
	})
}

// A table that cannot commit is dropped: the other one of its topic goes on.
func TestSimDroppedTableLetsTheOthersGoOn(t *testing.T) {
	simulate(t, 2, worldTable, func(w *world) {
		other := w.also("copies")
		store := &halfStore{Store: w.mem, table: w.def.ID}
		store.closed.Store(true)
		in, stop := w.start(func(o *ingest.Options) { o.Store = store; o.StopTimeout = time.Hour })
		defer stop()
		for p := range int32(2) {
			w.produce(p, 700, 0)
		}
		time.Sleep(time.Minute)
		w.must(w.cat.DropTable(w.t.Context(), w.def.Project, w.def.Name))
		store.closed.Store(false)
		time.Sleep(2 * time.Minute)
		w.wantAll(other)
		if got := states(in); got != string(ingest.AtEnd) {
			w.t.Errorf("state is %q, want at_end: %+v", got, in.Sources())
		}
	})
}

// A table that is applied while a partition of its topic is being opened for another is read too.
func TestSimTableAppliedWhileOpening(t *testing.T) {
	simulate(t, 1, worldTable+"start: 2000-01-01T00:00:00Z\n", func(w *world) {
		w.produce(0, 50, 0)
		var other *cube.Table
		w.cluster.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if at := req.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].Timestamp; other == nil && at >= 0 {
				// Its first table asks where to begin. Passes see the new table, and no source to add it to.
				other = w.also("copies")
				time.Sleep(3 * time.Second)
			}
			return nil, nil, false
		})
		_, stop := w.start(func(o *ingest.Options) { o.Group = "readers" })
		defer stop()
		time.Sleep(2 * time.Minute)
		if other == nil {
			w.t.Fatal("the broker was never asked where to begin: this test tests nothing")
		}
		w.wantAll(w.def, other)
	})
}

// A reader that does not let go of the tail loses it, and its memory counts no more.
func TestSimPinIsLostInTheEnd(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		in, stop := w.start(func(o *ingest.Options) { o.PinTimeout = 30 * time.Second })
		defer stop()
		time.Sleep(2 * time.Second)
		w.produce(0, 20, 0)
		time.Sleep(2 * time.Second)
		pin := in.PinTail(w.def.ID)
		if len(pin.Ranges) != 1 || pin.Ranges[0].Range.Len() != 20 {
			w.t.Fatalf("pinned %+v, want 20 offsets", pin.Ranges)
		}
		time.Sleep(20 * time.Second) // committed by now
		if pin.Lost() {
			w.t.Error("lost before its time")
		}
		time.Sleep(20 * time.Second)
		if !pin.Lost() {
			w.t.Error("a pin of 40 s is still held, the limit is 30 s")
		}
		pin.Release()
		next := in.PinTail(w.def.ID)
		defer next.Release()
		if next.Lost() || len(next.Ranges) != 1 || next.Ranges[0].Range.Start != 20 {
			w.t.Errorf("the next pin: lost %t, %+v; want the empty tail at 20", next.Lost(), next.Ranges)
		}
	})
}

// A partition that another process has taken stays among the sources, with that as its state, until it is ours again.
func TestSimTakenOverIsTold(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		in, stop := w.start()
		defer stop()
		w.produce(0, 50, 0)
		time.Sleep(20 * time.Second)
		_, err := w.cat.Assign(w.t.Context(), catalog.Claim{TableID: w.def.ID, Partition: 0, Owner: "other"})
		w.must(err)
		w.produce(0, 50, 0)
		time.Sleep(12 * time.Second)
		if s := w.sourceOf(in, "events"); s.State != ingest.TakenOver || s.Partition != 0 || !strings.Contains(s.Reason, "taken over") {
			w.t.Errorf("%+v, want partition 0 as taken over", s)
		}
		time.Sleep(time.Minute)
		w.check(true)
		if s := w.sourceOf(in, "events"); s.State != ingest.AtEnd {
			w.t.Errorf("%+v, want at_end", s)
		}
	})
}

// Whoever gives a partition up takes its name off it.
func TestSimStopSignsOff(t *testing.T) {
	simulate(t, 2, worldTable, func(w *world) {
		_, stop := w.start()
		w.produce(0, 10, 0)
		time.Sleep(20 * time.Second)
		owners := func() string {
			list, err := w.cat.Partitions(w.t.Context(), w.def.ID)
			w.must(err)
			names := make([]string, len(list))
			for i, p := range list {
				names[i] = p.Owner
			}
			return strings.Join(names, ",")
		}
		if got := owners(); got != "test,test" {
			w.t.Errorf("owners while it runs: %q, want test,test", got)
		}
		stop()
		if got := owners(); got != "," {
			w.t.Errorf("owners after the stop: %q, want none", got)
		}
	})
}
