//go:build synctests

package ingest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// I2: while events come in, are rolled, committed, built, merged and retired, and readers restart, every query sees each offset that
// it covers once, and what was produced two seconds before it.
func TestSimQueriesSeeEveryEventOnce(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			simulate(t, 3, worldTable, func(w *world) {
				q := newQueries(w, seed)
				for range 6 {
					in, stop := w.start(func(o *ingest.Options) { o.MaxUncommittedRanges = 1 + q.rng.IntN(3) })
					q.in = in
					time.Sleep(2 * time.Second)
					for range 20 {
						w.produce(int32(q.rng.IntN(3)), q.rng.IntN(60), 7)
						q.produced = append(q.produced, produced{time.Now(), w.n})
						time.Sleep(time.Duration(q.rng.IntN(900)) * time.Millisecond)
						q.act()
						q.look()
					}
					stop()
				}
			})
		})
	}
}

// queries reads a world as queries do, and builds segments by hand.
type queries struct {
	*world
	rng  *rand.Rand
	in   *ingest.Ingester
	src  *source.Source
	cube *cube.Cube

	produced []produced
}

// produced is how many records there were at a time.
type produced struct {
	at time.Time
	n  int
}

// Pin is that of package source over the ingester that runs now.
func (q *queries) Pin(context.Context, string) (source.Pin, error) {
	return q.in.PinTail(q.def.ID), nil
}

func newQueries(w *world, seed uint64) *queries {
	q := &queries{world: w, rng: rand.New(rand.NewPCG(seed, 5))}
	def, err := cube.ParseCube([]byte("cube: c\ntable: events\ndimensions: [minute(ts)]\nmeasures: [count]\n"), "c.yaml", w.def)
	w.must(err)
	a, err := w.cat.ApplyCube(w.t.Context(), def.WithDefaults())
	w.must(err)
	q.cube = a.Cube
	q.src, err = source.New(source.Options{Catalog: w.cat, Store: w.mem, Tail: q})
	w.must(err)
	return q
}

// act builds what is committed of a partition, merges two segments, or gives one up.
func (q *queries) act() {
	ctx := q.t.Context()
	s, err := q.cat.CubeSnapshot(ctx, q.cube.ID)
	q.must(err)
	ends := map[int32]int64{}
	for _, e := range s.Segments {
		for _, r := range e.Range {
			ends[r.Partition] = max(ends[r.Partition], r.End)
		}
	}
	switch p := s.Partitions; {
	case len(s.Segments) > 1 && q.rng.IntN(4) == 0:
		a, b := s.Segments[q.rng.IntN(len(s.Segments))], s.Segments[q.rng.IntN(len(s.Segments))]
		if v, err := a.Range.Join(b.Range); err == nil && a.Number != b.Number {
			q.build(v, a.Number, b.Number)
		}
	case len(s.Segments) > 0 && q.rng.IntN(12) == 0:
		q.must(q.cat.Retire(ctx, q.cube.ID, []int64{s.Segments[q.rng.IntN(len(s.Segments))].Number}, "test"))
	case len(p) > 0:
		i := p[q.rng.IntN(len(p))]
		r := segmenter.PartitionRange{Partition: i.Partition, Start: ends[i.Partition], End: i.End}
		if n := r.Len(); n > 0 {
			r.End -= q.rng.Int64N(n)
			q.build(segmenter.Vector{r})
		}
	}
}

func (q *queries) build(v segmenter.Vector, replaces ...int64) {
	ctx := q.t.Context()
	_, j, err := q.cat.Reserve(ctx, catalog.Reservation{CubeID: q.cube.ID, Range: v, Reason: "test", Replaces: replaces, JobKind: "build"})
	q.must(err)
	j, _, err = q.cat.ClaimJob(ctx, catalog.JobClaim{ID: j.ID, Owner: "test", Now: time.Now(), Lease: time.Minute})
	q.must(err)
	p := catalog.Publication{CubeID: q.cube.ID, Number: j.Segment, JobEpoch: j.Epoch, ID: fmt.Sprintf("%064x", j.ID), Attempt: j.Epoch, Bytes: 1}
	for _, r := range v {
		m := segmenter.PartMeasure{Partition: r.Partition, Generation: r.Generation}
		for e, err := range q.cat.Inputs(ctx, q.def.ID, segmenter.Vector{r}) {
			q.must(err)
			m.Measure = m.Add(segmenter.MeasureRow(e.LedgerRow, r))
		}
		p.Parts = append(p.Parts, m)
	}
	q.must(q.cat.Publish(ctx, p))
}

// look compares one answer with what was produced.
func (q *queries) look() {
	old := 0
	for _, p := range q.produced {
		if time.Since(p.at) >= 2*time.Second {
			old = p.n
		}
	}
	s, err := q.src.Snapshot(q.t.Context(), source.View{Table: q.def, CubeID: q.cube.ID})
	q.must(err)
	defer s.Release()
	if s.Completeness.Partial() {
		q.t.Fatalf("holes: %v", s.Completeness.Holes)
	}
	var covered []segmenter.PartitionRange
	for _, e := range s.Segments {
		covered = append(covered, e.Range...)
	}
	want, visible := map[string]int{}, 0
	for _, o := range s.Completeness.Offsets {
		for at := o.Start; at < o.End; at++ {
			if _, ok := q.sent[o.Partition][at]; ok {
				visible++
			}
		}
		for _, r := range (segmenter.Vector{o.PartitionRange}).Subtract(covered) {
			for at := r.Start; at < r.End; at++ {
				if id := q.sent[r.Partition][at]; id != "" {
					want[id]++
				}
			}
		}
	}
	got := map[string]int{}
	for _, set := range []source.Set{s.Tail(), s.Uncovered()} {
		for rec, err := range q.src.Scan(q.t.Context(), set, source.ScanQuery{Table: stage.NewSchema(q.def), Columns: []string{"id"}}) {
			q.must(err)
			for i := range int(rec.NumRows()) {
				got[rec.Column(0).(*array.String).Value(i)]++
			}
		}
	}
	for id, n := range want {
		if got[id] != n {
			q.t.Fatalf("event %s is in the answer %d times, want %d; covered: %+v", id, got[id], n, s.Completeness.Offsets)
		}
	}
	if len(got) != len(want) || visible < old {
		q.t.Fatalf("%d events outside of segments, want %d; %d records are covered, %d are older than 2 s", len(got), len(want), visible, old)
	}
}
