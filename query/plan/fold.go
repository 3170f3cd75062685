package plan

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// constKind is the type of a constant, as far as planning looks into it.
type constKind uint8

const (
	constNull constKind = iota
	constBool
	constInt
	constDecimal
	constFloat
	constText
	constDate  // microseconds of its midnight
	constTime  // TIMESTAMP
	constZoned // TIMESTAMP WITH TIME ZONE; the session's zone is UTC
	constInterval
)

// constant is a value that an expression without columns has.
type constant struct {
	kind constKind
	n    int64 // bool, int, and microseconds of times
	dec  *big.Int
	// scale is of dec, and bare tells text that stands in the statement, which takes the type of what it is compared with.
	scale int
	bare  bool
	f     float64
	s     string
	iv    interval
}

type interval struct{ months, days, us int64 }

// maxTimeUs is how far from 1970 times are folded: beyond it DuckDB decides what overflows.
const maxTimeUs = 100_000 * 366 * usPerDay / 2

func (c constant) isTime() bool {
	return (c.kind == constDate || c.kind == constTime || c.kind == constZoned) && c.n > -maxTimeUs && c.n < maxTimeUs
}

// fold returns the value of an expression as DuckDB would compute it; ok is false where that is left to DuckDB.
func fold(e duck.Expr) (c constant, ok bool) {
	switch e := e.(type) {
	case *duck.Constant:
		return foldLiteral(e.Value)
	case *duck.Cast:
		if c, ok = fold(e.X); !ok {
			return c, false
		}
		return c.cast(e.To)
	case *duck.Function:
		args := make([]constant, len(e.Args))
		for i, a := range e.Args {
			if args[i], ok = fold(a); !ok || args[i].kind == constNull {
				return c, false
			}
		}
		if e.Distinct || e.Filter != nil || len(e.Order) > 0 {
			return c, false
		}
		return foldCall(e.Name, args)
	case *duck.Comparison:
		return foldComparison(e)
	}
	return c, false
}

func foldLiteral(v duck.Literal) (constant, bool) {
	switch x := v.Go.(type) {
	case nil:
		return constant{}, !v.Opaque
	case bool:
		return boolean(x), true
	case int64:
		return constant{kind: constInt, n: x}, true
	case float64:
		return constant{kind: constFloat, f: x}, true
	case string:
		return constant{kind: constText, s: x, bare: true}, true
	case duck.Decimal:
		return constant{kind: constDecimal, dec: x.Unscaled, scale: x.Scale}, true
	}
	return constant{}, false
}

func boolean(b bool) constant {
	if b {
		return constant{kind: constBool, n: 1}
	}
	return constant{kind: constBool}
}

// foldComparison knows 1=1 and the like, which tools write.
func foldComparison(e *duck.Comparison) (constant, bool) {
	a, ok := fold(e.Left)
	b, ok2 := fold(e.Right)
	if !ok || !ok2 || a.kind != b.kind || a.kind != constInt && a.kind != constText {
		return constant{}, false
	}
	same := a.n == b.n && a.s == b.s
	switch e.Op {
	case "=":
		return boolean(same), true
	case "<>":
		return boolean(!same), true
	}
	return constant{}, false
}

func (c constant) cast(to duck.Type) (constant, bool) {
	if c.kind == constNull {
		return c, true
	}
	c.bare = false
	switch to.Name {
	case "BOOLEAN":
		if c.kind == constText && len(c.s) == 1 {
			return boolean(c.s == "t"), c.s == "t" || c.s == "f"
		}
		return c, c.kind == constBool
	case "VARCHAR":
		return c, c.kind == constText
	case "INTEGER", "BIGINT":
		return c.castInt(to.Name)
	case "DOUBLE":
		if c.kind == constInt {
			return constant{kind: constFloat, f: float64(c.n)}, true
		}
		return c, c.kind == constFloat
	case "INTERVAL":
		if c.kind != constText {
			return c, c.kind == constInterval
		}
		iv, ok := parseInterval(c.s)
		return constant{kind: constInterval, iv: iv}, ok
	}
	return c.castTime(to.Name)
}

func (c constant) castInt(to string) (constant, bool) {
	if c.kind == constFloat && c.f == math.Trunc(c.f) && math.Abs(c.f) < 1<<52 {
		c = constant{kind: constInt, n: int64(c.f)}
	}
	return c, c.kind == constInt && (to == "BIGINT" || c.n == int64(int32(c.n)))
}

func (c constant) castTime(to string) (constant, bool) {
	kind, ok := map[string]constKind{"DATE": constDate, "TIMESTAMP": constTime, "TIMESTAMP WITH TIME ZONE": constZoned}[to]
	switch {
	case !ok:
		return c, false
	case c.kind == constText:
		us, form, ok := parseTime(c.s)
		switch kind { // what a TIMESTAMP makes of an offset is left to DuckDB
		case constDate:
			ok = ok && form == dayOnly
		case constTime:
			ok = ok && form != withOffset
		}
		return constant{kind: kind, n: us}, ok
	case !c.isTime():
		return c, false
	case kind == constDate:
		c.n -= floorMod(c.n, usPerDay)
	}
	return constant{kind: kind, n: c.n}, true
}

// timeForm says what the text of a time has.
type timeForm uint8

const (
	dayOnly timeForm = iota
	withClock
	withOffset
)

// parseTime reads the texts of times that DuckDB and we surely read alike.
func parseTime(s string) (us int64, form timeForm, ok bool) {
	for _, layout := range []string{
		"2006-01-02", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z", "2006-01-02T15:04:05Z",
		"2006-01-02 15:04:05-07:00", "2006-01-02T15:04:05-07:00", "2006-01-02 15:04:05-07", "2006-01-02 15:04", "2006-01-02T15:04",
	} {
		t, err := time.Parse(layout, s)
		if err != nil || strings.Contains(s, ",") || t.Nanosecond()%1000 != 0 {
			continue
		}
		switch {
		case layout == time.DateOnly:
			form = dayOnly
		case strings.Contains(layout, "-07"):
			form = withOffset
		default:
			form = withClock
		}
		return t.UnixMicro(), form, true
	}
	return 0, dayOnly, false
}

// parseInterval reads "1 day 2 hours": whole numbers, each with its unit.
func parseInterval(s string) (iv interval, ok bool) {
	words := strings.Fields(strings.ToLower(s))
	if len(words) == 0 || len(words)%2 != 0 {
		return iv, false
	}
	for i := 0; i < len(words); i += 2 {
		n, err := strconv.ParseInt(words[i], 10, 32)
		part, known := intervalOf(strings.TrimSuffix(words[i+1], "s"), n)
		if err != nil || !known {
			return iv, false
		}
		iv = iv.plus(part)
	}
	return iv, true
}

// intervalOf returns n units, of which there are few enough that nothing overflows.
func intervalOf(unit string, n int64) (iv interval, ok bool) {
	if n > 10_000_000 || n < -10_000_000 {
		return iv, false
	}
	switch unit {
	case "microsecond":
		iv.us = n
	case "millisecond":
		iv.us = n * 1000
	case "second":
		iv.us = n * usPerSecond
	case "minute":
		iv.us = n * usPerMinute
	case "hour":
		iv.us = n * usPerHour
	case "day":
		iv.days = n
	case "week":
		iv.days = 7 * n
	case "month":
		iv.months = n
	case "quarter":
		iv.months = 3 * n
	case "year":
		iv.months = 12 * n
	default:
		return iv, false
	}
	return iv, true
}

func (iv interval) plus(o interval) interval {
	return interval{iv.months + o.months, iv.days + o.days, iv.us + o.us}
}

func (iv interval) times(n int64) interval { return interval{iv.months * n, iv.days * n, iv.us * n} }

// addTo adds months, of which the day is kept within the month, then days and the rest.
func (iv interval) addTo(us int64) int64 {
	if iv.months != 0 {
		t := time.UnixMicro(us).UTC()
		first := time.Date(t.Year(), t.Month()+time.Month(iv.months), 1, 0, 0, 0, 0, time.UTC)
		last := first.AddDate(0, 1, -1).Day()
		first = first.AddDate(0, 0, min(t.Day(), last)-1)
		us = first.UnixMicro() + floorMod(us, usPerDay)
	}
	return us + iv.days*usPerDay + iv.us
}

// foldCall knows the functions that times are written with.
func foldCall(name string, args []constant) (constant, bool) {
	switch {
	case len(args) == 1:
		return foldUnary(name, args[0])
	case len(args) != 2:
		return constant{}, false
	}
	a, b := args[0], args[1]
	switch name {
	case "+", "-":
		return foldSum(name, a, b)
	case "*":
		if a.kind == constInt && b.kind == constInterval {
			a, b = b, a
		}
		if a.kind != constInterval || b.kind != constInt || b.n > 10_000 || b.n < -10_000 {
			return constant{}, false
		}
		return constant{kind: constInterval, iv: a.iv.times(b.n)}, true
	case "date_trunc", "datetrunc":
		step, ok := truncUnit(a.s)
		if !ok || a.kind != constText || !b.isTime() {
			return constant{}, false
		}
		if b.kind == constDate {
			b.kind = constTime
		}
		b.n = step.Start(b.n)
		return b, true
	}
	return constant{}, false
}

func foldUnary(name string, a constant) (constant, bool) {
	if unit, ok := strings.CutPrefix(name, "to_"); ok {
		if a, ok = a.castInt("BIGINT"); !ok {
			return a, false
		}
		iv, ok := intervalOf(strings.TrimSuffix(unit, "s"), a.n)
		return constant{kind: constInterval, iv: iv}, ok
	}
	switch {
	case name == "trunc" && a.kind == constFloat:
		a.f = math.Trunc(a.f)
		return a, true
	case name == "-" && a.kind == constInt && a.n != math.MinInt64:
		a.n = -a.n
		return a, true
	case name == "-" && a.kind == constFloat:
		a.f = -a.f
		return a, true
	case name == "-" && a.kind == constDecimal:
		a.dec = new(big.Int).Neg(a.dec)
		return a, true
	case name == "-" && a.kind == constInterval:
		a.iv = a.iv.times(-1)
		return a, true
	}
	return constant{}, false
}

func foldSum(op string, a, b constant) (constant, bool) {
	sign := int64(1)
	if op == "-" {
		sign = -1
	}
	if op == "+" && !a.isTime() && b.isTime() {
		a, b = b, a
	}
	switch {
	case a.isTime() && b.kind == constInterval:
		if a.kind == constDate {
			a.kind = constTime
		}
		a.n = b.iv.times(sign).addTo(a.n)
		return a, a.isTime()
	case a.kind == constDate && a.isTime() && b.kind == constInt && b.n == int64(int32(b.n)):
		a.n += sign * b.n * usPerDay
		return a, a.isTime()
	case a.kind == constInterval && b.kind == constInterval:
		return constant{kind: constInterval, iv: a.iv.plus(b.iv.times(sign))}, true
	}
	return constant{}, false
}
