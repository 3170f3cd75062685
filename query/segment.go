package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unique"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// maxManifestBytes bounds the manifest of a segment.
const maxManifestBytes = 256 << 20

// segmentKey names what opened has, as its folder does: it costs less to make.
type segmentKey struct {
	cube, id string
	attempt  int64
}

// opened is a segment whose cuboids may be read. Its folder names it for ever.
type opened struct {
	manifest *segmenter.Manifest
	def      *cube.Cube // of the segment's version
	layout   *cells.Layout
	object   *run.Object
}

func keyOf(s *catalog.SegmentEntry) segmentKey { return segmentKey{s.CubeID, s.ID, s.Attempt} }

// open opens a segment, or finds it. What other statements have opened of this cube and is ready no more is let go once this one
// has opened all of its own: a cube that is cut and merged all day opens thousands, and has few.
func (b *blockRun) open(ctx context.Context, s *catalog.SegmentEntry) (*opened, error) {
	o, found, err := b.x.e.open(ctx, s, b.t.def)
	b.opened = b.opened || err == nil && !found
	return o, err
}

// forget lets go of segments that are ready no more. A statement over an earlier moment knows other ones, and lets go of none.
func (b *blockRun) forget() {
	if !b.opened || b.x.r.AsOf != nil {
		return
	}
	b.opened = false
	ready := make(map[segmentKey]bool, len(b.t.snap.Segments))
	for _, s := range b.t.snap.Segments {
		ready[keyOf(s)] = true
	}
	e, cube := b.x.e, b.way.cube.def.ID
	e.segments.dropIf(func(k segmentKey) bool { return k.cube == cube && !ready[k] })
	e.m.opened.Set(float64(e.segments.len()))
}

// open reads a segment's manifest, or finds it.
func (e *Engine) open(ctx context.Context, s *catalog.SegmentEntry, t *tableDef) (_ *opened, found bool, _ error) {
	key := keyOf(s)
	o, ok := e.segments.get(key)
	if ok && !e.damaged.any.Load() {
		return o, true, nil
	}
	folder := segmenter.SegmentFolder(s.CubeID, s.ID, s.Attempt)
	if err := e.damaged.get(folder, time.Now()); err != nil || ok {
		return o, ok, err
	}
	body, err := e.o.Store.Open(ctx, folder+"/"+segmenter.ManifestName, 0, maxManifestBytes)
	if err != nil {
		return nil, false, err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, false, err
	}
	m, err := segmenter.DecodeManifest(text)
	if err != nil {
		return nil, false, err
	}
	o = &opened{manifest: m}
	version, _ := strconv.Atoi(string(m.Notes["table_version"])) // 0: written before there was one
	if o.layout, o.def, err = e.layoutOf(ctx, s.CubeID, m.DefinitionVersion, version, t); err != nil {
		return nil, false, err
	}
	o.object = &run.Object{Name: unique.Make(folder), Layout: o.layout}
	switch {
	case m.Stored == nil:
		o.object.Reader, err = cuboid.NewReader(e.o.Store, o.layout, m.Files, m.Cuboids)
	case e.o.Tables == nil:
		err = fmt.Errorf("segment %d is in table %s of %s, which this process does not reach", m.Number, m.Stored.Table, m.Stored.Store)
	default:
		o.object.Reader, err = e.o.Tables.Reader(o.layout, m.Stored, m.Cuboids)
	}
	if err != nil {
		return nil, false, err
	}
	return e.segments.put(key, o), false, nil
}

// isDamage reports whether an error lies in what is stored, and not in how it was reached.
func isDamage(err error) bool {
	var format *cuboid.FormatError
	var entry *cuboid.EntryError
	return errors.As(err, &format) || errors.As(err, &entry) || errors.Is(err, blob.ErrNotFound)
}

// watched notes damage in what is read of a segment later, and goes on without that: the statement begins again.
func (x *execution) watched(inputs []run.Input, folder string, segment int64) []run.Input {
	for i := range inputs {
		load := inputs[i].Load
		if load == nil {
			continue
		}
		inputs[i].Load = func(ctx context.Context) (*run.Batch, error) {
			b, err := load(ctx)
			if err != nil && isDamage(err) {
				x.damage.add(damagedSegment{folder, segment, err})
				return run.NoRows(), nil
			}
			return b, err
		}
	}
	return inputs
}
