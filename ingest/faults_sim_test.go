//go:build synctests

package ingest_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// simulateSecure is simulate over a broker that asks for a password and knows ACLs: "reader" may read topic events,
// and of topic locked nothing. Tables are events and locked; produce and admin work as the superuser.
func simulateSecure(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: new(memNet), mem: new(blob.Mem), dir: t.TempDir(), sent: map[int32]map[int64]string{}}
		allow := func(op kmsg.ACLOperation) kfake.ACL {
			return kfake.ACL{
				Resource: kmsg.ACLResourceTypeTopic, Name: "events", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true,
			}
		}
		var err error
		w.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(w.net.listen), kfake.SeedTopics(1, "events", "locked"),
			kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "root", "root-secret"),
			kfake.User("PLAIN", "reader", "secret", allow(kmsg.ACLOperationRead), allow(kmsg.ACLOperationDescribe)))
		w.must(err)
		t.Cleanup(w.cluster.Close)
		w.cat, err = catalog.Open(t.Context(), filepath.Join(w.dir, "catalog.db"), catalog.Options{})
		w.must(err)
		t.Cleanup(func() { w.must(w.cat.Close()) })
		for _, name := range []string{"locked", "events"} {
			yaml := strings.NewReplacer("table: events", "table: "+name, "topic: events", "topic: "+name).Replace(worldTable)
			def, err := cube.ParseTable([]byte(yaml), name+".yaml")
			w.must(err)
			applied, err := w.cat.ApplyTable(t.Context(), def)
			w.must(err)
			w.def = applied.Table
		}
		w.prod, err = kgo.NewClient(append(w.login("root", "root-secret"), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		w.must(err)
		t.Cleanup(w.prod.Close)
		f(w)
	})
}

func (w *world) login(user, password string) []kgo.Opt {
	return append(w.kafka(), kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()))
}

func as(opts []kgo.Opt) func(*ingest.Options) { return func(o *ingest.Options) { o.Kafka = opts } }

// sourceOf returns the one line of a table.
func (w *world) sourceOf(in *ingest.Ingester, table string) ingest.Source {
	w.t.Helper()
	var found []ingest.Source
	for _, s := range in.Sources() {
		if s.Table == table {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		w.t.Fatalf("table %s has the lines %+v, want one", table, found)
	}
	return found[0]
}

func readerMay(topic string, ops []kadm.ACLOperation) *kadm.ACLBuilder {
	return kadm.NewACLs().Topics(topic).Allow("User:reader").AllowHosts("*").ResourcePatternType(kadm.ACLPatternLiteral).Operations(ops...)
}

func (w *world) grant(topic string, ops ...kadm.ACLOperation) {
	w.t.Helper()
	done, err := w.admin().CreateACLs(w.t.Context(), readerMay(topic, ops))
	w.must(err)
	for _, r := range done {
		w.must(r.Err)
	}
}

func (w *world) revoke(topic string, ops ...kadm.ACLOperation) {
	w.t.Helper()
	done, err := w.admin().DeleteACLs(w.t.Context(), readerMay(topic, ops))
	w.must(err)
	for _, r := range done {
		w.must(r.Err)
	}
}

// A table whose topic may not be read says so and what to grant; the others go on. It reads as soon as it may.
func TestSimFaultsNoPermission(t *testing.T) {
	simulateSecure(t, func(w *world) {
		in, stop := w.start(as(w.login("reader", "secret")))
		defer stop()
		w.produce(0, 150, 0)
		time.Sleep(30 * time.Second)
		w.check(true)
		s := w.sourceOf(in, "locked")
		if s.State != ingest.WaitingForTopic || !strings.Contains(s.Reason, "grant it READ and DESCRIBE") {
			w.t.Errorf("topic that may not be seen: state %q, reason %q; want waiting_for_topic and what to grant", s.State, s.Reason)
		}
		w.grant("locked", kadm.OpDescribe)
		_, err := w.prod.ProduceSync(w.t.Context(), &kgo.Record{Topic: "locked", Value: []byte(`{"ts":1,"id":"x","n":1}`)}).First()
		w.must(err)
		time.Sleep(time.Minute)
		s = w.sourceOf(in, "locked")
		if s.State != ingest.Failing || !strings.Contains(s.Reason, "grant it READ and DESCRIBE") {
			w.t.Errorf("topic that may be seen, not read: state %q, reason %q; want failing and what to grant", s.State, s.Reason)
		}
		w.grant("locked", kadm.OpRead)
		time.Sleep(2 * time.Minute)
		if s = w.sourceOf(in, "locked"); s.State != ingest.AtEnd || s.Committed != 1 || s.Reason != "" {
			w.t.Errorf("topic that may be read now: %+v, want at_end with offset 0 committed", s)
		}
		if s = w.sourceOf(in, "events"); s.State != ingest.AtEnd {
			w.t.Errorf("the other table: %+v, want at_end", s)
		}
	})
}

// A permission that is taken away while reading is told, and heals by itself when it is given back, whether or not
// there is anything new to read.
func TestSimFaultsPermissionTakenAway(t *testing.T) {
	for _, fresh := range []bool{true, false} {
		t.Run(fmt.Sprintf("fresh=%t", fresh), func(t *testing.T) {
			simulateSecure(t, func(w *world) {
				in, stop := w.start(as(w.login("reader", "secret")))
				defer stop()
				w.produce(0, 30, 0)
				time.Sleep(20 * time.Second)
				w.revoke("events", kadm.OpRead)
				if fresh {
					w.produce(0, 30, 0)
				}
				time.Sleep(2 * time.Minute)
				s := w.sourceOf(in, "events")
				if s.State != ingest.Failing || !strings.Contains(s.Reason, "grant it READ") {
					w.t.Errorf("without permission: state %q, reason %q; want failing and what to grant", s.State, s.Reason)
				}
				w.grant("events", kadm.OpRead)
				time.Sleep(2 * time.Minute)
				w.check(true)
				if s = w.sourceOf(in, "events"); s.State != ingest.AtEnd || s.Reason != "" {
					w.t.Errorf("with permission again: state %q, reason %q; want at_end", s.State, s.Reason)
				}
			})
		})
	}
}

// A wrong password is told as one by every table, and committed is nothing.
func TestSimFaultsWrongPassword(t *testing.T) {
	simulateSecure(t, func(w *world) {
		w.produce(0, 10, 0)
		// The in-memory broker hangs up where real ones give the reason.
		w.cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			resp := kmsg.NewPtrSASLAuthenticateResponse()
			resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
			resp.SetVersion(req.GetVersion())
			return resp, nil, true
		})
		in, stop := w.start(as(w.login("reader", "wrong")))
		time.Sleep(time.Minute)
		for _, table := range []string{"events", "locked"} {
			if s := w.sourceOf(in, table); s.State != ingest.WaitingForTopic || !strings.Contains(s.Reason, "wrong user or password") {
				w.t.Errorf("table %s: state %q, reason %q; want waiting_for_topic and a word about the password", table, s.State, s.Reason)
			}
		}
		stop()
		if rows, _ := w.ledger(); len(rows) != 0 {
			w.t.Errorf("committed with a wrong password: %+v", rows)
		}
	})
}

// Every call of the store takes seconds and a third of them fail, half of those after they took effect: reading goes
// on beside it, and every offset is there once.
func TestSimFaultsSlowAndFailingStore(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			simulate(t, 2, worldTable, func(w *world) {
				store := &faultblob.Flaky{Store: w.mem, Latency: 3 * time.Second, ErrorRate: 0.33, Seed: seed}
				in, stop := w.start(func(o *ingest.Options) { o.Store = store })
				time.Sleep(2 * time.Second)
				w.produce(0, 100, 9) // a whole file: its upload begins
				time.Sleep(2 * time.Second)
				w.produce(0, 20, 0)
				time.Sleep(2 * time.Second)
				if got := w.tailOffsets(in, 0); len(got) == 0 || got[len(got)-1] != 119 {
					w.t.Errorf("while the first upload is under way the tail ends with %v, want 119", got)
				}
				for range 20 {
					w.produce(0, 60, 9)
					w.produce(1, 60, 0)
					time.Sleep(5 * time.Second)
				}
				time.Sleep(3 * time.Minute)
				w.check(true)
				if got := states(in); got != string(ingest.AtEnd) {
					w.t.Errorf("state is %q, want at_end: %+v", got, in.Sources())
				}
				stop()
				if store.Failed() < 5 {
					w.t.Errorf("only %d of %d calls failed: this test tests nothing", store.Failed(), store.Calls())
				}
			})
		})
	}
}

// A store so slow that a stop cannot wait for it: what was not committed is read again.
func TestSimFaultsStopWhileStoreHangs(t *testing.T) {
	simulate(t, 2, worldTable, func(w *world) {
		_, stop := w.start(func(o *ingest.Options) {
			o.Store = &faultblob.Flaky{Store: w.mem, Latency: time.Hour}
			o.StopTimeout = 5 * time.Second
		})
		w.produce(0, 120, 0)
		w.produce(1, 20, 0)
		time.Sleep(20 * time.Second)
		began := time.Now()
		stop()
		if took := time.Since(began); took > 15*time.Second {
			w.t.Errorf("the stop took %s, its limit is 5 s", took)
		}
		w.readToEnd()
		w.check(true)
	})
}

// A broker that is away is told as such, and when it is back with nothing new to read, all is well again.
func TestSimFaultsBrokerBackWithoutNews(t *testing.T) {
	simulate(t, 2, worldTable, func(w *world) {
		in, stop := w.start()
		defer stop()
		w.produce(0, 50, 0)
		time.Sleep(20 * time.Second)
		w.net.cut()
		time.Sleep(5 * time.Minute)
		for _, s := range in.Sources() {
			if s.State != ingest.Failing || !strings.Contains(s.Reason, "connection refused") {
				w.t.Errorf("partition %d while the broker is away: state %q, reason %q; want failing and why", s.Partition, s.State, s.Reason)
			}
		}
		w.net.heal()
		time.Sleep(2 * time.Minute)
		if got := states(in); got != string(ingest.AtEnd) {
			w.t.Errorf("state is %q, want at_end: %+v", got, in.Sources())
		}
	})
}

// A table that a policy stopped is among the sources, with the reason and what to do.
func TestSimFaultsStoppedTableSaysWhy(t *testing.T) {
	simulate(t, 1, worldTable+"quarantine: {max_share: 10%, window: 100}\n", func(w *world) {
		in, stop := w.start()
		defer stop()
		w.produce(0, 120, 4)
		time.Sleep(20 * time.Second)
		s := w.sourceOf(in, "events")
		if s.State != ingest.Stopped || !strings.Contains(s.Reason, "tidemark table resume events") {
			w.t.Errorf("state %q, reason %q; want stopped and how to go on", s.State, s.Reason)
		}
		w.must(w.cat.SetTableState(w.t.Context(), w.def.ID, catalog.TableState{}))
		time.Sleep(30 * time.Second)
		if s = w.sourceOf(in, "events"); s.State == ingest.Stopped || s.Partition != 0 {
			w.t.Errorf("resumed, and still %+v", s)
		}
	})
}

// Every kind of bad input is quarantined with its reason, and what stands beside it is read.
func TestSimFaultsBadRecords(t *testing.T) {
	simulate(t, 1, worldTable, func(w *world) {
		time.Sleep(48 * time.Hour) // virtual time begins at the earliest event time that is possible
		now := time.Now().UnixMilli()
		good := func(id string) string { return fmt.Sprintf(`{"ts":%d,"id":%q,"n":1}`, now, id) }
		want := map[int64]string{}
		for _, in := range []struct{ value, reason string }{
			{good("first"), ""},
			{`{"ts":`, "truncated"},
			{`{"ts":x}`, "not_json"},
			{"\xef\xbb\xbf" + good("bom"), "byte_order_mark"},
			{"", "empty"},
			{"\x00null", "tombstone"},
			{"\xff\xfe" + good("utf16"), "byte_order_mark"},
			{fmt.Sprintf(`{"ts":%d,"id":"a`+"\xff"+`b","n":1}`, now), "invalid_utf8"},
			{fmt.Sprintf(`{"ts":%d,"id":"deep","n":1,"x":%s%s}`, now, strings.Repeat("[", 100000), strings.Repeat("]", 100000)), "too_deep"},
			{fmt.Sprintf(`{"ts":%d,"id":"big","n":1e400}`, now), "wrong_type"},
			{fmt.Sprintf(`{"ts":%d,"id":"big","n":99999999999999999999}`, now), "number_range"},
			{`[` + good("array") + `]`, "not_object"},
			{fmt.Sprintf(`{"ts":%d,"id":["x"],"n":1}`, now), "wrong_type"},
			{fmt.Sprintf(`{"ts":%d,"id":"seconds","n":1}`, now/1000), "event_time_range"},
			{`{"ts":0,"id":"1970","n":1}`, "event_time_range"},
			{`{"ts":4102444800000,"id":"2100","n":1}`, "event_time_range"},
			{`{"id":"timeless","n":1}`, "no_event_time"},
			{fmt.Sprintf(`{"ts":%d,"id":"twice","id":"second","n":1}`, now), ""},
			{good("last"), ""},
		} {
			value, id := []byte(in.value), ""
			switch {
			case in.reason == "tombstone":
				value = nil
			case strings.Contains(in.value, `"second"`):
				id = "second" // the last of equal keys wins
			case in.reason == "":
				id = map[bool]string{true: "first", false: "last"}[strings.Contains(in.value, `"first"`)]
			}
			w.send(0, id, value)
			if in.reason != "" {
				want[int64(len(w.sent[0])-1)] = in.reason
			}
		}
		w.readToEnd()
		w.check(true)
		got := map[int64]string{}
		for e, err := range w.cat.Ledger(w.t.Context(), catalog.LedgerQuery{TableID: w.def.ID, Partition: -1}) {
			w.must(err)
			if e.Exceptions.Count(segmenter.Quarantined) == 0 {
				continue
			}
			for q, err := range stage.ReadQuarantine(w.t.Context(), w.mem, e.Quarantine.Key) {
				w.must(err)
				got[q.Offset] = q.Reason
				if q.Detail == "" {
					w.t.Errorf("offset %d: no word on what is wrong", q.Offset)
				}
				if q.Reason == "event_time_range" && strings.Contains(string(q.Value), "seconds") && !strings.Contains(q.Detail, "use timestamp(s)") {
					w.t.Errorf("seconds where milliseconds were declared: %q does not say so", q.Detail)
				}
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			w.t.Errorf("reasons by offset (-want +got):\n%s", d)
		}
	})
}
