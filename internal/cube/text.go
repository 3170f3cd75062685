package cube

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// checkText complains about a default value that is not in the notation of its type: JSON's, but without quotes around
// text and times.
func (t Type) checkText(s string) error {
	bad := func(instead string) error {
		return &Problem{Message: fmt.Sprintf("%q is no %s", s, t), Instead: instead}
	}
	switch t.Kind {
	case Bool:
		if s != "true" && s != "false" {
			return bad("write true or false")
		}
	case Int64:
		if _, err := strconv.ParseInt(s, 10, 64); err != nil || !json.Valid([]byte(s)) {
			return bad("write a whole number such as 0, within 64 bits")
		}
	case Float64:
		if v, err := strconv.ParseFloat(s, 64); err != nil || math.IsInf(v, 0) || !json.Valid([]byte(s)) {
			return bad("write a number such as 0.5")
		}
	case Decimal:
		if !decimalFits(s, t.Precision, t.Scale) {
			return bad(fmt.Sprintf("write a number of at most %d digits before the point and %d after", t.Precision-t.Scale, t.Scale))
		}
	case String:
		if !utf8.ValidString(s) {
			return bad("save the definition as UTF-8")
		}
	case JSON:
		if _, err := parseJSON([]byte(s), maxSourceDepth); err != nil || !utf8.ValidString(s) {
			return bad(`write JSON in quotes: '{}' or '"text"'`)
		}
	case Date, Timestamp:
		return t.checkTime(s)
	}
	return nil
}

func (t Type) checkTime(s string) error {
	now := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
	layout, example := t.withDefaults().Format, now.Format(t.withDefaults().Format)
	var ok bool
	switch {
	case t.Unit() != "":
		n, err := strconv.ParseInt(s, 10, 64)
		per := unitsPerSecond(t.Unit())
		ok = err == nil && json.Valid([]byte(s)) && n/per >= minTime().Unix() && n/per < maxTime().Unix()
		example = strconv.FormatInt(now.Unix()*per, 10)
	case layout == formatRFC3339:
		_, ok = parseRFC3339(s)
		example = now.Format(time.RFC3339)
	default:
		at, err := time.Parse(layout, s)
		ok = err == nil && at.Year() > 0
	}
	if !ok {
		return &Problem{Message: fmt.Sprintf("%q is no %s", s, t), Instead: "write " + example}
	}
	return nil
}

func unitsPerSecond(unit string) int64 {
	return map[string]int64{"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
}

// parseRFC3339 is as strict as the decoder, unlike time.Parse, which lets hours of one digit and commas pass.
func parseRFC3339(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, err == nil && t.Year() > 0 && s[13] == ':' && !strings.Contains(s, ",")
}

// decimalFits reports whether s is a plain decimal number (no exponent) that decimal(precision,scale) holds exactly.
func decimalFits(s string, precision, scale int) bool {
	whole, frac, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if !digits(whole) || point && !digits(frac) || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	whole, frac = strings.TrimLeft(whole, "0"), strings.TrimRight(frac, "0")
	return len(whole) <= precision-scale && len(frac) <= scale
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// plainText reports whether s is one line of UTF-8 without control characters.
func plainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
