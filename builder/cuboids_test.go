package builder_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/builder/local"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

const byHand = "cut: {manual: true}\nmerge: {manual: true}\nfill_holes: false\nrefresh_old_versions: false\n"

// engine makes a local engine over a store, with the dictionaries of a site.
func engine(t *testing.T, s *builder.Site, st blob.Store) builder.Engine {
	t.Helper()
	ids, err := dictionary.New(dictionary.Options{Catalog: s.Catalog(), Store: st, Dir: t.TempDir()})
	must(t, err)
	e, err := local.New(local.Options{Store: st, Dir: t.TempDir(), Dictionaries: ids, Threads: 2})
	must(t, err)
	return e
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// build builds [start, end) and returns how it went.
func build(t *testing.T, s *builder.Site, b *builder.Builder, start, end int64) catalog.Job {
	t.Helper()
	at := func(off int64) builder.Position {
		p, err := builder.ParsePosition(fmt.Sprintf("0:%d", off))
		must(t, err)
		return p
	}
	got, err := b.Build(t.Context(), builder.BuildRequest{Request: s.Request(), Start: at(start), End: at(end)})
	must(t, err)
	s.Run(b)
	return s.Job(got.Jobs[0].ID)
}

func wantJob(t *testing.T, j catalog.Job, state catalog.JobState, parts ...string) {
	t.Helper()
	for _, p := range append(parts, "") {
		if j.State != state || !strings.Contains(j.Problem, p) {
			t.Fatalf("job %d is %s with problem %q, want %s and %q in it", j.ID, j.State, j.Problem, state, p)
		}
	}
}

func wantVersion(t *testing.T, s *builder.Site, number int64, version string) {
	t.Helper()
	m := s.Manifest(number)
	if got := string(m.Notes["table_version"]); got != version || len(m.Cuboids) != 1 {
		t.Errorf("segment %d: table version %q and %d cuboids in its manifest, want %s and 1", number, got, len(m.Cuboids), version)
	}
}

// A column whose type changes: segments on either side are built, refreshed and merged with their own types, and say which version
// of the table that is; what lies on both sides is refused before anything is read, and the error says what to do.
func TestColumnChangesType(t *testing.T) {
	s := builder.NewSite(t, byHand)
	b := s.Builder(nil, engine(t, s, s.Store()))
	s.Stage(0, 10)
	s.Stage(10, 20)
	s.Retype("  - {name: n, type: string}\n")
	s.Stage(20, 30)
	s.Stage(30, 40)
	for i, want := range []string{"1", "1", "2"} {
		wantJob(t, build(t, s, b, int64(10*i), int64(10*i+10)), catalog.JobFinished)
		wantVersion(t, s, int64(i+1), want)
	}
	got, err := b.Refresh(t.Context(), builder.RefreshRequest{Request: s.Request(), Choice: builder.Choice{Segments: []int64{1}}})
	must(t, err)
	s.Run(b)
	wantJob(t, s.Job(got.Jobs[0].ID), catalog.JobFinished)
	wantVersion(t, s, 4, "1")
	merge := func(numbers ...int64) catalog.Job {
		got, err := b.Merge(t.Context(), builder.MergeRequest{Request: s.Request(), Choice: builder.Choice{Segments: numbers}})
		must(t, err)
		s.Run(b)
		return s.Job(got.Jobs[0].ID)
	}
	before := s.Segments()
	wantJob(t, merge(2, 3), catalog.JobFailed, "column n is int64", "version 1", "string in version 2", "tidemark table reread")
	if after := s.Segments(); !slices.Contains(after, before[1]) || !slices.Contains(after, before[2]) {
		t.Errorf("after a merge that failed: %v, want segments 2 and 3 of %v", after, before)
	}
	for _, j := range mustJobs(t, s) { // its reservation
		if j.State == catalog.JobFailed {
			must(t, s.Catalog().CancelJob(t.Context(), j.ID, "ann"))
		}
	}
	wantJob(t, merge(4, 2), catalog.JobFinished)
	wantVersion(t, s, 6, "1")
	before = s.Segments()
	if d := cmp.Diff(len(before), len(s.Rebuilt())); d != "" {
		t.Errorf("segments of a rebuilt catalog (-want +got):\n%s", d)
	}

	s = builder.NewSite(t, byHand)
	b = s.Builder(nil, engine(t, s, s.Store()))
	s.Stage(0, 10)
	s.Retype("  - {name: n, type: string}\n")
	s.Stage(10, 20)
	wantJob(t, build(t, s, b, 0, 20), catalog.JobFailed, "column n is int64", "tidemark table reread")
}

func mustJobs(t *testing.T, s *builder.Site) (list []catalog.Job) {
	t.Helper()
	list, err := s.Catalog().Jobs(t.Context(), catalog.JobQuery{})
	must(t, err)
	return list
}

// A column that the table has no more is null in what was staged without it: builds and merges go on, whichever of their
// events have it.
func TestColumnGoesAway(t *testing.T) {
	s := builder.NewSite(t, byHand)
	b := s.Builder(nil, engine(t, s, s.Store()))
	s.Stage(0, 10)
	s.Retype("")
	s.Stage(10, 20)
	s.Stage(20, 30)
	wantJob(t, build(t, s, b, 0, 20), catalog.JobFinished)
	wantJob(t, build(t, s, b, 20, 30), catalog.JobFinished)
	got, err := b.Merge(t.Context(), builder.MergeRequest{Request: s.Request(), Choice: builder.Choice{Segments: []int64{1, 2}}})
	must(t, err)
	s.Run(b)
	wantJob(t, s.Job(got.Jobs[0].ID), catalog.JobFinished)
	m := s.Manifest(3)
	if m.Cuboids[0].Rows != 11 || m.Measure.Events != 30 || string(m.Notes["table_version"]) != "1" {
		t.Errorf("merged: %d cells of %d events, table version %s; want 10 values and null of 30, version 1", m.Cuboids[0].Rows, m.Measure.Events, m.Notes["table_version"])
	}
}
