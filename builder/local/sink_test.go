package local

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"sync/atomic"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// memSink keeps row groups in memory, and a hash over all of them.
type memSink struct {
	b       *build
	groups  map[uint64][]*cells.Cells
	sum     hash.Hash
	encoded atomic.Int64
}

// memSinks has an engine write to memory; the last sink is in the variable that is returned.
func memSinks(e *Engine) **memSink {
	last := new(*memSink)
	e.newSink = func(_ context.Context, b *build) (sink, error) {
		*last = &memSink{b: b, groups: map[uint64][]*cells.Cells{}, sum: sha256.New()}
		return *last, nil
	}
	return last
}

func (s *memSink) encode(c *cells.Cells) (encoded, error) {
	s.encoded.Add(1)
	return encoded{data: c, size: c.MemBytes()}, nil
}

func (s *memSink) save(b []byte, g encoded) ([]byte, error) {
	return g.data.(*cells.Cells).Append(b), nil
}

func (s *memSink) load(b []byte) (encoded, error) {
	c, err := s.b.layout.Decode(b)
	if err != nil {
		return encoded{}, err
	}
	return encoded{data: c, size: c.MemBytes()}, nil
}

func (s *memSink) cells(_ context.Context, g encoded) (*cells.Cells, error) {
	return g.data.(*cells.Cells), nil
}

func (s *memSink) write(_ context.Context, mask uint64, g encoded) error {
	c := g.data.(*cells.Cells)
	if c.Mask != mask {
		return fmt.Errorf("cells of %b in cuboid %b", c.Mask, mask)
	}
	s.groups[mask] = append(s.groups[mask], c)
	s.sum.Write(c.Append(nil))
	return nil
}

func (s *memSink) empty(_ context.Context, mask uint64) error {
	s.groups[mask] = nil
	return nil
}

func (s *memSink) finish(context.Context) (out builder.EngineOutput, err error) {
	for mask, list := range s.groups {
		e := segmenter.CuboidEntry{Cuboid: int64(mask)}
		for _, c := range list {
			e.Rows += int64(c.Len())
		}
		out.Cuboids = append(out.Cuboids, e)
	}
	out.Files = []segmenter.SegmentFile{{SHA256: fmt.Sprintf("%x", s.sum.Sum(nil))}}
	return out, nil
}

func (s *memSink) abandon() {}
