package pgwire

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/jackc/pgx/v5/pgtype"
)

// appendBinary writes as PostgreSQL's send functions do.
func appendBinary(b []byte, a arrow.Array, i int, oid uint32) ([]byte, error) {
	be := binary.BigEndian
	if n, ok := intAt(a, i); ok {
		switch oid {
		case pgtype.Int2OID:
			return be.AppendUint16(b, uint16(n)), nil
		case pgtype.Int4OID:
			return be.AppendUint32(b, uint32(n)), nil
		case pgtype.Int8OID:
			return be.AppendUint64(b, uint64(n)), nil
		}
	}
	switch a := a.(type) {
	case *array.Boolean:
		if a.Value(i) {
			return append(b, 1), nil
		}
		return append(b, 0), nil
	case *array.Float64:
		return be.AppendUint64(b, math.Float64bits(a.Value(i))), nil
	case *array.Float32:
		return be.AppendUint32(b, math.Float32bits(a.Value(i))), nil
	case *array.Binary:
		return append(b, a.Value(i)...), nil
	case *array.Date32:
		return be.AppendUint32(b, uint32(binaryDays(int64(a.Value(i))))), nil
	case *array.Timestamp:
		return be.AppendUint64(b, uint64(binaryMicros(microsAt(a, i)))), nil
	case *array.Time64:
		return be.AppendUint64(b, uint64(a.Value(i))), nil
	case *array.MonthDayNanoInterval:
		v := a.Value(i)
		b = be.AppendUint64(b, uint64(v.Nanoseconds/1000))
		return be.AppendUint32(be.AppendUint32(b, uint32(v.Days)), uint32(v.Months)), nil
	case *array.List:
		if elem := elements[oid]; elem != 0 {
			return appendBinaryArray(b, a, i, elem)
		}
	}
	if oid != pgtype.NumericOID && oid != pgtype.UUIDOID {
		return appendText(b, a, i, oid) // text and JSON look alike in both
	}
	text, err := appendText(nil, a, i, oid)
	if err != nil {
		return b, err
	}
	if oid == pgtype.NumericOID {
		return appendNumeric(b, string(text)), nil
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(string(text), "-", ""))
	if err != nil || len(raw) != 16 {
		return b, fmt.Errorf("W5: %q is no UUID", text)
	}
	return append(b, raw...), nil
}

// binaryDays and binaryMicros count from 2000 on; the ends of time stay what they are.
func binaryDays(days int64) int32 {
	switch days {
	case foreverDays:
		return math.MaxInt32
	case -foreverDays:
		return math.MinInt32
	}
	return int32(days - epochDays)
}

func binaryMicros(micros int64) int64 {
	switch micros {
	case foreverMicros:
		return math.MaxInt64
	case -foreverMicros:
		return math.MinInt64
	}
	return micros - epoch
}

// appendNumeric writes a decimal number: digits of base 10,000 around the point.
func appendNumeric(b []byte, text string) []byte {
	sign := uint16(0)
	if rest, ok := strings.CutPrefix(text, "-"); ok {
		sign, text = 0x4000, rest
	}
	whole, fraction, _ := strings.Cut(text, ".")
	scale := len(fraction)
	whole = strings.Repeat("0", (4-len(whole)%4)%4) + whole
	fraction += strings.Repeat("0", (4-len(fraction)%4)%4)
	weight := len(whole)/4 - 1
	var digits []uint16
	for all := whole + fraction; len(all) > 0; all = all[4:] {
		digits = append(digits, uint16(all[0]-'0')*1000+uint16(all[1]-'0')*100+uint16(all[2]-'0')*10+uint16(all[3]-'0'))
	}
	for len(digits) > 0 && digits[0] == 0 {
		digits, weight = digits[1:], weight-1
	}
	for len(digits) > 0 && digits[len(digits)-1] == 0 {
		digits = digits[:len(digits)-1]
	}
	if len(digits) == 0 {
		sign, weight = 0, 0
	}
	be := binary.BigEndian
	b = be.AppendUint16(b, uint16(len(digits)))
	b = be.AppendUint16(b, uint16(weight))
	b = be.AppendUint16(be.AppendUint16(b, sign), uint16(scale))
	for _, d := range digits {
		b = be.AppendUint16(b, d)
	}
	return b
}

func appendBinaryArray(b []byte, a *array.List, i int, elem uint32) ([]byte, error) {
	from, to := a.ValueOffsets(i)
	values := a.ListValues()
	be := binary.BigEndian
	dims, nulls := uint32(1), uint32(0)
	if from == to {
		dims = 0
	}
	for k := from; k < to; k++ {
		if values.IsNull(int(k)) {
			nulls = 1
		}
	}
	b = be.AppendUint32(be.AppendUint32(be.AppendUint32(b, dims), nulls), elem)
	if dims == 0 {
		return b, nil
	}
	b = be.AppendUint32(be.AppendUint32(b, uint32(to-from)), 1)
	var err error
	for k := from; k < to && err == nil; k++ {
		b, err = appendValue(b, values, int(k), elem, formatBinary)
	}
	return b, err
}

func appendTextArray(b []byte, a *array.List, i int, elem uint32) ([]byte, error) {
	from, to := a.ValueOffsets(i)
	values := a.ListValues()
	b = append(b, '{')
	for k := from; k < to; k++ {
		if k > from {
			b = append(b, ',')
		}
		if values.IsNull(int(k)) {
			b = append(b, "NULL"...)
			continue
		}
		text, err := appendText(nil, values, int(k), elem)
		if err != nil {
			return b, err
		}
		b = appendElement(b, string(text))
	}
	return append(b, '}'), nil
}

// appendElement quotes where a reader of arrays would take the text for something else.
func appendElement(b []byte, s string) []byte {
	if s != "" && !strings.EqualFold(s, "NULL") && !strings.ContainsAny(s, "{}\",\\ \t\r\n\v\f") {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}
