package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// fill stages events whose columns are null but those that set fills.
func (w *world) fill(start int64, events int, set func(name string, c *stage.Column, off int64) bool) {
	s := stage.NewSchema(w.table)
	c := stage.NewChunk(s)
	for off := start; off < start+int64(events); off++ {
		c.Offsets, c.Timestamps = append(c.Offsets, off), append(c.Timestamps, 0)
		for i, f := range s.Fields {
			switch {
			case f.Name == "ts":
				c.Columns[i].AppendInt(firstUs + off)
			case !set(f.Name, &c.Columns[i], off):
				c.Columns[i].AppendNull()
			}
		}
	}
	w.add(start, c)
}

// counts are the events of the values of a cuboid of one dimension.
func counts(c *cells.Cells) map[string]int64 {
	out := map[string]int64{}
	for i, n := range c.States[0].Columns(0, c.Len())[0].Ints {
		name := "null"
		if code := c.Keys.Code(i, 0); code > 0 {
			name = string(c.Dicts[0].Values.Bytes(int(code) - 1))
		}
		out[name] = n
	}
	return out
}

// Strings that are no UTF-8, as a writer of Parquet may have staged them, are bytes as any: each its own value, in the order of
// bytes, through build and merge.
func TestInvalidUTF8(t *testing.T) {
	w := newWorld(t, 80)
	w.apply("cube: sales\ntable: shop\ndimensions: [country]\nmeasures: [count, min(page), max(page), count_distinct(page)]\n")
	values := []string{"\xff\xfe", "\xc3", "\xc3\xa9", "a\x00b", "", "\xed\xa0\x80", "\xf4\x90\x80\x80"}
	w.fill(0, 70, func(name string, c *stage.Column, off int64) bool {
		if name == "country" || name == "page" {
			c.AppendBytes([]byte(values[off%7]))
		}
		return name == "country" || name == "page"
	})
	out := w.build(t.Context(), w.engine(nil), w.input(w.all(), 1))
	in := w.input(w.all(), 2)
	in.Merged = append(in.Merged, manifest(1, out), manifest(2, out))
	for i, out := range []builder.EngineOutput{out, w.build(t.Context(), w.engine(nil), in)} {
		c := w.cells(out, 1)
		got := counts(c)
		for _, v := range values {
			if want := int64(10 * (i + 1)); got[v] != want {
				t.Errorf("merged=%d: value %q has %d events, want %d", i, v, got[v], want)
			}
		}
		pages := c.States[2].Columns(0, c.Len())[0]
		for row := range c.Len() {
			if v := c.Dicts[0].Values.Bytes(int(c.Keys.Code(row, 0)) - 1); !bytes.Equal(v, pages.Bytes(row)) {
				t.Errorf("merged=%d: largest page of %q is %q", i, v, pages.Bytes(row))
			}
		}
	}
}

// A column that is null in all events: one cell of null, sums and extremes of nothing are null, distinct counts 0.
func TestAllNullColumn(t *testing.T) {
	w := newWorld(t, 81)
	w.apply("cube: sales\ntable: shop\ndimensions: [country, flag, day]\nmeasures: [count, count(n), sum(n), sum(big), avg(price), min(ratio), max(page), count_distinct(page), first(page), {function: percentile, column: ratio}, {function: top_n, by: [page], n: 3}]\n")
	w.fill(0, 500, func(string, *stage.Column, int64) bool { return false })
	c := w.cells(w.build(t.Context(), w.engine(nil), w.input(w.all(), 1)), 7)
	if c.Len() != 1 || c.States[0].Columns(0, 1)[0].Ints[0] != 500 || c.States[1].Columns(0, 1)[0].Ints[0] != 0 {
		t.Fatalf("%d cells, want one of 500 events and no value", c.Len())
	}
	for d := range 3 {
		if c.Keys.Code(0, d) != 0 {
			t.Errorf("dimension %d has a value", d)
		}
	}
	for _, m := range []int{2, 3, 5, 6, 8} {
		if !c.States[m].Columns(0, 1)[0].IsNull(0) {
			t.Errorf("measure %d of nothing is not null", m)
		}
	}
}

// A dimension with a value of its own for each event needs no more memory than one of few values: dictionaries are those of
// frames. With TIDEMARK_TEST_SOAK there are 10 million, and the peak of the process is in the log.
func TestDimensionOfManyValues(t *testing.T) {
	w := newWorld(t, 82)
	w.apply("cube: sales\ntable: shop\ndimensions: [page, country]\nmeasures: [count, sum(n), count_distinct(page)]\n")
	files, events := 8, 2500
	soak := os.Getenv("TIDEMARK_TEST_SOAK") != ""
	if soak {
		files, events = 40, 250_000
	}
	for i := range files {
		w.fill(int64(i*events), events, func(name string, c *stage.Column, off int64) bool {
			switch name {
			case "page":
				c.AppendBytes(fmt.Appendf(nil, "/product/%016x", uint64(off)*0x9e3779b97f4a7c15))
			case "country":
				c.AppendBytes(fmt.Appendf(nil, "c%d", off%7))
			case "n":
				c.AppendInt(1)
			}
			return name == "page" || name == "country" || name == "n"
		})
	}
	e := w.engine(func(o *Options, s *sizes) {
		o.Memory = leastMemory
		s.blockRows, s.groupRows, s.keepAtMost = 2000, 1000, 100_000
		if soak {
			o.Memory, *s = defaultMemory, fixedSizes()
			debug.SetMemoryLimit(defaultMemory + defaultMemory/8) // as the program does
			debug.FreeOSMemory()
			_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // the peak counts from here, where the system has that
		}
	})
	out := w.build(t.Context(), e, w.input(w.all(), 1))
	if now, peak := e.mem.used(); now != 0 || peak > e.o.Memory || counted(t, e, "spilled_bytes_total") == 0 {
		t.Errorf("%d bytes are left, the peak was %d of %d, want something spilled", now, peak, e.o.Memory)
	}
	for _, x := range out.Cuboids {
		if want := map[int64]int64{1: 7, 2: int64(files * events), 3: int64(files * events)}[x.Cuboid]; x.Rows != want {
			t.Errorf("cuboid %b has %d rows, want %d", x.Cuboid, x.Rows, want)
		}
	}
	if status, err := os.ReadFile("/proc/self/status"); soak && err == nil {
		_, peak, _ := strings.Cut(string(status), "VmHWM:")
		peak, _, _ = strings.Cut(peak, "\n")
		t.Logf("%d distinct values: peak of the process %s, %.0f bytes spilled", files*events, strings.TrimSpace(peak), counted(t, e, "spilled_bytes_total"))
	}
}

// Two cubes of one table that build at once share the engine's memory and the table's dictionary: both stay within their limits,
// and an event's string has one id in both.
func TestTwoCubesAtOnce(t *testing.T) {
	w := newWorld(t, 83)
	w.fill(0, 6000, func(name string, c *stage.Column, off int64) bool {
		switch name {
		case "page":
			c.AppendBytes(fmt.Appendf(nil, "%0300d", off*7%5000))
		case "country":
			c.AppendBytes(fmt.Appendf(nil, "c%d", off%5))
		}
		return name == "page" || name == "country"
	})
	known := new(sliceList)
	dir := t.TempDir()
	ids, err := dictionary.New(dictionary.Options{Catalog: known, Store: w.store, Dir: dir, Memory: 1 << 20})
	must(t, err)
	e := w.engine(func(o *Options, s *sizes) {
		o.Memory, o.Dictionaries, s.blockRows, s.groupRows = leastMemory, ids, 900, 1000
	})
	var ins [2]builder.EngineInput
	for i, dims := range []string{"[country]", "[flag, day]"} {
		w.apply("cube: sales\ntable: shop\ndimensions: " + dims + "\nmeasures: [count, count_distinct_exact(page)]\n")
		ins[i] = w.input(w.all(), int64(i+1))
	}
	var outs [2]builder.EngineOutput
	var errs [2]error
	var wg sync.WaitGroup
	for i := range ins {
		wg.Go(func() { outs[i], errs[i] = e.Build(t.Context(), ins[i]) })
	}
	wg.Wait()
	must(t, errors.Join(errs[:]...))
	if _, peak := e.mem.used(); peak > leastMemory {
		t.Errorf("peak of %d bytes, the limit is %d", peak, leastMemory)
	}
	values := int64(0)
	for _, s := range known.list {
		values += s.Values
	}
	if values != 5000 {
		t.Errorf("%d values in %d slices, want 5000: each once", values, len(known.list))
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d temporary files of dictionaries are left", len(left))
	}
	w.gaveBack(e)
}

// A build that is cancelled does at most what its threads have in hand, wherever it is: no row group more than that is encoded
// or written.
func TestCancelAtOnce(t *testing.T) {
	w := site(t, 84)
	for at := int64(1); at < 60; at += 7 {
		e := w.engine(func(_ *Options, s *sizes) { s.groupRows = 200 })
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("cancelled by ann")
		var encodes, writes, late atomic.Int64
		inner := e.newSink
		e.newSink = func(ctx context.Context, b *build) (sink, error) {
			s, err := inner(ctx, b)
			return &countedSink{checkedSink{s, func(*cells.Cells) {
				if encodes.Add(1) == at {
					cancel(cause)
					writes.Store(0)
				}
			}}, &writes}, err
		}
		_, err := e.Build(ctx, w.input(w.all(), at))
		late.Store(encodes.Load() - at)
		if !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled at row group %d: got %v", at, err)
		}
		// One of each thread is in hand, and the merge under way ends its batch, which is stepRows: two row groups.
		if most := int64(2*e.o.Threads + 2); late.Load() > most || writes.Load() > most {
			t.Errorf("cancelled at row group %d: %d were encoded and %d written after it, want %d at most", at, late.Load(), writes.Load(), most)
		}
		w.gaveBackMemory(e)
	}
}

// countedSink counts writes.
type countedSink struct {
	checkedSink
	writes *atomic.Int64
}

func (s *countedSink) write(ctx context.Context, mask uint64, g encoded) error {
	s.writes.Add(1)
	return s.checkedSink.write(ctx, mask, g)
}

// gaveBackMemory wants nothing but finished files for another attempt to be left.
func (w *world) gaveBackMemory(e *Engine) {
	w.t.Helper()
	if now, _ := e.mem.used(); now != 0 || e.disk.now() != 0 || len(e.open) != 0 {
		w.t.Errorf("left: %d bytes of memory, %d of disk, builds %v", now, e.disk.now(), e.open)
	}
}
