package dictionary

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// UnknownError says that no slice has a value that was looked up.
type UnknownError struct {
	Value string // its first 100 bytes
}

func (e *UnknownError) Error() string { return fmt.Sprintf("no slice has the value %q", e.Value) }

// Unknown stands in the place of an id that Known has not found: a dictionary is full before it has that many values.
const Unknown = math.MaxUint32

// Known is Find in the slices above after, up to last, and a value that none of them has gets Unknown for its id (D8).
func (g *Gather) Known(ctx context.Context, after, last int64) (*IDs, error) {
	return g.end(ctx, &IDs{g: g, fixed: true, lenient: true}, func(i *IDs, ctx context.Context) error {
		list, err := g.d.o.Catalog.DictionarySlices(ctx, g.tableID, g.column, after)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(s catalog.DictionarySlice) bool { return s.Slice > last })
		before := catalog.DictionarySlice{Slice: after}
		if len(list) > 0 && after > 0 {
			before.FirstID = list[0].FirstID
		}
		if err := follow(before, list); err != nil {
			return err
		}
		known, err := g.chain(ctx, list)
		if err != nil {
			return err
		}
		_, err = i.split(ctx, i.all, known, before)
		return err
	})
}

// Find is Resolve for one who changes nothing: it looks in the slices 1 to last, and a value that none of them has is an
// *UnknownError (D8).
func (g *Gather) Find(ctx context.Context, last int64) (*IDs, error) {
	return g.end(ctx, &IDs{g: g, fixed: true}, func(i *IDs, ctx context.Context) error {
		list, err := g.d.o.Catalog.DictionarySlices(ctx, g.tableID, g.column, 0)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(s catalog.DictionarySlice) bool { return s.Slice > last })
		if err := follow(catalog.DictionarySlice{}, list); err != nil {
			return err
		}
		known, err := g.chain(ctx, list)
		if err != nil {
			return err
		}
		_, err = i.split(ctx, i.all, known, catalog.DictionarySlice{})
		return err
	})
}
