package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// stringIDs number strings of events that no segment holds as the dictionaries of their columns do, so that exact distinct counts
// of segments and of events add up. A string that a dictionary has not yet gets a number of its own from above, which no
// dictionary has. What segments of a snapshot hold is in the dictionary as it is after that snapshot; so a string has one number in
// all that a statement reads.
type stringIDs struct {
	catalog *catalog.Catalog
	d       *dictionary.Dictionaries
	limit   int64 // bytes of one column

	mu       sync.Mutex
	columns  map[columnKey]*columnIDs
	made     int64 // columnIDs
	versions map[string]int64
}

type columnKey struct{ table, column string }

func newStringIDs(o Options) (*stringIDs, error) {
	if o.Duck.TempDir != "" {
		if err := os.MkdirAll(o.Duck.TempDir, 0o700); err != nil {
			return nil, fmt.Errorf("folder of temporary files: %w", err)
		}
	}
	d, err := dictionary.New(dictionary.Options{Catalog: o.Catalog, Store: o.Store, Dir: o.Duck.TempDir, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	return &stringIDs{catalog: o.Catalog, d: d, limit: o.IDBytes, columns: map[columnKey]*columnIDs{}, versions: map[string]int64{}}, nil
}

// columnIDs are numbers of strings of one column. They only become more.
type columnIDs struct {
	key columnKey
	n   int64 // among all that were made

	mu    sync.Mutex
	ids   map[string]numbered
	bytes int64
	slice int64 // the last one of the dictionary that was looked in
	end   int64 // of ids in it
	own   uint32
}

// numbered is a string's numbers.
type numbered struct {
	id  int64  // in the dictionary, as of columnIDs.slice; -1: it has none
	own uint32 // 0: none was needed
}

// idsAt are the numbers of columns of a table at one moment of their dictionaries.
type idsAt struct {
	of      cells.IDs
	version int64
}

// at returns the numbers as of now: after the snapshot was taken.
func (s *stringIDs) at(ctx context.Context, table string, columns []string) (*idsAt, error) {
	type moment struct {
		ids *columnIDs
		end int64
	}
	now := map[string]moment{}
	var text strings.Builder
	for _, name := range columns {
		c := s.column(columnKey{table, name})
		slice, end, err := c.advance(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("dictionary of column %s: %w", name, err)
		}
		now[name] = moment{c, end}
		fmt.Fprintf(&text, "%d@%d ", c.n, slice)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	version, ok := s.versions[text.String()]
	if !ok {
		version = int64(len(s.versions)) + 1
		s.versions[text.String()] = version
	}
	return &idsAt{version: version, of: func(column string, values *stage.Column) ([]uint32, error) {
		m, ok := now[column]
		if !ok {
			return nil, fmt.Errorf("column %s is not numbered", column)
		}
		return m.ids.of(ctx, s, values, m.end)
	}}, nil
}

// column returns the numbers of a column: new ones where the old take much room. Who has the old ones goes on with them.
func (s *stringIDs) column(key columnKey) *columnIDs {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.columns[key]
	if ok {
		c.mu.Lock()
		ok = c.bytes <= s.limit/2
		c.mu.Unlock()
	}
	if !ok {
		s.made++
		c = &columnIDs{key: key, n: s.made, ids: map[string]numbered{}, own: math.MaxUint32}
		s.columns[key] = c
	}
	return c
}

// advance takes in what the dictionary has been given since, and returns its last slice and where its ids end.
func (c *columnIDs) advance(ctx context.Context, s *stringIDs) (slice, end int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, err := s.catalog.DictionarySlices(ctx, c.key.table, c.key.column, c.slice)
	if err != nil || len(list) == 0 {
		return c.slice, c.end, err
	}
	last := list[len(list)-1]
	if last.FirstID+last.Values >= int64(c.own) {
		return 0, 0, errors.New("it is full: use count_distinct, which needs no dictionary")
	}
	var missing []string
	for v, n := range c.ids {
		if n.id < 0 {
			missing = append(missing, v)
		}
	}
	slices.Sort(missing)
	found, err := c.find(ctx, s, missing, c.slice, last.Slice)
	if err != nil {
		return 0, 0, err
	}
	for i, v := range missing {
		if found[i] != dictionary.Unknown {
			n := c.ids[v]
			n.id = int64(found[i])
			c.ids[v] = n
		}
	}
	c.slice, c.end = last.Slice, last.FirstID+last.Values
	return c.slice, c.end, nil
}

// find looks values up in the slices above after, up to last.
func (c *columnIDs) find(ctx context.Context, s *stringIDs, values []string, after, last int64) (ids []uint32, err error) {
	if len(values) == 0 || after == last {
		return slices.Repeat([]uint32{dictionary.Unknown}, len(values)), nil
	}
	col := &stage.Column{Kind: stage.Bytes}
	for _, v := range values {
		col.AppendBytes([]byte(v))
	}
	g := s.d.Gather(c.key.table, c.key.column)
	defer func() { err = errors.Join(err, g.Close()) }()
	block, err := g.Add(ctx, col)
	if err != nil {
		return nil, err
	}
	known, err := g.Known(ctx, after, last)
	if err != nil {
		return nil, err
	}
	return known.Of(ctx, block)
}

// of returns the numbers of values while ids of the dictionary end at end.
func (c *columnIDs) of(ctx context.Context, s *stringIDs, values *stage.Column, end int64) ([]uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var missing []string
	for i := range values.Len() {
		if _, ok := c.ids[string(values.Bytes(i))]; !ok {
			missing = append(missing, string(values.Bytes(i)))
		}
	}
	found, err := c.find(ctx, s, missing, 0, c.slice)
	if err != nil {
		return nil, err
	}
	for i, v := range missing {
		n := numbered{id: int64(found[i])}
		if found[i] == dictionary.Unknown {
			n.id = -1
		}
		c.ids[v] = n
		c.bytes += int64(len(v)) + 64
	}
	if c.bytes > s.limit {
		return nil, fmt.Errorf("distinct values of column %s in events that no segment holds take more than %d bytes (query.id_bytes): build a segment of them, or raise it", c.key.column, s.limit)
	}
	out := make([]uint32, values.Len())
	for i := range out {
		n := c.ids[string(values.Bytes(i))]
		if n.id >= 0 && n.id < end {
			out[i] = uint32(n.id)
			continue
		}
		if n.own == 0 {
			if c.own--; int64(c.own) <= c.end {
				return nil, fmt.Errorf("dictionary of column %s: it is full: use count_distinct, which needs no dictionary", c.key.column)
			}
			n.own = c.own
			c.ids[string(values.Bytes(i))] = n
		}
		out[i] = n.own
	}
	return out, nil
}

// unasked stands for the numbers of strings in states that nobody looks at.
func unasked(_ string, values *stage.Column) ([]uint32, error) {
	return make([]uint32, values.Len()), nil
}

// exactStrings lists the columns of strings of which a layout keeps exact distinct counts, and reports whether a block asks for one.
func exactStrings(n *plan.Need, t *cube.Table) (columns []string, asked bool) {
	for i, m := range n.Layout.Measures {
		if m.Function != cube.CountDistinctExact {
			continue
		}
		at := slices.IndexFunc(t.Columns, func(c cube.Column) bool { return c.Name == m.Column })
		if at < 0 || t.Columns[at].Type.Kind != cube.String && t.Columns[at].Type.Kind != cube.JSON {
			continue
		}
		columns = append(columns, m.Column)
		asked = asked || slices.ContainsFunc(n.Sources, func(s plan.Source) bool { return s.Measure == i })
	}
	return columns, asked
}

// number says in a question for cells how strings are numbered.
func (b *blockRun) number(ctx context.Context, n *plan.Need) (of cells.IDs, version int64, err error) {
	columns, asked := exactStrings(n, b.t.def.table)
	switch {
	case len(columns) == 0:
		return nil, 0, nil
	case !asked:
		return unasked, 0, nil
	case b.t.ids == nil:
		if b.t.ids, err = b.x.e.ids.at(ctx, b.t.def.table.ID, columns); err != nil {
			return nil, 0, err
		}
	}
	return b.t.ids.of, b.t.ids.version, nil
}
