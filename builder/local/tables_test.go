package local

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// tables returns an HBase in memory, and a change of options that uses it.
func (w *world) tables(o hbase.Options) (*hbase.Mem, func(o *Options, s *sizes)) {
	w.t.Helper()
	if o.ShardEvents == 0 {
		o.ShardEvents, o.GroupRows, o.BatchRows, o.BackOff = 6000, 1700, 900, time.Millisecond
	}
	st, mem, err := hbase.OpenMem(o)
	must(w.t, err)
	return mem, func(o *Options, _ *sizes) { o.HBase = st }
}

// stored is the input of the same segment in a table.
func stored(in builder.EngineInput) builder.EngineInput {
	c := *in.Cube
	c.Store, c.ShardBy = cube.StoreHBase, "page"
	in.Cube = &c
	return in
}

// Builds and merges have the same cells in tables as in files, whatever lies where that is merged.
func TestTablesHaveTheCellsOfFiles(t *testing.T) {
	w := site(t, 30)
	_, with := w.tables(hbase.Options{})
	want := w.build(t.Context(), w.engine(nil), w.input(w.all(), 1))
	e := w.engine(with)
	got := w.build(t.Context(), e, stored(w.input(w.all(), 2)))
	w.sameCells(got, want)
	w.gaveBack(e)
	rows := int64(0)
	for _, c := range got.Cuboids {
		rows += c.Rows
	}
	if got.Stored == nil || got.Stored.Store != "hbase" || got.Stored.Rows != rows || len(got.Files) != 0 || len(got.Cuboids[0].Pieces) != 0 {
		t.Errorf("stored %+v, %d files; want a table of %d rows and no file", got.Stored, len(got.Files), rows)
	}
	a, rest := cut(w.all(), 2000)
	b, c := cut(rest, 6999)
	var parts []*segmenter.Manifest
	for i, v := range []segmenter.Vector{a, b, c} {
		in := w.input(v, int64(i+3))
		if i != 1 { // merges read what manifests name
			in = stored(in)
		}
		out := w.build(t.Context(), w.engine(with), in)
		m := manifest(int64(i+1), out)
		m.Stored = out.Stored
		parts = append(parts, m)
	}
	for i, in := range []builder.EngineInput{stored(w.input(w.all(), 10)), w.input(w.all(), 11)} {
		in.Merged, in.Rows = parts, nil
		out := w.build(t.Context(), w.engine(with), in)
		w.sameCells(out, want)
		if (out.Stored != nil) != (i == 0) {
			t.Errorf("merge %d: stored %+v", i, out.Stored)
		}
	}
}

// A cube without rows has all its cuboids in a table too.
func TestTableOfNothing(t *testing.T) {
	w := newWorld(t, 31)
	w.stage(0, 0, 3, 0, 1, 2)
	_, with := w.tables(hbase.Options{})
	want := w.build(t.Context(), w.engine(nil), w.input(w.all(), 1))
	w.sameCells(w.build(t.Context(), w.engine(with), stored(w.input(w.all(), 2))), want)
}

// Without an HBase a cube that wants one is refused for good, and so is a merge of tables; both say what to set.
func TestNoHBase(t *testing.T) {
	w := site(t, 33)
	_, with := w.tables(hbase.Options{})
	in := stored(w.input(w.all(), 1))
	refused := func(in builder.EngineInput) {
		t.Helper()
		_, err := w.engine(nil).Build(t.Context(), in)
		var final *builder.FinalError
		if !errors.As(err, &final) || !errors.Is(err, hbase.ErrNotConfigured) || !strings.Contains(err.Error(), "hbase.quorum") {
			t.Errorf("got %v (%T), want a *FinalError that names hbase.quorum", err, err)
		}
	}
	refused(in)
	out := w.build(t.Context(), w.engine(with), in)
	m := manifest(1, out)
	m.Stored = out.Stored
	merge := w.input(w.all(), 2)
	merge.Merged, merge.Rows = []*segmenter.Manifest{m}, nil
	refused(merge)
}

// What was changed in a table, or is gone, fails a merge for good and names the table.
func TestMergeOfDamagedTable(t *testing.T) {
	w := site(t, 34)
	mem, with := w.tables(hbase.Options{})
	in := stored(w.input(w.all(), 1))
	out := w.build(t.Context(), w.engine(with), in)
	m := manifest(7, out)
	m.Stored = out.Stored
	n := 0
	mem.Each(out.Stored.Table, func(_, v []byte) []byte {
		if n++; n == 1000 {
			v[len(v)-1] ^= 1
		}
		return v
	})
	in = stored(w.input(w.all(), 2))
	in.Merged, in.Rows = []*segmenter.Manifest{m}, nil
	_, err := w.engine(with).Build(t.Context(), in)
	var final *builder.FinalError
	if !errors.As(err, &final) || !strings.Contains(err.Error(), "segment 7") || !strings.Contains(err.Error(), out.Stored.Table) {
		t.Errorf("got %v (%T), want a *FinalError that names segment 7 and its table", err, err)
	}
}

// The same cells give the same rows of a table, whatever the threads.
func TestTableBytes(t *testing.T) {
	w := site(t, 35)
	var first string
	for i, threads := range []int{1, 4} {
		mem, with := w.tables(hbase.Options{})
		in := stored(w.input(w.all(), 1))
		out := w.build(t.Context(), w.engine(func(o *Options, s *sizes) { with(o, s); o.Threads = threads }), in)
		var all strings.Builder
		mem.Each(out.Stored.Table, func(k, v []byte) []byte {
			all.Write(k)
			all.Write(v)
			return v
		})
		if i == 0 {
			first = all.String()
		} else if all.String() != first {
			t.Errorf("%d threads: %d bytes in the table, not those of one thread, %d", threads, all.Len(), len(first))
		}
	}
}
