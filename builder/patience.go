package builder

import (
	"cmp"
	"sync"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// patience decides when the time that a job was given is over: the lease of a running one, the pause of a pending one, how
// long it waits for staging and how long its reservation is held when it failed. The catalog keeps a wall time for each, and
// clocks jump and differ. So it also watches by this process's monotonic clock how long a job has stayed as it is:
//
//   - what has not changed for as long as it was given is over, whatever the clock shows. One that was set back by a day
//     delays nothing by more than its own length;
//   - a lease whose time has come by the clock is over only when it was not renewed for half its length. Its owner renews it
//     each quarter, so that no clock that jumped ahead takes a job from it;
//   - a lease of this node that this process does not run is over at once: the process before it held it.
type patience struct {
	node    string
	started time.Time // with a monotonic reading

	mu   sync.Mutex // guards what follows
	seen map[int64]sighting
	runs map[int64]int // jobs that run here, or are about to
	ends map[int64]int // those of them that are being given back
}

// sighting is how a job was seen.
type sighting struct {
	state        catalog.JobState
	epoch, until int64
	since        time.Duration // after started
}

func newPatience(node string) *patience {
	return &patience{node: node, started: time.Now(), seen: map[int64]sighting{}, runs: map[int64]int{}, ends: map[int64]int{}}
}

// run notes that this process runs a job, or tries to, until done is called.
func (p *patience) run(job int64) (done func()) { return p.note(p.runs, job) }

// end notes that this process gives a job back until done is called. During an outage of the catalog that lasts longer than
// the lease.
func (p *patience) end(job int64) (done func()) { return p.note(p.ends, job) }

// ending reports whether this process gives a job back at this moment.
func (p *patience) ending(job int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ends[job] > 0
}

func (p *patience) note(jobs map[int64]int, job int64) (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	jobs[job]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if jobs[job]--; jobs[job] == 0 {
			delete(jobs, job)
		}
	}
}

// moment is a time by the wall and by the monotonic clock, which need not agree.
type moment struct {
	us int64         // Unix time
	up time.Duration // since the process started
}

func (p *patience) now() moment {
	now := time.Now()
	return moment{us: now.UnixMicro(), up: now.Sub(p.started)}
}

// watch takes in the open jobs, all of them, as they are now, and forgets the others.
func (p *patience) watch(open []catalog.Job, now moment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := make(map[int64]sighting, len(open))
	for _, j := range open {
		s := sighting{state: j.State, epoch: j.Epoch, until: j.UntilUs, since: now.up}
		if old, ok := p.seen[j.ID]; ok {
			if s.since = old.since; s != old {
				s.since = now.up
			}
		}
		seen[j.ID] = s
	}
	p.seen = seen
}

// over reports whether the time of a job is, which watch has just seen. length is what it was given.
func (p *patience) over(j catalog.Job, length time.Duration, now moment) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.seen[j.ID]
	if !ok {
		return false
	}
	unchanged := now.up - s.since
	if left := j.State == catalog.JobRunning && j.Owner == p.node && p.runs[j.ID] == 0; left || unchanged >= length {
		return true
	}
	return j.UntilUs <= now.us && (j.State != catalog.JobRunning || unchanged >= length/2)
}

// given is how long a job in its state was given, and whether it is one that time ends.
func (b *Builder) given(j catalog.Job) (length time.Duration, ok bool) {
	switch j.State {
	case catalog.JobRunning:
		return time.Duration(j.LeaseUs) * time.Microsecond, true
	case catalog.JobPending:
		return b.backOff(cmp.Or(j.Stalls, j.Attempts)), true
	case catalog.JobWaiting:
		return b.o.StagingWait, true
	case catalog.JobFailed:
		return b.o.FailedHold, true
	}
	return 0, false
}
