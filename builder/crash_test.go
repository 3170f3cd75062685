//go:build !race || synctests

// Under the race detector these take minutes and show no more: they run in the stage sim.

package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// crashOp is something that a builder does in many calls. do is asked again, by the same process or the next one, until it
// succeeds.
type crashOp struct {
	name  string
	rules string
	ready func(w *world, b *Builder)
	do    func(ctx context.Context, w *world, b *Builder) error
}

func crashOps() []crashOp {
	byKey := func(w *world) Request {
		r := w.request()
		r.Key = "ann/1"
		return r
	}
	pieces := func(w *world, b *Builder) {
		w.pieces(b, 3)
		w.stage(0, 30, 35)
		w.stage(0, 35, 40)
	}
	return []crashOp{
		{"cut", "cut: {rows: 5}\nmerge: {manual: true}\n", func(w *world, _ *Builder) { w.stage(0, 0, 10) }, func(ctx context.Context, w *world, b *Builder) error {
			list, err := b.planCut(ctx, scheduler.Task{})
			for _, s := range list {
				if err == nil {
					_, err = b.perCube(b.cut)(ctx, scheduler.Task{Kind: s.Kind, Spec: s.Spec})
				}
			}
			return err
		}},
		{"build", byHand, pieces, func(ctx context.Context, w *world, b *Builder) error {
			_, err := b.Build(ctx, BuildRequest{Request: byKey(w)})
			return err
		}},
		{"refresh", byHand, pieces, func(ctx context.Context, w *world, b *Builder) error {
			_, err := b.Refresh(ctx, RefreshRequest{Request: byKey(w), Choice: Choice{Segments: []int64{2}}})
			return err
		}},
		{"merge", byHand, pieces, func(ctx context.Context, w *world, b *Builder) error {
			_, err := b.Merge(ctx, MergeRequest{Request: byKey(w), Choice: Choice{Segments: []int64{1, 2}}})
			return err
		}},
		{"drop", byHand + "fill_holes: false\n", pieces, func(ctx context.Context, w *world, b *Builder) error {
			_, err := b.Drop(ctx, DropRequest{Request: byKey(w), Choice: Choice{Segments: []int64{2}}})
			return err
		}},
		{"maintain", byHand + "retention: 1d\n", pieces, func(ctx context.Context, w *world, b *Builder) error {
			_, err := b.maintain(ctx, w.cube.ID)
			return err
		}},
		{"clean-up", byHand, func(w *world, b *Builder) {
			pieces(w, b)
			_, err := b.Merge(w.t.Context(), MergeRequest{Request: w.request(), Choice: Choice{Segments: []int64{1, 2}}})
			must(w.t, err)
			w.run(b)
			orphan := strings.Replace(w.keys("staged/")[0], ".e", ".e9", 1)
			must(w.t, w.store.Create(w.t.Context(), orphan, strings.NewReader("x")))
		}, func(ctx context.Context, _ *world, b *Builder) error {
			_, err := b.cleanup(ctx, scheduler.Task{})
			return err
		}},
	}
}

// B2: a process fails at any call of the storage or of the catalog, before or after it took effect, and either dies there or
// goes on. What it was doing is done again, by it or by another, and the end is the same catalog and the same objects as
// without the fault: nothing is built twice, nothing stays behind.
func TestCrash(t *testing.T) {
	for _, op := range crashOps() {
		var was frozen
		var want string
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, op.rules)
			op.ready(w, w.builder(nil))
			was = w.freeze()
		})
		wait := func(d time.Duration) { time.Sleep(d) }
		synctest.Test(t, func(t *testing.T) { want, _ = crash(t, was, op, &breakdown{at: -1}, wait) })
		for kind := range 8 {
			b := breakdown{ofCatalog: kind&1 == 0, after: kind&2 == 0, deadly: kind&4 == 0}
			if b.after != b.deadly && os.Getenv(soakEnv) == "" {
				continue // to die before a call is to die after the one before it
			}
			for at := 0; ; at++ {
				b := &breakdown{at: at, ofCatalog: b.ofCatalog, after: b.after, deadly: b.deadly}
				fired := false
				t.Run(op.name+"/"+b.String(), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						got, ok := crash(t, was, op, b, func(d time.Duration) { time.Sleep(d) })
						if d := cmp.Diff(want, got); d != "" {
							t.Errorf("the end (-without a fault +with it):\n%s", d)
						}
						fired = ok
					})
				})
				if !fired {
					break
				}
			}
		}
	}
}

// soakEnv asks for all kinds of faults and more schedules.
const soakEnv = "TIDEMARK_TEST_SOAK"

// breakdown is what happens to the process under test: its call number at fails.
type breakdown struct {
	at        int // negative: none does
	ofCatalog bool
	after     bool // the call takes effect, and its answer gets lost
	deadly    bool // it is the last thing that the process does

	mu    sync.Mutex // guards what follows
	armed bool
	calls int
	fired bool
	store *faultblob.Store
	line  *faultblob.Flaky // to the store
	dies  func()           // a dead process waits for no answer
}

func (x *breakdown) String() string {
	what, when, then := "object", "before", "lives on"
	if x.ofCatalog {
		what = "catalog"
	}
	if x.after {
		when = "after"
	}
	if x.deadly {
		then = "dies"
	}
	return fmt.Sprintf("%s %d, %s it, %s", what, x.at, when, then)
}

// wrap returns the store as the process sees it.
func (x *breakdown) wrap(st blob.Store) blob.Store {
	x.store = &faultblob.Store{Store: st, At: -1, After: x.after, Dead: x.deadly, Err: blob.ErrUnavailable}
	if !x.ofCatalog {
		x.store.At = x.at
	}
	x.line = &faultblob.Flaky{Store: x.store}
	return x.line
}

// onCall is the Fault of the process's catalog.
func (x *breakdown) onCall(done bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case !x.armed:
		return nil
	case x.deadly && (x.fired || x.store.Fired()):
		x.dies()
		return fmt.Errorf("the process is dead: %w", catalog.ErrUnavailable)
	case !x.ofCatalog || done != x.after:
		return nil
	}
	x.calls++
	if x.calls-1 != x.at {
		return nil
	}
	x.fired = true
	if x.deadly {
		x.line.Cut()
		x.dies()
	}
	return fmt.Errorf("injected fault (call %d): %w", x.at, catalog.ErrUnavailable)
}

func (x *breakdown) happened() bool { return x.fired || x.store.Fired() }

// frozen is a world that can be had again, with the same ids.
type frozen struct {
	db      []byte
	objects map[string][]byte
	table   *cube.Table
	cube    *cube.Cube
}

func (w *world) freeze() frozen {
	w.t.Helper()
	must(w.t, w.cat.Close())
	db, err := os.ReadFile(w.path)
	must(w.t, err)
	f := frozen{db: db, objects: map[string][]byte{}, table: w.table, cube: w.cube}
	for _, key := range w.keys("") {
		r, err := w.store.Open(w.t.Context(), key, 0, -1)
		must(w.t, err)
		f.objects[key], err = io.ReadAll(r)
		must(w.t, errors.Join(err, r.Close()))
	}
	return f
}

func (f frozen) thaw(t *testing.T, fault func(done bool) error) *world {
	t.Helper()
	w := &world{t: t, store: new(blob.Mem), log: &fakeLog{}, table: f.table, cube: f.cube, path: filepath.Join(t.TempDir(), "catalog.db")}
	must(t, os.WriteFile(w.path, f.db, 0o600))
	for key, body := range f.objects {
		must(t, w.store.Create(t.Context(), key, bytes.NewReader(body)))
	}
	var err error
	w.cat, err = catalog.Open(t.Context(), w.path, catalog.Options{Fault: fault, IdleTimeout: 100 * time.Hour})
	must(t, err)
	t.Cleanup(func() { must(t, w.cat.Close()) })
	return w
}

// crash does op with one fault, has it done again, and returns what there is in the end and whether the fault has happened.
func crash(t *testing.T, was frozen, op crashOp, x *breakdown, wait func(d time.Duration)) (end string, fired bool) {
	w := was.thaw(t, x.onCall)
	wait(3 * time.Hour) // the young may be on their way
	store := x.wrap(w.store)
	first := w.builder(func(o *Options) { o.Node, o.Store = "first", store })
	next := w.builder(nil)
	x.dies, x.armed = first.stop, true
	err := work(t.Context(), w, first, op)
	x.armed = false // what a dead process had under way is over
	if !x.happened() && err != nil {
		t.Errorf("without a fault: %v", err)
	}
	if x.happened() && !x.deadly {
		next = first
	}
	wait(2 * first.o.Lease) // and longer than the back-off
	if err := work(t.Context(), w, next, op); err != nil {
		t.Errorf("again: %v", err)
	}
	wait(2 * first.o.Lease) // a job may have been put off
	if err := work(t.Context(), w, next, crashOp{do: func(context.Context, *world, *Builder) error { return nil }}); err != nil {
		t.Errorf("what was left: %v", err)
	}
	for range 2 {
		wait(2 * time.Hour)
		if _, err := next.Cleanup(t.Context(), false); err != nil {
			t.Errorf("clean-up: %v", err)
		}
	}
	w.wantFolders()
	return w.all(), x.happened()
}

// work does op, and runs all jobs that may run.
func work(ctx context.Context, w *world, b *Builder, op crashOp) error {
	if err := op.do(ctx, w, b); err != nil {
		return err
	}
	for range 100 {
		spawn, err := b.recover(ctx, scheduler.Task{})
		if err != nil || len(spawn) == 0 {
			return err
		}
		for _, s := range spawn {
			if _, err := b.runBody(ctx, scheduler.Task{Kind: s.Kind, Spec: s.Spec}); err != nil {
				return err
			}
		}
	}
	return errors.New("jobs never end")
}

// all says what is in the catalog and in the store, but for the numbers of attempts and times.
func (w *world) all() string {
	w.t.Helper()
	var lines []string
	every := []segmenter.SegmentState{segmenter.SegmentNew, segmenter.SegmentReady, segmenter.SegmentRetired}
	for s, err := range w.cat.Segments(w.t.Context(), catalog.SegmentQuery{CubeID: w.cube.ID, States: every}) {
		must(w.t, err)
		lines = append(lines, fmt.Sprintf("segment %d %s %s replaces %v id %s: %+v (%s), objects removed %t", s.Number, s.State, s.Range, s.Replaces, s.ID, s.Parts,
			s.RetireReason, s.RemovedUs != 0))
	}
	jobs, err := w.cat.Jobs(w.t.Context(), catalog.JobQuery{CubeID: w.cube.ID, Limit: 100})
	must(w.t, err)
	for _, j := range jobs {
		lines = append(lines, fmt.Sprintf("job %d %s of segment %d %s, reserved %t", j.ID, j.Kind, j.Segment, j.State, j.Reserved))
	}
	for _, key := range w.keys("") {
		if cubeID, id, _, file, err := segmenter.ParseSegmentFolder(key); err == nil {
			key = fmt.Sprintf("segments/%s/%s.*/%s", cubeID, id, file)
		}
		lines = append(lines, key)
	}
	for g, err := range w.cat.Garbage(w.t.Context(), time.Now().UnixMicro()) {
		must(w.t, err)
		lines = append(lines, "garbage "+g.Key)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// wantFolders wants one folder for each ready segment, and no other.
func (w *world) wantFolders() {
	w.t.Helper()
	want := map[string]bool{}
	for s, err := range w.cat.Segments(w.t.Context(), catalog.SegmentQuery{CubeID: w.cube.ID}) {
		must(w.t, err)
		want[segmenter.SegmentFolder(s.CubeID, s.ID, s.Attempt)+"/"+segmenter.ManifestName] = true
	}
	got := w.keys("segments/")
	for _, key := range got {
		if !want[key] {
			w.t.Errorf("%s is left", key)
		}
	}
	if len(got) != len(want) {
		w.t.Errorf("got %s, want %d folders", strings.Join(got, " "), len(want))
	}
}
