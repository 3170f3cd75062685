package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// openSink returns where a build's cuboids go: the store that its cube names.
func openSink(ctx context.Context, b *build) (sink, error) {
	if b.in.Cube.Store == cube.StoreHBase {
		return newTableSink(ctx, b)
	}
	return newFileSink(ctx, b)
}

// cuboids are those of a segment that is merged, wherever they lie.
type cuboids interface {
	cuboid.Source
	Close() error
}

func (b *build) open(m *segmenter.Manifest) (cuboids, error) {
	if m.Stored == nil {
		return cuboid.NewReader(b.e.o.Store, b.layout, m.Files, m.Cuboids)
	}
	if b.e.o.HBase == nil {
		return nil, hbase.ErrNotConfigured
	}
	return b.e.o.HBase.NewReader(b.layout, m.Stored, m.Cuboids)
}

// tableSink writes cuboids to a table of HBase.
type tableSink struct {
	fileCodec // of what waits for its turn
	b         *build
	w         *hbase.Writer
}

func newTableSink(ctx context.Context, b *build) (sink, error) {
	if b.e.o.HBase == nil {
		return nil, &builder.FinalError{Err: fmt.Errorf("cube %s has store: hbase: %w", b.in.Cube.Name, hbase.ErrNotConfigured)}
	}
	cubeID, segment, attempt, _, err := segmenter.ParseSegmentFolder(b.in.Folder)
	if err != nil {
		return nil, &builder.FinalError{Err: err}
	}
	spec := hbase.Spec{CubeID: cubeID, Segment: segment, Attempt: attempt, Events: b.in.Events, Layout: b.layout, ShardBy: b.in.Cube.ShardBy}
	w, warning, err := b.e.o.HBase.NewWriter(ctx, spec)
	if err != nil {
		return nil, err
	}
	if warning != "" {
		b.in.Logf("%s", warning)
	}
	return &tableSink{fileCodec: fileCodec{layout: b.layout}, b: b, w: w}, nil
}

func (s *tableSink) write(ctx context.Context, _ uint64, g encoded) error {
	c, err := s.cells(ctx, g)
	if err != nil {
		return err
	}
	var key *hbase.KeyError
	if err := s.w.Append(ctx, c); errors.As(err, &key) {
		return &builder.FinalError{Err: err}
	} else if err != nil {
		return err
	}
	return nil
}

func (s *tableSink) empty(_ context.Context, mask uint64) error { return s.w.Begin(mask) }

func (s *tableSink) finish(ctx context.Context) (out builder.EngineOutput, err error) {
	out.Cuboids, out.Stored, err = s.w.Finish(ctx, s.b.in.Step("read the table back", "rows"))
	return out, err
}

// abandon leaves a table that no manifest names to clean-up.
func (s *tableSink) abandon() {}
