package lookup

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Limits of a lookup table.
const (
	MaxRows  = 2_000_000
	MaxBytes = 256 << 20 // of the file that is read, or of the values of an answer
)

// FileError says what is wrong with a file, or an answer, that was to become a lookup table.
type FileError struct {
	Line, Column int // of a CSV file, from 1; 0: none
	Err          error
}

func (e *FileError) Error() string {
	switch {
	case e.Line > 0 && e.Column > 0:
		return fmt.Sprintf("line %d, column %d: %v", e.Line, e.Column, e.Err)
	case e.Line > 0:
		return fmt.Sprintf("line %d: %v", e.Line, e.Err)
	}
	return e.Err.Error()
}

func (e *FileError) Unwrap() error { return e.Err }

func wrong(line, column int, format string, args ...any) error {
	return &FileError{Line: line, Column: column, Err: fmt.Errorf(format, args...)}
}

// Source says what a file, or the answer to a query, is to become.
type Source struct {
	Project, Name string
	Key           string              // name of a column
	Types         []cube.LookupColumn // of a CSV file; a column that is not named is a string. Of a Parquet file: none
	Format        string              // "csv" or "parquet"
	Query         *cube.LookupQuery   // whose answer it is; nil: a file
}

// table is rows in memory.
type table struct {
	def  *cube.Lookup
	kind []cube.Type
	rows []row
	what string // a row of the file is called: line, row
}

type row struct {
	at     int // line or row of the file, from 1
	values []parquet.Value
}

// sort orders the rows by key and refuses keys that are null or there twice.
func (t *table) sort() error {
	k := slices.IndexFunc(t.def.Columns, func(c cube.LookupColumn) bool { return c.Name == t.def.Key })
	for _, r := range t.rows {
		if r.values[k].IsNull() {
			return fmt.Errorf("%s %d: the key %s is empty: every row needs one", t.what, r.at, t.def.Key)
		}
	}
	typ := t.kind[k]
	slices.SortFunc(t.rows, func(a, b row) int {
		return cmp.Or(compare(typ, a.values[k], b.values[k]), cmp.Compare(a.at, b.at))
	})
	first := -1 // of the pairs, the one that is complete first in the file
	for i := 1; i < len(t.rows); i++ {
		if compare(typ, t.rows[i-1].values[k], t.rows[i].values[k]) == 0 && (first < 0 || t.rows[i].at < t.rows[first].at) {
			first = i
		}
	}
	if first > 0 {
		return fmt.Errorf("%ss %d and %d have the same key %s = %s: a key may be there once",
			t.what, t.rows[first-1].at, t.rows[first].at, t.def.Key, show(typ, t.rows[first].values[k]))
	}
	return nil
}

func compare(t cube.Type, a, b parquet.Value) int {
	switch kindOf(t) {
	case parquet.ByteArray:
		return strings.Compare(string(a.ByteArray()), string(b.ByteArray()))
	case parquet.FixedLenByteArray: // two's complement: the sign first
		x, y := a.ByteArray(), b.ByteArray()
		return cmp.Or(cmp.Compare(int8(x[0]), int8(y[0])), strings.Compare(string(x), string(y)))
	case parquet.Int32:
		return cmp.Compare(a.Int32(), b.Int32())
	case parquet.Boolean:
		return cmp.Compare(fmt.Sprint(a.Boolean()), fmt.Sprint(b.Boolean()))
	}
	return cmp.Compare(a.Int64(), b.Int64())
}

func show(t cube.Type, v parquet.Value) string {
	if t.Kind == cube.String {
		return fmt.Sprintf("%.80q", v.ByteArray())
	}
	return v.String()
}

// kindOf returns how values of a type lie in a snapshot.
func kindOf(t cube.Type) parquet.Kind {
	switch t.Kind {
	case cube.Bool:
		return parquet.Boolean
	case cube.Float64:
		return parquet.Double
	case cube.Date:
		return parquet.Int32
	case cube.String:
		return parquet.ByteArray
	case cube.Decimal:
		if t.Precision > 18 {
			return parquet.FixedLenByteArray
		}
	}
	return parquet.Int64
}
