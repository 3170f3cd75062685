package lookup

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// readCSV reads a file whose first line names the columns.
func readCSV(s Source, text []byte) (*table, error) {
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))) // some programs write a mark first
	head, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, wrong(1, 0, "the file is empty: the first line names the columns")
	}
	if err != nil {
		return nil, asFileError(err)
	}
	t := &table{def: &cube.Lookup{Project: s.Project, Name: s.Name, Key: s.Key}, what: "line"}
	used := map[string]bool{}
	for _, name := range head {
		c := cube.LookupColumn{Name: name, Type: string(cube.String)}
		for _, typed := range s.Types {
			if typed.Name == name {
				c.Type, used[name] = typed.Type, true
			}
		}
		t.def.Columns = append(t.def.Columns, c)
	}
	for _, typed := range s.Types {
		if !used[typed.Name] {
			return nil, wrong(1, 0, "there is no column %q, which a type is given for: the first line names %q", typed.Name, head)
		}
	}
	if err := t.types(); err != nil {
		return nil, err
	}
	in.ReuseRecord = true
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, asFileError(err)
		}
		line, _ := in.FieldPos(0)
		if len(t.rows) == MaxRows {
			return nil, wrong(line, 0, "a lookup table has at most %d rows", MaxRows)
		}
		r := row{at: line, values: make([]parquet.Value, len(fields))}
		for i, field := range fields {
			if r.values[i], err = parse(t.kind[i], field); err != nil {
				line, column := in.FieldPos(i)
				return nil, wrong(line, column, "%s: %w", head[i], err)
			}
		}
		t.rows = append(t.rows, r)
	}
}

// types reads the types of the definition, which it validates.
func (t *table) types() error {
	if err := t.def.Validate(); err != nil {
		return err
	}
	for _, c := range t.def.Columns {
		typ, err := cube.ParseType(c.Type)
		if err != nil {
			return err
		}
		t.kind = append(t.kind, typ)
	}
	return nil
}

func asFileError(err error) error {
	var p *csv.ParseError
	if !errors.As(err, &p) {
		return err
	}
	e := &FileError{Line: p.Line, Column: p.Column, Err: p.Err}
	switch {
	case errors.Is(p.Err, csv.ErrFieldCount):
		e.Column, e.Err = 0, fmt.Errorf("%w: every line needs as many as the first", p.Err)
	case errors.Is(p.Err, csv.ErrQuote), errors.Is(p.Err, csv.ErrBareQuote):
		e.Err = fmt.Errorf(`%w: put the field in quotes and write each quote in it twice`, p.Err)
	}
	return e
}
