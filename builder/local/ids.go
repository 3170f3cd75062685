package local

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/builder"
	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// idSets are the ids of the strings that exact distinct counts are over. They are made of all events before a block is grouped:
// one slice of a dictionary is appended a build, however many blocks there are.
type idSets struct {
	gathers map[string]*dictionary.Gather // by column
	blocks  map[string][]int              // of each block, its number in the gather
	ids     map[string]*dictionary.IDs
}

// gatherIDs reads the columns of the layout's string sets, and finds or makes ids. It returns nil where there are none.
func (b *build) gatherIDs(ctx context.Context, in *inputs, blocks []block) (_ *idSets, err error) {
	columns := b.layout.StringSets()
	if len(columns) == 0 {
		return nil, nil
	}
	if b.e.o.Dictionaries == nil {
		return nil, &builder.FinalError{Err: errors.New("count_distinct_exact of strings needs dictionaries, and this engine has none")}
	}
	s := &idSets{gathers: map[string]*dictionary.Gather{}, blocks: map[string][]int{}, ids: map[string]*dictionary.IDs{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	for _, name := range columns {
		s.gathers[name], s.blocks[name] = b.e.o.Dictionaries.Gather(b.in.TableID, name), make([]int, len(blocks))
	}
	progress := b.in.Step("gather distinct strings", "events")
	var read atomic.Int64
	g, gathering := errgroup.WithContext(ctx)
	g.SetLimit(b.e.o.Threads)
	for i, blk := range blocks {
		if gathering.Err() != nil {
			break
		}
		g.Go(func() error {
			err := b.gatherBlock(gathering, in, s, i, blk)
			progress(read.Add(int64(blk.rows())), b.in.Events)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, name := range columns {
		if s.ids[name], err = s.gathers[name].Resolve(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// gatherBlock adds the strings of a block.
func (b *build) gatherBlock(ctx context.Context, in *inputs, s *idSets, i int, blk block) error {
	need := int64(0)
	for _, p := range blk {
		need += p.bytes
	}
	if err := b.e.mem.work(ctx, need); err != nil {
		return err
	}
	defer b.e.mem.worked(need)
	sets := map[string]*cells.Distinct{}
	for name := range s.gathers {
		sets[name] = cells.NewDistinct()
	}
	strings := *in
	strings.want = func(schema *stage.Schema) []int {
		fields := []int{}
		for name := range sets {
			if at := schema.Field(name); at >= 0 && schema.Fields[at].Kind == stage.Bytes {
				fields = append(fields, at)
			}
		}
		return fields
	}
	err := b.compute(ctx, func() error {
		return strings.each(ctx, blk, func(schema *stage.Schema, c *stage.Chunk, p piece) error {
			for _, at := range strings.want(schema) {
				for _, r := range p.spans {
					sets[schema.Fields[at].Name].Add(&c.Columns[at], r.from, r.to)
				}
			}
			return nil
		})
	})
	for name, set := range sets {
		if err != nil {
			return err
		}
		s.blocks[name][i], err = s.gathers[name].Add(ctx, set.Values())
	}
	return err
}

// of returns what a block asks for ids; nil where there are none.
func (s *idSets) of(ctx context.Context, i int) cells.IDs {
	if s == nil {
		return nil
	}
	return func(column string, _ *stage.Column) ([]uint32, error) {
		return s.ids[column].Of(ctx, s.blocks[column][i])
	}
}

// inputs are the slices that were read.
func (s *idSets) inputs() (list []segmenter.Input) {
	if s == nil {
		return nil
	}
	for _, ids := range s.ids {
		if in, ok := ids.Input(); ok {
			list = append(list, in)
		}
	}
	slices.SortFunc(list, func(a, b segmenter.Input) int { return cmp.Compare(a.Key, b.Key) })
	return list
}

// sameIDs removes what an earlier attempt has left unless its ids are from the same slices: a catalog that was rebuilt in
// between may have given others.
func (b *build) sameIDs() error {
	const name = "ids"
	text, err := json.Marshal(b.ids.inputs())
	if err != nil {
		return err
	}
	f, ok, err := b.tmp.open(name)
	if err != nil {
		return err
	}
	if ok {
		defer f.close()
		if before, err := f.read(f.frames[0]); err != nil || string(before) == string(text) {
			return err
		}
	}
	if err := b.tmp.clear(""); err != nil {
		return err
	}
	if f, err = b.tmp.create(name); err != nil {
		return err
	}
	defer f.close()
	return errors.Join(f.add(text, 1), f.finish())
}

func (s *idSets) close() error {
	if s == nil {
		return nil
	}
	var errs []error
	for _, g := range s.gathers {
		errs = append(errs, g.Close())
	}
	return errors.Join(errs...)
}
