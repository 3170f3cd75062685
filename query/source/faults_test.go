package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// staged is a world with three staged files and a tail.
func stagedWorld(t fatal, c *catalog.Catalog, name string) *world {
	w := newWorld(t, c, name, 1)
	p := w.parts[0]
	for range 3 {
		w.read(p, 40)
		w.roll(p)
		w.commit(p)
	}
	w.leave(p)
	w.read(p, 20)
	return w
}

func snapshot(t fatal, src *source.Source, w *world) *source.Snapshot {
	s, err := src.Snapshot(context.Background(), source.View{Table: w.table, CubeID: w.cube.ID})
	must(t, err)
	return s
}

func scanQuery(w *world) source.ScanQuery {
	return source.ScanQuery{Table: w.schema, Columns: []string{"id"}}
}

// readers are the two ways to read a set: each returns how many events it has seen.
func readers(src *source.Source, w *world) map[string]func(ctx context.Context, set source.Set) (int64, error) {
	return map[string]func(ctx context.Context, set source.Set) (int64, error){
		"scan": func(ctx context.Context, set source.Set) (n int64, err error) {
			for rec, err := range src.Scan(ctx, set, scanQuery(w)) {
				if err != nil {
					return n, err
				}
				n += rec.NumRows()
			}
			return n, nil
		},
		"cells": func(ctx context.Context, set source.Set) (n int64, err error) {
			for b, err := range src.Cells(ctx, set, source.CellQuery{Layout: w.layout, Mask: 3}) {
				if err != nil {
					return n, err
				}
				n += b.Events
			}
			return n, nil
		},
	}
}

// E6: whichever call of the store fails, before or after it took effect, the error names the file; what was read before is right, and
// the next try reads all.
func TestStoreFaults(t *testing.T) {
	testkit.NoLeaks(t)
	c := newCatalog(t)
	for _, format := range []cube.Format{cube.Parquet, cube.NDJSON} {
		w := newWorld(t, c, string(format), 1)
		w.format = format
		for range 3 {
			w.read(w.parts[0], 40)
			w.roll(w.parts[0])
			w.commit(w.parts[0])
		}
		store := w.store
		whole := snapshot(t, w.source(), w).Completeness.Counts.Events
		for _, name := range []string{"scan", "cells"} {
			for i := 0; ; i++ {
				broken := &faultblob.Store{Store: store, At: i, After: i%2 == 1}
				w.store = broken
				src := w.source(func(o *source.Options) { o.Readers = 2 })
				s := snapshot(t, src, w)
				read := readers(src, w)[name]
				n, err := read(t.Context(), s.Uncovered())
				if !broken.Fired() {
					if err != nil || n != whole {
						t.Fatalf("%s, %s: %d events, %v, want %d", format, name, n, err, whole)
					}
					break
				}
				var file *source.FileError
				if !errors.As(err, &file) || !errors.Is(err, faultblob.ErrInjected) || !strings.HasPrefix(file.Key, "staged/"+w.table.ID) || file.Range.Empty() {
					t.Fatalf("%s, %s, call %d: %v, want a file and its offsets", format, name, i, err)
				}
				if n, err := read(t.Context(), s.Uncovered()); err != nil || n != whole {
					t.Fatalf("%s, %s, after call %d failed: %d events, %v, want %d", format, name, i, n, err, whole)
				}
			}
		}
	}
}

// E6: a file that is gone, or damaged, is named with the offsets that it should hold.
func TestMissingAndDamagedFiles(t *testing.T) {
	testkit.NoLeaks(t)
	c := newCatalog(t)
	for _, damage := range []string{"gone", "damaged"} {
		w := stagedWorld(t, c, damage)
		r := segmenter.PartitionRange{Start: 40, End: 80}
		key := stage.StagedKey(w.table.ID, r, w.parts[0].epoch, w.table.Version, w.format)
		must(t, w.store.Delete(t.Context(), key))
		if damage == "damaged" {
			must(t, w.store.Create(t.Context(), key, strings.NewReader(strings.Repeat("x", 1000))))
		}
		src := w.source()
		s := snapshot(t, src, w)
		for name, read := range readers(src, w) {
			_, err := read(t.Context(), s.Uncovered())
			var file *source.FileError
			var format *stage.FormatError
			if !errors.As(err, &file) || file.Key != key || file.Range != r {
				t.Errorf("%s, %s: %v, want file %s of %s", damage, name, err, key, r)
			}
			if gone := errors.Is(err, blob.ErrNotFound); gone != (damage == "gone") || gone == errors.As(err, &format) {
				t.Errorf("%s, %s: %v", damage, name, err)
			}
		}
		s.Release()
	}
}

// Nothing is answered of a catalog that does not answer, and no pin is left behind.
func TestCatalogUnavailable(t *testing.T) {
	testkit.NoLeaks(t)
	w := stagedWorld(t, newCatalog(t), "")
	w.build(segmenter.Vector{{End: 30}})
	fail := true
	tail := &countedTail{Tail: w}
	src := w.source(func(o *source.Options) {
		o.Catalog = faultyCatalog{w.cat, func() error {
			if fail {
				return fmt.Errorf("%w: test", catalog.ErrUnavailable)
			}
			return nil
		}}
		o.Tail = tail
	})
	v := source.View{Table: w.table, CubeID: w.cube.ID}
	if _, err := src.Snapshot(t.Context(), v); !errors.Is(err, catalog.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	fail = false
	s, err := src.Snapshot(t.Context(), v)
	must(t, err)
	fail = true
	for name, read := range readers(src, w) { // whose rows are asked for
		if _, err := read(t.Context(), s.Staged()); !errors.Is(err, catalog.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
		if _, err := read(t.Context(), s.Uncovered()); err != nil {
			t.Errorf("%s of what is known: %v", name, err)
		}
	}
	s.Release()
	s.Release()
	for i, p := range tail.pins {
		if p.released == 0 {
			t.Errorf("pin %d was not released", i)
		}
	}
	tail.err = errors.New("no tail")
	if _, err := src.Snapshot(t.Context(), v); !errors.Is(err, tail.err) {
		t.Errorf("got %v, want %v", err, tail.err)
	}
}

type countedTail struct {
	source.Tail
	pins []*worldPin
	err  error
}

func (c *countedTail) Pin(ctx context.Context, id string) (source.Pin, error) {
	if c.err != nil {
		return nil, c.err
	}
	p, err := c.Tail.Pin(ctx, id)
	c.pins = append(c.pins, p.(*worldPin))
	return p, err
}

type faultyCatalog struct {
	*catalog.Catalog
	fault func() error
}

func (f faultyCatalog) QuerySnapshot(ctx context.Context, table, cubeID string, prev *catalog.QuerySnapshot) (*catalog.QuerySnapshot, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.Catalog.QuerySnapshot(ctx, table, cubeID, prev)
}

func (f faultyCatalog) Staged(ctx context.Context, q catalog.StagedQuery) ([]*catalog.LedgerEntry, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.Catalog.Staged(ctx, q)
}

// E7: whoever is cancelled, or stops, waits for no file, and leaves nothing that runs.
func TestCancelAndStop(t *testing.T) {
	testkit.NoLeaks(t)
	w := stagedWorld(t, newCatalog(t), "")
	why := errors.New("why")
	for name := range readers(nil, w) {
		ctx, cancel := context.WithCancelCause(t.Context())
		w := *w
		w.store = &hangingStore{Store: w.store, hang: func(ctx context.Context) error {
			cancel(why)
			<-ctx.Done()
			return ctx.Err()
		}}
		src := w.source()
		s := snapshot(t, src, &w)
		if _, err := readers(src, &w)[name](ctx, s.Uncovered()); !errors.Is(err, why) {
			t.Errorf("%s: %v, want %v", name, err, why)
		}
	}
	src := w.source(func(o *source.Options) { o.Readers = 3 })
	s := snapshot(t, src, w)
	for range src.Scan(t.Context(), s.Uncovered(), scanQuery(w)) {
		break
	}
	for range src.Cells(t.Context(), s.Uncovered(), source.CellQuery{Layout: w.layout, Mask: 3}) {
		break
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for name, read := range readers(src, w) {
		if n, err := read(stopped, s.Uncovered()); n != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled before: %d events, %v", name, n, err)
		}
	}
}

// hangingStore does something when a file is opened.
type hangingStore struct {
	blob.Store
	hang func(ctx context.Context) error
}

func (h *hangingStore) Open(ctx context.Context, _ string, _, _ int64) (io.ReadCloser, error) {
	return nil, h.hang(ctx)
}

func (h *hangingStore) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return h.Store.List(ctx, prefix)
}

// Cells of files and of sealed chunks are made once; those of the open chunk each time.
func TestKeptCells(t *testing.T) {
	w := stagedWorld(t, newCatalog(t), "")
	counting := &faultblob.Store{Store: w.store, At: -1}
	w.store = counting
	src := w.source()
	q := source.CellQuery{Layout: w.layout, Mask: 3}
	read := func(set func(*source.Snapshot) source.Set) (made, events int64) {
		s := snapshot(t, src, w)
		defer s.Release()
		for b, err := range src.Cells(t.Context(), set(s), q) {
			must(t, err)
			if events += b.Events; !b.Kept {
				made++
			}
		}
		return made, events
	}
	made, events := read((*source.Snapshot).Uncovered)
	calls := counting.Calls()
	if again, same := read((*source.Snapshot).Uncovered); made == 0 || again != 0 || same != events || counting.Calls() != calls {
		t.Errorf("%d batches of %d events, then %d of %d with %d calls of the store; want none made again", made, events, again, same, counting.Calls()-calls)
	}
	if _, _ = read((*source.Snapshot).Tail); true {
		w.read(w.parts[0], 3)
		if again, _ := read((*source.Snapshot).Tail); again < 1 || again > 2 {
			t.Errorf("%d batches of the tail were made again after 3 more offsets, want the open chunk's and at most one more", again)
		}
	}
	q.Mask = 1
	if made, same := read((*source.Snapshot).Uncovered); made == 0 || same != events {
		t.Errorf("another cuboid: %d batches made of %d events, want all of %d", made, same, events)
	}
	if s := snapshot(t, src, w); !slices.Equal(s.Completeness.Holes, nil) {
		t.Errorf("holes: %v", s.Completeness.Holes)
	}
}
