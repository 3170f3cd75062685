//go:build !race

// One call after another, thousands of them: the race detector makes it slow and sees nothing. Others call at once under it.

package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// C9 to C11, I7: whatever is asked of a cube in whatever order, under whatever epoch, the catalog says what a list in memory
// says.
func TestSegmentsAgainstModel(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		c := openAt(t, dsn)
		table, epoch := begun(t, c, 0)
		two, err := c.Assign(context.Background(), Claim{TableID: table, Partition: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(
			c.Begin(context.Background(), Begin{TableID: table, Partition: 1, Epoch: two.Epoch, Start: 0}),
			c.Commit(context.Background(), staged(table, epoch, rng(0, 0, 5))),
		); err != nil {
			t.Fatal(err)
		}
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			m := &cubeModel{c: c, cube: applyCube(t, c, cubeDef(fmt.Sprint("c", n), tableName(t, c, table))).Cube.ID, t: t}
			rt.Repeat(map[string]func(*rapid.T){
				"":             m.check,
				"reserve":      m.reserve,
				"reserve more": m.reserve,
				"replace":      m.replace,
				"claim":        m.claim,
				"publish":      m.publish,
				"publish more": m.publish,
				"end":          m.end,
				"by hand":      m.byHand,
				"retire":       m.retire,
			})
		})
	})
}

// cubeModel is the obvious catalog of one cube: a list of segments with their jobs.
type cubeModel struct {
	c        *Catalog
	t        *testing.T
	cube     string
	segments []*modelSegment
	numbers  int64
	epoch    int64 // the last that was given
	clock    int64
	front    []int64 // S17, by partition; none before the first reservation
	settled  []int64 // the front without what only open reservations have moved; none while one alone has made it
}

type modelSegment struct {
	number   int64
	state    segmenter.SegmentState // "": withdrawn
	v        segmenter.Vector
	replaces []int64
	job      int64
	jobState JobState
	epoch    int64
	until    int64
}

func (m *cubeModel) live(states ...segmenter.SegmentState) (list []*modelSegment) {
	for _, s := range m.segments {
		if slices.Contains(states, s.state) {
			list = append(list, s)
		}
	}
	return list
}

func (m *cubeModel) draw(t *rapid.T) *modelSegment {
	if len(m.segments) == 0 {
		t.Skip("no segments")
	}
	return m.segments[rapid.IntRange(0, len(m.segments)-1).Draw(t, "segment")]
}

func (m *cubeModel) line(number int64) *modelSegment {
	return m.segments[slices.IndexFunc(m.segments, func(s *modelSegment) bool { return s.number == number })]
}

// may says whether a reservation is to be accepted, one offset at a time.
func (m *cubeModel) may(v segmenter.Vector, replaces []int64) bool {
	type offset struct {
		partition int32
		at        int64
	}
	offsets := func(v segmenter.Vector) map[offset]bool {
		set := make(map[offset]bool)
		for _, r := range v {
			for o := r.Start; o < r.End; o++ {
				set[offset{r.Partition, o}] = true
			}
		}
		return set
	}
	want, left := offsets(v), offsets(v)
	for _, s := range m.live(segmenter.SegmentNew, segmenter.SegmentReady) {
		named := slices.Contains(replaces, s.number)
		if named && s.state == segmenter.SegmentNew {
			return false
		}
		for o := range offsets(s.v) {
			if (want[o] && !named) || (!want[o] && named) {
				return false
			}
			delete(left, o)
		}
	}
	return len(want) > 0 && (len(replaces) == 0 || len(left) == 0)
}

func (m *cubeModel) try(t *rapid.T, v segmenter.Vector, replaces []int64) {
	may := m.may(v, replaces)
	s, j, err := m.c.Reserve(context.Background(), replacing(reservation(m.cube, v...), replaces...))
	if may != (err == nil) {
		t.Fatalf("reserve %s replacing %v: got %v, want it accepted: %t", v, replaces, err, may)
	}
	if err != nil {
		return
	}
	if m.settled == nil {
		m.settled = slices.Clone(m.front)
	}
	if m.front == nil {
		m.front = []int64{v[0].Start, v[1].Start}
	}
	for p := range m.front {
		m.front[p] = min(m.front[p], v[p].Start)
	}
	m.numbers++
	if s.Number != m.numbers {
		t.Fatalf("segment has number %d, want %d", s.Number, m.numbers)
	}
	m.segments = append(m.segments, &modelSegment{
		number: s.Number, state: segmenter.SegmentNew, v: v, replaces: replaces, job: j.ID, jobState: JobPending,
	})
}

func (m *cubeModel) reserve(t *rapid.T) {
	var v segmenter.Vector
	for p := range int32(2) {
		start := rapid.Int64Range(0, 30).Draw(t, "start")
		v = append(v, segmenter.PartitionRange{Partition: p, Start: start, End: start + rapid.Int64Range(0, 8).Draw(t, "len")})
	}
	m.try(t, v, nil)
}

// replace names one to three segments, mostly ready ones, and mostly their exact range.
func (m *cubeModel) replace(t *rapid.T) {
	list := m.live(segmenter.SegmentReady)
	if rapid.IntRange(0, 5).Draw(t, "any") == 0 {
		list = m.live(segmenter.SegmentReady, segmenter.SegmentNew)
	}
	if len(list) == 0 {
		t.Skip("none")
	}
	a := list[rapid.IntRange(0, len(list)-1).Draw(t, "first")]
	v, numbers := slices.Clone(a.v), []int64{a.number}
	for _, b := range list {
		if joined, err := v.Join(b.v); err == nil && b != a && len(joined) == 2 && rapid.Bool().Draw(t, "join") {
			v, numbers = joined, append(numbers, b.number)
		}
	}
	if rapid.IntRange(0, 5).Draw(t, "wrong") == 0 {
		v[0].End++
	}
	m.try(t, v, numbers)
}

func (m *cubeModel) claim(t *rapid.T) {
	s := m.draw(t)
	m.clock += rapid.Int64Range(0, 40).Draw(t, "seconds")
	may := s.state == segmenter.SegmentNew && (s.jobState == JobPending || (s.jobState == JobRunning && s.until <= m.clock))
	j, ok, err := m.c.ClaimJob(context.Background(), JobClaim{ID: s.job, Owner: "test", Now: clock(m.clock), Lease: lease})
	if err != nil || ok != may {
		t.Fatalf("claim of a %s job at %d until %d: got %t, %v, want %t", s.jobState, m.clock, s.until, ok, err, may)
	}
	if !ok {
		return
	}
	if j.Epoch <= m.epoch {
		t.Fatalf("epoch %d was given after %d", j.Epoch, m.epoch)
	}
	m.epoch, s.epoch, s.jobState, s.until = j.Epoch, j.Epoch, JobRunning, m.clock+30
}

// drawEpoch is mostly the job's.
func (s *modelSegment) drawEpoch(t *rapid.T) int64 {
	return max(1, s.epoch-rapid.SampledFrom([]int64{0, 0, 0, 0, 1, -1}).Draw(t, "epochs ago"))
}

func (s *modelSegment) holds(epoch int64) bool {
	return s.state == segmenter.SegmentNew && s.jobState == JobRunning && s.epoch == epoch
}

func (m *cubeModel) publish(t *rapid.T) {
	s := m.draw(t)
	epoch := s.drawEpoch(t)
	// Again is a success for who has published it (C3).
	again := (s.state == segmenter.SegmentReady || s.state == segmenter.SegmentRetired) && epoch == s.epoch
	err := m.c.Publish(context.Background(), publication(Job{ID: s.job, CubeID: m.cube, Segment: s.number, Epoch: epoch}, s.v...))
	if want := again || s.holds(epoch); want != (err == nil) {
		t.Fatalf("publish segment %d (%q, job %s, epoch %d) under epoch %d: %v", s.number, s.state, s.jobState, s.epoch, epoch, err)
	}
	if err != nil || again {
		return
	}
	for _, n := range s.replaces {
		m.line(n).state = segmenter.SegmentRetired
	}
	s.state, s.jobState = segmenter.SegmentReady, JobFinished
	m.settle(s)
}

// settle makes what a segment has moved of the front stay.
func (m *cubeModel) settle(s *modelSegment) {
	if m.settled == nil {
		m.settled = slices.Clone(m.front)
	}
	for p := range m.settled {
		m.settled[p] = min(m.settled[p], max(s.v[p].Start, m.front[p]))
	}
}

// takeBack undoes what a segment that was cancelled by hand has moved of the front.
func (m *cubeModel) takeBack() {
	if m.settled == nil {
		m.front = nil
		return
	}
	for p := range m.front {
		to := m.settled[p]
		for _, s := range m.live(segmenter.SegmentNew) {
			to = min(to, s.v[p].Start)
		}
		m.front[p] = max(m.front[p], to)
	}
}

// end gives a job back or ends it, under its epoch or another.
func (m *cubeModel) end(t *rapid.T) {
	ctx := context.Background()
	s := m.draw(t)
	p := JobPause{ID: s.job, Epoch: s.drawEpoch(t), Problem: "test"}
	want := s.holds(p.Epoch)
	var err error
	to, gone := JobPending, false
	switch rapid.IntRange(0, 4).Draw(t, "how") {
	case 0:
		err = m.c.RetryJob(ctx, p)
	case 1:
		to, err = JobWaiting, m.c.WaitJob(ctx, p)
	case 2:
		held := s.state == segmenter.SegmentNew && s.jobState == JobFailed
		want = want || ((held || s.jobState == JobWaiting) && s.epoch == p.Epoch)
		to, gone, err = JobFailed, true, m.c.FailJob(ctx, p)
	case 3:
		want = want || (s.jobState == JobWaiting && s.epoch == p.Epoch)
		p.Until = clock(1 << 20)
		to, err = JobFailed, m.c.FailJob(ctx, p)
	default:
		to, gone, err = JobFinished, true, m.c.FinishJob(ctx, p.ID, p.Epoch, "test")
	}
	if want != (err == nil) {
		t.Fatalf("end job %d (%s, epoch %d) under epoch %d as %s: %v", s.job, s.jobState, s.epoch, p.Epoch, to, err)
	}
	if err == nil {
		s.jobState = to
		if gone {
			s.state = ""
			m.settle(s)
		}
	}
}

func (m *cubeModel) byHand(t *rapid.T) {
	ctx := context.Background()
	s := m.draw(t)
	isOpen := s.state == segmenter.SegmentNew
	var err error
	var want bool
	to, gone := s.jobState, false
	switch rapid.IntRange(0, 3).Draw(t, "how") {
	case 0:
		to, want, err = JobPaused, isOpen && s.jobState != JobFailed, m.c.PauseJob(ctx, s.job, "ann")
	case 1:
		to, want, err = JobPending, isOpen && s.jobState != JobRunning, m.c.ResumeJob(ctx, s.job, "ann")
	case 2:
		want, err = true, m.c.WakeJob(ctx, s.job)
		if s.jobState == JobWaiting {
			to = JobPending
		}
	default:
		to, gone, want, err = JobCancelled, true, isOpen || s.jobState == JobCancelled, m.c.CancelJob(ctx, s.job, "ann")
	}
	if want != (err == nil) {
		t.Fatalf("job %d is %s, segment %q: want %s by hand: %t, got %v", s.job, s.jobState, s.state, to, want, err)
	}
	if err == nil {
		s.jobState = to
		if gone && isOpen {
			s.state = ""
			m.takeBack()
		}
	}
}

func (m *cubeModel) retire(t *rapid.T) {
	s := m.draw(t)
	want := s.state == segmenter.SegmentReady || s.state == segmenter.SegmentRetired
	for _, n := range m.live(segmenter.SegmentNew) {
		want = want && (s.state == segmenter.SegmentRetired || !slices.Contains(n.replaces, s.number))
	}
	err := m.c.Retire(context.Background(), m.cube, []int64{s.number}, "test")
	if want != (err == nil) {
		t.Fatalf("retire segment %d, which is %q: %v", s.number, s.state, err)
	}
	if err == nil && s.state == segmenter.SegmentReady {
		for p, r := range s.v {
			for _, front := range [][]int64{m.front, m.settled} {
				if r.Start == front[p] {
					front[p] = r.End
				}
			}
		}
	}
	if err == nil {
		s.state = segmenter.SegmentRetired
	}
}

// check compares everything, now and then: most faults stay visible for a while.
func (m *cubeModel) check(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "look") > 0 {
		return
	}
	var want []string
	for _, s := range m.live(segmenter.SegmentNew, segmenter.SegmentReady, segmenter.SegmentRetired) {
		want = append(want, fmt.Sprintf("%d %s %s", s.number, s.state, s.v))
	}
	if got := segments(m.t, m.c, all(m.cube)); !slices.Equal(want, got) {
		t.Fatalf("segments: got %q, want %q", got, want)
	}
	info, err := m.c.CubeInfo(context.Background(), m.cube)
	if err != nil {
		t.Fatal(err)
	}
	starts := func(v segmenter.Vector) (list []int64) {
		for _, r := range v {
			list = append(list, r.Start)
		}
		return list
	}
	if front, settled := starts(info.Start), starts(info.Settled); !slices.Equal(front, m.front) || !slices.Equal(settled, m.settled) {
		t.Fatalf("S17: front %v, settled %v, want %v and %v", front, settled, m.front, m.settled)
	}
	for _, s := range m.segments {
		j := job(m.t, m.c, s.job)
		if j.State != s.jobState || j.Reserved != (s.state == segmenter.SegmentNew) {
			t.Fatalf("job %d of segment %d (%q): got %s, reserved %t, want %s", s.job, s.number, s.state, j.State, j.Reserved, s.jobState)
		}
	}
	checkSegments(m.t, m.c, m.cube)
}
