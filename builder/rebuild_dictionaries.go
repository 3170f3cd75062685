package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// chain is a dictionary as a slice and those before it say.
type chain struct {
	slices []catalog.DictionarySlice
	keys   map[string]bool
	why    string // it is not whole
	needed int    // segments that name a slice of it
}

// dictionaries finds the slices that segments need. A manifest names the last one, and the hash of the one before stands in
// each. Of two that a column has had, after an old backup was restored, the one that more segments need is taken, then the
// longer one; segments of the other, and of one that is not whole, are ignored: their ids mean nothing in the one taken. What
// no segment names is in no answer, and is left out.
func (r *rebuilding) dictionaries(ctx context.Context) error {
	objects := map[string]blob.Object{}
	for o, err := range r.st.List(ctx, dictionary.Prefix) {
		if err != nil {
			return err
		}
		if _, ok := dictionary.ParsePack(o.Key); !ok { // packs follow from slices
			objects[o.Key] = o
		}
	}
	named := map[[2]string][]string{} // keys, by table and column, one for each segment
	for _, c := range r.cubes {
		for _, m := range c.chosen {
			for _, k := range dictionariesOf(m.Manifest) {
				id := [2]string{k.TableID, k.Column}
				named[id] = append(named[id], k.Key())
			}
		}
	}
	taken := map[string]bool{}
	for _, id := range slices.SortedFunc(maps.Keys(named), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		best, err := r.bestChain(ctx, named[id], objects)
		if err != nil {
			return err
		}
		if best.why == "" {
			t := r.table(id[0])
			t.slices = append(t.slices, best.slices...)
			for key := range best.keys {
				taken[key] = true
			}
		}
	}
	for _, c := range sortedByID(r.cubes, func(c *cubeFiles) string { return c.id }) {
		c.chosen = slices.DeleteFunc(c.chosen, func(m foundManifest) bool {
			for _, k := range dictionariesOf(m.Manifest) {
				if !taken[k.Key()] {
					r.ignore("%s: %s is not a slice of a dictionary that is whole and that the most segments need: fill the hole", m.folder, k.Key())
					return true
				}
			}
			return false
		})
	}
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		if !taken[key] {
			r.ignore("%s: no segment needs it", key)
		}
	}
	return nil
}

// dictionariesOf lists the slices that a manifest names.
func dictionariesOf(m *segmenter.Manifest) (list []dictionary.KeyInfo) {
	for _, in := range m.Inputs {
		if in.Kind != segmenter.InputDictionary {
			continue
		}
		// A name that none of ours can be is on no chain.
		k, err := dictionary.ParseKey(in.Key)
		if err != nil {
			k = dictionary.KeyInfo{TableID: m.TableID, Column: in.Key}
		}
		list = append(list, k)
	}
	return list
}

// bestChain chooses among the chains that end in keys, which are of one column.
func (r *rebuilding) bestChain(ctx context.Context, keys []string, objects map[string]blob.Object) (chain, error) {
	var chains []chain
	distinct := slices.Clone(keys)
	slices.SortFunc(distinct, func(a, b string) int { return cmp.Compare(b, a) }) // the longest first
	for _, key := range slices.Compact(distinct) {
		if slices.ContainsFunc(chains, func(c chain) bool { return c.why == "" && c.keys[key] }) {
			continue // part of a longer one
		}
		c, err := r.chain(ctx, key, objects)
		if err != nil {
			return chain{}, err
		}
		for _, k := range keys {
			if c.keys[k] {
				c.needed++
			}
		}
		chains = append(chains, c)
	}
	// One that is not whole has no slices, and so no segment that needs it.
	return slices.MaxFunc(chains, func(a, b chain) int {
		return cmp.Or(cmp.Compare(a.needed, b.needed), cmp.Compare(len(a.slices), len(b.slices)))
	}), nil
}

// chain walks from a slice back to the first, and reads each whole.
func (r *rebuilding) chain(ctx context.Context, key string, objects map[string]blob.Object) (chain, error) {
	c := chain{keys: map[string]bool{}}
	for key != "" {
		s, previous, err := r.slice(ctx, key, objects)
		switch {
		case errors.Is(err, blob.ErrNotFound) || dictionary.IsDamaged(err):
			return chain{why: err.Error()}, nil
		case err != nil:
			return chain{}, err
		}
		if n := len(c.slices); n > 0 && s.FirstID+s.Values != c.slices[n-1].FirstID {
			return chain{why: fmt.Sprintf("%s does not begin where %s ends", c.slices[n-1].Key, key)}, nil
		}
		c.slices, c.keys[key] = append(c.slices, s), true
		key = previous
	}
	slices.Reverse(c.slices)
	return c, nil
}

func (r *rebuilding) slice(ctx context.Context, key string, objects map[string]blob.Object) (s catalog.DictionarySlice, previous string, err error) {
	o, ok := objects[key]
	if !ok {
		return s, "", fmt.Errorf("%s: %w", key, blob.ErrNotFound)
	}
	if s, previous, err = dictionary.Describe(ctx, r.st, key, o.Size); err != nil {
		return s, "", err
	}
	return s, previous, dictionary.Check(ctx, r.st, s)
}
