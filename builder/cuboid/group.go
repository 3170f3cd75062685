package cuboid

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/parquet-go/parquet-go/format"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// GroupRows is the most rows of a row group.
const GroupRows = 131072

// firstByte is where the first column chunk of a file lies, behind the magic. Groups are encoded as if they were first.
const firstByte = int64(len(pages.Magic))

// Group is an encoded row group: rows of one cuboid.
type Group struct {
	Mask uint64
	Rows int

	data   []byte
	rg     format.RowGroup // its offsets count from firstByte
	hashes []pages.Hash    // of the rows
}

// Encoder encodes row groups, one after the other, and keeps its memory. Several may work at once.
type Encoder struct {
	layout *cells.Layout
	leaves []pages.Leaf
	pages  pages.Encoder
	buf    bytes.Buffer

	codes []uint32
	part  []uint32
	words []uint64
	spans []pages.Span
}

// NewEncoder returns an Encoder of cells of a layout.
func NewEncoder(l *cells.Layout) (*Encoder, error) {
	h, err := NewHeader(l)
	if err != nil {
		return nil, err
	}
	return &Encoder{layout: l, leaves: h.leaves(), pages: pages.Encoder{OneCodec: true}}, nil
}

// Encode makes one row group of the rows of parts, at most GroupRows, which are of one cuboid and ascend (U1). There must
// be a part; without rows the group only says that the cuboid is empty.
func (e *Encoder) Encode(parts ...cells.Part) (*Group, error) {
	g := &Group{Mask: parts[0].Cells.Mask}
	for i, p := range parts {
		if p.Cells.Mask != g.Mask {
			return nil, fmt.Errorf("U1: rows of cuboids %b and %b in one row group", g.Mask, p.Cells.Mask)
		}
		if i > 0 && p.From < p.To && parts[i-1].From < parts[i-1].To && p.Cells.Compare(p.From, parts[i-1].Cells, parts[i-1].To-1) <= 0 {
			return nil, fmt.Errorf("U1: cuboid %b: row %d does not come after the one before it", g.Mask, g.Rows)
		}
		g.Rows += p.To - p.From
	}
	if g.Rows > GroupRows {
		return nil, fmt.Errorf("U1: %d rows in one row group, at most %d", g.Rows, GroupRows)
	}
	if g.Rows == 0 {
		return g, nil
	}
	e.buf.Reset()
	out := &pages.Output{W: &e.buf, N: firstByte}
	g.rg = format.RowGroup{NumRows: int64(g.Rows), FileOffset: firstByte, Columns: make([]format.ColumnChunk, 0, len(e.leaves))}
	g.hashes = make([]pages.Hash, g.Rows)
	for i := range g.hashes {
		g.hashes[i] = pages.StartHash()
	}
	if err := e.cuboid(out, g); err != nil {
		return nil, err
	}
	for i := range e.layout.Dims {
		if err := e.dimension(out, g, parts, i); err != nil {
			return nil, err
		}
	}
	if err := e.states(out, g, parts); err != nil {
		return nil, err
	}
	g.data = bytes.Clone(e.buf.Bytes())
	return g, nil
}

// add takes a column chunk into the group.
func (g *Group) add(m format.ColumnMetaData) {
	g.rg.Columns = append(g.rg.Columns, format.ColumnChunk{MetaData: m})
	g.rg.TotalByteSize += m.TotalUncompressedSize
	g.rg.TotalCompressedSize += m.TotalCompressedSize
}

// cuboid writes _cuboid.
func (e *Encoder) cuboid(out *pages.Output, g *Group) error {
	e.codes = slices.Grow(e.codes[:0], g.Rows)[:g.Rows]
	for i := range e.codes {
		e.codes[i] = 1
	}
	m, err := e.pages.Codes(out, &e.leaves[0], &pages.Column{Kind: pages.Int64, Ints: []int64{int64(g.Mask)}}, e.codes)
	g.add(m)
	return err
}

// dimension writes dimension i: the dictionary of the group is the values that its rows have.
func (e *Encoder) dimension(out *pages.Output, g *Group, parts []cells.Part, i int) error {
	leaf := &e.leaves[1+i]
	dict := &pages.Column{Kind: leaf.Kind}
	present := g.Mask>>(len(e.layout.Dims)-1-i)&1 == 1
	if present {
		dict = e.gather(parts, i)
		e.hash(g, dict)
	} else {
		clear(e.codes) // of g.Rows, as all columns before
	}
	if leaf.Kind == pages.Bool && dict.Len() > 0 {
		col := expand(dict, e.codes)
		m, _, err := e.pages.Column(out, leaf, []pages.Span{{Column: col, To: g.Rows}}, false)
		g.add(m)
		return err
	}
	m, err := e.pages.Codes(out, leaf, dict, e.codes)
	g.add(m)
	return err
}

// gather fills e.codes with the codes of dimension i in the dictionary it returns, all of whose values are used.
func (e *Encoder) gather(parts []cells.Part, i int) *pages.Column {
	dicts := make([]*cells.Dict, len(parts))
	for k, p := range parts {
		dicts[k] = p.Cells.Dicts[i]
	}
	merged, remap := dicts[0], make([][]uint32, len(parts))
	if len(parts) > 1 {
		merged, remap = cells.MergeDicts(dicts)
	}
	e.codes = e.codes[:0]
	for k, p := range parts {
		if remap[k] == nil {
			e.codes = p.Cells.Keys.AppendCodes(e.codes, i, p.From, p.To)
			continue
		}
		e.part = p.Cells.Keys.AppendCodes(e.part[:0], i, p.From, p.To)
		for _, c := range e.part {
			e.codes = append(e.codes, remap[k][c])
		}
	}
	ranks := make([]uint32, merged.Len())
	for _, c := range e.codes {
		ranks[c] = 1
	}
	ranks[0] = 0
	used := uint32(0)
	for c, u := range ranks {
		if u != 0 {
			used++
			ranks[c] = used
		}
	}
	if int(used) == merged.Len()-1 {
		return &merged.Values
	}
	out := &pages.Column{Kind: merged.Values.Kind}
	for c := 1; c < len(ranks); c++ {
		if ranks[c] == 0 {
			continue
		}
		switch out.Kind {
		case pages.Float64:
			out.AppendFloat(merged.Values.Floats[c-1])
		case pages.Bytes, pages.Decimal128:
			out.AppendBytes(merged.Values.Bytes(c - 1))
		default:
			out.AppendInt(merged.Values.Ints[c-1])
		}
	}
	for k, c := range e.codes {
		e.codes[k] = ranks[c]
	}
	return out
}

// hash takes the words of e.codes into the hashes of the rows (U4).
func (e *Encoder) hash(g *Group, dict *pages.Column) {
	e.words = append(e.words[:0], 0)
	for k := range dict.Len() {
		e.words = append(e.words, dict.Word(k))
	}
	pages.HashCodes(g.hashes, e.words, e.codes)
}

// expand makes plain values of codes.
func expand(dict *pages.Column, codes []uint32) *pages.Column {
	out := &pages.Column{Kind: dict.Kind}
	for _, c := range codes {
		if c == 0 {
			out.AppendNull()
		} else {
			out.AppendInt(dict.Ints[c-1])
		}
	}
	return out
}

// states writes the columns of all measures.
func (e *Encoder) states(out *pages.Output, g *Group, parts []cells.Part) error {
	leaf, words := 1+len(e.layout.Dims), uint64(0)
	for m := range e.layout.Measures {
		var cols [][]pages.Column // per part
		for _, p := range parts {
			cols = append(cols, p.Cells.States[m].Columns(p.From, p.To))
		}
		for c := range cols[0] {
			e.spans = e.spans[:0]
			at := 0
			for k, p := range parts {
				n := p.To - p.From
				e.spans = append(e.spans, pages.Span{Column: &cols[k][c], To: n})
				for row := 0; row < n; row += pages.HashBlock {
					pages.HashColumn(g.hashes[at+row:at+min(row+pages.HashBlock, n)], &cols[k][c], row)
				}
				at += n
			}
			// Sketches are hardly ever equal: no dictionary is tried.
			sketch := e.leaves[leaf].Element.LogicalType.Value == nil && e.leaves[leaf].Kind == pages.Bytes
			m, _, err := e.pages.Column(out, &e.leaves[leaf], e.spans, sketch)
			if err != nil {
				return err
			}
			g.add(m)
			leaf++
			words++
		}
	}
	for i := range g.hashes {
		g.hashes[i] = g.hashes[i].Step(words)
	}
	clear(e.spans)
	return nil
}
