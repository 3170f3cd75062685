package source_test

import (
	"fmt"
	"testing"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter"
)

const benchEvents = 524288

// benchWorld has one staged file of many events, and as many in a tail of full chunks.
func benchWorld(b *testing.B) (*world, fixedTail) {
	w := newWorld(b, newCatalog(b), "", 1)
	chunks := func(from int64) (list []*stage.Chunk) {
		for at := from; at < from+benchEvents; at += stage.ChunkRows {
			c := stage.NewChunk(w.schema)
			for o := at; o < at+stage.ChunkRows; o++ {
				x := place{0, 0, o}
				c.Offsets, c.Timestamps = append(c.Offsets, o), append(c.Timestamps, o)
				c.Columns[0].AppendInt(baseUs + o*5000)
				c.Columns[1].AppendBytes(fmt.Append(nil, "/page/", x.hash("page")%500))
				c.Columns[2].AppendInt(o)
			}
			c.MinTimeUs, c.MaxTimeUs = baseUs+at*5000, baseUs+(at+stage.ChunkRows-1)*5000
			list = append(list, c)
		}
		return list
	}
	p := w.parts[0]
	p.tail = []*tailRange{{TailRange: stage.TailRange{Range: segmenter.PartitionRange{End: benchEvents}, Chunks: chunks(0)}, sealed: true}}
	w.group = 0 // as many as there are by default
	w.commit(p)
	w.leave(p)
	tail := stage.TailRange{Range: segmenter.PartitionRange{Start: benchEvents, End: 2 * benchEvents}, Epoch: p.epoch, Schema: w.schema}
	tail.Chunks = chunks(benchEvents)
	tail.Sealed = len(tail.Chunks)
	return w, fixedTail{tail}
}

func events(b *testing.B, n int64) {
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkCells groups half a million events of a file and of the tail, the first time and once they are kept.
func BenchmarkCells(b *testing.B) {
	w, tail := benchWorld(b)
	for _, mask := range []uint64{1, 3} {
		for _, where := range []string{"file", "tail"} {
			run := func(b *testing.B, src *source.Source) {
				s := snapshot(b, src, w)
				defer s.Release()
				set := s.Uncovered()
				if where == "tail" {
					set = s.Tail()
				}
				n := int64(0)
				for x, err := range src.Cells(b.Context(), set, source.CellQuery{Layout: w.layout, Mask: mask}) {
					must(b, err)
					n += x.Events
				}
				if n != benchEvents {
					b.Fatalf("%d events, want %d", n, benchEvents)
				}
			}
			open := func() *source.Source {
				return w.source(func(o *source.Options) { o.Tail, o.CellBytes = tail, 1<<30 })
			}
			b.Run(fmt.Sprintf("dims=%b/%s/made", mask, where), func(b *testing.B) {
				for b.Loop() {
					run(b, open())
				}
				events(b, benchEvents)
			})
			b.Run(fmt.Sprintf("dims=%b/%s/kept", mask, where), func(b *testing.B) {
				src := open()
				run(b, src)
				for b.Loop() {
					run(b, src)
				}
			})
		}
	}
}

// BenchmarkScan hands out half a million events as records.
func BenchmarkScan(b *testing.B) {
	w, tail := benchWorld(b)
	src := w.source(func(o *source.Options) { o.Tail = tail })
	s := snapshot(b, src, w)
	for name, set := range map[string]source.Set{"file": s.Uncovered(), "tail": s.Tail()} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				n := int64(0)
				for rec, err := range src.Scan(b.Context(), set, source.ScanQuery{Table: w.schema, Columns: []string{"ts", "page", "id"}}) {
					must(b, err)
					n += rec.NumRows()
				}
				if n != benchEvents {
					b.Fatalf("%d events, want %d", n, benchEvents)
				}
			}
			events(b, benchEvents)
		})
	}
}

// BenchmarkSnapshot takes a snapshot of a catalog that has not changed.
func BenchmarkSnapshot(b *testing.B) {
	w, tail := benchWorld(b)
	src := w.source(func(o *source.Options) { o.Tail = tail })
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			snapshot(b, src, w).Release()
		}
	})
	b.Run("many", func(b *testing.B) {
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				snapshot(b, src, w).Release()
			}
		})
	})
}
