package results

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// Media types of what a Writer makes.
const (
	JSON    = "application/json"
	CSV     = "text/csv"
	Arrow   = "application/vnd.apache.arrow.stream"
	Parquet = "application/vnd.apache.parquet"
)

// Writer writes rows.
type Writer interface {
	// Write takes rows over. They are not kept.
	Write(rec arrow.Record) error
	// Close writes what belongs behind the rows.
	Close() error
}

// Choose returns the first media type of an Accept header that there is a Writer for; JSON where none is said.
func Choose(accept string) (media string, ok bool) {
	if accept == "" {
		return JSON, true
	}
	for _, a := range strings.Split(accept, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(a), ";")
		switch name {
		case "*/*", "application/*":
			return JSON, true
		case JSON, CSV, Arrow, Parquet:
			return name, true
		case "text/*":
			return CSV, true
		}
	}
	return "", false
}

// ColumnError says that Parquet has no type for a column.
type ColumnError struct{ Column, Type string }

func (e *ColumnError) Error() string {
	return fmt.Sprintf("Parquet cannot hold column %s, which is %s: cast it to VARCHAR, or accept %s", e.Column, e.Type, Arrow)
}

// New returns a Writer of a media type other than JSON, which Rows writes.
func New(media string, w io.Writer, s *arrow.Schema) (Writer, error) {
	switch media {
	case CSV:
		return newCSV(w, s)
	case Arrow:
		return ipc.NewWriter(w, ipc.WithSchema(s)), nil
	case Parquet:
		props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd))
		for _, f := range s.Fields() {
			if _, err := pqarrow.ToParquet(arrow.NewSchema([]arrow.Field{f}, nil), props, pqarrow.DefaultWriterProps()); err != nil {
				return nil, &ColumnError{f.Name, TypeName(f.Type)}
			}
		}
		p, err := pqarrow.NewFileWriter(s, w, props, pqarrow.DefaultWriterProps())
		if err != nil {
			return nil, fmt.Errorf("an answer as Parquet: %w", err)
		}
		return p, nil
	}
	return nil, fmt.Errorf("no writer of %s", media)
}

// csvWriter writes a line of names, then a line a row. Null is an empty field, as an empty string is.
type csvWriter struct {
	w   *csv.Writer
	row []string
}

func newCSV(w io.Writer, s *arrow.Schema) (*csvWriter, error) {
	c := &csvWriter{w: csv.NewWriter(w), row: make([]string, len(s.Fields()))}
	for i, f := range s.Fields() {
		c.row[i] = f.Name
	}
	return c, c.w.Write(c.row)
}

func (c *csvWriter) Write(rec arrow.Record) error {
	for i := range int(rec.NumRows()) {
		for k, a := range rec.Columns() {
			if c.row[k] = ""; !a.IsNull(i) {
				c.row[k] = Text(a, i)
			}
		}
		if err := c.w.Write(c.row); err != nil {
			return err
		}
	}
	c.w.Flush()
	return c.w.Error()
}

func (c *csvWriter) Close() error {
	c.w.Flush()
	return c.w.Error()
}

// Rows writes rows as a JSON array of arrays.
type Rows struct {
	w    *bufio.Writer
	line []byte
	n    int64
}

// NewRows returns a Rows that writes to w.
func NewRows(w io.Writer) *Rows { return &Rows{w: bufio.NewWriterSize(w, 32<<10)} }

// Write appends the rows of a record.
func (r *Rows) Write(rec arrow.Record) error {
	for i := range int(rec.NumRows()) {
		r.line = append(r.line[:0], '[')
		if r.n > 0 {
			r.line = append(r.line[:0], ",\n  ["...)
		}
		r.n++
		for k, a := range rec.Columns() {
			if k > 0 {
				r.line = append(r.line, ',')
			}
			r.line = appendJSON(r.line, a, i)
		}
		if _, err := r.w.Write(append(r.line, ']')); err != nil {
			return err
		}
	}
	return r.w.Flush()
}

// Count returns how many rows were written.
func (r *Rows) Count() int64 { return r.n }
