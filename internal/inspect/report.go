package inspect

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/builder/cuboid/hbase"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// kindTable is of cuboids in a table of HBase.
const kindTable = "table"

// Report is what a file, or a table of HBase, says of itself.
type Report struct {
	File      string         `json:"file"` // or the table
	Kind      string         `json:"kind"` // staged, supplement, cuboids or table
	Bytes     int64          `json:"bytes"`
	Columns   []Column       `json:"columns"`
	Footer    *stage.Footer  `json:"footer,omitempty"` // staged and supplement files
	Header    *cuboid.Header `json:"header,omitempty"` // cuboid files and tables
	RowGroups []RowGroup     `json:"row_groups"`
	Cuboids   []Cuboid       `json:"cuboids,omitempty"`
	Rows      []Row          `json:"rows"` // the first ones; of cuboid files of each cuboid
}

// Column is a column of a file.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// RowGroup is a row group of a file. A staged one has offsets and times, one of cuboids its cuboid.
type RowGroup struct {
	Rows        int64  `json:"rows"`
	Bytes       int64  `json:"bytes,omitempty"`
	FirstOffset *int64 `json:"first_offset,omitempty"`
	LastOffset  *int64 `json:"last_offset,omitempty"`
	MinTime     string `json:"min_time,omitempty"`
	MaxTime     string `json:"max_time,omitempty"`
	Cuboid      *int64 `json:"cuboid,omitempty"`
}

// Cuboid is a cuboid as far as it is in the file.
type Cuboid struct {
	Cuboid     int64    `json:"cuboid"`
	Dimensions []string `json:"dimensions"`
	RowGroups  int      `json:"row_groups"`
	Rows       int64    `json:"rows"`
	Bytes      int64    `json:"bytes"`
}

// Row is a row: the text of each value, nil where it is null.
type Row struct {
	Cuboid *int64    `json:"cuboid,omitempty"`
	Values []*string `json:"values"` // of Columns
}

// File reads the staged, supplement or cuboid file of size bytes at key of st and reports it with at most rows of its first
// rows. Errors are *stage.FormatError and those of the store.
func File(ctx context.Context, st blob.Store, key string, size int64, rows int) (*Report, error) {
	name := key[strings.LastIndexByte(key, '/')+1:]
	r := &Report{File: name, Kind: "staged", Bytes: size, Rows: []Row{}, RowGroups: []RowGroup{}}
	if strings.HasPrefix(name, "cuboids-") {
		r.Kind = "cuboids"
		return r, r.cuboids(ctx, st, key, rows)
	}
	if strings.HasPrefix(name, "supplement-") {
		r.Kind = "supplement"
	}
	return r, r.staged(ctx, st, key, rows)
}

// staged fills in a staged or supplement file.
func (r *Report) staged(ctx context.Context, st blob.Store, key string, rows int) error {
	f, err := stage.Open(ctx, st, key, r.Bytes)
	if err != nil {
		return err
	}
	foot, s := f.Footer(), f.Schema()
	r.Footer = &foot
	r.Columns = []Column{{stage.OffsetColumn, "int64"}, {stage.TimestampColumn, "timestamp(ms)"}}
	for _, field := range s.Fields {
		r.Columns = append(r.Columns, Column{field.Name, typeText(&field)})
	}
	for g, x := range f.Groups() {
		r.RowGroups = append(r.RowGroups, RowGroup{
			Rows: int64(x.Rows), FirstOffset: &x.FirstOffset, LastOffset: &x.LastOffset, MinTime: timeText(x.MinTimeUs), MaxTime: timeText(x.MaxTimeUs),
		})
		if len(r.Rows) >= rows {
			continue
		}
		c, err := f.Read(ctx, g, nil)
		if err != nil {
			return err
		}
		for i := 0; i < c.Rows() && len(r.Rows) < rows; i++ {
			offset, at := fmt.Sprint(c.Offsets[i]), timeText(c.Timestamps[i]*1000)
			row := Row{Values: []*string{&offset, &at}}
			for k := range s.Fields {
				row.Values = append(row.Values, valueText(&s.Fields[k], &c.Columns[k], i))
			}
			r.Rows = append(r.Rows, row)
		}
	}
	return f.Close()
}

// cuboids fills in a cuboid file: rows of each cuboid, so that all are seen.
func (r *Report) cuboids(ctx context.Context, st blob.Store, key string, rows int) error {
	f, err := cuboid.OpenFile(ctx, st, key, r.Bytes)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.cells(f.Header, f.Groups, rows, func(g int) ([]pages.Column, error) { return f.Read(ctx, g) })
}

// Table reads what the table of a segment in HBase says of itself, with at most rows first rows of each cuboid. Errors are
// *cuboid.FormatError and *hbase.UnavailableError.
func Table(ctx context.Context, s *hbase.Store, table string, rows int) (*Report, error) {
	t, err := s.OpenAlone(ctx, table)
	if err != nil {
		return nil, err
	}
	r := &Report{File: table, Kind: kindTable, Rows: []Row{}, RowGroups: []RowGroup{}}
	for _, g := range t.Groups {
		r.Bytes += g.Bytes
	}
	first := func(g int) ([]pages.Column, error) { return t.First(ctx, t.Groups[g].Cuboid, rows) }
	if err := r.cells(t.Header, t.Groups, rows, first); err != nil {
		return nil, err
	}
	return r, nil
}

// cells fills in cuboids, whose groups follow one another; read returns at least the first rows of one.
func (r *Report) cells(h *cuboid.Header, groups []cuboid.FileGroup, rows int, read func(g int) ([]pages.Column, error)) error {
	r.Header = h
	fields := h.Fields()
	for _, field := range fields {
		r.Columns = append(r.Columns, Column{field.Name, typeText(&field)})
	}
	for g, x := range groups {
		mask := int64(x.Cuboid)
		r.RowGroups = append(r.RowGroups, RowGroup{Rows: x.Rows, Bytes: x.Bytes, Cuboid: &mask})
		if n := len(r.Cuboids); n > 0 && r.Cuboids[n-1].Cuboid == mask {
			c := &r.Cuboids[n-1]
			c.RowGroups, c.Rows, c.Bytes = c.RowGroups+1, c.Rows+x.Rows, c.Bytes+x.Bytes
			continue
		}
		r.Cuboids = append(r.Cuboids, Cuboid{Cuboid: mask, Dimensions: h.Names(x.Cuboid), RowGroups: 1, Rows: x.Rows, Bytes: x.Bytes})
		if rows == 0 {
			continue
		}
		cols, err := read(g)
		if err != nil {
			return err
		}
		r.firstRows(fields, cols, mask, min(rows, int(x.Rows)))
	}
	return nil
}

func (r *Report) firstRows(fields []pages.Field, cols []pages.Column, mask int64, n int) {
	for i := range n {
		row := Row{Cuboid: &mask}
		for k := range fields {
			row.Values = append(row.Values, valueText(&fields[k], &cols[k], i))
		}
		r.Rows = append(r.Rows, row)
	}
}
