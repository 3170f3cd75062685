package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/internal/pageviews"
)

func newBroker(t *testing.T) string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

// readAll returns the values of each partition in order; a null value is nil.
func readAll(t *testing.T, broker, topic string, n int) map[int32][][]byte {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	values := map[int32][][]byte{}
	for n > 0 {
		f := cl.PollFetches(t.Context())
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		f.EachRecord(func(r *kgo.Record) {
			values[r.Partition] = append(values[r.Partition], r.Value)
			n--
		})
	}
	return values
}

func TestProduceIsWhatTheGeneratorMakes(t *testing.T) {
	broker := newBroker(t)
	const n = 20_000
	var out bytes.Buffer
	args := strings.Fields("--topic v --events 20000 --seed 5 --bad 0.05 --late 0.05 --skew 1 --partitions 3 -o json --brokers " + broker)
	if err := runProduce(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	var got produced
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	g, err := pageviews.New(pageviews.Options{Seed: 5, Bad: 0.05, Late: 0.05, Skew: 1, Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	want := map[int32][][]byte{}
	var sums pageviews.Sums
	for range n {
		var ev pageviews.Event
		value := g.Append([]byte{}, &ev)
		if ev.Null() {
			value = nil
		}
		sums.Add(&ev, len(value))
		want[ev.Partition] = append(want[ev.Partition], value)
	}
	if diff := cmp.Diff(sums, got.Sums); diff != "" {
		t.Errorf("sums (-generator +printed):\n%s", diff)
	}
	read := readAll(t, broker, "v", n)
	for p, values := range want {
		if !slices.EqualFunc(values, read[p], func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }) {
			t.Errorf("partition %d: the %d records read differ from the %d of the generator", p, len(read[p]), len(values))
		}
	}

	err = runProduce(t.Context(), args, &out)
	if err == nil || !strings.Contains(err.Error(), "--recreate") {
		t.Errorf("producing into a topic that exists: %v, want a refusal that names --recreate", err)
	}
	if err := runProduce(t.Context(), append(args, "--recreate"), &out); err != nil {
		t.Error(err)
	}
	out.Reset()
	if err := runConsume(t.Context(), []string{"--brokers", broker, "--topic", "v"}, &out); err != nil {
		t.Fatal(err)
	}
	var c consumed
	if err := json.Unmarshal(out.Bytes(), &c); err != nil {
		t.Fatal(err)
	}
	if c.Events != n || c.Bytes != sums.ValueBytes {
		t.Errorf("consumed %d records of %d bytes, want %d of %d", c.Events, c.Bytes, n, sums.ValueBytes)
	}
}

func TestProduceEndsWithItsContext(t *testing.T) {
	broker := newBroker(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := runProduce(ctx, []string{"--brokers", broker, "--topic", "v", "--rate", "1"}, new(bytes.Buffer)); err == nil {
		t.Error("a cancelled run ended without an error")
	}
}

func TestFileHoldsTheSameRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "views.ndjson")
	var out bytes.Buffer
	if err := runFile(t.Context(), []string{"--events", "500", "--seed", "5", "--out", path}, &out); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g, err := pageviews.New(pageviews.Options{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for range 500 {
		var ev pageviews.Event
		want = append(g.Append(want, &ev), '\n')
	}
	if !bytes.Equal(b, want) {
		t.Errorf("file has %d bytes that differ from the generator's %d", len(b), len(want))
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range []string{
		"", "frobnicate", "produce --codec x", "produce --bad 2", "produce --partitions 0", "produce extra", "produce --start soon",
		"produce -o xml", "produce --events -1", "file", "produce --no-such-flag",
	} {
		if code := dispatch(t.Context(), strings.Fields(args)); code != 2 {
			t.Errorf("bench %s: exit code %d, want 2", args, code)
		}
	}
}
