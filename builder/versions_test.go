package builder_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const leftAlone = "cut: {manual: true}\nmerge: {manual: true}\nfill_holes: false\n"

func wantSegments(t *testing.T, s *builder.Site, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, s.Segments()); d != "" {
		t.Fatalf("segments (-want +got):\n%s", d)
	}
}

// A new version of a definition refreshes segments only where they would hold something else. Settings leave them alone, and a version that
// says what an older one said leaves that one's segments alone (a rollback). Segments of versions that hold the same are merged, those
// of others are not.
func TestOnlyOtherCellsAreRefreshed(t *testing.T) {
	s := builder.NewSite(t, leftAlone)
	b := s.Builder(nil, engine(t, s, s.Store()))
	s.Stage(0, 10)
	s.Stage(10, 20)
	s.Stage(20, 30)
	wantJob(t, build(t, s, b, 0, 10), catalog.JobFinished)
	s.Measure("[count]", leftAlone+"retention: 36600d\nowner: ann\n") // version 2
	s.Maintain(b)
	wantJob(t, build(t, s, b, 10, 20), catalog.JobFinished)
	s.Maintain(b)
	wantSegments(t, s, "1 ready p0 [0,10) 10 events", "2 ready p0 [10,20) 10 events")

	s.Measure("[count, max(n)]", "refresh_old_versions: false\n"+leftAlone) // version 3
	wantJob(t, build(t, s, b, 20, 30), catalog.JobFinished)
	_, err := b.Merge(t.Context(), builder.MergeRequest{Request: s.Request(), Choice: builder.Choice{Segments: []int64{2, 3}}})
	if err == nil || !strings.Contains(err.Error(), "definition versions 2 and 3, which do not hold the same: refresh the older one first") {
		t.Errorf("merge of versions 2 and 3: got %v", err)
	}
	got, err := b.Merge(t.Context(), builder.MergeRequest{Request: s.Request(), Choice: builder.Choice{Segments: []int64{1, 2}}})
	must(t, err)
	s.Run(b)
	wantJob(t, s.Job(got.Jobs[0].ID), catalog.JobFinished)
	wantSegments(t, s, "3 ready p0 [20,30) 10 events", "4 ready p0 [0,20) 20 events")
	if m := s.Manifest(4); m.DefinitionVersion != 2 || len(m.Cuboids) != 1 {
		t.Errorf("merged: version %d with %d cuboids, want 2, the newest of the merged ones, and 1", m.DefinitionVersion, len(m.Cuboids))
	}

	s.Measure("[count]", leftAlone) // version 4, as version 1
	s.Maintain(b)
	wantSegments(t, s, "4 ready p0 [0,20) 20 events", "5 ready p0 [20,30) 10 events")
	if m := s.Manifest(5); m.DefinitionVersion != 4 {
		t.Errorf("refreshed: version %d, want 4", m.DefinitionVersion)
	}
	s.Measure("[count]", "merge: {budget: [{segments: 1}]}\ncut: {manual: true}\nfill_holes: false\n") // version 5
	s.Maintain(b)
	wantSegments(t, s, "6 ready p0 [0,30) 30 events")
	s.Maintain(b)
	wantSegments(t, s, "6 ready p0 [0,30) 30 events")
	if d := cmp.Diff(s.Segments(), s.Rebuilt()); d != "" {
		t.Errorf("rebuilt catalog (-want +got):\n%s", d)
	}
}

// A definition whose dimensions or measures have another order alone is no reason to build anything again, but what lies in files
// otherwise is not merged.
func TestAnotherOrderIsNotMerged(t *testing.T) {
	s := builder.NewSite(t, leftAlone)
	b := s.Builder(nil, engine(t, s, s.Store()))
	s.Stage(0, 10)
	s.Stage(10, 20)
	s.Measure("[count, max(n), min(n)]", leftAlone)
	wantJob(t, build(t, s, b, 0, 10), catalog.JobFinished)
	s.Measure("[count, min(n), max(n)]", leftAlone)
	wantJob(t, build(t, s, b, 10, 20), catalog.JobFinished)
	s.Maintain(b)
	wantSegments(t, s, "1 ready p0 [0,10) 10 events", "2 ready p0 [10,20) 10 events")
	if _, err := b.Merge(t.Context(), builder.MergeRequest{Request: s.Request(), Choice: builder.Choice{Segments: []int64{1, 2}}}); err == nil {
		t.Error("measures in two orders were merged")
	}
}

// Segments on either side of a change of a column's type are not planned to be merged with each other, only on their own sides, and the
// plan says why.
func TestNoMergeAcrossTypes(t *testing.T) {
	s := builder.NewSite(t, leftAlone)
	b := s.Builder(nil, engine(t, s, s.Store()))
	for i := range int64(5) {
		s.Stage(10*i, 10*i+10)
		wantJob(t, build(t, s, b, 10*i, 10*i+10), catalog.JobFinished)
		if i == 1 {
			s.Retype("  - {name: n, type: string}\n")
		}
	}
	s.Measure("[count]", "merge: {budget: [{segments: 1}]}\ncut: {manual: true}\nfill_holes: false\n")
	s.Maintain(b)
	wantSegments(t, s, "6 ready p0 [0,20) 20 events", "7 ready p0 [20,50) 30 events")
	wantVersion(t, s, 6, "1")
	wantVersion(t, s, 7, "2")
	want := "segment 6 is not merged: alone before segment 7: column n is int64 in what was staged or built with version 1 of table events, and string in version 2"
	for range 2 {
		s.Maintain(b)
		if got := s.Notes(b); !strings.Contains(got, want) {
			t.Errorf("notes: got %q, want %q in it", got, want)
		}
	}
	for _, j := range mustJobs(t, s) {
		if j.State != catalog.JobFinished {
			t.Errorf("job %d is %s: %s", j.ID, j.State, j.Problem)
		}
	}
	if len(s.Segments()) != 2 {
		t.Errorf("segments: got %v, want 6 and 7", s.Segments())
	}
}
