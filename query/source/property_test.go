package source_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// E1, E2, E4 (I2): whatever is read, rolled, committed, built, merged, retired, requeued, read again and restarted, also between the
// pin of the tail and the look at the catalog, a snapshot holds each offset that it covers in exactly one place, and its events are
// those of these offsets.
func TestEveryOffsetOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c, few := openCatalog(t, path, catalog.Options{}), openCatalog(t, path, catalog.Options{SnapshotRows: 3})
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		w := newWorld(rt, c, fmt.Sprint(n), 2)
		w.format = rapid.SampledFrom([]cube.Format{cube.Parquet, cube.Parquet, cube.NDJSON}).Draw(rt, "format")
		a := &acts{world: w}
		a.src = w.source(func(o *source.Options) {
			o.Tail, o.Catalog, o.CellBytes, o.Readers, o.ReadBytes = a, between{c, a}, 20_000, 3, 3000
			if rapid.IntRange(0, 3).Draw(rt, "few rows") == 0 {
				o.Catalog = between{few, a}
			}
		})
		rt.Repeat(map[string]func(*rapid.T){
			"":      func(rt *rapid.T) { w.t = rt },
			"act":   a.act,
			"more":  a.act,
			"query": a.query,
		})
		a.query(rt)
	})
}

// acts are random acts on a world.
type acts struct {
	*world
	src     *source.Source
	between func() // done between the pin and the look at the catalog
	before  func() // done before the pin
}

// Pin is the world's, after something was done.
func (a *acts) Pin(ctx context.Context, id string) (source.Pin, error) {
	if f := a.before; f != nil {
		a.before = nil
		f()
	}
	return a.world.Pin(ctx, id)
}

// between is a catalog that does something before it looks.
type between struct {
	*catalog.Catalog
	a *acts
}

func (b between) QuerySnapshot(ctx context.Context, table, cubeID string, prev *catalog.QuerySnapshot) (*catalog.QuerySnapshot, error) {
	if f := b.a.between; f != nil {
		b.a.between = nil
		f()
	}
	return b.Catalog.QuerySnapshot(ctx, table, cubeID, prev)
}

func (a *acts) act(t *rapid.T) {
	a.t = t
	p := rapid.SampledFrom(a.parts).Draw(t, "partition")
	line := rapid.SampledFrom(p.gens).Draw(t, "generation")
	switch rapid.SampledFrom([]string{
		"read", "read", "read", "roll", "roll", "commit", "commit", "commit", "leave", "leave", "lose", "restart", "generation", "requeue", "reread",
		"build", "build", "build", "merge", "retire",
	}).Draw(t, "act") {
	case "read":
		a.read(p, rapid.IntRange(1, 15).Draw(t, "offsets"))
	case "roll":
		a.roll(p)
	case "commit":
		a.commit(p)
	case "leave":
		a.leave(p)
	case "lose":
		a.lose(p, rapid.Int64Range(1, 5).Draw(t, "offsets"))
	case "restart":
		a.restart(p)
	case "generation":
		if rapid.IntRange(0, 2).Draw(t, "begin") == 0 {
			a.generation(p, rapid.Int64Range(0, 30).Draw(t, "start"))
		}
	case "requeue":
		if !line.Empty() {
			a.requeue(line, rapid.Int64Range(line.Start, line.End-1).Draw(t, "from"), rapid.IntRange(1, 3).Draw(t, "records"))
		}
	case "reread":
		a.rereadOne(t, p)
	case "build":
		a.buildOne(t, line)
	case "merge":
		a.mergeTwo(t)
	case "retire":
		if list := a.ready(); len(list) > 0 {
			must(t, a.cat.Retire(context.Background(), a.cube.ID, []int64{rapid.SampledFrom(list).Draw(t, "segment").Number}, "test"))
		}
	}
}

func (a *acts) rereadOne(t *rapid.T, p *part) {
	var lost []catalog.LedgerEntry
	for e, err := range a.cat.Ledger(context.Background(), catalog.LedgerQuery{TableID: a.table.ID, Partition: p.n}) {
		must(t, err)
		if e.State == segmenter.Lost {
			lost = append(lost, e)
		}
	}
	if len(lost) > 0 {
		a.reread(p, rapid.SampledFrom(lost).Draw(t, "row"))
	}
}

func (a *acts) ready() (list []catalog.SegmentEntry) {
	for e, err := range a.cat.Segments(context.Background(), catalog.SegmentQuery{CubeID: a.cube.ID}) {
		must(a.t, err)
		list = append(list, e)
	}
	slices.SortFunc(list, func(x, y catalog.SegmentEntry) int { return x.Range.Compare(y.Range) })
	return list
}

// buildOne builds what no segment holds of a piece of a line, from its start on.
func (a *acts) buildOne(t *rapid.T, line segmenter.PartitionRange) {
	if line.Empty() {
		return
	}
	line.Start = rapid.Int64Range(line.Start, line.End-1).Draw(t, "start")
	line.End = rapid.Int64Range(line.Start+1, line.End).Draw(t, "end")
	var taken []segmenter.PartitionRange
	for _, e := range a.ready() {
		taken = append(taken, e.Range...)
	}
	if free := (segmenter.Vector{line}).Subtract(taken); len(free) > 0 {
		a.build(segmenter.Vector{free[0]})
	}
}

func (a *acts) mergeTwo(t *rapid.T) {
	list := a.ready()
	if len(list) < 2 {
		return
	}
	i := rapid.IntRange(0, len(list)-2).Draw(t, "first")
	if v, err := list[i].Range.Join(list[i+1].Range); err == nil {
		a.build(v, list[i].Number, list[i+1].Number)
	}
}

func (a *acts) query(t *rapid.T) {
	a.t = t
	ctx := context.Background()
	if rapid.Bool().Draw(t, "disturbed") {
		some := func() {
			for range rapid.IntRange(1, 4).Draw(t, "acts") {
				a.act(t)
			}
		}
		a.before, a.between = some, some
	}
	v := source.View{Table: a.table}
	if rapid.IntRange(0, 3).Draw(t, "cube") > 0 {
		v.CubeID = a.cube.ID
		v.CubeOnly = rapid.IntRange(0, 2).Draw(t, "only") == 0
	}
	// What an event is, is told when the catalog looks: a requeue before it counts.
	s, err := a.src.Snapshot(ctx, v)
	must(t, err)
	defer s.Release()
	if s.Completeness.Partial() {
		t.Fatalf("holes: %v", s.Completeness.Holes)
	}
	want := a.truth(t, v, s)
	got := map[int64]int{}
	a.scan(t, s.Tail(), source.ScanQuery{}, got)
	a.scan(t, s.Uncovered(), source.ScanQuery{}, got)
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("events outside of segments (-want +got):\n%s", d)
	}
	a.compareCells(t, s, want)
	a.compareEdges(t, s)
}

// truth lists the events that no segment of a snapshot holds, and checks that each covered offset has one place (E1).
func (a *acts) truth(t *rapid.T, v source.View, s *source.Snapshot) map[int64]int {
	var covered []segmenter.PartitionRange
	for _, e := range s.Segments {
		covered = append(covered, e.Range...)
	}
	want, counts := map[int64]int{}, segmenter.Measure{}
	events := func(r segmenter.PartitionRange) {
		for o := r.Start; o < r.End; o++ {
			x := place{r.Partition, r.Generation, o}
			switch kind := x.fate(); {
			case a.lost[x]:
				counts.Lost++
			case kind == segmenter.Gap:
				counts.Gaps++
			case kind == segmenter.Quarantined && !a.requeued[x]:
				counts.Quarantined++
			default:
				counts.Events++
				want[x.id()]++
			}
		}
	}
	for _, o := range s.Completeness.Offsets {
		line := s.Line(o.Partition, o.Generation)
		if o.Committed != line.End || (!v.CubeOnly && o.Start != line.Start) {
			t.Fatalf("covered %+v of line %+v", o, line.Range())
		}
		for _, r := range (segmenter.Vector{o.PartitionRange}).Subtract(covered) {
			events(r)
		}
	}
	for _, e := range s.Segments { // with what they knew when they were built
		for _, p := range e.Parts {
			counts.Events += p.Events
			counts.Gaps += p.Gaps
			counts.Quarantined += p.Quarantined
			counts.Lost += p.Lost
		}
	}
	if counts != s.Completeness.Counts && !s.Long {
		t.Fatalf("counts: got %+v, want %+v", s.Completeness.Counts, counts)
	}
	if !v.CubeOnly && s.Completeness.TailEvents == 0 {
		for _, p := range a.parts {
			if line := s.Newest(p.n); line.End > p.line().End {
				t.Fatalf("partition %d: the catalog ends at %d, %d is committed", p.n, line.End, p.line().End)
			}
		}
	}
	return want
}

// scan counts the events of a set by their ids.
func (a *acts) scan(t *rapid.T, set source.Set, q source.ScanQuery, got map[int64]int) {
	q.Table, q.Columns = a.schema, []string{"id", "_partition", "_offset", "ts", "page"}
	for rec, err := range a.src.Scan(context.Background(), set, q) {
		must(t, err)
		for i := range int(rec.NumRows()) {
			id := rec.Column(0).(*array.Int64).Value(i)
			x := place{rec.Column(1).(*array.Int32).Value(i), int32(id >> 32 & 0xff), rec.Column(2).(*array.Int64).Value(i)}
			us, page := int64(rec.Column(3).(*array.Timestamp).Value(i)), rec.Column(4).(*array.String).Value(i)
			if id != x.id() || us != x.timeUs() || page != x.page() {
				t.Fatalf("event %d of %+v at %d on %s, want %d at %d on %s", id, x, us, page, x.id(), x.timeUs(), x.page())
			}
			got[id]++
		}
	}
}

// compareCells counts by page, twice: what was kept says the same.
func (a *acts) compareCells(t *rapid.T, s *source.Snapshot, events map[int64]int) {
	want := map[string]int64{}
	for id := range events {
		want[placeOf(id).page()]++
	}
	for range 2 {
		got := map[string]int64{}
		read := int64(0)
		for _, set := range []source.Set{s.Tail(), s.Uncovered()} {
			for b, err := range a.src.Cells(context.Background(), set, source.CellQuery{Layout: a.layout, Mask: 1}) {
				must(t, err)
				addPages(b, got)
				read += b.Events
			}
		}
		if d := cmp.Diff(want, got); d != "" || read != int64(len(events)) {
			t.Fatalf("%d events by page, want %d (-want +got):\n%s", read, len(events), d)
		}
	}
}

func placeOf(id int64) place {
	return place{int32(id >> 40), int32(id >> 32 & 0xff), id & 0xffffffff}
}

func addPages(b source.Batch, got map[string]int64) {
	c := b.Value.(*cells.Cells)
	counts := c.States[0].Columns(0, c.Len())[0]
	for i := range c.Len() {
		got[string(c.Dicts[1].Values.Bytes(int(c.Keys.Code(i, 1))-1))] += counts.Int(i)
	}
}

// compareEdges reads exactly the events of a span of time, whichever segments hold them.
func (a *acts) compareEdges(t *rapid.T, s *source.Snapshot) {
	span := func(name string) source.Span {
		from := baseUs - 3600e6 + rapid.Int64Range(0, 3900e6).Draw(t, name)
		return source.Span{Lo: from, Hi: from + rapid.SampledFrom([]int64{0, 10e6, 100e6}).Draw(t, "length")}
	}
	times := []source.Span{span("first"), span("second")}
	got, want := map[int64]int{}, map[int64]int{}
	a.scan(t, s.Tail(), source.ScanQuery{Times: times, Exact: true}, got)
	a.scan(t, s.Staged(), source.ScanQuery{Times: times, Exact: true}, got)
	held := func(x place) bool {
		return slices.ContainsFunc(s.Segments, func(e *catalog.SegmentEntry) bool {
			r, _ := e.Range.Line(x.partition, x.generation)
			return r.Contains(x.offset)
		})
	}
	// A segment that was built before may have known nothing of it.
	late := func(x place) bool { return a.requeued[x] || a.foundAgain[x] && x.fate() == "" }
	for _, o := range s.Completeness.Offsets {
		for at := o.Start; at < o.End; at++ {
			x := place{o.Partition, o.Generation, at}
			in := func(sp source.Span) bool { return sp.Lo <= x.timeUs() && x.timeUs() <= sp.Hi }
			switch {
			case a.lost[x], !slices.ContainsFunc(times, in):
			case x.fate() == "" && !a.foundAgain[x], late(x) && !held(x):
				want[x.id()]++
			case late(x) && got[x.id()] == 1: // it may be in, or not
				want[x.id()]++
			}
		}
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("events of %v (-want +got):\n%s", times, d)
	}
	pages, read := map[string]int64{}, map[string]int64{}
	for id := range maps.Keys(want) {
		pages[placeOf(id).page()]++
	}
	for _, set := range []source.Set{s.Tail(), s.Staged()} {
		for b, err := range a.src.Cells(context.Background(), set, source.CellQuery{Layout: a.layout, Mask: 1, Times: times, Exact: true}) {
			must(t, err)
			addPages(b, read)
		}
	}
	if d := cmp.Diff(pages, read, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("cells of %v (-want +got):\n%s", times, d)
	}
}
