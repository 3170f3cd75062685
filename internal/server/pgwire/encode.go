package pgwire

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tidemarkdb/tidemark/internal/server/results"
)

// epoch is where PostgreSQL's times begin, in microseconds since 1970, and epochDays the same in days.
const (
	epoch     = 946_684_800_000_000
	epochDays = 10_957
)

// appendValue appends value i of an array as a type, with its length before it; null has -1 (W5).
func appendValue(b []byte, a arrow.Array, i int, oid uint32, format int16) ([]byte, error) {
	if a.IsNull(i) {
		return binary.BigEndian.AppendUint32(b, math.MaxUint32), nil
	}
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	var err error
	if format == formatBinary {
		b, err = appendBinary(b, a, i, oid)
	} else {
		b, err = appendText(b, a, i, oid)
	}
	if len(b)-at-4 > math.MaxInt32 {
		err = &failure{code: "54000", message: "a value of more than 2 GiB"}
	}
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b, err
}

// appendText writes as PostgreSQL's output functions do.
func appendText(b []byte, a arrow.Array, i int, oid uint32) ([]byte, error) {
	switch a := a.(type) {
	case *array.String:
		return append(b, a.Value(i)...), nil
	case *array.Boolean:
		if a.Value(i) {
			return append(b, 't'), nil
		}
		return append(b, 'f'), nil
	case *array.Float64:
		return appendFloat(b, a.Value(i), 64), nil
	case *array.Float32:
		return appendFloat(b, float64(a.Value(i)), 32), nil
	case *array.Binary:
		return hex.AppendEncode(append(b, '\\', 'x'), a.Value(i)), nil
	case *array.Date32:
		return appendDate(b, int64(a.Value(i))), nil
	case *array.Timestamp:
		return appendTimestamp(b, microsAt(a, i), oid == pgtype.TimestamptzOID), nil
	case *array.Time64:
		return appendClock(b, int64(a.Value(i))), nil
	case *array.MonthDayNanoInterval:
		return appendInterval(b, a.Value(i)), nil
	case *array.List:
		if elem := elements[oid]; elem != 0 {
			return appendTextArray(b, a, i, elem)
		}
	case *array.Uint64:
		return strconv.AppendUint(b, a.Value(i), 10), nil
	}
	if n, ok := intAt(a, i); ok {
		return strconv.AppendInt(b, n, 10), nil
	}
	return append(b, results.Text(a, i)...), nil
}

// intAt returns a whole number that 64 bits hold.
func intAt(a arrow.Array, i int) (int64, bool) {
	switch a := a.(type) {
	case *array.Int64:
		return a.Value(i), true
	case *array.Int32:
		return int64(a.Value(i)), true
	case *array.Int16:
		return int64(a.Value(i)), true
	case *array.Int8:
		return int64(a.Value(i)), true
	case *array.Uint8:
		return int64(a.Value(i)), true
	case *array.Uint16:
		return int64(a.Value(i)), true
	case *array.Uint32:
		return int64(a.Value(i)), true
	}
	return 0, false
}

// appendFloat writes the shortest text that reads as the number, with an exponent where PostgreSQL has one.
func appendFloat(b []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(b, "NaN"...)
	case math.IsInf(v, 1):
		return append(b, "Infinity"...)
	case math.IsInf(v, -1):
		return append(b, "-Infinity"...)
	}
	most := 1e15
	if bits == 32 {
		most = 1e6
	}
	if abs := math.Abs(v); abs != 0 && (abs < 1e-4 || abs >= most) {
		return strconv.AppendFloat(b, v, 'e', -1, bits)
	}
	return strconv.AppendFloat(b, v, 'f', -1, bits)
}

// DuckDB's infinite times.
const (
	foreverMicros = math.MaxInt64
	foreverDays   = math.MaxInt32
)

// microsAt returns a time in microseconds since 1970. Nanoseconds are cut.
func microsAt(a *array.Timestamp, i int) int64 {
	v := int64(a.Value(i))
	switch a.DataType().(*arrow.TimestampType).Unit {
	case arrow.Second:
		return v * 1e6
	case arrow.Millisecond:
		return v * 1e3
	case arrow.Nanosecond:
		return time.Unix(0, v).UnixMicro()
	}
	return v
}

func appendDate(b []byte, days int64) []byte {
	switch days {
	case foreverDays:
		return append(b, "infinity"...)
	case -foreverDays:
		return append(b, "-infinity"...)
	}
	t := time.Unix(days*86_400, 0).UTC()
	return appendEra(appendYear(b, t), t)
}

func appendYear(b []byte, t time.Time) []byte {
	year := t.Year()
	if year <= 0 {
		year = 1 - year // there is no year 0
	}
	return fmt.Appendf(b, "%04d-%02d-%02d", year, t.Month(), t.Day())
}

func appendEra(b []byte, t time.Time) []byte {
	if t.Year() <= 0 {
		return append(b, " BC"...)
	}
	return b
}

func appendTimestamp(b []byte, micros int64, zone bool) []byte {
	switch micros {
	case foreverMicros:
		return append(b, "infinity"...)
	case -foreverMicros:
		return append(b, "-infinity"...)
	}
	t := time.UnixMicro(micros).UTC()
	b = append(appendYear(b, t), ' ')
	b = appendClock(b, int64(t.Hour())*3600e6+int64(t.Minute())*60e6+int64(t.Second())*1e6+int64(t.Nanosecond()/1000))
	if zone {
		b = append(b, "+00"...)
	}
	return appendEra(b, t)
}

// appendClock writes a time of day, with as many digits of a second as it has.
func appendClock(b []byte, micros int64) []byte {
	b = fmt.Appendf(b, "%02d:%02d:%02d", micros/3600e6, micros/60e6%60, micros/1e6%60)
	return appendFraction(b, micros%1e6)
}

func appendFraction(b []byte, micros int64) []byte {
	if micros == 0 {
		return b
	}
	b = fmt.Appendf(b, ".%06d", micros)
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

func appendInterval(b []byte, v arrow.MonthDayNanoInterval) []byte {
	from := len(b)
	part := func(n int32, one, many string) {
		if n == 0 {
			return
		}
		if len(b) > from {
			b = append(b, ' ')
		}
		name := many
		if n == 1 {
			name = one
		}
		b = append(append(strconv.AppendInt(b, int64(n), 10), ' '), name...)
	}
	part(v.Months/12, "year", "years")
	part(v.Months%12, "mon", "mons")
	part(v.Days, "day", "days")
	micros := v.Nanoseconds / 1000
	if micros == 0 && len(b) > from {
		return b
	}
	if len(b) > from {
		b = append(b, ' ')
	}
	if micros < 0 {
		b, micros = append(b, '-'), -micros
	}
	return appendClock(b, micros)
}
