package cuboid

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/parquet-go/parquet-go/format"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// FormatError says that a file's bytes are not what this package writes: foreign, cut off or changed (U3).
type FormatError = pages.FormatError

// Reader reads the cuboids of a segment. It may be used by several goroutines at once. A file's metadata are read when
// the first of its row groups is asked for.
type Reader struct {
	st      blob.Store
	layout  *cells.Layout
	header  *Header
	leaves  []pages.Leaf
	files   []segmenter.SegmentFile
	entries map[uint64]segmenter.CuboidEntry

	mu   sync.Mutex
	open []*pages.File // by file; nil: not yet
}

// NewReader returns a Reader of the files and cuboids that a manifest names, which have the given layout.
func NewReader(st blob.Store, l *cells.Layout, files []segmenter.SegmentFile, cuboids []segmenter.CuboidEntry) (*Reader, error) {
	h, err := NewHeader(l)
	if err != nil {
		return nil, err
	}
	r := &Reader{st: st, layout: l, header: h, leaves: h.leaves(), files: files, entries: map[uint64]segmenter.CuboidEntry{}, open: make([]*pages.File, len(files))}
	for _, e := range cuboids {
		r.entries[uint64(e.Cuboid)] = e
	}
	return r, nil
}

// RowGroup describes a row group of a cuboid.
type RowGroup struct {
	Mask  uint64
	Rows  int
	Bytes int64 // in its file
	Plain int64 // of its pages, not compressed
	// Bounds are the least and the greatest value of each dimension of the layout; nil where it is absent or they are not
	// known. Nulls count the rows without a value.
	Bounds []*cells.Dict
	Nulls  []int64

	// Place is its number among the row groups of the cuboid.
	Place int

	file, group int
}

// Groups returns the row groups of a cuboid, in row-key order. An unknown cuboid is an error.
func (r *Reader) Groups(ctx context.Context, mask uint64) ([]RowGroup, error) {
	e, ok := r.entries[mask]
	if !ok {
		return nil, wrongEntry("there is no cuboid %d", mask)
	}
	var out []RowGroup
	rows := int64(0)
	for _, p := range e.Pieces {
		if p.File < 0 || p.File >= len(r.files) {
			return nil, wrongEntry("cuboid %d: there is no file %d", mask, p.File)
		}
		key := r.files[p.File].Key
		f, err := r.file(ctx, p.File)
		if err != nil {
			return nil, err
		}
		if p.First < 0 || p.First+p.Count > len(f.Meta.RowGroups) {
			return nil, wrongEntry("row groups %d to %d of cuboid %d are not among the %d of file %s", p.First, p.First+p.Count, mask, len(f.Meta.RowGroups), key)
		}
		for i := p.First; i < p.First+p.Count; i++ {
			g, err := r.describe(f, i)
			if err != nil {
				return nil, &FormatError{Key: key, Err: err}
			}
			if g.Mask != mask {
				return nil, wrongEntry("row group %d of file %s is of cuboid %d, not of %d", i, key, g.Mask, mask)
			}
			g.file, g.Place = p.File, len(out)
			rows += int64(g.Rows)
			out = append(out, g)
		}
	}
	if rows != e.Rows {
		return nil, wrongEntry("cuboid %d has %d rows in its files, the manifest says %d", mask, rows, e.Rows)
	}
	return out, nil
}

// file opens a file once.
func (r *Reader) file(ctx context.Context, i int) (*pages.File, error) {
	r.mu.Lock()
	f := r.open[i]
	r.mu.Unlock()
	if f != nil {
		return f, nil
	}
	want := r.files[i]
	f, _, err := openFile(ctx, r.st, want.Key, want.Size, r.header)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[i] != nil {
		f.Close()
		return r.open[i], nil
	}
	r.open[i] = f
	return f, nil
}

// openFile opens a file and holds it against the header that it should have; nil: its own.
func openFile(ctx context.Context, st blob.Store, key string, size int64, want *Header) (f *pages.File, h *Header, err error) {
	src := &pages.Source{Store: st, Key: key, Size: size}
	if err := src.Stat(ctx); err != nil {
		return nil, nil, err
	}
	err = pages.Guarded(key, func() (err error) {
		if f, err = pages.OpenFile(ctx, src); err != nil {
			return err
		}
		if h, err = parseHeader(f.Value(headerKey)); err != nil {
			return pages.Corrupt("header: %v", err)
		}
		if want == nil {
			want = h
		}
		return f.SetLeaves(want.leaves(), GroupRows)
	})
	return f, h, err
}

// describe takes what a row group is from its statistics.
func (r *Reader) describe(f *pages.File, i int) (RowGroup, error) {
	rg := &f.Meta.RowGroups[i]
	mask, err := maskOf(rg)
	if err != nil {
		return RowGroup{}, err
	}
	g := RowGroup{Mask: mask, Rows: int(rg.NumRows), Bytes: rg.TotalCompressedSize, Plain: rg.TotalByteSize, Bounds: make([]*cells.Dict, len(r.layout.Dims)), Nulls: make([]int64, len(r.layout.Dims)), group: i}
	for d := range r.layout.Dims {
		st := &rg.Columns[1+d].MetaData.Statistics
		g.Nulls[d] = st.NullCount
		if mask>>(len(r.layout.Dims)-1-d)&1 == 1 {
			g.Bounds[d] = boundsOf(st, &r.leaves[1+d])
		}
	}
	return g, nil
}

// maskOf returns the cuboid of a row group.
func maskOf(rg *format.RowGroup) (uint64, error) {
	st := &rg.Columns[0].MetaData.Statistics
	if len(st.MinValue) != 8 || string(st.MinValue) != string(st.MaxValue) {
		return 0, fmt.Errorf("a row group of more than one cuboid")
	}
	return binary.LittleEndian.Uint64(st.MinValue), nil
}

// boundsOf returns the least and the greatest value, nil where the statistics do not have them.
func boundsOf(st *format.Statistics, l *pages.Leaf) *cells.Dict {
	d := &cells.Dict{Values: pages.Column{Kind: l.Kind}}
	for _, v := range [][]byte{st.MinValue, st.MaxValue} {
		switch t := l.Element.Type.V; {
		case v == nil:
			return nil
		case t == format.ByteArray, t == format.FixedLenByteArray && len(v) == pages.DecimalBytes:
			d.Values.AppendBytes(v)
		case t == format.Double && len(v) == 8:
			x := math.Float64frombits(binary.LittleEndian.Uint64(v))
			if x == 0 {
				x = 0 // statistics have -0 where the least is a zero
			}
			d.Values.AppendFloat(x)
		case t == format.Boolean && len(v) == 1:
			d.Values.AppendInt(int64(v[0]))
		case t == format.Int32 && len(v) == 4:
			d.Values.AppendInt(int64(int32(binary.LittleEndian.Uint32(v))))
		case t == format.Int64 && len(v) == 8:
			d.Values.AppendInt(int64(binary.LittleEndian.Uint64(v)))
		default:
			return nil
		}
	}
	return d
}

// Rows are rows of a row group in columns: what was asked for of them.
type Rows struct {
	N      int
	Dicts  []*cells.Dict  // per dimension of the layout; nil where it was not asked for or is absent
	Codes  [][]uint32     // of each row in its dictionary; 0 is null
	States []cells.States // per measure; nil where it was not asked for
}

// Read reads the dimensions of dims (of them those that the cuboid has) and the measures with the given indexes, nil for
// all, of a row group.
func (r *Reader) Read(ctx context.Context, g RowGroup, dims uint64, measures []int) (*Rows, error) {
	f, err := r.file(ctx, g.file)
	if err != nil {
		return nil, err
	}
	if measures == nil {
		for i := range r.layout.Measures {
			measures = append(measures, i)
		}
	}
	n := len(r.layout.Dims)
	cols, first := []int{0}, make([]int, len(r.layout.Measures)) // first column of a measure
	for i := range n {
		if dims&g.Mask>>(n-1-i)&1 == 1 {
			cols = append(cols, 1+i)
		}
	}
	at := 1 + n
	for i := range r.layout.Measures {
		first[i] = at
		for range r.layout.Measures[i].Columns() {
			if slices.Contains(measures, i) {
				cols = append(cols, at)
			}
			at++
		}
	}
	out := &Rows{N: g.Rows, Dicts: make([]*cells.Dict, n), Codes: make([][]uint32, n), States: make([]cells.States, len(r.layout.Measures))}
	err = pages.Guarded(r.files[g.file].Key, func() error {
		values, err := f.Read(ctx, g.group, cols)
		if err != nil {
			return err
		}
		if err := checkMask(&values[0], g); err != nil {
			return err
		}
		for k := 1; k < len(cols) && cols[k] <= n; k++ {
			i := cols[k] - 1
			if out.Dicts[i], out.Codes[i], err = coded(&values[k]); err != nil {
				return pages.Corrupt("row group %d, dimension %s: %v", g.group, r.layout.Dims[i].Name, err)
			}
		}
		for _, m := range measures {
			k := slices.Index(cols, first[m])
			count := len(r.layout.Measures[m].Columns())
			if out.States[m], err = r.layout.Measures[m].FromColumns(values[k : k+count]); err != nil {
				return pages.Corrupt("row group %d: %v", g.group, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Cells reads all of a row group.
func (r *Reader) Cells(ctx context.Context, g RowGroup) (*cells.Cells, error) {
	rows, err := r.Read(ctx, g, r.layout.Base(), nil)
	if err != nil {
		return nil, err
	}
	c, err := cells.NewCells(g.Mask, rows.Dicts, rows.Codes, rows.States)
	if err != nil {
		return nil, &FormatError{Key: r.files[g.file].Key, Err: fmt.Errorf("row group %d: %w", g.group, err)}
	}
	if c.Len() == 0 {
		return nil, &FormatError{Key: r.files[g.file].Key, Err: fmt.Errorf("row group %d has no rows", g.group)}
	}
	return c, nil
}

// checkMask holds the column _cuboid against the statistics.
func checkMask(c *pages.Column, g RowGroup) error {
	for i := range g.Rows {
		if uint64(c.Int(i)) != g.Mask {
			return pages.Corrupt("row group %d: row %d is of cuboid %d, want %d", g.group, i, c.Int(i), g.Mask)
		}
	}
	return nil
}

// coded turns a dimension's column into codes of a dictionary: a null becomes code 0.
func coded(c *pages.Column) (*cells.Dict, []uint32, error) {
	n := c.Len()
	codes := make([]uint32, n)
	d := &cells.Dict{Values: pages.Column{Kind: c.Kind}}
	switch {
	case c.Dict != nil:
		d.Values = *c.Dict
		if c.NullCount() == 0 {
			for i, code := range c.Codes {
				codes[i] = code + 1
			}
			break
		}
		for i, code := range c.Codes {
			if !c.IsNull(i) {
				codes[i] = code + 1
			}
		}
	case c.NullCount() == n:
	case c.Kind == pages.Bool:
		codesOfBools(c, d, codes)
	default:
		return nil, nil, fmt.Errorf("has no dictionary")
	}
	for i := 1; i < d.Len()-1; i++ {
		if d.Compare(uint32(i), d, uint32(i+1)) >= 0 {
			return nil, nil, fmt.Errorf("value %d of its dictionary does not come after the one before it", i)
		}
	}
	return d, codes, nil
}

// codesOfBools makes a dictionary, which Parquet does not have for booleans.
func codesOfBools(c *pages.Column, d *cells.Dict, codes []uint32) {
	var code [2]uint32
	for v := range code {
		for i, x := range c.Ints {
			if x == int64(v) && !c.IsNull(i) {
				d.Values.AppendInt(int64(v))
				code[v] = uint32(d.Values.Len())
				break
			}
		}
	}
	for i, x := range c.Ints {
		if !c.IsNull(i) {
			codes[i] = code[x&1]
		}
	}
}

// Close frees what the reader holds. Rows that were read stay good.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, f := range r.open {
		if f != nil {
			f.Close()
			r.open[i] = nil
		}
	}
	return nil
}
