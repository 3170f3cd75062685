package local

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// everyMeasureYAML has a state of each kind.
const everyMeasureYAML = `
cube: sales
table: shop
dimensions: [hour(ts), country, page, flag, day, n]
measures:
  - count
  - sum(ratio)
  - sum(big)
  - avg(price)
  - min(ratio)
  - max(page)
  - count_distinct(page)
  - count_distinct_exact(n)
  - {function: top_n, by: [page], n: 10}
  - {function: percentile, column: ratio, compression: 50}
  - first(page)
  - last(price)
groups:
  - {includes: [ts_hour, country, page]}
  - {includes: [country, flag, day]}
  - {includes: [country, n, flag]}
`

// everyMeasure is a site with a cube of all measures.
func everyMeasure(t testing.TB, seed uint64) *world {
	w := newWorld(t, seed)
	w.apply(everyMeasureYAML)
	w.stage(0, 0, 600, 5, 6, 7, 300)
	w.stage(0, 600, 800)
	w.stage(1, 0, 500)
	w.supplement(0, 1, 6, 300)
	return w
}

// lasting has an engine keep finished cuboids of builds of any size. With raw it has almost no memory for cells, so that
// they are in temporary files too.
func (w *world) lasting(dir string, raw bool) *Engine {
	return w.engine(func(o *Options, s *sizes) {
		o.Dir, s.blockRows, s.groupRows, s.lasting = dir, 400, 100, 1
		if raw {
			s.keepAtMost = 1
		}
	})
}

// breaking has an engine's writes fail after some.
func breaking(e *Engine, writes int) *Engine {
	inner := e.newSink
	e.newSink = func(ctx context.Context, b *build) (sink, error) {
		s, err := inner(ctx, b)
		return &failAfter{s, writes, errors.New("broken off")}, err
	}
	return e
}

// L1, L4: cuboids that a build had finished when it broke off are not made again, whatever was in memory then; the bytes are those of a
// build that ran through. So it is with merges.
func TestResumeCuboids(t *testing.T) {
	w := everyMeasure(t, 50)
	a, b := cut(w.all(), 400)
	ofEvents, merge := w.input(w.all(), 1), w.input(w.all(), 2)
	merge.Rows = nil
	for i, v := range []segmenter.Vector{a, b} {
		merge.Merged = append(merge.Merged, manifest(int64(i+1), w.build(t.Context(), w.engine(nil), w.input(v, int64(i+3)))))
	}
	for _, in := range []builder.EngineInput{ofEvents, merge} {
		full := w.lasting(t.TempDir(), false)
		want := w.build(t.Context(), full, in).Files
		for _, raw := range []bool{false, true} {
			for _, writes := range []int{0, 5, 12, 25, 50} {
				name := fmt.Sprintf("merged=%d raw=%t writes=%d", len(in.Merged), raw, writes)
				dir := t.TempDir()
				if _, err := breaking(w.lasting(dir, raw), writes).Build(t.Context(), in); err == nil {
					t.Fatalf("%s: the first attempt did not break off", name)
				}
				again, log := w.lasting(dir, raw), ""
				in.Logf = func(format string, args ...any) { log += fmt.Sprintf(format, args...) + "\n" }
				got := w.build(t.Context(), again, in).Files
				for k := range want {
					if len(got) != len(want) || got[k].SHA256 != want[k].SHA256 {
						t.Errorf("%s: file %d: got %+v, want %+v", name, k, got, want)
						break
					}
				}
				if writes < 25 {
					continue
				}
				if made, all := counted(t, again, "cells_total"), counted(t, full, "cells_total"); made >= all || counted(t, again, "events_total") != 0 || !strings.Contains(log, "cuboids were left by an earlier attempt") {
					t.Errorf("%s: the second attempt grouped %v events and made %v of %v cells, log %q; want no event and fewer cells", name, counted(t, again, "events_total"), made, all, log)
				}
				w.gaveBack(again)
			}
		}
	}
}

// I6 (b): what a merge has left is not taken over by one of the same events in other segments, nor by a build of the events: floats
// add up to other bits there.
func TestResumeOfOtherSegments(t *testing.T) {
	w := everyMeasure(t, 54)
	made := int64(2)
	segment := func(v segmenter.Vector) *segmenter.Manifest {
		made++
		return manifest(made, w.build(t.Context(), w.engine(nil), w.input(v, made)))
	}
	first, rest := cut(w.all(), 400)
	second, third := cut(rest, 700)
	ofEvents := w.input(w.all(), 2)
	two, three := ofEvents, ofEvents
	two.Rows, two.Merged = nil, []*segmenter.Manifest{segment(first), segment(rest)}
	three.Rows, three.Merged = nil, []*segmenter.Manifest{two.Merged[0], segment(second), segment(third)}
	for _, in := range []builder.EngineInput{ofEvents, three} {
		dir := t.TempDir()
		if _, err := breaking(w.lasting(dir, false), 12).Build(t.Context(), two); err == nil {
			t.Fatal("the first attempt did not break off")
		}
		in.Folder += fmt.Sprint(len(in.Merged)) // of another attempt
		log := ""
		in.Logf = func(format string, args ...any) { log += fmt.Sprintf(format, args...) + "\n" }
		w.build(t.Context(), w.lasting(dir, false), in)
		if strings.Contains(log, "cuboids were left by an earlier attempt") {
			t.Errorf("of %d segments, after a merge of 2 with the same content: got %q, want nothing taken over", len(in.Merged), log)
		}
	}
}

// Blocks that were left by a program whose blocks are of another size are not taken over: they have other events.
func TestResumeOfOtherBlocks(t *testing.T) {
	w := newWorld(t, 55)
	for from := int64(0); from < 4000; from += 500 {
		w.stage(0, from, from+500)
	}
	in, dir := w.input(w.all(), 1), t.TempDir()
	engine := func(dir string, rows int) *Engine {
		return w.engine(func(o *Options, s *sizes) { o.Dir, s.blockRows, s.keepAtMost = dir, rows, 1 })
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := in
	first.Step = func(name, unit string) func(int64, int64) {
		if name == "merge the base cuboid" {
			cancel()
		}
		return in.Step(name, unit)
	}
	if _, err := engine(dir, 500).Build(ctx, first); !errors.Is(err, context.Canceled) {
		t.Fatalf("the first attempt ended with %v, want it cancelled", err)
	}
	again := engine(dir, 1000)
	w.build(t.Context(), again, in)
	if got := counted(t, again, "events_total"); got != float64(in.Events) {
		t.Errorf("%v events were grouped after an attempt with other blocks, want all %d", got, in.Events)
	}
}

// Cells out of row groups are the cells that were encoded, for every measure: they have the same bytes when they are encoded
// again, and so has each smaller cuboid that is made of them.
func TestGroupCells(t *testing.T) {
	w := everyMeasure(t, 51)
	e := w.engine(func(o *Options, s *sizes) { o.Threads, s.groupRows = 1, 100 })
	inner, groups := e.newSink, 0
	e.newSink = func(ctx context.Context, b *build) (sink, error) {
		s, err := inner(ctx, b)
		return &checkedSink{sink: s, check: func(c *cells.Cells) {
			groups++
			back := reread(t, s, c)
			if string(saved(t, s, back)) != string(saved(t, s, c)) {
				t.Errorf("cuboid %b: decoded cells are encoded to other bytes", c.Mask)
			}
			for i := range len(b.layout.Dims) {
				mask := c.Mask &^ (1 << i)
				if mask == c.Mask || mask == 0 {
					continue
				}
				want, err := b.layout.Combine(mask, cells.Part{Cells: c, To: c.Len()})
				must(t, err)
				got, err := b.layout.Combine(mask, cells.Part{Cells: back, To: back.Len()})
				must(t, err)
				if string(saved(t, s, got)) != string(saved(t, s, want)) {
					t.Errorf("cuboid %b out of decoded cells of %b has other bytes", mask, c.Mask)
				}
			}
		}}, err
	}
	w.build(t.Context(), e, w.input(w.all(), 1))
	if groups < 20 {
		t.Errorf("%d row groups were looked at, want 20 at least", groups)
	}
}

func saved(t *testing.T, s sink, c *cells.Cells) []byte {
	t.Helper()
	g, err := s.encode(c)
	must(t, err)
	text, err := s.save(nil, g)
	must(t, err)
	return text
}

func reread(t *testing.T, s sink, c *cells.Cells) *cells.Cells {
	t.Helper()
	g, err := s.load(saved(t, s, c))
	must(t, err)
	back, err := s.cells(t.Context(), g)
	must(t, err)
	return back
}

// checkedSink looks at all cells that are encoded.
type checkedSink struct {
	sink
	check func(*cells.Cells)
}

func (s *checkedSink) encode(c *cells.Cells) (encoded, error) {
	s.check(c)
	return s.sink.encode(c)
}

// Exact distinct counts of strings: what was left is taken over where the ids are the same still, and not where the dictionary
// has become another one.
func TestResumeWithDictionary(t *testing.T) {
	w := newWorld(t, 52)
	w.apply("cube: sales\ntable: shop\ndimensions: [country, flag, day]\nmeasures: [count, count_distinct_exact(page)]\n")
	w.stage(0, 0, 3000)
	w.stage(0, 3000, 4000)
	engine := func(dir string, known *sliceList) *Engine {
		e := w.lasting(dir, false)
		var err error
		e.o.Dictionaries, err = dictionary.New(dictionary.Options{Catalog: known, Store: w.store, Dir: t.TempDir()})
		must(t, err)
		return e
	}
	for i, same := range []bool{true, false} {
		dir, known := t.TempDir(), new(sliceList)
		if _, err := breaking(engine(dir, known), 3).Build(t.Context(), w.input(w.all(), 1)); err == nil {
			t.Fatal("the first attempt did not break off")
		}
		if !same { // as after a rebuild of the catalog that did not find the slice
			known = new(sliceList)
			a, _ := cut(w.all(), 700)
			w.build(t.Context(), engine(t.TempDir(), known), w.input(a, 2))
		}
		want := w.build(t.Context(), engine(t.TempDir(), known), w.input(w.all(), int64(3+i)))
		again := engine(dir, known)
		in := w.input(w.all(), 1)
		in.Folder += fmt.Sprint(i)
		got := w.build(t.Context(), again, in)
		if got.Files[0].SHA256 != want.Files[0].SHA256 || got.Inputs[0] != want.Inputs[0] {
			t.Errorf("same ids %t: got %+v from %+v, want %+v from %+v", same, got.Files, got.Inputs, want.Files, want.Inputs)
		}
		if read := counted(t, again, "events_total"); (read == 0) != same {
			t.Errorf("same ids %t: %v events were grouped again", same, read)
		}
	}
}

const killEnv = "TIDEMARK_TEST_KILL_DIR"

// TestKillChild is the process that TestKill kills. It tells each step.
func TestKillChild(t *testing.T) {
	dir := os.Getenv(killEnv)
	if dir == "" {
		return
	}
	w := everyMeasure(t, 53)
	e := w.lasting(dir, os.Getenv(killEnv+"_RAW") != "")
	in := w.input(w.all(), 1)
	in.Logf = func(string, ...any) {}
	in.Step = func(name, _ string) func(int64, int64) {
		fmt.Println("step", name)
		return func(done, _ int64) { fmt.Println("step", name, done) }
	}
	out := w.build(t.Context(), e, in)
	text, err := json.Marshal(killed{out.Files, counted(t, e, "events_total"), counted(t, e, "cells_total")})
	must(t, err)
	fmt.Println("done", string(text))
}

// killed is what a child says of itself.
type killed struct {
	Files  []segmenter.SegmentFile
	Events float64
	Cells  float64
}

// child runs the build in a process of its own, which dies at a step: -1: at none. It returns how many steps it told.
func child(t *testing.T, dir string, raw bool, at int) (res killed, steps int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKillChild$", "-test.v")
	cmd.Env = append(os.Environ(), killEnv+"="+dir, "TMPDIR="+t.TempDir())
	if raw {
		cmd.Env = append(cmd.Env, killEnv+"_RAW=1")
	}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	done, said := false, ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		said += line + "\n"
		if text, ok := strings.CutPrefix(line, "done "); ok {
			must(t, json.Unmarshal([]byte(text), &res))
			done = true
		}
		if strings.HasPrefix(line, "step ") {
			if steps++; steps == at {
				must(t, cmd.Process.Kill()) // SIGKILL
			}
		}
	}
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); (err == nil) != done || (at < 0 && !done) {
		t.Fatalf("child ended with %v, done %t:\n%s", err, done, said)
	}
	return res, steps
}

// A process that is killed in the middle of a build, again and again at any step, comes to the same bytes in the end; what it
// had finished is not done again, and nothing is left.
func TestKill(t *testing.T) {
	for _, raw := range []bool{false, true} {
		want, steps := child(t, t.TempDir(), raw, -1)
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 0))
		for range 3 {
			dir := t.TempDir()
			var at []int
			for range 1 + rng.IntN(3) {
				at = append(at, 1+rng.IntN(steps))
				child(t, dir, raw, at[len(at)-1])
			}
			var finished int
			names, err := filepath.Glob(filepath.Join(dir, "*", "groups-*"))
			must(t, err)
			for _, name := range names {
				if !strings.HasSuffix(name, partSuffix) {
					finished++
				}
			}
			got, _ := child(t, dir, raw, -1)
			if len(got.Files) != 1 || got.Files[0].SHA256 != want.Files[0].SHA256 {
				t.Errorf("seed %d, raw=%t, killed at steps %v of %d: got %+v, want %+v", seed, raw, at, steps, got.Files, want.Files)
			}
			if finished > 0 && (got.Events != 0 || got.Cells >= want.Cells) || got.Cells > want.Cells {
				t.Errorf("seed %d, raw=%t, killed at steps %v of %d: %d cuboids were finished, yet %v events were grouped and %v of %v cells made",
					seed, raw, at, steps, finished, got.Events, got.Cells, want.Cells)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("seed %d, raw=%t, killed at steps %v of %d: folder %s is left", seed, raw, at, steps, left[0].Name())
			}
		}
	}
}
