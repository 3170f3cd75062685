package dictionary_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// readOnly is a catalog that takes no slice.
type readOnly struct {
	*memCatalog
	t *testing.T
}

func (c readOnly) AppendDictionary(context.Context, catalog.DictionarySlice) error {
	c.t.Error("a slice is appended")
	return errors.New("read only")
}

// Find gives the ids that a build was given, up to a slice, and adds nothing.
func TestFind(t *testing.T) {
	ctx, st, c := t.Context(), new(blob.Mem), new(memCatalog)
	d := open(t, dictionary.Options{Store: st, Catalog: c})
	for _, text := range []string{"pear apple", "fig apple", "banana"} {
		if _, _, err := build(ctx, d, words(text)); err != nil {
			t.Fatal(err)
		}
	}
	before := objects(t, st)
	d = open(t, dictionary.Options{Store: st, Catalog: readOnly{c, t}})
	find := func(last int64, values string) ([]uint32, error) {
		g := d.Gather("t1", "name")
		defer g.Close()
		block, err := g.Add(ctx, words(values))
		if err != nil {
			t.Fatal(err)
		}
		ids, err := g.Find(ctx, last)
		if err != nil {
			return nil, err
		}
		return ids.Of(ctx, block)
	}
	for _, tt := range []struct {
		last    int64
		values  string
		want    []uint32
		unknown string
	}{
		{3, "apple banana fig pear", []uint32{0, 3, 2, 1}, ""},
		{2, "apple fig", []uint32{0, 2}, ""},
		{2, "apple banana fig", nil, "banana"},
		{1, "fig", nil, "fig"},
		{3, "apple kiwi", nil, "kiwi"},
		{0, "", []uint32{}, ""},
		{0, "apple", nil, "apple"},
	} {
		got, err := find(tt.last, tt.values)
		var unknown *dictionary.UnknownError
		if errors.As(err, &unknown) != (tt.unknown != "") || unknown != nil && unknown.Value != tt.unknown || unknown == nil && err != nil {
			t.Errorf("%q up to slice %d: %v, want unknown %q", tt.values, tt.last, err, tt.unknown)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q up to slice %d (-want +got):\n%s", tt.values, tt.last, diff)
		}
	}
	if diff := cmp.Diff(before, objects(t, st)); diff != "" {
		t.Errorf("the store has changed (-before +after):\n%s", diff)
	}
}
