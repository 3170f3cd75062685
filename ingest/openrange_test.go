package ingest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

const unitTable = `
table: events
topic: events
event_time: {column: ts}
columns:
  - {name: ts, type: timestamp(ms)}
  - {name: id, type: string}
`

// baseMs lies within every default bound of event times.
const baseMs = 1_750_000_000_000

func unit(t testing.TB) *table {
	t.Helper()
	def, err := cube.ParseTable([]byte(unitTable), "events.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tab, err := compile(def)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// kinds of records that a log may hold at an offset.
const (
	event = iota
	rubbish
	control
	missing
)

// Offsets of a log, cut into fetches and runs at random, come out as events, quarantined or gaps: each once (N3).
func TestEveryOffsetHasOneName(t *testing.T) {
	tab := unit(t)
	rapid.Check(t, func(rt *rapid.T) {
		log := rapid.SliceOfN(rapid.IntRange(event, missing), 1, 60).Draw(rt, "log")
		log = append(log, event) // the last offset is one that a client sees
		from := rapid.Int64Range(0, 1000).Draw(rt, "from")
		open := &tailRange{start: from, end: from, schema: tab.schema, table: tab}
		var recs []*kgo.Record
		for i, kind := range log {
			if kind != missing {
				recs = append(recs, record(from+int64(i), kind))
			}
		}
		for next := from; len(recs) > 0; {
			n := rapid.IntRange(1, len(recs)).Draw(rt, "run")
			r := decodeRun(tab.first, next, recs[:n], tab.chunk(n))
			open.add(r)
			next, recs = r.next, recs[n:]
		}
		var want, got []string
		for i, kind := range log {
			want = append(want, fmt.Sprintf("%d %s", from+int64(i), []string{"event", "quarantined", "gap", "gap"}[kind]))
		}
		for _, c := range open.chunks {
			for _, off := range c.Offsets {
				got = append(got, fmt.Sprintf("%d event", off))
			}
		}
		for _, x := range open.exceptions {
			for off := x.Start; off < x.End; off++ {
				got = append(got, fmt.Sprintf("%d %s", off, x.Kind))
			}
		}
		slices.SortFunc(want, byNumber)
		slices.SortFunc(got, byNumber)
		if d := cmp.Diff(want, got); d != "" {
			rt.Fatalf("N3: names of offsets (-log +range):\n%s", d)
		}
		row := open.row(0, 0)
		if problems := segmenter.CheckTiling([]segmenter.LedgerRow{row}); len(problems) > 0 {
			rt.Fatalf("row %+v: %v", row, problems)
		}
		if got := int64(len(open.bad)); got != row.Exceptions.Count(segmenter.Quarantined) {
			rt.Fatalf("%d unreadable records kept, row says %+v", got, row)
		}
	})
}

func byNumber(a, b string) int {
	var x, y int
	_, _ = fmt.Sscan(a, &x) // written above
	_, _ = fmt.Sscan(b, &y)
	return x - y
}

func record(offset int64, kind int) *kgo.Record {
	r := &kgo.Record{Offset: offset, Timestamp: time.UnixMilli(baseMs), Value: fmt.Appendf(nil, `{"ts":%d,"id":"e%d"}`, baseMs+offset, offset)}
	switch kind {
	case rubbish:
		r.Value = []byte(`{"ts":`)
	case control:
		r.Attrs = controlAttrs()
		r.Value = []byte{0, 0, 0, 1}
	}
	return r
}

// controlAttrs makes the attributes of a transaction marker, which only a fetch can: one with a marker is processed.
func controlAttrs() kgo.RecordAttrs {
	batch := controlBatch()
	fp, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, DisableCRCValidation: true}, batch, nil, nil)
	return fp.Records[0].Attrs
}

// A reader's snapshot of the open chunk stays as it was while the chunk grows.
func TestSnapshotStays(t *testing.T) {
	tab := unit(t)
	open := &tailRange{schema: tab.schema, table: tab}
	add := func(from, n int64) {
		var recs []*kgo.Record
		for off := from; off < from+n; off++ {
			r := record(off, event)
			if off%3 == 0 {
				r.Value = fmt.Appendf(nil, `{"ts":%d}`, baseMs+off) // id is null
			}
			recs = append(recs, r)
		}
		open.add(decodeRun(tab.first, from, recs, tab.chunk(int(n))))
	}
	read := func(rows int, snap *tailRange) (out []string) {
		chunks, _ := snap.snapshot(false)
		for _, c := range chunks {
			for i := range c.Rows() {
				id := string(c.Columns[1].Bytes(i))
				if c.Columns[1].IsNull(i) {
					id = "null"
				}
				out = append(out, fmt.Sprintf("%d %s", c.Offsets[i], id))
			}
		}
		return out
	}
	add(0, 70)
	chunks, _ := open.snapshot(true)
	snap := &tailRange{chunks: chunks}
	before := read(70, snap)
	for i := range int64(20) {
		add(70+50*i, 50)
	}
	if d := cmp.Diff(before, read(70, snap)); d != "" {
		t.Errorf("the snapshot changed (-before +after):\n%s", d)
	}
	if got := len(read(0, open)); got != 1070 {
		t.Errorf("the range holds %d rows, want 1070", got)
	}
}

// Full runs are kept as chunks, small ones are copied together, and no chunk holds too many rows.
func TestChunksOfARange(t *testing.T) {
	tab := unit(t)
	open := &tailRange{schema: tab.schema, table: tab}
	next := int64(0)
	for _, n := range []int{runRows, 1, 2, wholeRun - 1, wholeRun, wholeRun - 1, wholeRun - 1, wholeRun - 1, wholeRun - 1, 5} {
		var recs []*kgo.Record
		for range n {
			recs = append(recs, record(next, event))
			next++
		}
		r := decodeRun(tab.first, next-int64(n), recs, tab.chunk(n))
		if _, kept := open.add(r); kept != (n >= wholeRun) {
			t.Errorf("run of %d rows kept=%t", n, kept)
		}
	}
	growing := open.chunks[len(open.chunks)-1].Rows() < runRows
	if list, sealed := open.snapshot(true); sealed != len(list)-1 || !growing || list[sealed] == open.chunks[sealed] || list[0] != open.chunks[0] {
		t.Errorf("of the open range %d of %d chunks are sealed, the last one grows: %t", sealed, len(list), growing)
	}
	if list, sealed := open.snapshot(false); sealed != len(list) || list[sealed-1] != open.chunks[sealed-1] {
		t.Errorf("of a sealed range %d of %d chunks are sealed, want all", sealed, len(list))
	}
	var rows, bytes int64
	at := int64(0)
	for _, c := range open.chunks {
		if c.Rows() > runRows {
			t.Errorf("a chunk holds %d rows", c.Rows())
		}
		for _, off := range c.Offsets {
			if off != at {
				t.Fatalf("offset %d where %d should be", off, at)
			}
			at++
		}
		rows += int64(c.Rows())
		bytes += c.MemBytes()
	}
	if rows != next || open.rows != next || open.bytes != bytes {
		t.Errorf("got %d rows and %d bytes, the range says %d and %d, want %d rows", rows, bytes, open.rows, open.bytes, next)
	}
}

func TestBadWindow(t *testing.T) {
	var w badWindow
	if _, full := w.add(60, 10, 100); full {
		t.Error("full after 60 of 100")
	}
	if share, full := w.add(40, 15, 100); !full || share != 0.25 {
		t.Errorf("after 100 records: share %v full %t, want 0.25 true", share, full)
	}
	if _, full := w.add(10, 10, 100); full {
		t.Error("the next window starts full")
	}
}

// Fetching waits at the budget until memory comes back, and only that wait is a pause.
func TestBudgetGate(t *testing.T) {
	b := newBudget(600)
	b.add(500)
	b.queue(50)
	if pause, err := b.gate(t.Context()); err != nil || pause != 0 {
		t.Errorf("below the limit: pause %v err %v", pause, err)
	}
	b.add(100)
	through := make(chan time.Duration)
	go func() {
		pause, err := b.gate(t.Context())
		if err != nil {
			t.Error(err)
		}
		through <- pause
	}()
	select {
	case <-through:
		t.Fatal("passed above the limit")
	default:
	}
	b.add(-400)
	if pause := <-through; pause < 0 {
		t.Errorf("pause %v", pause)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.add(1000)
	if _, err := b.gate(ctx); err == nil {
		t.Error("no error when the context ends above the limit")
	}
}
