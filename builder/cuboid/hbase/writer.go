package hbase

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// KeyError says that the values of a cell do not fit into a row key.
type KeyError struct {
	Dimension string // whose values take most
	Bytes     int
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("hbase: the dimensions of a cell take %d bytes, most of them %s, and HBase allows %d: shorten that column, or set store: files", e.Bytes, e.Dimension, MaxRowKey)
}

// Spec says what a table is for.
type Spec struct {
	CubeID  string
	Segment string // its id
	Attempt int64
	ShardBy string // a dimension; may be empty
	Events  int64  // in the segment
	Layout  *cells.Layout
}

// Writer writes the cuboids of one segment to a table. It is used by one goroutine.
type Writer struct {
	s      *Store
	layout *cells.Layout
	header header
	by     int // dimension of ShardBy; -1: none
	table  string
	values *values

	entries []segmenter.CuboidEntry
	index   []row
	done    map[uint64]bool
	mask    uint64 // the last one
	place   int    // of its next group
	last    []byte // key of its last row
	sum     *cuboid.Sum
}

// group is cells as they are written, and what the table is to say of them.
type group struct {
	rows   []row
	abouts []groupRow
	hashes []pages.Hash
	size   int64
}

// NewWriter makes the table. The warning, where there is one, is for people: regions are running out.
func (s *Store) NewWriter(ctx context.Context, spec Spec) (w *Writer, warning string, err error) {
	h, err := cuboid.NewHeader(spec.Layout)
	if err != nil {
		return nil, "", err
	}
	w = &Writer{
		s: s, layout: spec.Layout, values: newValues(spec.Layout), done: map[uint64]bool{},
		table:  TableName(s.o.Prefix, spec.CubeID, spec.Segment, spec.Attempt),
		header: header{FormatVersion: FormatVersion, Writer: WriterVersion, Shards: 1, ShardBy: spec.ShardBy, Cuboids: h},
		by:     slices.IndexFunc(spec.Layout.Dims, func(d cells.Dim) bool { return d.Name == spec.ShardBy }),
	}
	if _, ok := parseTable(s.o.Prefix, w.table); !ok {
		return nil, "", fmt.Errorf("hbase: cube %q, segment %q make no name of a table", spec.CubeID, spec.Segment)
	}
	if w.by >= 0 {
		w.header.Shards = int(min(int64(s.o.MaxShards), 1+(spec.Events-1)/s.o.ShardEvents))
		w.header.Shards = max(w.header.Shards, 1)
	}
	warning, err = s.create(ctx, w.table, w.header.Shards)
	if err != nil {
		return nil, "", err
	}
	return w, warning, nil
}

// encode makes rows of cells, at most cuboid.GroupRows.
func (w *Writer) encode(c *cells.Cells) (*group, error) {
	if c.Len() == 0 || c.Len() > cuboid.GroupRows {
		return nil, fmt.Errorf("hbase: %d rows at once, want 1 to %d", c.Len(), cuboid.GroupRows)
	}
	rows := make([]row, c.Len())
	g := &group{rows: rows, hashes: cuboid.HashRows(c)}
	first, held := 0, int64(0)
	keys, cols := newKeyMaker(c, w.header.Shards, w.by), w.values.columns(c)
	for i := range rows {
		r := &rows[i]
		if r.key = keys.key(i); len(r.key) > MaxRowKey {
			return nil, w.tooLong(keys, i)
		}
		r.value = w.values.append(make([]byte, sealBytes, 64), cols, i)
		seal(*r)
		if len(r.value) > 256*pieceBytes {
			return nil, fmt.Errorf("hbase: the states of a cell take %d bytes, at most %d are stored: set store: files", len(r.value), 256*pieceBytes)
		}
		if i > 0 && bytes.Compare(rows[i-1].key[fixedBytes:], r.key[fixedBytes:]) >= 0 {
			return nil, fmt.Errorf("H2: cuboid %b: row %d does not come after the one before it", c.Mask, i)
		}
		held += int64(len(r.key) + len(r.value))
		if i+1-first < w.s.o.GroupRows && held < w.s.o.GroupBytes && i+1 < len(rows) {
			continue
		}
		about := describe(w.layout, c, first, i+1)
		about.Last, about.Bytes = r.key[fixedBytes:], held
		g.abouts, g.size = append(g.abouts, about), g.size+held
		first, held = i+1, 0
	}
	return g, nil
}

func (w *Writer) tooLong(k *keyMaker, i int) error {
	e := &KeyError{Bytes: len(k.key(i))}
	most := -1
	for d, forms := range k.forms {
		if forms == nil {
			continue
		}
		if n := len(forms[k.cells.Keys.Code(i, d)]); n > most {
			most, e.Dimension = n, w.layout.Dims[d].Name
		}
	}
	return e
}

// Append writes cells, at most cuboid.GroupRows of one cuboid. Those of a cuboid come in order and one after the other.
// After an error the Writer is of no use.
func (w *Writer) Append(ctx context.Context, c *cells.Cells) error {
	g, err := w.encode(c)
	if err != nil {
		return err
	}
	if err := w.Begin(c.Mask); err != nil {
		return err
	}
	if w.place > 0 && bytes.Compare(w.last, g.rows[0].key[fixedBytes:]) >= 0 {
		return fmt.Errorf("H2: cuboid %b: group %d does not come after the one before it", c.Mask, w.place)
	}
	w.last = g.rows[len(g.rows)-1].key[fixedBytes:]
	// Neighbours in the cuboid lie in many shards; sorted, a batch goes to few of them.
	slices.SortFunc(g.rows, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	if err := w.s.put(ctx, w.table, g.rows); err != nil {
		return err
	}
	for i := range g.abouts {
		text, err := json.Marshal(&g.abouts[i])
		if err != nil {
			return err
		}
		w.index = append(w.index, sealed(groupKey(c.Mask, w.place), text))
		w.place++
	}
	e := &w.entries[len(w.entries)-1]
	e.Rows += int64(c.Len())
	e.Bytes += g.size
	w.sum.Add(g.hashes)
	return nil
}

// Begin begins a cuboid, which has no rows unless Append follows.
func (w *Writer) Begin(mask uint64) error {
	if len(w.entries) > 0 && w.mask == mask {
		return nil
	}
	if w.done[mask] {
		return fmt.Errorf("H2: rows of cuboid %b come apart", mask)
	}
	w.end()
	w.done[mask] = true
	w.mask, w.place, w.last, w.sum = mask, 0, nil, cuboid.NewSum(mask)
	w.entries = append(w.entries, segmenter.CuboidEntry{Cuboid: int64(mask)})
	return nil
}

func (w *Writer) end() {
	if len(w.entries) > 0 {
		w.entries[len(w.entries)-1].SHA256 = w.sum.SHA256()
	}
}

// Finish writes what describes the table, reads every cuboid back (H3), and returns what the manifest says of them.
func (w *Writer) Finish(ctx context.Context, progress func(done, total int64)) ([]segmenter.CuboidEntry, *segmenter.StoredTable, error) {
	w.end()
	text, err := json.Marshal(w.header)
	if err != nil {
		return nil, nil, err
	}
	if err := w.s.put(ctx, w.table, w.index); err != nil {
		return nil, nil, err
	}
	if err := w.s.put(ctx, w.table, []row{sealed(headerKey(), text)}); err != nil {
		return nil, nil, err
	}
	out := &segmenter.StoredTable{Store: string(StoreName), Table: w.table}
	slices.SortFunc(w.entries, func(a, b segmenter.CuboidEntry) int { return cmp.Compare(a.Cuboid, b.Cuboid) })
	for _, e := range w.entries {
		out.Rows += e.Rows
	}
	r, err := w.s.NewReader(w.layout, out, w.entries)
	if err != nil {
		return nil, nil, err
	}
	if err := r.Verify(ctx, progress); err != nil {
		return nil, nil, fmt.Errorf("read back: %w", err)
	}
	return w.entries, out, nil
}
