package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder"
)

// failAfter is a sink that fails at its n-th write.
type failAfter struct {
	sink
	n   int
	err error
}

func (s *failAfter) write(ctx context.Context, mask uint64, g encoded) error {
	if s.n--; s.n < 0 {
		return s.err
	}
	return s.sink.write(ctx, mask, g)
}

// counted reads a counter of an engine.
func counted(t testing.TB, e *Engine, name string) float64 {
	t.Helper()
	list, err := e.o.Registry.(*prometheus.Registry).Gather()
	must(t, err)
	for _, f := range list {
		if f.GetName() == "tidemark_builder_engine_"+name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// tiny has an engine keep almost nothing in memory.
func tiny(e *Engine) *Engine {
	e.mem.most = 1
	return e
}

// L4: what a build that broke off has finished is not done again. Events are grouped once, and the base cuboid is merged
// once.
func TestResume(t *testing.T) {
	w := site(t, 3)
	e := tiny(w.engine(func(_ *Options, s *sizes) { s.groupRows, s.fanIn = 1000, 9 }))
	memSinks(e)
	want := w.build(t.Context(), e, w.input(w.all(), 1)).Files[0].SHA256
	events := counted(t, e, "events_total")
	for _, tt := range []struct {
		name   string
		writes int     // until the first attempt breaks off
		read   float64 // events that the second one groups
		log    string
	}{
		{"while the base cuboid is merged", 2, 0, "9 blocks were left by an earlier attempt"},
		{"behind the base cuboid", 14, 0, "the cells of the base cuboid were left"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			attempt := func(writes int) (builder.EngineOutput, float64, string, error) {
				e := tiny(w.engine(func(o *Options, s *sizes) { o.Dir, o.Threads, s.groupRows, s.fanIn = dir, 1, 1000, 9 }))
				memSinks(e)
				inner := e.newSink
				e.newSink = func(ctx context.Context, b *build) (sink, error) {
					s, err := inner(ctx, b)
					return &failAfter{s, writes, errors.New("killed")}, err
				}
				in, log := w.input(w.all(), 1), ""
				in.Logf = func(format string, args ...any) { log += fmt.Sprintf(format, args...) + "\n" }
				out, err := e.Build(t.Context(), in)
				return out, counted(t, e, "events_total"), log, err
			}
			_, read, _, err := attempt(tt.writes)
			if err == nil || read != events {
				t.Fatalf("first attempt: %v, %v events grouped, want an error and %v", err, read, events)
			}
			out, read, log, err := attempt(1 << 30)
			must(t, err)
			if read != tt.read || !strings.Contains(log, tt.log) {
				t.Errorf("second attempt: grouped %v events, want %v; log %q, want %q in it", read, tt.read, log, tt.log)
			}
			if got := out.Files[0].SHA256; got != want {
				t.Errorf("second attempt: sum %s, want %s", got, want)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("%d folders are left", len(left))
			}
		})
	}
}

// A temporary file whose bytes have changed, or that was cut off, is no file.
func TestResumeDamaged(t *testing.T) {
	for name, damage := range map[string]func(text []byte) []byte{
		"cut off": func(text []byte) []byte { return text[:len(text)-3] },
		"empty":   func([]byte) []byte { return nil },
		"list":    func(text []byte) []byte { text[len(text)-40] ^= 1; return text },
	} {
		t.Run(name, func(t *testing.T) {
			d := folder{path: t.TempDir(), disk: &disk{limit: 1 << 30}, files: osFiles{}}
			f, err := d.create("x")
			must(t, err)
			must(t, f.add([]byte("hello"), 1))
			must(t, f.finish())
			f.close()
			path := filepath.Join(d.path, "x")
			if f, ok, err := d.open("x"); !ok || err != nil {
				t.Fatalf("whole: %t, %v", ok, err)
			} else if text, err := f.read(f.frames[0]); string(text) != "hello" || err != nil {
				t.Errorf("whole: read %q, %v", text, err)
			}
			text, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path, damage(text), 0o644))
			if _, ok, err := d.open("x"); ok || err != nil {
				t.Errorf("damaged: taken over: %t, %v", ok, err)
			}
		})
	}
	d := folder{path: t.TempDir(), disk: &disk{limit: 1 << 30}, files: osFiles{}}
	f, err := d.create("x")
	must(t, err)
	must(t, f.add([]byte("hello"), 1))
	must(t, f.finish())
	must(t, os.WriteFile(filepath.Join(d.path, "x"), []byte("hallo"), 0o644))
	if _, err := f.read(f.frames[0]); err == nil || !strings.Contains(err.Error(), "have changed") {
		t.Errorf("changed bytes: got %v", err)
	}
}

// L4: over the limit of disk a build fails for good, and says which limit it was.
func TestDiskLimit(t *testing.T) {
	w := site(t, 4)
	e := tiny(w.engine(func(o *Options, _ *sizes) { o.Disk = 2 << 20 }))
	memSinks(e)
	_, err := e.Build(t.Context(), w.input(w.all(), 1))
	var final *builder.FinalError
	var limit *DiskLimitError
	if !errors.As(err, &final) || !errors.As(err, &limit) || !strings.Contains(err.Error(), "build.disk") {
		t.Errorf("got %v, want a final error that names build.disk", err)
	}
	w.gaveBack(e)
}

// A build ends at once when it is asked to, at any step, and leaves no goroutine and no memory.
func TestCancel(t *testing.T) {
	w := site(t, 5)
	for at := 0; ; at++ {
		e := w.engine(nil)
		memSinks(e)
		cause := errors.New("cancelled by ann")
		ctx, cancel := context.WithCancelCause(t.Context())
		calls, in := 0, w.input(w.all(), 1)
		in.Step = func(string, string) func(int64, int64) {
			if calls++; calls > at {
				cancel(cause)
			}
			return func(int64, int64) {}
		}
		_, err := e.Build(ctx, in)
		cancel(nil)
		if calls <= at {
			must(t, err)
			break
		}
		if !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at step %d: got %v", at, err)
		}
		if now, _ := e.mem.used(); now != 0 || e.disk.now() != 0 {
			t.Errorf("cancelled at step %d: %d bytes of memory and %d of disk are left", at, now, e.disk.now())
		}
	}
}

// Folders that nobody has tried again for long go with the next build; those of others stay.
func TestSweep(t *testing.T) {
	w := newWorld(t, 6)
	w.stage(0, 0, 100)
	e := w.engine(nil)
	memSinks(e)
	old, young := filepath.Join(e.o.Dir, "old"), filepath.Join(e.o.Dir, "young")
	for _, dir := range []string{old, young} {
		must(t, os.MkdirAll(dir, 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "run-1.part"), []byte("x"), 0o644))
	}
	past := time.Now().Add(-25 * time.Hour)
	must(t, os.Chtimes(old, past, past))
	w.build(t.Context(), e, w.input(w.all(), 1))
	left, err := os.ReadDir(e.o.Dir)
	must(t, err)
	if len(left) != 1 || left[0].Name() != "young" {
		t.Errorf("left: %v, want young alone", left)
	}
}

// A file that is gone or damaged ends the build for good, and its name is in the error.
func TestDamagedInput(t *testing.T) {
	for _, gone := range []bool{true, false} {
		w := newWorld(t, 8)
		w.stage(0, 0, 2000)
		w.stage(0, 2000, 4000)
		key := w.rows[1].File.Key
		path := filepath.Join(w.root, filepath.FromSlash(key))
		text, err := os.ReadFile(path)
		must(t, err)
		must(t, os.Remove(path))
		if !gone {
			text[len(text)/3] ^= 4
			must(t, os.WriteFile(path, text, 0o644))
		}
		e := w.engine(nil)
		memSinks(e)
		_, err = e.Build(t.Context(), w.input(w.all(), 1))
		var final *builder.FinalError
		if !errors.As(err, &final) || !strings.Contains(err.Error(), key) {
			t.Errorf("gone=%t: got %v, want a final error that names %s", gone, err, key)
		}
	}
}
