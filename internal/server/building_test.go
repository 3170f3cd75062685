package server

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// fakeBuilding plans what it is told to, and does it in the catalog.
type fakeBuilding struct {
	catalog *catalog.Catalog
	rng     segmenter.Vector // of the next segment
	holes   []plan.Hole
	err     error

	action string // what it was asked last
	asked  SegmentRequest
	task   TaskRequest
}

func (f *fakeBuilding) Submit(ctx context.Context, action string, q SegmentRequest) (*Done, error) {
	f.action, f.asked = action, q
	if f.err != nil {
		return nil, f.err
	}
	i, err := f.catalog.Cube(ctx, q.Project, q.Cube)
	if err != nil {
		return nil, err
	}
	p, err := f.Plan(ctx, q.Project, q.Cube)
	if err != nil {
		return nil, err
	}
	p.Actions[0].Segments = q.Segments
	done := &Done{Plan: *p}
	if q.DryRun {
		return done, nil
	}
	if q.Plan != "" && q.Plan != p.Hash {
		return nil, &PlanError{fmt.Errorf("the plan is %s and not %s", p.Hash, q.Plan)}
	}
	if action == actionDrop {
		done.Retired = q.Segments
		return done, f.catalog.Retire(ctx, i.Cube.ID, q.Segments, "dropped by "+q.By)
	}
	s, j, err := f.catalog.Reserve(ctx, catalog.Reservation{
		CubeID: i.Cube.ID, Range: f.rng, Reason: "request by " + q.By, Replaces: q.Segments, JobKind: action, SubmittedBy: q.By, Idempotency: q.Key,
	})
	if err != nil {
		return nil, err
	}
	done.Jobs, done.Segments = append(done.Jobs, j), append(done.Segments, s)
	return done, nil
}

func (f *fakeBuilding) Plan(_ context.Context, project, cube string) (*Plan, error) {
	return &Plan{
		Project: project, Cube: cube, Hash: "abc", Notes: []string{"nothing is left"},
		Actions: []Action{{Kind: actionBuild, Range: f.rng, Reason: "age"}},
	}, f.err
}

func (f *fakeBuilding) Holes(context.Context, string, string) ([]plan.Hole, error) {
	return f.holes, f.err
}

func (f *fakeBuilding) FixStart(ctx context.Context, project, cube string) (segmenter.Vector, error) {
	i, err := f.catalog.Cube(ctx, project, cube)
	if err != nil {
		return nil, err
	}
	return f.rng.Ends(), f.catalog.SetCubeStart(ctx, i.Cube.ID, f.rng.Ends())
}

func (f *fakeBuilding) SubmitTask(ctx context.Context, q TaskRequest) (catalog.Task, error) {
	f.task = q
	if f.err != nil {
		return catalog.Task{}, f.err
	}
	list, err := f.catalog.SubmitTasks(ctx, []catalog.TaskSubmission{{
		Kind: q.Kind, Key: q.Kind, Spec: q.Spec, SubmittedBy: q.By, Idempotency: q.Key.Key,
	}})
	if err != nil {
		return catalog.Task{}, err
	}
	return list[0], nil
}

// span is an offset range of partition 0 and one of partition 1.
func span(start0, end0, start1, end1 int64) segmenter.Vector {
	return segmenter.Vector{{Partition: 0, Start: start0, End: end0}, {Partition: 1, Start: start1, End: end1}}
}

// cubed is a world with a cube over two partitions of 100 offsets.
func (w *world) cubed() (*fakeBuilding, string) {
	w.t.Helper()
	def := w.applyCube()
	table, err := w.catalog.Table(w.t.Context(), "default", "clicks")
	if err != nil {
		w.t.Fatal(err)
	}
	w.commit(table, segmenter.PartitionRange{Partition: 0, End: 100})
	w.commit(table, segmenter.PartitionRange{Partition: 1, End: 100})
	w.building.catalog = w.catalog
	return &w.building, def.ID
}

// build reserves a range and publishes it.
func (w *world) build(cubeID string, v segmenter.Vector, replaces ...int64) catalog.SegmentEntry {
	w.t.Helper()
	s, j, err := w.catalog.Reserve(w.t.Context(), catalog.Reservation{
		CubeID: cubeID, Range: v, Reason: "age", Replaces: replaces, JobKind: actionBuild, SubmittedBy: "timer",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.publish(s, j)
	s, err = w.catalog.Segment(w.t.Context(), cubeID, s.Number)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) publish(s catalog.SegmentEntry, j catalog.Job) {
	w.t.Helper()
	j, ok, err := w.catalog.ClaimJob(w.t.Context(), catalog.JobClaim{ID: j.ID, Owner: "me", Now: testTime, Lease: 1e9})
	if err != nil || !ok {
		w.t.Fatalf("claim of job %d: %t, %v", j.ID, ok, err)
	}
	var parts []segmenter.PartMeasure
	for i, r := range s.Range {
		p := segmenter.PartMeasure{Partition: r.Partition, Generation: r.Generation}
		if p.Events = r.Len(); p.Events > 0 {
			p.MinTimeUs, p.MaxTimeUs = int64(1+i)*1e9+r.Start*1e6, int64(1+i)*1e9+(r.End-1)*1e6
		}
		parts = append(parts, p)
	}
	id := fmt.Sprintf("%x", s.Number)
	if err := w.catalog.Publish(w.t.Context(), catalog.Publication{
		CubeID: s.CubeID, Number: s.Number, JobEpoch: j.Epoch, Attempt: j.Epoch, ID: strings.Repeat("a", 64-len(id)) + id, Parts: parts, Bytes: 7,
	}); err != nil {
		w.t.Fatal(err)
	}
}
