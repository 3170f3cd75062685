package local

import (
	"context"
	"sync"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
)

// fileSink writes cuboid files below the segment's folder.
type fileSink struct {
	fileCodec
	w *cuboid.Writer
}

func newFileSink(_ context.Context, b *build) (sink, error) {
	w, err := cuboid.NewWriter(b.e.o.Store, b.in.Folder, b.layout, cuboid.WriterOptions{})
	if err != nil {
		return nil, &builder.FinalError{Err: err}
	}
	return &fileSink{fileCodec: fileCodec{layout: b.layout}, w: w}, nil
}

// fileCodec makes row groups of files.
type fileCodec struct {
	layout *cells.Layout

	mu   sync.Mutex
	free []*cuboid.Encoder
}

func (s *fileCodec) encode(c *cells.Cells) (encoded, error) {
	e, err := s.encoder()
	if err != nil {
		return encoded{}, err
	}
	g, err := e.Encode(cells.Part{Cells: c, To: c.Len()})
	s.mu.Lock()
	s.free = append(s.free, e)
	s.mu.Unlock()
	if err != nil {
		return encoded{}, err
	}
	return encoded{data: g, size: g.MemBytes()}, nil
}

func (s *fileCodec) encoder() (*cuboid.Encoder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		e := s.free[n-1]
		s.free = s.free[:n-1]
		return e, nil
	}
	return cuboid.NewEncoder(s.layout)
}

func (s *fileCodec) save(b []byte, g encoded) ([]byte, error) {
	return g.data.(*cuboid.Group).AppendBinary(b)
}

func (s *fileCodec) load(b []byte) (encoded, error) {
	g, err := cuboid.DecodeGroup(b)
	if err != nil {
		return encoded{}, err
	}
	return encoded{data: g, size: g.MemBytes()}, nil
}

func (s *fileCodec) cells(ctx context.Context, g encoded) (*cells.Cells, error) {
	return g.data.(*cuboid.Group).Cells(ctx, s.layout)
}

func (s *fileSink) write(ctx context.Context, _ uint64, g encoded) error {
	return s.w.Append(ctx, g.data.(*cuboid.Group))
}

func (s *fileSink) empty(ctx context.Context, mask uint64) error {
	return s.w.Append(ctx, &cuboid.Group{Mask: mask})
}

func (s *fileSink) finish(ctx context.Context) (out builder.EngineOutput, err error) {
	out.Files, out.Cuboids, err = s.w.Finish(ctx)
	return out, err
}

func (s *fileSink) abandon() {}
