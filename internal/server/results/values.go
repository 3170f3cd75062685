package results

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
)

// exactInt is the highest whole number of which a double holds every one below.
const exactInt = 1 << 53

// appendJSON appends value i of an array.
func appendJSON(b []byte, a arrow.Array, i int) []byte {
	if a.IsNull(i) {
		return append(b, "null"...)
	}
	switch a := a.(type) {
	case *array.Boolean:
		return strconv.AppendBool(b, a.Value(i))
	case *array.Int64:
		v := a.Value(i)
		if v > exactInt || v < -exactInt {
			return append(strconv.AppendInt(append(b, '"'), v, 10), '"')
		}
		return strconv.AppendInt(b, v, 10)
	case *array.Int32:
		return strconv.AppendInt(b, int64(a.Value(i)), 10)
	case *array.Int16:
		return strconv.AppendInt(b, int64(a.Value(i)), 10)
	case *array.Int8:
		return strconv.AppendInt(b, int64(a.Value(i)), 10)
	case *array.Uint8:
		return strconv.AppendInt(b, int64(a.Value(i)), 10)
	case *array.Uint16:
		return strconv.AppendInt(b, int64(a.Value(i)), 10)
	case *array.Uint32:
		return strconv.AppendInt(b, int64(a.Value(i)), 10)
	case *array.Uint64:
		v := a.Value(i)
		if v > exactInt {
			return append(strconv.AppendUint(append(b, '"'), v, 10), '"')
		}
		return strconv.AppendUint(b, v, 10)
	case *array.Float64:
		return appendFloat(b, a.Value(i))
	case *array.Float32:
		return appendFloat(b, float64(a.Value(i)))
	case *array.Timestamp:
		at := a.Value(i).ToTime(a.DataType().(*arrow.TimestampType).Unit).UTC()
		if endless(int64(a.Value(i)), math.MaxInt64) != "" || at.Year() < 0 || at.Year() > 9999 {
			return appendString(b, Text(a, i)) // RFC 3339 has none
		}
		return append(at.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
	case *array.String:
		return appendString(b, a.Value(i))
	case *array.Decimal128:
		return append(appendDecimal(append(b, '"'), a.Value(i), a.DataType().(*arrow.Decimal128Type).Scale), '"')
	case *array.List:
		return appendList(b, a.ListValues(), a.ValueOffsets, i)
	case *array.Struct:
		return appendStruct(b, a, i)
	}
	return appendString(b, Text(a, i))
}

// appendFloat writes a number; what JSON has no number for is a string.
func appendFloat(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return appendString(b, floatText(v))
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

func floatText(v float64) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// appendDecimal writes a decimal with so many digits after the point.
func appendDecimal(b []byte, v decimal128.Num, scale int32) []byte {
	low := int64(v.LowBits())
	if scale != 0 || v.HighBits() != low>>63 {
		return append(b, v.ToString(scale)...)
	}
	return strconv.AppendInt(b, low, 10)
}

func appendString(b []byte, s string) []byte {
	if plain(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	text, err := json.Marshal(s)
	if err != nil {
		panic("T1: a string has no JSON: " + err.Error())
	}
	return append(b, text...)
}

// plain reports whether a string is its own JSON. What is beyond ASCII, or what encoding/json escapes, is left to that.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

func appendList(b []byte, values arrow.Array, offsets func(int) (int64, int64), i int) []byte {
	from, to := offsets(i)
	b = append(b, '[')
	for k := from; k < to; k++ {
		if k > from {
			b = append(b, ',')
		}
		b = appendJSON(b, values, int(k))
	}
	return append(b, ']')
}

func appendStruct(b []byte, a *array.Struct, i int) []byte {
	fields := a.DataType().(*arrow.StructType).Fields()
	b = append(b, '{')
	for k, f := range fields {
		if k > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, f.Name), ':')
		b = appendJSON(b, a.Field(k), i)
	}
	return append(b, '}')
}

// Text returns value i of an array, which is not null, as SQL writes it.
func Text(a arrow.Array, i int) string {
	switch a := a.(type) {
	case *array.String:
		return a.Value(i)
	case *array.Binary:
		v := a.Value(i)
		if utf8.Valid(v) {
			return string(v)
		}
		return base64.StdEncoding.EncodeToString(v)
	case *array.Float64:
		return floatText(a.Value(i))
	case *array.Float32:
		return floatText(float64(a.Value(i)))
	case *array.Decimal128:
		return string(appendDecimal(nil, a.Value(i), a.DataType().(*arrow.Decimal128Type).Scale))
	case *array.Date32:
		if text := endless(int64(a.Value(i)), math.MaxInt32); text != "" {
			return text
		}
		return dayText(a.Value(i).ToTime())
	case *array.Timestamp:
		if text := endless(int64(a.Value(i)), math.MaxInt64); text != "" {
			return text
		}
		at := a.Value(i).ToTime(a.DataType().(*arrow.TimestampType).Unit).UTC()
		return dayText(at) + at.Format(" 15:04:05.999999999")
	case *array.MonthDayNanoInterval:
		return intervalText(a.Value(i))
	case *array.List, *array.Struct:
		return string(appendJSON(nil, a, i))
	}
	return a.ValueStr(i)
}

// endless is what SQL calls the times before and after all others; "": it is none of them.
func endless(v, most int64) string {
	switch v {
	case most:
		return "infinity"
	case -most:
		return "-infinity"
	}
	return ""
}

// dayText is a day as SQL writes it: before the year 1 come years before Christ.
func dayText(t time.Time) string {
	if y := t.Year(); y < 1 {
		return fmt.Sprintf("%04d-%02d-%02d (BC)", 1-y, t.Month(), t.Day())
	}
	return t.Format(time.DateOnly)
}

// intervalText is an interval as SQL writes it: 1 month 2 days 03:04:05.5.
func intervalText(v arrow.MonthDayNanoInterval) string {
	var out []string
	for _, p := range []struct {
		n   int32
		one string
	}{{v.Months / 12, "year"}, {v.Months % 12, "month"}, {v.Days, "day"}} {
		switch p.n {
		case 0:
		case 1, -1:
			out = append(out, fmt.Sprintf("%d %s", p.n, p.one))
		default:
			out = append(out, fmt.Sprintf("%d %ss", p.n, p.one))
		}
	}
	if v.Nanoseconds != 0 || len(out) == 0 {
		sign, ns := "", v.Nanoseconds
		if ns < 0 {
			sign, ns = "-", -ns
		}
		sec := ns / 1e9
		frac := strings.TrimRight(strings.TrimRight(fmt.Sprintf(".%09d", ns%1e9), "0"), ".")
		out = append(out, fmt.Sprintf("%s%02d:%02d:%02d%s", sign, sec/3600, sec/60%60, sec%60, frac))
	}
	return strings.Join(out, " ")
}

// TypeName returns SQL's name of a type.
func TypeName(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.Decimal128Type:
		return "DECIMAL(" + strconv.Itoa(int(t.Precision)) + "," + strconv.Itoa(int(t.Scale)) + ")"
	case *arrow.TimestampType:
		if t.TimeZone != "" {
			return "TIMESTAMP WITH TIME ZONE"
		}
		return "TIMESTAMP"
	case *arrow.ListType:
		return TypeName(t.Elem()) + "[]"
	}
	if name, ok := names[t.ID()]; ok {
		return name
	}
	return t.String()
}

var names = map[arrow.Type]string{
	arrow.NULL: "NULL", arrow.BOOL: "BOOLEAN", arrow.INT8: "TINYINT", arrow.INT16: "SMALLINT", arrow.INT32: "INTEGER", arrow.INT64: "BIGINT",
	arrow.UINT8: "UTINYINT", arrow.UINT16: "USMALLINT", arrow.UINT32: "UINTEGER", arrow.UINT64: "UBIGINT", arrow.FLOAT32: "FLOAT", arrow.FLOAT64: "DOUBLE",
	arrow.STRING: "VARCHAR", arrow.LARGE_STRING: "VARCHAR", arrow.BINARY: "BLOB", arrow.DATE32: "DATE", arrow.TIME64: "TIME", arrow.INTERVAL_MONTH_DAY_NANO: "INTERVAL",
	arrow.STRUCT: "STRUCT", arrow.MAP: "MAP",
}
