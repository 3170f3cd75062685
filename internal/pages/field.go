package pages

import (
	"encoding/json"
	"fmt"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Field is a column of values as a definition names it. Type is the logical type; its Kind is "" for binary columns (_raw, _key), whose
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
	if f.Binary() {
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
	f.Kind = KindOf(f.Type)
	return nil
}

// Binary reports whether the field promises no UTF-8.
func (f *Field) Binary() bool { return f.Type.Kind == "" }

// KindOf returns how values of a logical type lie in memory.
func KindOf(t cube.Type) Kind {
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

// Validate reports what makes f no column of a file.
func (f *Field) Validate() error {
	switch f.Type.Kind {
	case "", cube.Bool, cube.Int64, cube.Float64, cube.String, cube.Date, cube.Timestamp, cube.JSON:
	case cube.Decimal:
		if f.Type.Precision < 1 || f.Type.Precision > 38 || f.Type.Scale < 0 || f.Type.Scale > f.Type.Precision {
			return fmt.Errorf("field %s: decimal(%d,%d) is no type", f.Name, f.Type.Precision, f.Type.Scale)
		}
	default:
		return fmt.Errorf("field %s: %q is no type", f.Name, f.Type.Kind)
	}
	if f.Kind != KindOf(f.Type) {
		return fmt.Errorf("field %s: a %s does not lie in memory as kind %d", f.Name, f.Type.Kind, f.Kind)
	}
	return nil
}

// Leaf is a column of a file: how its values lie in memory and what the Parquet schema says of them. What the element
// says decides how an Encoder writes it.
type Leaf struct {
	Kind    Kind
	Element format.SchemaElement
}

// Required returns a leaf of int64 values of which none is null.
func Required(name string) Leaf {
	return Leaf{Kind: Int64, Element: element(name, format.Int64, format.Required)}
}

// RequiredMillis returns a leaf of times in milliseconds of which none is null.
func RequiredMillis(name string) Leaf {
	l := Required(name)
	setTimestamp(&l.Element, new(format.MilliSeconds), deprecated.TimestampMillis)
	return l
}

// Leaf returns the optional leaf of a field.
func (f *Field) Leaf() Leaf { return Leaf{Kind: f.Kind, Element: schemaElement(f)} }

func element(name string, t format.Type, r format.FieldRepetitionType) format.SchemaElement {
	return format.SchemaElement{Name: name, Type: thrift.New(t), RepetitionType: thrift.New(r)}
}

func setTimestamp(el *format.SchemaElement, unit format.TimeUnitValue, old deprecated.ConvertedType) {
	el.LogicalType.Value = &format.TimestampType{IsAdjustedToUTC: true, Unit: format.TimeUnit{Value: unit}}
	el.ConvertedType = thrift.New(old)
}

// schemaElement returns the leaf of a field: physical type, logical type, and the old converted type for old readers.
func schemaElement(f *Field) format.SchemaElement {
	el := element(f.Name, physicalType(f), format.Optional)
	switch f.Type.Kind {
	case cube.String:
		el.LogicalType.Value, el.ConvertedType = new(format.StringType), thrift.New(deprecated.UTF8)
	case cube.JSON:
		el.LogicalType.Value, el.ConvertedType = new(format.JsonType), thrift.New(deprecated.Json)
	case cube.Date:
		el.LogicalType.Value, el.ConvertedType = new(format.DateType), thrift.New(deprecated.Date)
	case cube.Timestamp:
		setTimestamp(&el, new(format.MicroSeconds), deprecated.TimestampMicros)
	case cube.Decimal:
		p, sc := int32(f.Type.Precision), int32(f.Type.Scale)
		el.LogicalType.Value, el.ConvertedType = &format.DecimalType{Precision: p, Scale: sc}, thrift.New(deprecated.Decimal)
		el.Precision, el.Scale = thrift.New(p), thrift.New(sc)
		if f.Kind == Decimal128 {
			el.TypeLength = thrift.New(int32(DecimalBytes))
		}
	}
	return el
}

func physicalType(f *Field) format.Type {
	switch f.Kind {
	case Bool:
		return format.Boolean
	case Float64:
		return format.Double
	case Bytes:
		return format.ByteArray
	case Decimal128:
		return format.FixedLenByteArray
	}
	if f.Type.Kind == cube.Date {
		return format.Int32
	}
	return format.Int64
}
