package duck

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Type is the type of a value: DuckDB's name of it, such as BIGINT, VARCHAR, TIMESTAMP WITH TIME ZONE. Only a DECIMAL's
// size is taken apart; a list's or struct's inner types go back as they came.
type Type struct {
	Name             string
	Precision, Scale int
	info             value
}

// NewType returns a type by DuckDB's name: one without parts, DECIMAL as it is where nothing is said, or a list of those, as BIGINT[].
func NewType(name string) Type {
	elem, list := strings.CutSuffix(name, "[]")
	t := Type{Name: elem}
	if elem == "DECIMAL" {
		t.Precision, t.Scale = 18, 3
	}
	if !list {
		return t
	}
	info, err := parseJSON(`{"type":"LIST_TYPE_INFO","alias":"","extension_info":null,"child_type":` + string(t.write(nil)) + `}`)
	if err != nil {
		panic("D2: a type is no JSON: " + err.Error())
	}
	return Type{Name: "LIST", info: info}
}

func readType(v value) Type {
	t := Type{Name: v.get("id").text(), info: v.get("type_info")}
	if t.Name == "DECIMAL" {
		width, _ := t.info.get("width").integer()
		scale, _ := t.info.get("scale").integer()
		t.Precision, t.Scale = int(width), int(scale)
	}
	return t
}

// User is the name of a type that DuckDB does not know, in lower case; "" of all others. Only Tree returns trees that hold one.
func (t Type) User() string {
	if t.Name != "UNBOUND" {
		return ""
	}
	return strings.ToLower(t.info.get("name").text())
}

func (t Type) write(b []byte) []byte {
	b = append(appendQuoted(append(b, `{"id":`...), t.Name), `,"type_info":`...)
	switch {
	case t.info.raw != "":
		b = append(b, t.info.raw...)
	case t.Name == "DECIMAL":
		b = fmt.Appendf(b, `{"type":"DECIMAL_TYPE_INFO","alias":"","extension_info":null,"width":%d,"scale":%d}`, t.Precision, t.Scale)
	default:
		b = append(b, "null"...)
	}
	return append(b, '}')
}

func (t Type) equal(u Type) bool {
	return t.Name == u.Name && t.Precision == u.Precision && t.Scale == u.Scale &&
		(t.Name == "DECIMAL" || t.info.isNull() && u.info.isNull() || sameJSON(t.info, u.info))
}

// Literal is a value with its type. Go is nil for null, or a bool, int64, *big.Int, float64, string or Decimal, as
// the type says; of other types, which only a tree that was rewritten by DuckDB could hold, it is nil and Opaque is set.
type Literal struct {
	Type   Type
	Go     any
	Opaque bool
	raw    string // what stood below "value"
}

// Decimal is Unscaled divided by 10^Scale.
type Decimal struct {
	Unscaled *big.Int
	Scale    int
}

// NewConstant returns a constant of a nil, bool, int, int64, *big.Int, float64 or string. It panics of anything else.
// What has no constant of its own, such as a time, is a Cast of its text.
func NewConstant(v any) *Constant {
	lit := Literal{Go: v}
	switch v := v.(type) {
	case nil:
		lit.Type.Name = "NULL"
	case bool:
		lit.Type.Name, lit.raw = "BOOLEAN", strconv.FormatBool(v)
	case int:
		return NewConstant(int64(v))
	case int64:
		lit.Type.Name, lit.raw = "BIGINT", strconv.FormatInt(v, 10)
		if v == int64(int32(v)) {
			lit.Type.Name = "INTEGER"
		}
	case *big.Int:
		upper := new(big.Int).Rsh(v, 64)
		lower := new(big.Int).And(v, new(big.Int).SetUint64(math.MaxUint64))
		lit.Type.Name, lit.raw = "HUGEINT", fmt.Sprintf(`{"upper":%s,"lower":%s}`, upper, lower)
	case float64:
		lit.Type.Name, lit.raw = "DOUBLE", formatDouble(v)
	case string:
		lit.Type.Name, lit.raw = "VARCHAR", string(appendQuoted(nil, v))
	default:
		panic(fmt.Sprintf("D2: no constant of a %T", v))
	}
	return &Constant{Value: lit}
}

// formatDouble writes a number that reads as a double again, also if it is whole.
func formatDouble(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case math.IsNaN(f):
		return "NaN"
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	for _, c := range s {
		if c == '.' || c == 'e' {
			return s
		}
	}
	return s + ".0"
}

func readLiteral(v value) (Literal, error) {
	lit := Literal{Type: readType(v.get("type"))}
	if v.get("is_null").isTrue() {
		return lit, nil
	}
	val := v.get("value")
	lit.raw = val.raw
	switch lit.Type.Name {
	case "BOOLEAN":
		lit.Go = val.isTrue()
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER":
		n, ok := val.integer()
		if !ok {
			return lit, fmt.Errorf("%w: %s is no %s", errJSON, val.raw, lit.Type.Name)
		}
		lit.Go = n
	case "UBIGINT", "HUGEINT", "UHUGEINT", "DECIMAL":
		n, ok := readBig(val)
		if !ok {
			return lit, fmt.Errorf("%w: %s is no %s", errJSON, val.raw, lit.Type.Name)
		}
		if lit.Go = n; lit.Type.Name == "DECIMAL" {
			lit.Go = Decimal{Unscaled: n, Scale: lit.Type.Scale}
		}
	case "FLOAT", "DOUBLE":
		f, err := strconv.ParseFloat(val.raw, 64)
		if err != nil {
			return lit, fmt.Errorf("%w: %s is no %s", errJSON, val.raw, lit.Type.Name)
		}
		lit.Go = f
	case "VARCHAR":
		s, err := unquote(val.raw)
		if err != nil {
			return lit, fmt.Errorf("%w: %s", errJSON, val.raw)
		}
		lit.Go = s
	default:
		lit.Opaque = true
	}
	return lit, nil
}

// readBig reads a number, or one in two halves of 64 bits.
func readBig(v value) (*big.Int, bool) {
	if v.kind() != '{' {
		return new(big.Int).SetString(v.raw, 10)
	}
	upper, ok1 := new(big.Int).SetString(v.get("upper").raw, 10)
	lower, ok2 := new(big.Int).SetString(v.get("lower").raw, 10)
	if !ok1 || !ok2 {
		return nil, false
	}
	return upper.Lsh(upper, 64).Add(upper, lower), true
}

func (l Literal) write(b []byte) []byte {
	b = l.Type.write(append(b, `{"type":`...))
	if l.raw == "" {
		return append(b, `,"is_null":true}`...)
	}
	b = append(b, `,"is_null":false,"value":`...)
	return append(append(b, l.raw...), '}')
}

func (l Literal) equal(m Literal) bool { return l.Type.equal(m.Type) && l.raw == m.raw }

// plain is the value as text, whatever its type.
func (l Literal) plain() string {
	switch v := l.Go.(type) {
	case string:
		return v
	case Decimal:
		return v.String()
	}
	return fmt.Sprint(l.Go)
}

// String writes the number with all its digits.
func (d Decimal) String() string {
	digits := new(big.Int).Abs(d.Unscaled).String()
	for len(digits) <= d.Scale {
		digits = "0" + digits
	}
	if d.Scale > 0 {
		digits = digits[:len(digits)-d.Scale] + "." + digits[len(digits)-d.Scale:]
	}
	if d.Unscaled.Sign() < 0 {
		return "-" + digits
	}
	return digits
}
