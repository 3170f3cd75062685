package builder

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// A hole whose staged file is gone is asked for again, once, and built when it is staged; the other holes are built at once.
func TestFillAsksForWhatIsGone(t *testing.T) {
	w := newWorld(t, 1, byHand+"fill_holes: false\n")
	b := w.builder(nil)
	w.pieces(b, 5)
	if _, err := b.Drop(t.Context(), DropRequest{Request: w.request(), Choice: Choice{Segments: []int64{2, 4}}}); err != nil {
		t.Fatal(err)
	}
	gone := segmenter.PartitionRange{Start: 10, End: 20}
	key := stageKey(w, gone)
	r, err := w.store.Open(t.Context(), key, 0, -1)
	must(t, err)
	var body bytes.Buffer
	_, err = body.ReadFrom(r)
	must(t, err)
	must(t, r.Close())
	must(t, w.store.Delete(t.Context(), key))

	dry := w.request()
	dry.DryRun = true
	shown, err := b.Fill(t.Context(), dry)
	must(t, err)
	if list, err := w.cat.Rereads(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("a dry run asked for %v, %v", list, err)
	}
	var ids []int64
	for i := range 2 { // the second finds the request pending
		req := w.request()
		if i == 0 {
			req.Hash = shown.Plan.Hash
		}
		done, err := b.Fill(t.Context(), req)
		must(t, err)
		if len(done.Rereads) != 1 || done.Rereads[0].Range != gone || !strings.Contains(strings.Join(done.Plan.Notes, "\n"), "built once its offsets are staged again") {
			t.Fatalf("fill %d: asked for %v with notes %q, want %s", i, done.Rereads, done.Plan.Notes, gone)
		}
		ids = append(ids, done.Rereads[0].ID)
		w.run(b)
	}
	list, err := w.cat.Rereads(t.Context())
	must(t, err)
	want := catalog.Reread{ID: ids[0], TableID: w.table.ID, Range: gone, RequestedBy: "ann"}
	if len(list) != 1 || list[0] != want || ids[1] != ids[0] {
		t.Errorf("pending: got %+v (answers %v), want one: %+v", list, ids, want)
	}
	w.wantSegments("1 ready p0 [0,10) 10 events", "3 ready p0 [20,30) 10 events", "5 ready p0 [40,50) 10 events", "6 ready p0 [30,40) 10 events")

	must(t, w.store.Create(t.Context(), key, &body)) // the owner has staged it
	must(t, w.cat.FinishReread(t.Context(), ids[0], ""))
	w.apply(byHand + "refresh_old_versions: false\n") // fill_holes is on by default
	if _, err := b.maintain(t.Context(), w.cube.ID); err != nil {
		t.Fatal(err)
	}
	w.run(b)
	w.wantSegments("1 ready p0 [0,10) 10 events", "3 ready p0 [20,30) 10 events", "5 ready p0 [40,50) 10 events", "6 ready p0 [30,40) 10 events",
		"7 ready p0 [10,20) 10 events")
}

// What the ledger lacks before a line's first offset is asked for up to there; what is not committed yet is read in its turn.
func TestFillAsksForWhatWasNeverRead(t *testing.T) {
	w := newWorld(t, 1, byHand)
	b := w.builder(nil)
	w.pieces(b, 2)
	s, err := b.snapshot(t.Context(), "default", "views")
	must(t, err)
	s.g[0].Start = 8
	p := s.plan()
	hole := func(start, end int64) plan.Hole {
		r := []segmenter.PartitionRange{{Start: start, End: end}}
		return plan.Hole{Range: r, Missing: r, After: 1, Before: 2}
	}
	whole, err := b.readAgain(t.Context(), s, &p, []plan.Hole{hole(2, 5), hole(30, 40)})
	must(t, err)
	notes := strings.Join(p.Notes, "\n")
	if len(whole) != 0 || len(p.Actions) != 1 || p.Actions[0].Kind != KindReread || p.Actions[0].Range.String() != "p0 [2,8)" {
		t.Errorf("got actions %v and %v to be built, want p0 [2,8) to be read again", p.Actions, whole)
	}
	if !strings.Contains(notes, "p0 [30,40) of the hole between segments 1 and 2 is not committed yet") {
		t.Errorf("notes %q say nothing of what is not committed yet", notes)
	}
}
