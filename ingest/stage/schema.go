package stage

import (
	"fmt"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pages"
)

// Names of the system columns.
const (
	OffsetColumn    = "_offset"
	TimestampColumn = "_timestamp"
	ExtraColumn     = "_extra"
	RawColumn       = "_raw"
	KeyColumn       = "_key"
	HeadersColumn   = "_headers"
)

// Field is one column of a Schema.
type Field = pages.Field

// Schema is what the files of one version of a table hold: _offset and _timestamp always (in Chunk.Offsets and
// Chunk.Timestamps, not in Fields), then Fields: the table's columns in order, then _extra, _raw, _key and _headers
// where the table includes them.
type Schema struct {
	TableID   string  `json:"table_id"`
	Version   int     `json:"version"`
	Fields    []Field `json:"fields"`
	EventTime int     `json:"event_time"` // index into Fields
}

// NewSchema returns the schema of a valid table definition.
func NewSchema(t *cube.Table) *Schema {
	s := &Schema{TableID: t.ID, Version: t.Version, EventTime: -1}
	for _, c := range t.Columns {
		if c.Name == t.EventTime.Column {
			s.EventTime = len(s.Fields)
		}
		s.Fields = append(s.Fields, Field{Name: c.Name, Type: c.Type})
	}
	system := []struct {
		include bool
		field   Field
	}{
		{t.Include.Extra, Field{Name: ExtraColumn, Type: cube.Type{Kind: cube.JSON}}},
		{t.Include.Raw, Field{Name: RawColumn}},
		{t.Include.Key, Field{Name: KeyColumn}},
		{t.Include.Headers, Field{Name: HeadersColumn, Type: cube.Type{Kind: cube.JSON}}},
	}
	for _, x := range system {
		if x.include {
			s.Fields = append(s.Fields, x.field)
		}
	}
	for i := range s.Fields {
		s.Fields[i].Kind = pages.KindOf(s.Fields[i].Type)
	}
	return s
}

// Field returns the index of the field called name, -1 if there is none.
func (s *Schema) Field(name string) int {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return i
		}
	}
	return -1
}

// validate reports what makes s no schema of a file. It guards the border: a schema also comes out of files.
func (s *Schema) validate() error {
	seen := map[string]bool{OffsetColumn: true, TimestampColumn: true}
	for i, f := range s.Fields {
		if f.Name == "" || seen[f.Name] {
			return fmt.Errorf("field %d: the name %q is empty or taken", i, f.Name)
		}
		seen[f.Name] = true
		if err := f.Validate(); err != nil {
			return err
		}
	}
	if s.EventTime < 0 || s.EventTime >= len(s.Fields) || !isTime(s.Fields[s.EventTime].Type.Kind) {
		return fmt.Errorf("event time: field %d is neither a timestamp nor a date", s.EventTime)
	}
	return nil
}

func isTime(k cube.Kind) bool { return k == cube.Timestamp || k == cube.Date }

const usPerDay = 24 * 3600 * 1e6

// TimeUs turns a value of the event time's column, which may be a date, into microseconds since 1970.
func (s *Schema) TimeUs(v int64) int64 {
	if s.Fields[s.EventTime].Type.Kind == cube.Date {
		return v * usPerDay
	}
	return v
}
