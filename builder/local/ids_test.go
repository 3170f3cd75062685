package local

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// sliceList is a catalog of dictionary slices in memory.
type sliceList struct {
	mu   sync.Mutex
	list []catalog.DictionarySlice
}

func (s *sliceList) DictionarySlices(_ context.Context, _, column string, after int64) (out []catalog.DictionarySlice, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.list {
		if x.Column == column && x.Slice > after {
			out = append(out, x)
		}
	}
	return out, nil
}

func (s *sliceList) AppendDictionary(_ context.Context, x catalog.DictionarySlice) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, y := range s.list {
		if y.Column == x.Column && y.Slice >= x.Slice {
			return catalog.ErrDictionaryMoved
		}
	}
	s.list = append(s.list, x)
	return nil
}

// Exact distinct counts of strings have ids of the table's dictionary: builds of two cubes of one table at once, and merges, agree,
// and the slice stands in the inputs.
func TestExactDistinctOfStrings(t *testing.T) {
	w := newWorld(t, 40)
	w.apply("cube: sales\ntable: shop\ndimensions: [country, flag]\nmeasures: [count, count_distinct_exact(page), count_distinct_exact(n)]\n")
	w.stage(0, 0, 3000)
	w.stage(0, 3000, 4000)
	_, err := w.engine(nil).Build(t.Context(), w.input(w.all(), 1))
	var final *builder.FinalError
	if !errors.As(err, &final) || !strings.Contains(err.Error(), "dictionaries") {
		t.Errorf("without dictionaries: got %v, want a final error", err)
	}
	known := new(sliceList)
	engine := func(keep int64) *Engine {
		e := w.engine(func(o *Options, _ *sizes) {
			var err error
			o.Dictionaries, err = dictionary.New(dictionary.Options{Catalog: known, Store: w.store, Dir: t.TempDir()})
			must(t, err)
		})
		e.mem.most = keep
		return e
	}
	a, b := cut(w.all(), 1700)
	var outs [3]builder.EngineOutput
	var wg sync.WaitGroup
	var errs [3]error
	for i, v := range []segmenter.Vector{w.all(), a, b} {
		wg.Go(func() { outs[i], errs[i] = engine(int64(1+i*1_000_000)).Build(t.Context(), w.input(v, int64(i+2))) })
	}
	wg.Wait()
	must(t, errors.Join(errs[:]...))
	in := w.input(w.all(), 9)
	in.Merged = []*segmenter.Manifest{manifest(1, outs[1]), manifest(2, outs[2])}
	w.sameCells(w.build(t.Context(), engine(1), in), outs[0])
	for i, out := range outs {
		if len(out.Inputs) != 1 || out.Inputs[0].Kind != segmenter.InputDictionary {
			t.Errorf("build %d: inputs %+v, want a dictionary", i, out.Inputs)
		}
	}
}
