package hbase

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// StoreName is what a manifest has in StoredTable.Store.
const StoreName = cube.StoreHBase

// Reader reads the cuboids of a table, as cuboid.Reader reads those of files. It may be used by several goroutines at once.
type Reader struct {
	s       *Store
	layout  *cells.Layout
	table   string
	values  *values
	entries map[uint64]segmenter.CuboidEntry

	mu     sync.Mutex
	header *header // nil: not read yet
	groups map[uint64][]groupRow
}

// NewReader returns a Reader of the table and the cuboids that a manifest names.
func (s *Store) NewReader(l *cells.Layout, stored *segmenter.StoredTable, cuboids []segmenter.CuboidEntry) (*Reader, error) {
	if stored.Store != string(StoreName) {
		return nil, fmt.Errorf("cuboids are stored in %q, this program knows %s: use the tidemark that wrote them", stored.Store, StoreName)
	}
	if _, ok := parseTable(s.o.Prefix, stored.Table); !ok {
		return nil, fmt.Errorf("hbase: table %s does not begin with the prefix %s: set hbase.prefix as it was", stored.Table, s.o.Prefix)
	}
	r := &Reader{s: s, layout: l, table: stored.Table, values: newValues(l), entries: map[uint64]segmenter.CuboidEntry{}, groups: map[uint64][]groupRow{}}
	for _, e := range cuboids {
		r.entries[uint64(e.Cuboid)] = e
	}
	return r, nil
}

// Close frees what the reader holds.
func (r *Reader) Close() error { return nil }

// about reads the header once.
func (r *Reader) about(ctx context.Context) (*header, error) {
	r.mu.Lock()
	h := r.header
	r.mu.Unlock()
	if h != nil {
		return h, nil
	}
	h, err := r.s.header(ctx, r.table)
	if err != nil {
		return nil, err
	}
	if err := h.is(r.table, r.layout); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.header = h
	return h, nil
}

func (s *Store) header(ctx context.Context, table string) (*header, error) {
	var text []byte
	err := s.scan(ctx, table, headerKey(), append(headerKey(), 0), func(x row) error {
		value, err := unseal(x)
		if err != nil {
			return damaged(table, "header: %w", err)
		}
		text = bytes.Clone(value)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, damaged(table, "it has no header: it was never finished")
	}
	return parseHeader(table, text)
}

// Header returns what a table says of its columns.
func (s *Store) Header(ctx context.Context, table string) (*cuboid.Header, error) {
	h, err := s.header(ctx, table)
	if err != nil {
		return nil, err
	}
	return h.Cuboids, nil
}

// index reads the descriptions of a cuboid's groups once.
func (r *Reader) index(ctx context.Context, mask uint64) ([]groupRow, error) {
	e, ok := r.entries[mask]
	if !ok {
		return nil, fmt.Errorf("there is no cuboid %d", mask)
	}
	r.mu.Lock()
	list, ok := r.groups[mask]
	r.mu.Unlock()
	if ok {
		return list, nil
	}
	rows := int64(0)
	err := r.s.scan(ctx, r.table, groupKey(mask, 0), groupKey(mask+1, 0), func(x row) error {
		g, err := parseGroup(r.table, x, mask, len(list))
		if err != nil {
			return err
		}
		list, rows = append(list, g), rows+int64(g.Rows)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if rows != e.Rows {
		return nil, damaged(r.table, "cuboid %d has %d rows, the manifest says %d", mask, rows, e.Rows)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groups[mask] = list
	return list, nil
}

// parseGroup reads the description of a group, which must be the one at place of the cuboid.
func parseGroup(table string, x row, mask uint64, place int) (g groupRow, err error) {
	if !bytes.Equal(x.key, groupKey(mask, place)) {
		return g, damaged(table, "group %d of cuboid %d is missing", place, mask)
	}
	value, err := unseal(x)
	if err == nil {
		err = json.Unmarshal(value, &g)
	}
	if err != nil {
		return g, damaged(table, "group %d of cuboid %d: %w", place, mask, err)
	}
	return g, nil
}

// Groups returns the row groups of a cuboid, in row-key order. An unknown cuboid is an error.
func (r *Reader) Groups(ctx context.Context, mask uint64) ([]cuboid.RowGroup, error) {
	list, err := r.index(ctx, mask)
	if err != nil {
		return nil, err
	}
	var out []cuboid.RowGroup
	for i := range list {
		g, err := list[i].rowGroup(r.layout, mask, i)
		if err != nil {
			return nil, damaged(r.table, "%w", err)
		}
		out = append(out, g)
	}
	return out, nil
}

// rows reads the rows of a group, in row-key order: one scan of each shard, merged.
func (r *Reader) rows(ctx context.Context, g cuboid.RowGroup) ([]row, error) {
	list, err := r.index(ctx, g.Mask)
	if err != nil {
		return nil, err
	}
	h, err := r.about(ctx)
	if err != nil {
		return nil, err
	}
	if g.Place < 0 || g.Place >= len(list) {
		return nil, damaged(r.table, "cuboid %d has no group %d", g.Mask, g.Place)
	}
	lanes := make([][]row, h.Shards)
	eg, scanning := errgroup.WithContext(ctx)
	eg.SetLimit(8)
	for i := range lanes {
		eg.Go(func() error {
			from, to := bounds(list, i+1, g)
			return r.s.scan(scanning, r.table, from, to, func(x row) error {
				if len(lanes[i]) == list[g.Place].Rows {
					return damaged(r.table, "group %d of cuboid %d has more rows than the %d that were written", g.Place, g.Mask, list[g.Place].Rows)
				}
				value, err := unseal(x)
				if err != nil {
					return damaged(r.table, "cuboid %d: %w", g.Mask, err)
				}
				lanes[i] = append(lanes[i], row{key: bytes.Clone(x.key[fixedBytes:]), value: bytes.Clone(value)})
				return nil
			})
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	all := slices.Concat(lanes...)
	if len(lanes) > 1 {
		slices.SortFunc(all, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	}
	if len(all) != list[g.Place].Rows {
		return nil, damaged(r.table, "group %d of cuboid %d has %d rows, %d were written", g.Place, g.Mask, len(all), list[g.Place].Rows)
	}
	return all, nil
}

// bounds returns the keys between which the rows of a group lie in a shard.
func bounds(list []groupRow, shard int, g cuboid.RowGroup) (from, to []byte) {
	from = appendPrefix(nil, shard, g.Mask)
	if g.Place > 0 {
		from = append(append(from, list[g.Place-1].Last...), 0)
	}
	if g.Place == len(list)-1 {
		return from, appendPrefix(nil, shard, g.Mask+1)
	}
	to = append(appendPrefix(nil, shard, g.Mask), list[g.Place].Last...)
	return from, append(to, 0)
}

// Read reads the dimensions of dims (of them those that the cuboid has) and the measures with the given indexes, nil for
// all, of a row group. All states come over the wire in any case.
func (r *Reader) Read(ctx context.Context, g cuboid.RowGroup, dims uint64, measures []int) (*cuboid.Rows, error) {
	list, err := r.rows(ctx, g)
	if err != nil {
		return nil, err
	}
	n := len(r.layout.Dims)
	out := &cuboid.Rows{N: len(list), Dicts: make([]*cells.Dict, n), Codes: make([][]uint32, n), States: make([]cells.States, len(r.layout.Measures))}
	if err := r.dimensions(out, list, g.Mask, dims); err != nil {
		return nil, damaged(r.table, "cuboid %d: %w", g.Mask, err)
	}
	cols := r.values.empty()
	for i := range list {
		if err := r.values.take(cols, list[i].value); err != nil {
			return nil, damaged(r.table, "cuboid %d, row %d of group %d: %w", g.Mask, i, g.Place, err)
		}
	}
	states, err := r.values.states(cols)
	if err != nil {
		return nil, damaged(r.table, "cuboid %d: %w", g.Mask, err)
	}
	for i := range states {
		if measures == nil || slices.Contains(measures, i) {
			out.States[i] = states[i]
		}
	}
	return out, nil
}

// dimensions makes dictionaries and codes of keys. Forms order as values do, so sorted forms make a dictionary.
func (r *Reader) dimensions(out *cuboid.Rows, list []row, mask, dims uint64) error {
	n := len(r.layout.Dims)
	rest := make([][]byte, len(list))
	for i := range list {
		rest[i] = list[i].key
	}
	for d := range r.layout.Dims {
		bit := uint64(1) << (n - 1 - d)
		if mask&bit == 0 {
			continue
		}
		kind, wanted := r.layout.Dims[d].Kind, dims&bit != 0
		ids, forms := map[string]uint32{}, [][]byte(nil)
		var codes []uint32
		for i := range rest {
			size, err := valueLen(kind, rest[i])
			if err != nil {
				return fmt.Errorf("row %d, dimension %s: %w", i, r.layout.Dims[d].Name, err)
			}
			form := rest[i][:size]
			rest[i] = rest[i][size:]
			if !wanted {
				continue
			}
			id, ok := ids[string(form)]
			if !ok {
				id = uint32(len(forms))
				ids[string(form)], forms = id, append(forms, form)
			}
			codes = append(codes, id)
		}
		if wanted {
			if err := code(out, d, kind, forms, codes); err != nil {
				return fmt.Errorf("dimension %s: %w", r.layout.Dims[d].Name, err)
			}
		}
	}
	for i := range rest {
		if len(rest[i]) > 0 {
			return fmt.Errorf("row %d: %d bytes behind its key", i, len(rest[i]))
		}
	}
	return nil
}

// code sets the dictionary of a dimension to its distinct forms, and the codes of its rows, which are places in forms.
func code(out *cuboid.Rows, d int, kind pages.Kind, forms [][]byte, codes []uint32) error {
	order := make([]uint32, len(forms))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return bytes.Compare(forms[a], forms[b]) })
	dict, ranks := &cells.Dict{Values: pages.Column{Kind: kind}}, make([]uint32, len(forms))
	for _, i := range order {
		if forms[i][0] == 0 {
			continue // null
		}
		if err := takeValue(&dict.Values, forms[i]); err != nil {
			return err
		}
		ranks[i] = uint32(dict.Values.Len())
	}
	for i, c := range codes {
		codes[i] = ranks[c]
	}
	out.Dicts[d], out.Codes[d] = dict, codes
	return nil
}

// Cells reads all of a row group.
func (r *Reader) Cells(ctx context.Context, g cuboid.RowGroup) (*cells.Cells, error) {
	rows, err := r.Read(ctx, g, r.layout.Base(), nil)
	if err != nil {
		return nil, err
	}
	c, err := cells.NewCells(g.Mask, rows.Dicts, rows.Codes, rows.States)
	if err != nil {
		return nil, damaged(r.table, "group %d of cuboid %d: %w", g.Place, g.Mask, err)
	}
	return c, nil
}

// Prove does what cuboid.Reader.Prove does.
func (r *Reader) Prove(ctx context.Context, mask uint64, each func(*cells.Cells) error) error {
	e := r.entries[mask]
	e.Cuboid = int64(mask) // of one that is not there
	return cuboid.Prove(ctx, r, e, each)
}

// Verify proves every cuboid; progress counts rows.
func (r *Reader) Verify(ctx context.Context, progress func(done, total int64)) error {
	done, total := int64(0), int64(0)
	for _, e := range r.entries {
		total += e.Rows
	}
	for _, mask := range slices.Sorted(maps.Keys(r.entries)) {
		err := r.Prove(ctx, mask, func(c *cells.Cells) error {
			done += int64(c.Len())
			progress(done, total)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ProvePieces proves that the table has no rows of other cuboids than those that the manifest names.
func (r *Reader) ProvePieces(ctx context.Context) error {
	h, err := r.about(ctx)
	if err != nil {
		return err
	}
	for shard := 1; shard <= h.Shards; shard++ {
		from := appendPrefix(nil, shard, 0)
		for _, mask := range slices.Sorted(maps.Keys(r.entries)) {
			if err := r.nothing(ctx, from, appendPrefix(nil, shard, mask)); err != nil {
				return err
			}
			from = appendPrefix(nil, shard, mask+1)
		}
		if err := r.nothing(ctx, from, appendPrefix(nil, shard+1, 0)); err != nil {
			return err
		}
	}
	return r.nothing(ctx, appendPrefix(nil, h.Shards+1, 0), []byte{0xff, 0xff, 0xff})
}

// nothing proves that no row lies between two keys.
func (r *Reader) nothing(ctx context.Context, from, to []byte) error {
	if bytes.Compare(from, to) >= 0 {
		return nil
	}
	return r.s.scan(ctx, r.table, from, to, func(x row) error {
		return damaged(r.table, "row %x is of no cuboid of the manifest", x.key[:min(len(x.key), 64)])
	})
}

// FileOf names the table, whatever the cuboid.
func (r *Reader) FileOf(uint64) string { return Key(r.table) }
