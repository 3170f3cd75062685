package catalog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// worker is a process with connections of its own that reserves, takes over, builds, gives up and retires at random.
type worker struct {
	c      *Catalog
	cubeID string
	name   string
	rand   *rand.Rand
	clock  int64 // its own: workers steal each other's leases all the time

	published map[int64]int64 // by number: the epoch that published it
}

const raceOffsets = 60

// C9, C10, C11, I7: processes that each do as they please never make two segments overlap, a segment with two jobs, or one
// published by an epoch that was taken over.
func TestWorkersRace(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		id, _, _ := cubed(t, openAt(t, dsn))
		const workers, steps = 4, 60
		var wg sync.WaitGroup
		crew := make([]*worker, workers)
		for i := range workers {
			w := &worker{
				c: openAt(t, dsn), cubeID: id, name: fmt.Sprint("w", i), published: make(map[int64]int64),
				rand: rand.New(rand.NewPCG(1, uint64(i))),
			}
			crew[i] = w
			wg.Go(func() {
				for step := range steps {
					if err := w.step(); err != nil {
						t.Errorf("%s, step %d (seed 1, %d): %v", w.name, step, i, err)
						return
					}
				}
			})
		}
		wg.Wait()
		c := openAt(t, dsn)
		checkSegments(t, c, id)
		winners := 0
		for _, w := range crew {
			winners += len(w.published)
			for number, epoch := range w.published {
				s, err := c.Segment(context.Background(), id, number)
				if err != nil || s.Attempt != epoch {
					t.Errorf("segment %d was published under epoch %d by %s, the catalog has %d, %v", number, epoch, w.name, s.Attempt, err)
				}
			}
		}
		done := 0
		for s, err := range c.Segments(context.Background(), SegmentQuery{CubeID: id, States: []segmenter.SegmentState{segmenter.SegmentReady, segmenter.SegmentRetired}}) {
			if err != nil {
				t.Fatal(err)
			}
			done++
			_ = s
		}
		if done != winners || winners == 0 {
			t.Errorf("%d segments are published, %d publications were accepted", done, winners)
		}
	})
}

// expected reports whether err is an answer that a race may bring.
func expected(err error) bool {
	var overlap *OverlapError
	var conflict *ConflictError
	var late *StaleJobError
	return err == nil || errors.As(err, &overlap) || errors.As(err, &conflict) || errors.As(err, &late) ||
		errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnavailable)
}

func (w *worker) step() error {
	ctx := context.Background()
	var err error
	switch w.rand.IntN(6) {
	case 0, 1:
		start := w.rand.Int64N(raceOffsets)
		_, _, err = w.c.Reserve(ctx, reservation(w.cubeID, rng(0, start, start+1+w.rand.Int64N(8))))
	case 2:
		err = w.merge(ctx)
	case 3, 4:
		err = w.build(ctx)
	default:
		err = w.retire(ctx)
	}
	if !expected(err) {
		return err
	}
	return nil
}

func (w *worker) ready() (list []SegmentEntry, err error) {
	for s, err := range w.c.Segments(context.Background(), SegmentQuery{CubeID: w.cubeID, States: []segmenter.SegmentState{segmenter.SegmentReady}}) {
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// merge reserves two neighbours, or one for a refresh, as it sees them.
func (w *worker) merge(ctx context.Context) error {
	list, err := w.ready()
	if err != nil || len(list) == 0 {
		return err
	}
	a := list[w.rand.IntN(len(list))]
	r := replacing(reservation(w.cubeID, a.Range...), a.Number)
	for _, b := range list {
		if a.Range[0].Abuts(b.Range[0]) {
			r.Range = segmenter.Vector{rng(0, a.Range[0].Start, b.Range[0].End)}
			r.Replaces = append(r.Replaces, b.Number)
			break
		}
	}
	_, _, err = w.c.Reserve(ctx, r)
	return err
}

// build claims whatever is next, by a clock that runs so fast that leases are over at once, and ends it somehow.
func (w *worker) build(ctx context.Context) error {
	w.clock += w.rand.Int64N(100)
	j, ok, err := w.c.ClaimJob(ctx, JobClaim{Owner: w.name, Now: clock(w.clock), Lease: lease})
	if err != nil || !ok {
		return err
	}
	s, err := w.c.Segment(ctx, w.cubeID, j.Segment)
	if err != nil {
		return err
	}
	switch w.rand.IntN(8) {
	case 0:
		return nil // died
	case 1:
		return w.c.CancelJob(ctx, j.ID, w.name)
	case 2:
		return w.c.FailJob(ctx, JobPause{ID: j.ID, Epoch: j.Epoch, Problem: "test"})
	case 3:
		return w.c.RetryJob(ctx, JobPause{ID: j.ID, Epoch: j.Epoch, Problem: "test"})
	}
	p := publication(j, s.Range...)
	p.ID = fmt.Sprintf("%064x", j.Epoch)
	err = w.c.Publish(ctx, p)
	for errors.Is(err, ErrUnavailable) {
		err = w.c.Publish(ctx, p)
	}
	if err == nil {
		w.published[j.Segment] = j.Epoch
	}
	return err
}

func (w *worker) retire(ctx context.Context) error {
	list, err := w.ready()
	if err != nil || len(list) == 0 {
		return err
	}
	return w.c.Retire(ctx, w.cubeID, []int64{list[w.rand.IntN(len(list))].Number}, "test")
}

// checkSegments checks C9 and C10 on all that is live, and that segment_ranges says what the segments say.
func checkSegments(t testing.TB, c *Catalog, id string) {
	t.Helper()
	snapshot, err := c.CubeSnapshot(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	byNumber := make(map[int64]SegmentEntry)
	var ranges []string
	for _, s := range snapshot.Segments {
		byNumber[s.Number] = s
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
		for _, r := range s.Range {
			kind := string(s.State)
			if r.Empty() {
				kind = kindEmpty
			}
			ranges = append(ranges, fmt.Sprint(s.Number, kind, r))
		}
	}
	for _, a := range snapshot.Segments {
		for _, b := range snapshot.Segments {
			if a.Number < b.Number && a.Range.Overlaps(b.Range) &&
				!(a.State != b.State && (slices.Contains(a.Replaces, b.Number) || slices.Contains(b.Replaces, a.Number))) {
				t.Errorf("C9: segment %d (%s, %s) and %d (%s, %s) overlap", a.Number, a.State, a.Range, b.Number, b.State, b.Range)
			}
		}
		for _, n := range a.Replaces {
			if b := byNumber[n]; a.State == segmenter.SegmentNew && b.State != segmenter.SegmentReady {
				t.Errorf("C9: new segment %d replaces %d, which is %q", a.Number, n, b.State)
			}
		}
	}
	checkJobs(t, c, id, snapshot.Segments)
	var got []string
	err = c.read(context.Background(), "test", func(t *tx) error {
		return t.each(func(scan func(...any) error) error {
			var number int64
			var kind string
			var r segmenter.PartitionRange
			err := scan(&number, &kind, &r.Partition, &r.Generation, &r.Start, &r.End)
			got = append(got, fmt.Sprint(number, kind, r))
			return err
		}, `SELECT number, kind, partition, generation, start_offset, end_offset FROM segment_ranges WHERE cube_id = $1`, id)
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ranges)
	slices.Sort(got)
	wantDiff(t, "ranges of live segments", ranges, got)
}

// checkJobs checks C10: new segments and open jobs are pairs.
func checkJobs(t testing.TB, c *Catalog, id string, live []SegmentEntry) {
	t.Helper()
	open, err := c.OpenJobs(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	jobOf := make(map[int64]int64)
	for _, j := range open {
		jobOf[j.Segment] = j.ID
	}
	for _, s := range live {
		if s.State != segmenter.SegmentNew {
			continue
		}
		if jobOf[s.Number] != s.JobID {
			t.Errorf("C10: new segment %d has job %d, open is %d", s.Number, s.JobID, jobOf[s.Number])
		}
		delete(jobOf, s.Number)
	}
	if len(jobOf) > 0 {
		t.Errorf("C10: open jobs without a new segment: %v", jobOf)
	}
}

// Of two identical requests at once one reserves: with one key all get its answer, without they are refused by S1.
func TestReserveAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		id, _, _ := cubed(t, c)
		const n = 6
		for _, key := range []string{"key", ""} {
			var wg sync.WaitGroup
			var got [n]SegmentEntry
			var errs [n]error
			for i := range n {
				wg.Go(func() {
					r := reservation(id, rng(0, int64(len(key))*10, int64(len(key))*10+10))
					r.Idempotency.Key = key
					for {
						got[i], _, errs[i] = c.Reserve(context.Background(), r)
						if !errors.Is(errs[i], ErrUnavailable) {
							return
						}
					}
				})
			}
			wg.Wait()
			won := 0
			for i, err := range errs {
				var overlap *OverlapError
				switch {
				case err == nil:
					won++
					if key != "" && got[i].Number != got[0].Number {
						t.Errorf("key %q: segments %d and %d, want one", key, got[i].Number, got[0].Number)
					}
				case key != "" || !errors.As(err, &overlap):
					t.Errorf("key %q: %v", key, err)
				}
			}
			if want := map[string]int{"key": n, "": 1}[key]; won != want {
				t.Errorf("key %q: %d of %d were accepted, want %d", key, won, n, want)
			}
		}
		checkSegments(t, c, id)
	})
}
