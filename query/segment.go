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

// open reads a segment's manifest, or finds it.
func (e *Engine) open(ctx context.Context, s *catalog.SegmentEntry, t *tableDef) (*opened, error) {
	key := segmentKey{s.CubeID, s.ID, s.Attempt}
	o, ok := e.segments.get(key)
	if ok && !e.damaged.any.Load() {
		return o, nil
	}
	folder := segmenter.SegmentFolder(s.CubeID, s.ID, s.Attempt)
	if err := e.damaged.get(folder, time.Now()); err != nil || ok {
		return o, err
	}
	body, err := e.o.Store.Open(ctx, folder+"/"+segmenter.ManifestName, 0, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	m, err := segmenter.DecodeManifest(text)
	if err != nil {
		return nil, err
	}
	o = &opened{manifest: m}
	version, _ := strconv.Atoi(string(m.Notes["table_version"])) // 0: written before there was one
	if o.layout, o.def, err = e.layoutOf(ctx, s.CubeID, m.DefinitionVersion, version, t); err != nil {
		return nil, err
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
		return nil, err
	}
	return e.segments.put(key, o), nil
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
