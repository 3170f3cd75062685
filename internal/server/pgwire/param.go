package pgwire

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire/lexer"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// valueOf reads a parameter as query takes it. no is its number, for messages.
func valueOf(no int, raw []byte, oid uint32, format int16) (any, error) {
	if raw == nil {
		if t := sqlTypes[oid]; t != "" && t != "VARCHAR" {
			return query.Typed{Type: t, Null: true}, nil
		}
		return nil, nil
	}
	text := string(raw)
	if format == formatBinary {
		if elem, ok := elements[oid]; ok {
			return binaryArray(no, raw, elem)
		}
		var err error
		if text, err = textOf(raw, oid); err != nil {
			return nil, &failure{code: "22P03", message: fmt.Sprintf("parameter $%d: %v", no, err)}
		}
	} else if elem, ok := elements[oid]; ok {
		return textArray(no, text, elem)
	}
	v, err := typed(text, oid)
	if err != nil {
		f := &failure{code: "22P02", message: fmt.Sprintf("parameter $%d: %v", no, err)}
		if known := new(failure); errors.As(err, &known) {
			f.code = known.code
		}
		return nil, f
	}
	return v, nil
}

// typed is a value by its text. What only DuckDB can check is a cast of the text.
func typed(text string, oid uint32) (any, error) {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, &failure{code: "22021", message: "it is not UTF-8 text without zero bytes"}
	}
	switch oid {
	case pgtype.BoolOID:
		v, err := takeBool(strings.TrimSpace(text))
		return v == "on", err
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID:
		if _, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err != nil {
			return nil, fmt.Errorf("%q is no whole number of 64 bits", oneLine(text))
		}
		return query.Typed{Text: strings.TrimSpace(text), Type: sqlTypes[oid]}, nil
	case pgtype.NumericOID:
		return numeric(strings.TrimSpace(text))
	case pgtype.ByteaOID:
		if rest, ok := strings.CutPrefix(text, "\\x"); ok {
			b, err := hex.DecodeString(rest)
			return b, err
		}
		return []byte(text), nil
	}
	if t := sqlTypes[oid]; t != "" && t != "VARCHAR" {
		return query.Typed{Text: text, Type: t}, nil
	}
	return text, nil
}

// numeric is a number of up to 38 digits as it is, any other as a double.
func numeric(text string) (any, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is no number", oneLine(text))
	}
	_, fraction, _ := strings.Cut(text, ".")
	unscaled, ok := new(big.Int).SetString(strings.Replace(text, ".", "", 1), 10)
	if !ok || len(text) > 39 { // an exponent, infinity, or more digits than DuckDB holds
		return f, nil
	}
	if fraction == "" {
		return unscaled, nil
	}
	return duck.Decimal{Unscaled: unscaled, Scale: len(fraction)}, nil
}

// textOf turns a binary value into text.
func textOf(raw []byte, oid uint32) (string, error) {
	want := int(sizes[oid])
	if oid == pgtype.OIDOID {
		want = 4
	}
	if want > 0 && len(raw) != want {
		return "", fmt.Errorf("%d bytes, want %d", len(raw), want)
	}
	be := binary.BigEndian
	switch oid {
	case pgtype.BoolOID:
		return strconv.FormatBool(raw[0] != 0), nil
	case pgtype.Int2OID:
		return strconv.Itoa(int(int16(be.Uint16(raw)))), nil
	case pgtype.Int4OID:
		return strconv.Itoa(int(int32(be.Uint32(raw)))), nil
	case pgtype.OIDOID:
		return strconv.FormatUint(uint64(be.Uint32(raw)), 10), nil
	case pgtype.Int8OID:
		return strconv.FormatInt(int64(be.Uint64(raw)), 10), nil
	case pgtype.Float4OID:
		return strconv.FormatFloat(float64(math.Float32frombits(be.Uint32(raw))), 'g', -1, 32), nil
	case pgtype.Float8OID:
		return strconv.FormatFloat(math.Float64frombits(be.Uint64(raw)), 'g', -1, 64), nil
	case pgtype.NumericOID:
		return numericText(raw)
	case pgtype.ByteaOID:
		return "\\x" + hex.EncodeToString(raw), nil
	case pgtype.DateOID:
		return string(appendDate(nil, int64(int32(be.Uint32(raw)))+epochDays)), nil
	case pgtype.TimestampOID, pgtype.TimestamptzOID:
		return timeText(int64(be.Uint64(raw)), oid)
	case pgtype.TimeOID:
		return string(appendClock(nil, int64(be.Uint64(raw)))), nil
	case pgtype.IntervalOID:
		return fmt.Sprintf("%d months %d days %d microseconds", int32(be.Uint32(raw[12:])), int32(be.Uint32(raw[8:])), int64(be.Uint64(raw))), nil
	case pgtype.UUIDOID:
		return fmt.Sprintf("%x-%x-%x-%x-%x", raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:]), nil
	case pgtype.JSONBOID:
		if len(raw) > 0 && raw[0] == 1 {
			return string(raw[1:]), nil
		}
		return "", fmt.Errorf("a jsonb of another version")
	}
	return string(raw), nil
}

func timeText(micros int64, oid uint32) (string, error) {
	switch micros {
	case math.MaxInt64:
		return "infinity", nil
	case math.MinInt64:
		return "-infinity", nil
	}
	if micros > math.MaxInt64-epoch {
		return "", fmt.Errorf("a time out of range")
	}
	return string(appendTimestamp(nil, micros+epoch, oid == pgtype.TimestamptzOID)), nil
}

// numericText reads digits of base 10,000.
func numericText(raw []byte) (string, error) {
	be := binary.BigEndian
	if len(raw) < 8 || len(raw) != 8+2*int(be.Uint16(raw)) {
		return "", fmt.Errorf("a numeric of %d bytes", len(raw))
	}
	weight, sign, scale := int(int16(be.Uint16(raw[2:]))), be.Uint16(raw[4:]), int(be.Uint16(raw[6:]))
	switch sign {
	case 0xC000:
		return "NaN", nil
	case 0xD000:
		return "Infinity", nil
	case 0xF000:
		return "-Infinity", nil
	}
	if weight > 20 || weight < -20 || scale > 100 {
		return "", fmt.Errorf("a numeric of too many digits")
	}
	var b strings.Builder
	if sign == 0x4000 {
		b.WriteByte('-')
	}
	digit := func(at int) int { // of weight at
		if i := weight - at; i >= 0 && 8+2*i < len(raw) {
			return int(be.Uint16(raw[8+2*i:]))
		}
		return 0
	}
	b.WriteString(strconv.Itoa(digit(max(weight, 0))))
	for at := weight - 1; at >= 0; at-- {
		fmt.Fprintf(&b, "%04d", digit(at))
	}
	if scale > 0 {
		var f strings.Builder
		for at := -1; f.Len() < scale; at-- {
			fmt.Fprintf(&f, "%04d", digit(at))
		}
		b.WriteString("." + f.String()[:scale])
	}
	return b.String(), nil
}

func binaryArray(no int, raw []byte, elem uint32) (any, error) {
	broken := &failure{code: "22P03", message: fmt.Sprintf("parameter $%d: a broken array", no)}
	be := binary.BigEndian
	if len(raw) < 12 {
		return nil, broken
	}
	dims := be.Uint32(raw)
	out := []any{}
	switch {
	case dims == 0:
		return out, nil
	case dims > 1:
		return nil, unsupported("parameter $%d: an array of %d dimensions", no, dims)
	case len(raw) < 20:
		return nil, broken
	}
	rest := raw[20:]
	for range be.Uint32(raw[12:]) {
		if len(rest) < 4 {
			return nil, broken
		}
		n := int32(be.Uint32(rest))
		rest = rest[4:]
		var value []byte
		if n >= 0 {
			if len(rest) < int(n) {
				return nil, broken
			}
			value, rest = rest[:n:n], rest[n:]
			if value == nil {
				value = []byte{}
			}
		}
		v, err := valueOf(no, value, elem, formatBinary)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// textArray reads {a,"b c",NULL}.
func textArray(no int, text string, elem uint32) (any, error) {
	list, ok := lexer.Array(text)
	if !ok {
		return nil, &failure{code: "22P02", message: fmt.Sprintf("parameter $%d: malformed array literal: %q", no, oneLine(text)), hint: `want {1,2} or {"a b",NULL}`}
	}
	out := []any{}
	for _, value := range list {
		v, err := valueOf(no, value, elem, formatText)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
