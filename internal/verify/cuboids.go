package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// cuboids are those of a segment, in files or in a table.
type cuboids interface {
	Prove(ctx context.Context, mask uint64, each func(*cells.Cells) error) error
	ProvePieces(ctx context.Context) error
	FileOf(mask uint64) string // in which a cuboid begins
	Close() error
}

// cuboidRun is the proof of the cuboids of one segment.
type cuboidRun struct {
	*cubeRun
	s      *catalog.SegmentEntry
	m      *segmenter.Manifest
	def    *cube.Cube
	layout *cells.Layout
	rd     cuboids
	base   uint64

	recounted bool // the base cuboid was held against the events

	totals *cuboid.Totals // of the base cuboid
	prints *cuboid.Prints // that the base cuboid gives to every cuboid
}

// cuboids proves the cuboids of a segment (V9). b is nil where its inputs cannot be counted again.
func (c *cubeRun) cuboids(ctx context.Context, s *catalog.SegmentEntry, m *segmenter.Manifest, b *built) error {
	r := &cuboidRun{cubeRun: c, s: s, m: m}
	switch {
	case m.Stored != nil && c.o.HBase == nil:
		r.wrong(CuboidMismatch, "", "its cuboids are in table %s of %s: %v", m.Stored.Table, m.Stored.Store, hbase.ErrNotConfigured)
		return nil
	case len(m.Cuboids) == 0:
		if len(m.Files) > 0 {
			r.wrong(CuboidMismatch, "", "it has %d files and no cuboid in them", len(m.Files))
		}
		c.count(func(*TableReport) { c.report.Bare++ })
		return nil
	case slices.ContainsFunc(m.Files, func(f segmenter.SegmentFile) bool { return c.isWrong(f.Key) }):
		return nil
	}
	ok, err := r.open(ctx)
	if err != nil || !ok {
		return r.broken(ctx, err)
	}
	defer r.rd.Close() // frees memory only, its error says nothing
	if err := r.prove(ctx, b); err != nil {
		return r.broken(ctx, err)
	}
	return r.second(ctx)
}

// wrong adds a problem; with no file it is one of the manifest.
func (r *cuboidRun) wrong(k Kind, file, format string, args ...any) {
	if file == "" {
		file = folderOf(r.s) + "/" + segmenter.ManifestName
	}
	r.wrongWith(r.s, k, file, format, args...)
}

// broken sorts an error of reading cuboids as tableRun.broken does.
func (r *cuboidRun) broken(ctx context.Context, err error) error {
	var format *cuboid.FormatError
	var entry *cuboid.EntryError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, blob.ErrNotFound): // it was there a moment ago
		return r.missing(ctx, r.s, FileMissing, folderOf(r.s))
	case errors.As(err, &format):
		r.wrong(FileUnreadable, format.Key, "%v", format.Err)
	case errors.As(err, &entry):
		r.wrong(CuboidMismatch, "", "%v", entry)
	default:
		return err
	}
	return nil
}

// open finds the layout of the files and holds the list of cuboids against the definition.
func (r *cuboidRun) open(ctx context.Context) (ok bool, err error) {
	r.def = new(cube.Cube)
	if err := json.Unmarshal(r.m.Definition, r.def); err != nil {
		return false, nil // sameDefinition has said so
	}
	masks, err := r.def.Cuboids()
	if err != nil {
		r.wrong(CuboidMismatch, "", "its definition: %v", err)
		return false, nil
	}
	for _, e := range r.m.Cuboids {
		if _, ok := slices.BinarySearch(masks, uint64(e.Cuboid)); !ok {
			r.wrong(CuboidLattice, "", "it has the cuboid %d, which its definition does not have", e.Cuboid)
			return false, nil
		}
	}
	for i, mask := range masks { // both ascend
		if i >= len(r.m.Cuboids) || uint64(r.m.Cuboids[i].Cuboid) != mask {
			r.wrong(CuboidLattice, "", "it has not the cuboid %d of its definition: %d of %d are there", mask, len(r.m.Cuboids), len(masks))
			return false, nil
		}
	}
	if r.layout, err = r.layoutOf(ctx); err != nil || r.layout == nil {
		return false, err
	}
	r.base = r.layout.Base()
	r.totals, r.prints = cuboid.NewTotals(r.layout), cuboid.NewPrints(r.layout, masks...)
	if r.m.Stored != nil {
		r.rd, err = r.o.HBase.NewReader(r.layout, r.m.Stored, r.m.Cuboids)
	} else {
		r.rd, err = cuboid.NewReader(r.o.Store, r.layout, r.m.Files, r.m.Cuboids)
	}
	return err == nil, err
}

// layoutOf returns the layout over the newest version of the table whose columns are those of the first file; the newest
// of all where there is none: then the reader says what is wrong. nil: a problem was found.
func (r *cuboidRun) layoutOf(ctx context.Context) (*cells.Layout, error) {
	var header *cuboid.Header
	switch {
	case r.m.Stored != nil:
		var err error
		if header, err = r.o.HBase.Header(ctx, r.m.Stored.Table); err != nil {
			return nil, err
		}
	case len(r.m.Files) > 0:
		f, err := cuboid.OpenFile(ctx, r.o.Store, r.m.Files[0].Key, r.m.Files[0].Size)
		if err != nil {
			return nil, err
		}
		header = f.Header
		f.Close()
	}
	var newest *cells.Layout
	var why error
	for _, v := range slices.Backward(slices.Sorted(maps.Keys(r.versions))) {
		l, err := cells.NewLayout(r.def, r.versions[v].def)
		if err != nil {
			why = err
			continue
		}
		if newest == nil {
			newest = l
		}
		if h, err := cuboid.NewHeader(l); header == nil || err == nil && sameColumns(h, header) {
			return l, nil
		}
	}
	if newest == nil {
		r.wrong(CuboidMismatch, "", "no version of the table has the columns of its definition: %v", why)
	}
	return newest, nil
}

func sameColumns(a, b *cuboid.Header) bool {
	return reflect.DeepEqual(a.Dimensions, b.Dimensions) && reflect.DeepEqual(a.Measures, b.Measures)
}

// prove reads the base, holds it against the inputs, then every other cuboid against the base.
func (r *cuboidRun) prove(ctx context.Context, b *built) error {
	if err := r.rd.ProvePieces(ctx); err != nil {
		return err
	}
	err := r.rd.Prove(ctx, r.base, func(c *cells.Cells) error {
		r.prints.Add(r.layout, c)
		return r.totals.Add(c)
	})
	if err != nil {
		return r.overflow(err, r.base)
	}
	r.proved(r.base)
	if got := r.totals.Events(); got != r.m.Measure.Events {
		r.wrong(CuboidCells, r.rd.FileOf(r.base), "the base cuboid counts %d events, the segment has %d", got, r.m.Measure.Events)
		return nil
	}
	if b != nil {
		if err := r.recount(ctx, b); err != nil {
			return err
		}
	}
	for _, e := range r.m.Cuboids {
		if mask := uint64(e.Cuboid); mask != r.base {
			if err := r.smaller(ctx, mask); err != nil {
				return err
			}
		}
	}
	return nil
}

// smaller proves a cuboid against the base.
func (r *cuboidRun) smaller(ctx context.Context, mask uint64) error {
	totals, prints := cuboid.NewTotals(r.layout), cuboid.NewPrints(r.layout, mask)
	err := r.rd.Prove(ctx, mask, func(c *cells.Cells) error {
		prints.Add(r.layout, c)
		return totals.Add(c)
	})
	if err != nil {
		return r.overflow(err, mask)
	}
	r.proved(mask)
	// A merge adds sums that may cancel out: no bound of their rounding can be told from what is left, only from the events.
	floats := r.recounted || len(r.m.Replaces) < 2
	if why := totals.Differs(r.totals, floats); why != "" {
		r.wrong(CuboidCells, r.rd.FileOf(mask), "cuboid %d does not add up to the base cuboid: %s", mask, why)
	} else if column := prints.Differs(r.prints, mask); column != "" {
		r.wrong(CuboidCells, r.rd.FileOf(mask), "cuboid %d has not the cells of the base cuboid: %s adds up, but is in other rows", mask, column)
	}
	return nil
}

// overflow makes a problem of sums that leave 38 digits, which none of a build do.
func (r *cuboidRun) overflow(err error, mask uint64) error {
	var over *cells.OverflowError
	if !errors.As(err, &over) {
		return err
	}
	return &cuboid.EntryError{Message: fmt.Sprintf("cuboid %d: %v", mask, over)}
}

// proved counts a cuboid that is what its entry says.
func (r *cuboidRun) proved(mask uint64) {
	at := slices.IndexFunc(r.m.Cuboids, func(e segmenter.CuboidEntry) bool { return uint64(e.Cuboid) == mask })
	r.run.cuboids.Add(1)
	r.count(func(*TableReport) {
		r.report.Cuboids++
		r.report.Cells += r.m.Cuboids[at].Rows
	})
}
