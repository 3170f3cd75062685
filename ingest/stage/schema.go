package stage

import (
	"encoding/json"
	"fmt"

	"github.com/tidemarkdb/tidemark/internal/cube"
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

// Field is one column of a Schema. Type is the logical type; its Kind is "" for binary columns (_raw, _key), whose
// bytes need not be UTF-8. Kind follows from Type. Type.Format says how events write a value; files do not keep it.
type Field struct {
	Name string
	Kind Kind
	Type cube.Type
}

// fieldJSON is how a field stands in files; it does not follow changes of cube.Type.
type fieldJSON struct {
	Name      string `json:"name"`
	Type      string `json:"type"` // a cube.Kind or "binary"
	Precision int    `json:"precision,omitempty"`
	Scale     int    `json:"scale,omitempty"`
}

const binaryType = "binary"

// MarshalJSON writes the form that stands in files.
func (f Field) MarshalJSON() ([]byte, error) {
	x := fieldJSON{Name: f.Name, Type: string(f.Type.Kind), Precision: f.Type.Precision, Scale: f.Type.Scale}
	if f.binary() {
		x.Type = binaryType
	}
	return json.Marshal(x)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Field) UnmarshalJSON(b []byte) error {
	var x fieldJSON
	if err := json.Unmarshal(b, &x); err != nil {
		return err
	}
	switch x.Type {
	case "":
		return fmt.Errorf("field %s has no type", x.Name)
	case binaryType:
		x.Type = ""
	}
	f.Name, f.Type = x.Name, cube.Type{Kind: cube.Kind(x.Type), Precision: x.Precision, Scale: x.Scale}
	f.Kind = kindOf(f.Type)
	return nil
}

// binary reports whether the field promises no UTF-8.
func (f *Field) binary() bool { return f.Type.Kind == "" }

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
		s.Fields[i].Kind = kindOf(s.Fields[i].Type)
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

// kindOf returns how values of a logical type lie in memory.
func kindOf(t cube.Type) Kind {
	switch t.Kind {
	case cube.Bool:
		return Bool
	case cube.Float64:
		return Float64
	case cube.Int64, cube.Date, cube.Timestamp:
		return Int64
	case cube.Decimal:
		if t.Precision > 18 {
			return Decimal128
		}
		return Int64
	}
	return Bytes
}

// validate reports what makes s no schema of a file. It guards the border: a schema also comes out of files.
func (s *Schema) validate() error {
	seen := map[string]bool{OffsetColumn: true, TimestampColumn: true}
	for i, f := range s.Fields {
		if f.Name == "" || seen[f.Name] {
			return fmt.Errorf("field %d: the name %q is empty or taken", i, f.Name)
		}
		seen[f.Name] = true
		switch f.Type.Kind {
		case "", cube.Bool, cube.Int64, cube.Float64, cube.String, cube.Date, cube.Timestamp, cube.JSON:
		case cube.Decimal:
			if f.Type.Precision < 1 || f.Type.Precision > 38 || f.Type.Scale < 0 || f.Type.Scale > f.Type.Precision {
				return fmt.Errorf("field %s: decimal(%d,%d) is no type", f.Name, f.Type.Precision, f.Type.Scale)
			}
		default:
			return fmt.Errorf("field %s: %q is no type", f.Name, f.Type.Kind)
		}
		if f.Kind != kindOf(f.Type) {
			return fmt.Errorf("field %s: a %s does not lie in memory as kind %d", f.Name, f.Type.Kind, f.Kind)
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
