package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const (
	storyJobs  = 100             // the newest ones, which one look asks for
	lastLook   = 2 * time.Second // of the look after the end
	freshEvery = 10              // looks between two lines about freshness
)

// story knows what has been told of a cube's jobs, so that each thing is told once.
type story struct {
	newest int64          // id of the newest job it has seen
	open   map[int64]bool // those of the jobs it has seen that had not ended
}

// event is a job that has begun or ended.
type event struct {
	job   catalog.Job
	ended bool
}

// next returns what is new in a list of jobs, the newest of which is first. What the first list has is old but for the ends of
// the jobs in it that have not ended.
func (s *story) next(jobs []catalog.Job) (news []event) {
	first := s.open == nil
	open := map[int64]bool{}
	for _, j := range slices.Backward(jobs) {
		fresh, ended := j.ID > s.newest, j.State == catalog.JobFinished || j.State == catalog.JobCancelled || j.State == catalog.JobFailed && !j.Reserved
		if fresh && !first {
			news = append(news, event{job: j})
		}
		if ended && !first && (fresh || s.open[j.ID]) {
			news = append(news, event{job: j, ended: true})
		}
		if !ended {
			open[j.ID] = fresh || s.open[j.ID]
		}
		s.newest = max(s.newest, j.ID)
	}
	s.open = open
	return news
}

// text is a line about it; "": none. s is the job's segment, without a range if it was withdrawn.
func (e event) text(s catalog.SegmentEntry) string {
	j := e.job
	switch {
	case !e.ended && (j.Kind == builder.KindBuild || j.Kind == builder.KindFill) && len(s.Range) > 0:
		return fmt.Sprintf("cut      segment %d: %d offsets (%s)", j.Segment, s.Range.Len(), s.Reason)
	case !e.ended:
		return ""
	case j.State != catalog.JobFinished || s.PublishedUs == 0:
		return fmt.Sprintf("%-8s %s of segment %d: %s", j.State, j.Kind, j.Segment, oneLine(cmp.Or(j.Problem, "no reason is known")))
	}
	made := fmt.Sprintf("%d events, %d cuboids, %s, in %.1f s", s.Events, cuboidsOf(j), bytesText(s.Bytes), time.Duration((j.EndedUs-j.StartedUs)*1e3).Seconds())
	switch j.Kind {
	case builder.KindMerge:
		return fmt.Sprintf("merged   segments %s into %d: %s", numbersText(s.Replaces), j.Segment, made)
	case builder.KindRefresh:
		return fmt.Sprintf("rebuilt  segment %s as %d: %s", numbersText(s.Replaces), j.Segment, made)
	}
	return fmt.Sprintf("built    segment %d: %s", j.Segment, made)
}

func numbersText(list []int64) string {
	parts := make([]string, 0, len(list))
	for _, n := range list {
		parts = append(parts, fmt.Sprint(n))
	}
	return strings.Join(parts, ", ")
}

// cuboidsOf is how many cuboids a job has written.
func cuboidsOf(j catalog.Job) (n int64) {
	for _, s := range j.Steps {
		if s.Unit == "cuboids" {
			n = s.Done
		}
	}
	if n > 0 && j.Kind != builder.KindMerge {
		n++ // the base cuboid is made by the steps before
	}
	return n
}

// tell says what happens to the cube and how fresh answers are, until ctx ends.
func (d *demoRun) tell(ctx context.Context) {
	tick := time.NewTicker(showEvery)
	defer tick.Stop()
	warn := func(err error, wanted bool) {
		if err != nil && wanted {
			d.n.log.LogAttrs(ctx, slog.LevelWarn, "demo cannot tell how it goes", slog.Any("err", err))
		}
	}
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
			defer cancel()
			warn(d.look(last), true)
			return
		case <-tick.C:
		}
		warn(d.look(ctx), ctx.Err() == nil)
		warn(d.askFresh(ctx), ctx.Err() == nil)
		if n%freshEvery == 0 {
			if line := d.fresh.line(); line != "" {
				fmt.Fprintln(d.a.stderr, line)
			}
		}
	}
}

// look tells what has happened since the last look.
func (d *demoRun) look(ctx context.Context) error {
	news, err := d.news(ctx)
	if err != nil {
		return err
	}
	for _, e := range news {
		s, err := d.n.catalog.Segment(ctx, d.cubeID, e.job.Segment)
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return err
		}
		if line := e.text(s); line != "" {
			fmt.Fprintln(d.a.stderr, line)
		}
	}
	return nil
}

func (d *demoRun) news(ctx context.Context) ([]event, error) {
	jobs, err := d.n.catalog.Jobs(ctx, catalog.JobQuery{CubeID: d.cubeID, Limit: storyJobs})
	if err != nil {
		return nil, err
	}
	return d.story.next(jobs), nil
}
