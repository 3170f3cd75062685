package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// stringIDs are the ids of the strings that a segment counts exactly, looked up in its dictionaries row group by row group.
type stringIDs struct {
	gathers map[string]*dictionary.Gather // by column
	blocks  map[string][]int              // of each row group, its number in the gather
	ids     map[string]*dictionary.IDs
}

func (s *stringIDs) close() {
	for _, g := range s.gathers {
		_ = g.Close() // what stays is swept from the folder as what builds leave is
	}
}

// of returns what the events of a row group ask for ids.
func (s *stringIDs) of(ctx context.Context, group int) cells.IDs {
	return func(column string, _ *stage.Column) ([]uint32, error) {
		return s.ids[column].Of(ctx, s.blocks[column][group])
	}
}

// findIDs reads the columns of strings that are counted exactly, and finds their ids in the slices that the manifest names. It
// returns nil where there are no such columns, or where a problem names a slice. ok is false where a problem was found.
func (r *cuboidRun) findIDs(ctx context.Context, b *built, inputs []countedSpan) (s *stringIDs, ok bool, err error) {
	columns := r.layout.StringSets()
	if len(columns) == 0 {
		return nil, true, nil
	}
	last := map[string]int64{}
	for _, column := range columns {
		if last[column], ok = r.lastSlice(b, column); !ok {
			return nil, true, nil
		}
	}
	if r.o.Dir != "" {
		if err := os.MkdirAll(r.o.Dir, 0o755); err != nil {
			return nil, false, fmt.Errorf("folder of temporary files: %w", err)
		}
	}
	s = &stringIDs{gathers: map[string]*dictionary.Gather{}, blocks: map[string][]int{}, ids: map[string]*dictionary.IDs{}}
	defer func() {
		if err != nil || !ok {
			s.close()
			s = nil
		}
	}()
	for _, column := range columns {
		s.gathers[column] = r.dictionaries.Gather(r.tableRun.def.ID, column)
	}
	for _, in := range inputs {
		if ok, err = r.eachGroup(ctx, in, fieldsOf(columns), func(g *countedGroup) (bool, error) { return true, s.add(ctx, g) }); err != nil || !ok {
			return s, false, err
		}
	}
	for _, column := range columns {
		var unknown *dictionary.UnknownError
		s.ids[column], err = s.gathers[column].Find(ctx, last[column])
		switch {
		case errors.As(err, &unknown):
			r.wrong(SegmentInputs, "", "its events have the value %q in column %s, which no slice of the dictionary up to slice %d has: the last one that it names",
				unknown.Value, column, last[column])
			return s, false, nil
		case errors.Is(err, blob.ErrNotFound), dictionary.IsDamaged(err): // the dictionary was whole a moment ago
			r.wrong(SegmentInputs, "", "the ids of column %s cannot be looked up in its dictionary: %v", column, err)
			return s, false, nil
		case err != nil:
			return s, false, err
		}
	}
	return s, true, nil
}

// lastSlice returns the number of the last slice that a segment names of a column's dictionary, 0 where it names none. ok is
// false where it or one before it is damaged.
func (r *cuboidRun) lastSlice(b *built, column string) (last int64, ok bool) {
	for _, in := range b.m.Inputs {
		if s := r.slices[in.Key]; in.Kind == segmenter.InputDictionary && s.Column == column {
			last = max(last, s.Slice)
		}
	}
	for key, s := range r.slices {
		if s.Column == column && s.Slice <= last && r.isWrong(key) {
			return last, false
		}
	}
	return last, true
}

// fieldsOf returns the fields of the columns that a schema has as strings.
func fieldsOf(columns []string) func(*stage.Schema) []int {
	return func(s *stage.Schema) []int {
		fields := []int{} // nil would be all
		for _, name := range columns {
			if at := s.Field(name); at >= 0 && s.Fields[at].Kind == stage.Bytes {
				fields = append(fields, at)
			}
		}
		slices.Sort(fields)
		return fields
	}
}

// add gathers the strings of the events of a row group.
func (s *stringIDs) add(ctx context.Context, g *countedGroup) error {
	for column, to := range s.gathers {
		set := cells.NewDistinct()
		for _, at := range fieldsOf([]string{column})(g.schema) {
			for _, run := range g.runs {
				set.Add(&g.chunk.Columns[at], run[0], run[1])
			}
		}
		block, err := to.Add(ctx, set.Values())
		if err != nil {
			return fmt.Errorf("exact distinct counts: %w", err)
		}
		s.blocks[column] = append(s.blocks[column], block)
	}
	return nil
}
