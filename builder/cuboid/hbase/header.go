package hbase

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// FormatVersion is the version of tables.
const FormatVersion = 1

// WriterVersion names the writer in tables.
const WriterVersion = "tidemark version 1 (build hbase)"

// Rows of shard 0 describe the table.
const (
	headerTag = 'h'
	groupTag  = 'g'
)

// header is the row that says what a table holds. It is written last.
type header struct {
	FormatVersion int            `json:"format_version"`
	Writer        string         `json:"writer"`
	Shards        int            `json:"shards"`
	ShardBy       string         `json:"shard_by,omitempty"`
	Cuboids       *cuboid.Header `json:"cuboids"` // as in files
}

func headerKey() []byte { return []byte{0, 0, headerTag} }

// parseHeader reads a header, which stands alone.
func parseHeader(table string, text []byte) (*header, error) {
	h := new(header)
	if err := json.Unmarshal(text, h); err != nil {
		return nil, damaged(table, "header: %w", err)
	}
	if h.FormatVersion != FormatVersion {
		return nil, damaged(table, "format version %d, this program reads %d: use the tidemark that wrote it (%s) or a newer one", h.FormatVersion, FormatVersion, h.Writer)
	}
	if h.Cuboids == nil {
		return nil, damaged(table, "header: it does not say what the columns are")
	}
	if err := h.Cuboids.Validate(); err != nil {
		return nil, damaged(table, "header: %w", err)
	}
	if h.Shards < 1 || h.Shards > 1<<16-2 {
		return nil, damaged(table, "it has %d shards", h.Shards)
	}
	return h, nil
}

// is holds a header against a layout.
func (h *header) is(table string, l *cells.Layout) error {
	want, err := cuboid.NewHeader(l)
	if err != nil {
		return err
	}
	have, err := json.Marshal(h.Cuboids)
	if err != nil {
		return damaged(table, "header: %w", err)
	}
	need, err := json.Marshal(want)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, need) {
		return damaged(table, "it holds %s, want %s", have, need)
	}
	return nil
}

// groupRow describes a row group: rows of a cuboid that are read at once. Groups tile the keys of a cuboid: one begins
// behind the last key of the one before.
type groupRow struct {
	Rows  int      `json:"rows"`
	Bytes int64    `json:"bytes"` // of keys and values
	Last  []byte   `json:"last"`  // key of the last row, without shard and cuboid
	Min   [][]byte `json:"min"`   // least value of each dimension, as in keys; null where absent or all are null
	Max   [][]byte `json:"max"`   // greatest
	Nulls []int64  `json:"nulls"` // rows without a value
}

func groupKey(mask uint64, place int) []byte {
	b := binary.BigEndian.AppendUint64([]byte{0, 0, groupTag}, mask)
	return binary.BigEndian.AppendUint32(b, uint32(place))
}

// describe makes the row of a group, which is rows [from, to) of cells, without Last and Bytes.
func describe(l *cells.Layout, c *cells.Cells, from, to int) groupRow {
	n := len(l.Dims)
	g := groupRow{Rows: to - from, Min: make([][]byte, n), Max: make([][]byte, n), Nulls: make([]int64, n)}
	var codes []uint32
	for i, d := range c.Dicts {
		if d == nil {
			g.Nulls[i] = int64(to - from)
			continue
		}
		least, most := uint32(0), uint32(0)
		codes = c.Keys.AppendCodes(codes[:0], i, from, to)
		for _, code := range codes {
			switch {
			case code == 0:
				g.Nulls[i]++
			case least == 0:
				least, most = code, code
			default:
				least, most = min(least, code), max(most, code)
			}
		}
		if least > 0 {
			g.Min[i], g.Max[i] = appendValue(nil, &d.Values, int(least-1)), appendValue(nil, &d.Values, int(most-1))
		}
	}
	return g
}

// rowGroup returns what a reader says of a group.
func (g *groupRow) rowGroup(l *cells.Layout, mask uint64, place int) (out cuboid.RowGroup, err error) {
	n := len(l.Dims)
	if g.Rows < 1 || g.Rows > cuboid.GroupRows || len(g.Min) != n || len(g.Max) != n || len(g.Nulls) != n {
		return out, fmt.Errorf("group %d of cuboid %d: %d rows, bounds of %d, %d and %d dimensions, want %d", place, mask, g.Rows, len(g.Min), len(g.Max), len(g.Nulls), n)
	}
	out = cuboid.RowGroup{Mask: mask, Rows: g.Rows, Bytes: g.Bytes, Plain: g.Bytes, Bounds: make([]*cells.Dict, n), Nulls: g.Nulls, Place: place}
	for i, d := range l.Dims {
		if mask>>(n-1-i)&1 == 0 || g.Min[i] == nil || g.Max[i] == nil {
			continue
		}
		out.Bounds[i] = &cells.Dict{Values: pages.Column{Kind: d.Kind}}
		for _, form := range [][]byte{g.Min[i], g.Max[i]} {
			if size, err := valueLen(d.Kind, form); err != nil || size != len(form) || form[0] == 0 {
				return out, fmt.Errorf("group %d of cuboid %d: bounds of dimension %s are no values", place, mask, d.Name)
			}
			if err := takeValue(&out.Bounds[i].Values, form); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}
