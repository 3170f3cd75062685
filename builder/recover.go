package builder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// recover looks at every job that holds a reservation: it queues what may run and has no task, wakes what waited for
// staging, ends what has waited too long, and withdraws what nobody will build. It costs what is open.
func (b *Builder) recover(ctx context.Context, _ scheduler.Task) ([]scheduler.Submission, error) {
	jobs, err := b.o.Catalog.OpenJobs(ctx, "")
	if err != nil {
		return nil, err
	}
	now := time.Now()
	b.countJobs(jobs, now)
	var spawn []scheduler.Submission
	abandoned := false
	maxJobs := map[string]int{}
	for _, j := range jobs {
		abandoned = abandoned || (j.State == catalog.JobFailed && j.UntilUs <= now.UnixMicro())
		ready, err := b.wake(ctx, j, now)
		if err != nil {
			return nil, err
		}
		if !ready {
			continue
		}
		n, ok := maxJobs[j.CubeID]
		if !ok {
			info, err := b.o.Catalog.CubeInfo(ctx, j.CubeID)
			if errors.Is(err, catalog.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			n = info.Cube.MaxJobs
			maxJobs[j.CubeID] = n
		}
		spawn = append(spawn, bodyTask(j, n))
	}
	if abandoned || now.Sub(b.swept.Load().(time.Time)) > time.Minute {
		if _, err := b.o.Catalog.WithdrawAbandoned(ctx, now); err != nil {
			return nil, err
		}
		b.swept.Store(now)
	}
	return spawn, nil
}

// wake reports whether a job may run now.
func (b *Builder) wake(ctx context.Context, j catalog.Job, now time.Time) (ready bool, err error) {
	us := now.UnixMicro()
	far := now.Add(2 * b.o.Lease).UnixMicro() // no lease ends behind it unless a clock has jumped
	switch j.State {
	case catalog.JobPending:
		return j.UntilUs <= us || j.UntilUs > now.Add(2*b.o.MaxBackOff).UnixMicro(), nil
	case catalog.JobRunning:
		return j.UntilUs <= us || j.UntilUs > far, nil
	case catalog.JobWaiting:
		return b.wakeWaiting(ctx, j, us)
	}
	return false, nil
}

func (b *Builder) wakeWaiting(ctx context.Context, j catalog.Job, us int64) (ready bool, err error) {
	s, err := b.o.Catalog.Segment(ctx, j.CubeID, j.Segment)
	if errors.Is(err, catalog.ErrNotFound) {
		return false, nil // ended meanwhile
	}
	if err != nil {
		return false, err
	}
	info, err := b.o.Catalog.CubeInfo(ctx, j.CubeID)
	if err != nil {
		return false, err
	}
	missing, err := b.o.Catalog.Unstaged(ctx, info.TableID, s.Range)
	switch {
	case err != nil:
		return false, err
	case len(missing) == 0:
		return true, b.o.Catalog.WakeJob(ctx, j.ID)
	case j.UntilUs > us:
		return false, nil
	}
	problem := fmt.Sprintf("%s was not staged within %s: is table %s read by an ingest process?", missing, b.o.StagingWait, info.Cube.Table)
	err = b.o.Catalog.FailJob(ctx, catalog.JobPause{ID: j.ID, Epoch: j.Epoch, Problem: problem, Until: time.UnixMicro(us).Add(b.o.FailedHold)})
	r := &jobRun{b: b, job: j, def: info.Cube}
	if err = r.taken(err); err == nil {
		b.m.jobEnded(j.Kind, catalog.JobFailed, 0)
		b.notify(ctx, r.failure(problem).forGood())
	}
	return false, err
}

// countJobs sets the gauges of open jobs.
func (b *Builder) countJobs(jobs []catalog.Job, now time.Time) {
	b.m.jobsOpen.Reset()
	oldest := now.UnixMicro()
	for _, j := range jobs {
		b.m.jobsOpen.WithLabelValues(j.Kind, string(j.State)).Inc()
		oldest = min(oldest, j.CreatedUs)
	}
	b.m.jobOldest.Set(float64(now.UnixMicro()-oldest) / 1e6)
}
