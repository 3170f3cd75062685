package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/internal/demo"
	"github.com/tidemarkdb/tidemark/internal/pageviews"
	"github.com/tidemarkdb/tidemark/internal/server"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// cli runs one command line in this process.
func cli(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(process{
		args: args, stdin: strings.NewReader(""), stdout: &out, stderr: &errs,
		signals: make(chan os.Signal), exit: func(int) { t.Error("ended at once") },
	})
	return out.String(), errs.String(), code
}

// good runs a command that must work and reads its JSON.
func good(t *testing.T, into any, args ...string) {
	t.Helper()
	out, errs, code := cli(t, append(args, "-o", "json")...)
	if code != 0 {
		t.Fatalf("%v: exit %d: %s", args, code, errs)
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("%v: %v in %s", args, err, out)
	}
}

// produce sends n page views and returns the truth about them.
func produce(t *testing.T, addrs []string, n int) pageviews.Sums {
	t.Helper()
	g, err := pageviews.New(pageviews.Options{Seed: uint64(n), Bad: 0.01, Partitions: 4})
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.DefaultProduceTopic("pageviews"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var truth pageviews.Sums
	for range n {
		ev := new(pageviews.Event)
		value := g.Append(nil, ev)
		if ev.Null() {
			value = nil
		}
		truth.Add(ev, len(value))
		cl.Produce(t.Context(), &kgo.Record{Partition: ev.Partition, Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Errorf("produce: %v", err)
			}
		})
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return truth
}

// brokerAndData starts a broker, and returns with it the flags that name it and a data folder that is not there yet.
func brokerAndData(t *testing.T) (*demo.Broker, []string) {
	t.Helper()
	dir := t.TempDir()
	b, err := demo.OpenBroker(demo.BrokerOptions{Dir: filepath.Join(dir, "broker")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b, []string{"--data", filepath.Join(dir, "data"), "--brokers", b.Addrs()[0]}
}

// A one-time read commits what was there, a second one what came since, and every record has its place.
func TestIngestUntilEnd(t *testing.T) {
	b, data := brokerAndData(t)
	with := func(args ...string) []string { return append(args, data...) }

	if _, errs, code := cli(t, with("ingest", "--until-end")...); code != 1 || !strings.Contains(errs, "there are no tables to read") {
		t.Errorf("without tables: exit %d, %s", code, errs)
	}
	def := filepath.Join(t.TempDir(), "pageviews.yaml")
	if err := os.WriteFile(def, []byte(pageviews.TableYAML("pageviews", "pageviews")), 0o600); err != nil {
		t.Fatal(err)
	}
	var applied server.Applied
	good(t, &applied, with("table", "apply", "-f", def)...)
	if _, errs, code := cli(t, with("ingest", "--until-end", "--table", "nope")...); code != 1 || !strings.Contains(errs, "table default/nope: not found") {
		t.Errorf("a table that is not there: exit %d, %s", code, errs)
	}

	total := pageviews.Sums{}
	for round, n := range []int{3000, 500, 0} {
		truth := produce(t, b.Addrs(), n)
		total.Merge(&truth)
		var done ingestDone
		good(t, &done, with("ingest", "--until-end", "--table", "pageviews")...)
		if done.Events != truth.Events || done.Bad != truth.Bad || done.Lag != 0 || done.CPUSeconds <= 0 || done.PeakRSSBytes <= 0 {
			t.Errorf("round %d: %+v, want %d events and %d bad", round, done, truth.Events, truth.Bad)
		}
		var shown server.Table
		good(t, &shown, with("table", "show", "pageviews")...)
		if s := shown.Stats; s.Events != total.Events || s.Quarantined != total.Bad || s.Lost != 0 || s.Gaps != 0 {
			t.Errorf("round %d: committed %+v, want %d events and %d quarantined", round, s, total.Events, total.Bad)
		}
	}
	checkQuarantine(t, data, total.Bad)
	checkNode(t, filepath.Join(data[1], "catalog.db"))
	var report verify.Report
	good(t, &report, with("verify", "--against-kafka")...)
	if !report.OK || report.Events != total.Events || report.Kafka == nil || report.Kafka.Records != total.Records {
		t.Errorf("verify: %+v, want %d events of %d records", report, total.Events, total.Records)
	}
}

// checkQuarantine wants as many records in pages as were bad, and the first of them whole.
func checkQuarantine(t *testing.T, data []string, want int64) {
	t.Helper()
	var seen int64
	next := ""
	for {
		var page server.Quarantine
		good(t, &page, append([]string{"quarantine", "list", "pageviews", "--limit", "10", "--after", next}, data...)...)
		if seen == 0 && len(page.Records) > 0 {
			r := page.Records[0]
			var one server.Record
			good(t, &one, append([]string{"quarantine", "show", "pageviews", fmt.Sprint(r.Partition), fmt.Sprint(r.Offset)}, data...)...)
			if one.Offset != r.Offset || one.Reason != r.Reason {
				t.Errorf("shown %+v, listed %+v", one, r)
			}
		}
		seen += int64(len(page.Records))
		if next = page.Next; next == "" {
			break
		}
	}
	if seen != want {
		t.Errorf("%d quarantined records in pages, want %d", seen, want)
	}
	var again server.RequeueResult
	good(t, &again, append([]string{"quarantine", "requeue", "pageviews"}, data...)...)
	if again.Requeued != 0 || again.StillBad != want {
		t.Errorf("requeued with the same definition: %+v, want %d still bad", again, want)
	}
}

// checkNode wants the process that only reads to have said that it was alive.
func checkNode(t *testing.T, path string) {
	t.Helper()
	c, err := catalog.Open(t.Context(), path, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := c.Nodes(t.Context())
	if err = errors.Join(err, c.Close()); err != nil || len(nodes) != 1 || !slices.Equal(nodes[0].Roles, []string{"ingest"}) {
		t.Errorf("nodes: %+v, %v, want one that reads", nodes, err)
	}
}
