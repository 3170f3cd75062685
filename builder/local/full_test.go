package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// fullFiles is a disk that is full from its n-th change on, until room is made.
type fullFiles struct {
	osFiles

	mu    sync.Mutex
	left  int
	fired bool
}

func (f *fullFiles) change(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left >= 0 {
		return nil
	}
	f.fired = true
	return &os.PathError{Op: "write", Path: path, Err: syscall.ENOSPC}
}

func (f *fullFiles) create(path string) (handle, error) {
	if err := f.change(path); err != nil {
		return nil, err
	}
	h, err := f.osFiles.create(path)
	return &fullFile{h, f, path}, err
}

func (f *fullFiles) rename(from, to string) error {
	if err := f.change(to); err != nil {
		return err
	}
	return f.osFiles.rename(from, to)
}

type fullFile struct {
	handle
	in   *fullFiles
	path string
}

// Write takes the first half of what does not fit, as disks do.
func (f *fullFile) Write(b []byte) (int, error) {
	if err := f.in.change(f.path); err != nil {
		n, _ := f.handle.Write(b[:len(b)/2])
		return n, err
	}
	return f.handle.Write(b)
}

// L4, I10: a disk that is full at any write of a temporary file gives an error that says where and what to do, and may be tried again.
// Nothing is left that would keep the disk full, and the next attempt ends in the same bytes.
func TestDiskFull(t *testing.T) {
	w := newWorld(t, 70)
	w.apply("cube: sales\ntable: shop\ndimensions: [country, flag]\nmeasures: [count, sum(n), count_distinct(page)]\n")
	w.stage(0, 0, 120)
	w.stage(0, 120, 200)
	engine := func(threads int) *Engine {
		e := w.engine(func(o *Options, s *sizes) {
			o.Threads, s.blockRows, s.groupRows, s.fanIn, s.lasting, s.keepAtMost = threads, 40, 10, 2, 1, 1
		})
		memSinks(e)
		return e
	}
	want := w.build(t.Context(), engine(1), w.input(w.all(), 1)).Files[0].SHA256
	for _, threads := range []int{1, 3} {
		for at := 0; ; at++ {
			e := engine(threads)
			full := &fullFiles{left: at}
			e.files = full
			out, err := e.Build(t.Context(), w.input(w.all(), 1))
			if !full.fired {
				must(t, err)
				if at < 20 {
					t.Errorf("%d writes of temporary files, want 20 at least", at)
				}
				break
			}
			wantFull(t, fmt.Sprintf("write %d, %d threads", at, threads), err, e.o.Dir)
			w.gaveBack(e)
			full.left = 1 << 30 // somebody made room
			if out, err = e.Build(t.Context(), w.input(w.all(), 1)); err != nil || out.Files[0].SHA256 != want {
				t.Fatalf("write %d, %d threads: the next attempt: %+v, %v, want %s", at, threads, out.Files, err, want)
			}
			w.gaveBack(e)
		}
	}
}

// fullIDs is the catalog of a dictionary whose temporary files do not fit.
type fullIDs struct{ dictionary.Catalog }

func (fullIDs) DictionarySlices(context.Context, string, string, int64) ([]catalog.DictionarySlice, error) {
	return nil, &dictionary.DiskFullError{Dir: "x", Err: syscall.ENOSPC}
}

// L4: a disk that is full in the look-up of a dictionary is as any other: what the build has there is removed, though it may be tried again.
func TestDiskFullOfIDs(t *testing.T) {
	w := newWorld(t, 72)
	w.apply("cube: sales\ntable: shop\ndimensions: [country, flag]\nmeasures: [count, count_distinct_exact(page)]\n")
	w.stage(0, 0, 120)
	e := w.engine(func(o *Options, s *sizes) {
		s.blockRows, s.groupRows, s.fanIn, s.lasting, s.keepAtMost = 40, 10, 2, 1, 1
		var err error
		o.Dictionaries, err = dictionary.New(dictionary.Options{Catalog: fullIDs{}, Store: w.store, Dir: t.TempDir()})
		must(t, err)
	})
	memSinks(e)
	_, err := e.Build(t.Context(), w.input(w.all(), 1))
	var full *dictionary.DiskFullError
	var final *builder.FinalError
	if !errors.As(err, &full) || errors.As(err, &final) {
		t.Errorf("got %v, want a *dictionary.DiskFullError that may be tried again", err)
	}
	w.gaveBack(e)
}

func wantFull(t *testing.T, what string, err error, dir string) {
	t.Helper()
	var full *DiskFullError
	var final *builder.FinalError
	if !errors.As(err, &full) || errors.As(err, &final) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("%s: got %v, want a *DiskFullError that may be tried again", what, err)
	}
	for _, part := range []string{dir, "free space", "build.memory"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: got %v, want %q in it", what, err, part)
		}
	}
}

// The limit of temporary disk holds: a build that ends well has never had more, one that needs more says so for good.
func TestDiskLimitHolds(t *testing.T) {
	w := newWorld(t, 71)
	w.stage(0, 0, 1500)
	parts := []*segmenter.Manifest{manifest(1, w.build(t.Context(), w.engine(nil), w.input(w.all(), 2)))}
	ofEvents, merge := w.input(w.all(), 1), w.input(w.all(), 3)
	merge.Rows, merge.Merged = nil, append(parts, parts...)
	for _, in := range []builder.EngineInput{ofEvents, merge} {
		ended, refused := 0, 0
		for _, limit := range []int64{1, spillStep, 2 * spillStep, 5 * spillStep / 2, 3 * spillStep, 4 * spillStep, 6 * spillStep, 10 * spillStep} {
			e := w.engine(func(o *Options, s *sizes) { o.Disk, s.keepAtMost, s.lasting = limit, 1, 1 })
			memSinks(e)
			_, err := e.Build(t.Context(), in)
			var final *builder.FinalError
			var over *DiskLimitError
			switch {
			case err == nil:
				ended++
			case errors.As(err, &final) && errors.As(err, &over) && strings.Contains(err.Error(), "build.disk") && over.Limit == limit:
				refused++
			default:
				t.Errorf("limit %d: got %v, want a final error that names build.disk", limit, err)
			}
			if e.disk.peak > limit {
				t.Errorf("limit %d: %d bytes were taken", limit, e.disk.peak)
			}
			w.gaveBack(e)
		}
		if ended == 0 || refused == 0 {
			t.Errorf("%d merged: %d limits were enough and %d were not, want some of both", len(in.Merged), ended, refused)
		}
	}
}
