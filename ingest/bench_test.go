package ingest

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pageviews"
)

// BenchmarkDecodeAndStage feeds batches from memory: each goroutine decodes and encodes files of its own, as partitions
// do. One operation is one event.
func BenchmarkDecodeAndStage(b *testing.B) {
	for _, wide := range []bool{false, true} {
		recs := views(b, 128*1024, wide)
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("wide=%t/goroutines=%d", wide, workers), func(b *testing.B) {
				def, err := cube.ParseTable([]byte(pageviews.TableYAML("pageviews", "pageviews")), "")
				if err != nil {
					b.Fatal(err)
				}
				tab, err := compile(def)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				b.ResetTimer()
				var wg sync.WaitGroup
				for range workers {
					wg.Go(func() { stageAll(b, tab, recs, b.N/workers) })
				}
				wg.Wait()
			})
		}
	}
}

func stageAll(b *testing.B, tab *table, recs []*kgo.Record, n int) {
	d := tab.decoder()
	defer tab.giveBack(d)
	for n > 0 {
		t := &tailRange{schema: tab.schema, table: tab}
		part := recs[:min(n, len(recs))]
		n -= len(part)
		next := int64(0)
		for _, run := range split(part) {
			chunk := tab.chunk(len(run))
			r := decodeRun(d, next, run, chunk)
			if r.chunk.Rows() > 0 {
				tab.seen(chunk)
			}
			t.add(r)
			next = r.next
		}
		row := t.row(0, 0)
		foot := stage.Footer{
			Project: "default", Table: "pageviews", TableID: "bench", Topic: "pageviews", Schema: 1, Range: row.Range, Events: row.Events,
			Exceptions: row.Exceptions, MinTimeUs: row.MinTimeUs, MaxTimeUs: row.MaxTimeUs,
		}
		if _, err := stage.Encode(io.Discard, tab.schema, cube.Parquet, foot, t.chunks, stage.EncodeOptions{}); err != nil {
			b.Error(err)
			return
		}
	}
}

func views(b *testing.B, n int, wide bool) []*kgo.Record {
	g, err := pageviews.New(pageviews.Options{Wide: wide})
	if err != nil {
		b.Fatal(err)
	}
	recs := make([]*kgo.Record, n)
	for i := range recs {
		var ev pageviews.Event
		value := g.Append(nil, &ev)
		recs[i] = &kgo.Record{Offset: int64(i), Timestamp: time.UnixMicro(ev.ArrivalUs), Value: value}
	}
	return recs
}
