package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// contents is all that files say of a catalog.
type contents struct {
	ID       string
	Tables   []*cube.Table
	Cubes    []*cube.Cube
	Front    segmenter.Vector
	Ledger   []catalog.LedgerEntry
	Segments []catalog.SegmentEntry
	Stale    []int64
}

func read(t *testing.T, c *catalog.Catalog, tableID, cubeID string) (out contents) {
	t.Helper()
	var err error
	out.ID = c.ID()
	out.Tables, err = c.TableVersions(t.Context(), tableID)
	must(t, err)
	out.Cubes, err = c.CubeVersions(t.Context(), cubeID)
	must(t, err)
	info, err := c.CubeInfo(t.Context(), cubeID)
	must(t, err)
	out.Front = info.Start
	for e, err := range c.Ledger(t.Context(), catalog.LedgerQuery{TableID: tableID, Partition: -1}) {
		must(t, err)
		out.Ledger = append(out.Ledger, e)
	}
	stale, err := c.StaleSegments(t.Context(), cubeID)
	must(t, err)
	for _, s := range stale {
		out.Stale = append(out.Stale, s.Number)
	}
	for s, err := range c.Segments(t.Context(), catalog.SegmentQuery{CubeID: cubeID, States: []segmenter.SegmentState{segmenter.SegmentReady}}) {
		must(t, err)
		out.Segments = append(out.Segments, s)
	}
	return out
}

// storeTable writes the table's definition as the server does.
func (w *world) storeTable() {
	w.t.Helper()
	text, err := json.Marshal(w.table)
	must(w.t, err)
	must(w.t, w.store.Create(w.t.Context(), fmt.Sprintf("tables/%s/v1.json", w.table.ID), bytes.NewReader(text)))
	must(w.t, blob.Claim(w.t.Context(), w.store, w.cat.ID()))
}

// rebuilt makes a catalog from the files.
func (w *world) rebuilt() (*catalog.Catalog, *Rebuilt) {
	w.t.Helper()
	return w.rebuiltWith(nil)
}

func (w *world) rebuiltWith(tables Tables) (*catalog.Catalog, *Rebuilt) {
	w.t.Helper()
	c, err := catalog.Open(w.t.Context(), newDSN(w.t), catalog.Options{})
	must(w.t, err)
	w.t.Cleanup(func() { must(w.t, c.Close()) })
	res, err := Rebuild(w.t.Context(), w.store, tables, c)
	must(w.t, err)
	return c, res
}

// B8: whatever was staged, lost, requeued, built, merged, refreshed and dropped, the files alone give an equal catalog, uploads that
// nobody committed notwithstanding; and it can be gone on with.
func TestRebuildEqual(t *testing.T) {
	seeds := uint64(8)
	switch {
	case os.Getenv("TIDEMARK_TEST_SOAK") != "":
		seeds = 100
	case strings.HasPrefix(t.Name(), onPostgres):
		seeds = 2 // each takes seconds there
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWorld(t, 2, byHand)
			w.storeTable()
			b := w.builder(nil)
			newRandomWorld(w, b, rand.New(rand.NewPCG(seed, 4))).steps(25)
			if _, err := b.maintain(t.Context(), w.cube.ID); err != nil {
				t.Fatal(err)
			}
			w.mark(b)
			want := read(t, w.cat, w.table.ID, w.cube.ID)
			other, res := w.rebuilt()
			got := read(t, other, w.table.ID, w.cube.ID)
			opts := cmp.Options{
				cmpopts.EquateEmpty(), cmpopts.IgnoreFields(contents{}, "Stale"), cmpopts.IgnoreFields(segmenter.Segment{}, "PublishedUs"),
				cmpopts.IgnoreFields(catalog.SegmentEntry{}, "JobID", "InputsChange", "LatestChange", "Stale"), // a history begins with a rebuild
			}
			if d := cmp.Diff(want, got, opts); d != "" {
				t.Errorf("rebuilt, ignored %q (-want +got):\n%s", res.Ignored, d)
			}
			w.checkStale(b, want, got)
			for p := range int32(2) {
				was, err := w.cat.Assign(t.Context(), catalog.Claim{TableID: w.table.ID, Partition: p})
				must(t, err)
				now, err := other.Assign(t.Context(), catalog.Claim{TableID: w.table.ID, Partition: p})
				must(t, err)
				if now.End != was.End || now.Generation != was.Generation {
					t.Errorf("partition %d goes on at g%d %d, want g%d %d", p, now.Generation, now.End, was.Generation, was.End)
				}
			}
		})
	}
}

// checkStale wants the same segments stale, but for those that the catalog takes for stale by caution: a merge counts as
// read when the oldest of what it merged was.
func (w *world) checkStale(b *Builder, want, got contents) {
	w.t.Helper()
	for _, n := range got.Stale {
		if !slices.Contains(want.Stale, n) {
			w.t.Errorf("segment %d is stale after the rebuild, and was not", n)
		}
	}
	for _, s := range want.Segments {
		if !slices.Contains(want.Stale, s.Number) || slices.Contains(got.Stale, s.Number) {
			continue
		}
		in, err := b.readInputs(w.t.Context(), w.table.ID, s.Range, func(int64, int64) {})
		must(w.t, err)
		if d := cmp.Diff(in.parts, s.Parts); d != "" {
			w.t.Errorf("segment %d was stale, and is not after the rebuild (-inputs +segment):\n%s", s.Number, d)
		}
	}
}

// randomWorld does what happens to a cube, in any order.
type randomWorld struct {
	w    *world
	b    *Builder
	r    *rand.Rand
	ends map[int32]int64
	bad  map[int32][]int64 // quarantined offsets
}

func newRandomWorld(w *world, b *Builder, r *rand.Rand) *randomWorld {
	return &randomWorld{w: w, b: b, r: r, ends: map[int32]int64{}, bad: map[int32][]int64{}}
}

func (x *randomWorld) steps(n int) {
	x.w.t.Helper()
	for range n {
		p := x.r.Int32N(2)
		switch x.r.IntN(10) {
		case 0, 1, 2:
			x.stage(p)
		case 3:
			x.w.lose(p, x.ends[p], x.ends[p]+5)
			x.ends[p] += 5
		case 4:
			x.requeue(p)
		case 5, 6:
			x.allowed(x.b.Build(x.w.t.Context(), BuildRequest{Request: x.w.request()}))
		case 7:
			x.pair(func(numbers []int64) {
				x.allowed(x.b.Merge(x.w.t.Context(), MergeRequest{Request: x.w.request(), Choice: Choice{Segments: numbers}}))
			})
		case 8:
			x.pair(func(numbers []int64) {
				x.allowed(x.b.Refresh(x.w.t.Context(), RefreshRequest{Request: x.w.request(), Choice: Choice{Segments: numbers[:1]}}))
			})
		case 9:
			x.pair(func(numbers []int64) {
				x.allowed(x.b.Drop(x.w.t.Context(), DropRequest{Request: x.w.request(), Choice: Choice{Segments: numbers[:1]}}))
			})
		}
		if x.r.IntN(4) == 0 {
			x.w.begin(p) // another owner, with a higher epoch
		}
		x.w.run(x.b)
	}
}

// allowed takes a refusal of what makes no sense just now.
func (x *randomWorld) allowed(_ Submitted, err error) {
	x.w.t.Helper()
	if err != nil && !strings.Contains(err.Error(), "no new offsets") && !strings.Contains(err.Error(), "not neighbours") {
		x.w.t.Fatal(err)
	}
}

func (x *randomWorld) stage(p int32) {
	start := x.ends[p]
	end := start + 1 + x.r.Int64N(12)
	var e segmenter.Exceptions
	if end-start > 4 && x.r.IntN(2) == 0 {
		e = e.Add(segmenter.Gap, start+1, start+2)
		e = e.Add(segmenter.Quarantined, start+2, start+4)
		x.bad[p] = append(x.bad[p], start+2, start+3)
	}
	if x.r.IntN(3) == 0 { // an upload of an owner that died before its commit
		w := *x.w
		r := segmenter.PartitionRange{Partition: p, Start: start, End: end + 3}
		chunk, row := w.rows(r, nil)
		key := strings.Replace(stageKey(&w, r), fmt.Sprintf(".e%d.", w.epoch[p]), fmt.Sprintf(".e%d.", w.epoch[p]-1), 1)
		if w.epoch[p] > 1 {
			w.write(key, chunk, w.footer(r, row))
		}
	}
	x.w.stage(p, start, end, e...)
	x.ends[p] = end
}

func (x *randomWorld) requeue(p int32) {
	if len(x.bad[p]) == 0 {
		return
	}
	n := 1 + x.r.IntN(len(x.bad[p]))
	x.w.supplement(p, x.bad[p][:n]...)
	x.bad[p] = x.bad[p][n:]
}

// pair hands over two ready neighbours, if there are any.
func (x *randomWorld) pair(f func(numbers []int64)) {
	var ready []segmenter.Segment
	for s, err := range x.w.cat.Segments(x.w.t.Context(), catalog.SegmentQuery{CubeID: x.w.cube.ID}) {
		must(x.w.t, err)
		ready = append(ready, s.Segment)
	}
	slices.SortFunc(ready, func(a, b segmenter.Segment) int { return a.Range.Compare(b.Range) })
	if len(ready) < 2 {
		return
	}
	i := x.r.IntN(len(ready) - 1)
	f([]int64{ready[i].Number, ready[i+1].Number})
}

// What lies in HBase: a segment whose table is gone is not taken, attempts go on above those of all tables of the cube, and
// without an HBase segments are taken with a warning.
func TestRebuildWithTables(t *testing.T) {
	w := newWorld(t, 1, byHand)
	w.storeTable()
	tables, mem, err := hbase.OpenMem(hbase.Options{})
	must(t, err)
	b := w.builder(func(o *Options) { o.Engine = tableEngine{mem} })
	w.pieces(b, 2)
	w.mark(b)
	mem.Make(hbase.TableName("tidemark", w.cube.ID, strings.Repeat("0", 64), 500))
	mem.Make(hbase.TableName("tidemark", "another", strings.Repeat("0", 64), 900))
	check := func(tables Tables, segments int, epoch int64, warnings int) *Rebuilt {
		t.Helper()
		c, res := w.rebuiltWith(tables)
		if res.Segments != segments || len(res.Warnings) != warnings {
			t.Errorf("got %+v, want %d segments and %d warnings", res, segments, warnings)
		}
		_, j, err := c.Reserve(t.Context(), catalog.Reservation{
			CubeID: w.cube.ID, Range: segmenter.Vector{{Partition: 0, Start: 100, End: 110}}, Reason: "a test", JobKind: string(KindBuild), SubmittedBy: "ann",
		})
		must(t, err)
		j, _, err = c.ClaimJob(t.Context(), catalog.JobClaim{ID: j.ID, Owner: "me", Now: time.Now(), Lease: time.Minute})
		must(t, err)
		if j.Epoch < epoch || j.Epoch > epoch+10 {
			t.Errorf("the next attempt is %d, want one from %d on", j.Epoch, epoch)
		}
		return res
	}
	check(tables, 2, 501, 0)
	check(nil, 2, 3, 1)
	list, err := tables.Tables(t.Context())
	must(t, err)
	gone := list[slices.IndexFunc(list, func(x hbase.Table) bool { return x.CubeID == w.cube.ID && x.Attempt < 500 })].Name
	must(t, tables.Drop(t.Context(), gone))
	if res := check(tables, 1, 501, 0); !strings.Contains(strings.Join(res.Ignored, "; "), "hbase:"+gone+" is gone") {
		t.Errorf("ignored %q, want table %s gone", res.Ignored, gone)
	}
	mem.Fault = func(int) error { return errors.New("AccessDeniedException") }
	c, err := catalog.Open(t.Context(), newDSN(t), catalog.Options{})
	must(t, err)
	if _, err := Rebuild(t.Context(), w.store, tables, c); err == nil || !strings.Contains(err.Error(), "list tables") {
		t.Errorf("hbase refuses: %v, want an error of listing tables", err)
	}
	must(t, c.Close())
}

// tableEngine makes an empty table for each segment.
type tableEngine struct{ mem *hbase.Mem }

func (e tableEngine) Build(_ context.Context, in EngineInput) (EngineOutput, error) {
	cubeID, id, attempt, _, err := segmenter.ParseSegmentFolder(in.Folder)
	name := hbase.TableName("tidemark", cubeID, id, attempt)
	e.mem.Make(name)
	out := EngineOutput{Stored: &segmenter.StoredTable{Store: "hbase", Table: name}}
	out.Cuboids = []segmenter.CuboidEntry{{Cuboid: 1, Rows: 1, Bytes: 1, SHA256: strings.Repeat("0", 64)}}
	return out, err
}
