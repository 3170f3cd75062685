package lookup

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// parse reads the text of a value. No text at all is null, but for strings.
func parse(t cube.Type, s string) (parquet.Value, error) {
	if s == "" && t.Kind != cube.String {
		return parquet.NullValue(), nil
	}
	bad := func(instead string) (parquet.Value, error) {
		return parquet.Value{}, fmt.Errorf("%.80q is no %s: %s", s, t, instead)
	}
	switch t.Kind {
	case cube.String:
		if !utf8.ValidString(s) {
			return bad("save the file as UTF-8")
		}
		return parquet.ByteArrayValue([]byte(s)), nil
	case cube.Int64:
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return bad("want a whole number of 64 bits, without blanks or separators")
		}
		return parquet.Int64Value(v), nil
	case cube.Float64:
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return bad("want a number with a point, such as 1.5")
		}
		return parquet.DoubleValue(v), nil
	case cube.Bool:
		switch s {
		case "true", "false":
			return parquet.BooleanValue(s == "true"), nil
		}
		return bad("want true or false")
	case cube.Decimal:
		return parseDecimal(t, s, bad)
	case cube.Date:
		at, err := time.Parse(layoutOf(t, time.DateOnly), s)
		if err != nil {
			return bad("want a date as the type says, " + layoutOf(t, time.DateOnly) + " by default")
		}
		return parquet.Int32Value(int32(at.Unix() / 86400)), nil // a date has no time: the division is exact
	}
	return parseTimestamp(t, s, bad)
}

func layoutOf(t cube.Type, byDefault string) string {
	if t.Format == "" || t.Format == "rfc3339" {
		return byDefault
	}
	return t.Format
}

// parseTimestamp returns microseconds since 1970 UTC.
func parseTimestamp(t cube.Type, s string, bad func(string) (parquet.Value, error)) (parquet.Value, error) {
	units := map[string]int64{"s": 1_000_000, "ms": 1000, "us": 1}
	n, err := strconv.ParseInt(s, 10, 64)
	switch unit, ok := units[t.Format]; {
	case ok && (err != nil || n*unit/unit != n):
		return bad("want a whole number of " + t.Format + " since 1970")
	case ok:
		return parquet.Int64Value(n * unit), nil
	case t.Format == "ns":
		if err != nil {
			return bad("want a whole number of ns since 1970")
		}
		return parquet.Int64Value(time.Unix(0, n).UnixMicro()), nil
	}
	layout := layoutOf(t, time.RFC3339Nano)
	at, err := time.Parse(layout, s)
	if err != nil || at.Year() < 1 || at.Year() > 9999 {
		return bad("want a time such as " + strings.Replace(layout, ".999999999", "", 1))
	}
	return parquet.Int64Value(at.UnixMicro()), nil
}

// parseDecimal takes as many digits behind the point as the scale has, or fewer.
func parseDecimal(t cube.Type, s string, bad func(string) (parquet.Value, error)) (parquet.Value, error) {
	digits := strings.TrimLeft(s, "+-")
	whole, frac, _ := strings.Cut(digits, ".")
	if len(s)-len(digits) > 1 || whole+frac == "" || strings.Trim(whole+frac, "0123456789") != "" || len(whole) > 1000 {
		return bad("want digits with a point, such as 12.50")
	}
	if len(frac) > t.Scale {
		if strings.Trim(frac[t.Scale:], "0") != "" {
			return bad(fmt.Sprintf("it has more than %d digits behind the point", t.Scale))
		}
		frac = frac[:t.Scale]
	}
	v, _ := new(big.Int).SetString(whole+frac+strings.Repeat("0", t.Scale-len(frac)), 10)
	if v.CmpAbs(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Precision)), nil)) >= 0 {
		return bad(fmt.Sprintf("it has more than %d digits before the point", t.Precision-t.Scale))
	}
	if s[0] == '-' {
		v.Neg(v)
	}
	if t.Precision <= 18 {
		return parquet.Int64Value(v.Int64()), nil
	}
	if v.Sign() < 0 {
		v.Add(v, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	return parquet.FixedLenByteArrayValue(v.FillBytes(make([]byte, 16))), nil
}
