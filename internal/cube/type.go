package cube

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	maxPrecision = 38
	maxLayout    = 64 // bytes

	formatRFC3339  = "rfc3339"
	dateLayout     = "2006-01-02"
	defaultDecimal = "decimal(18,2)"
)

// ParseType reads the text form of a type: int64, decimal(12,2), timestamp(ms), timestamp(2006-01-02 15:04:05),
// date(02.01.2006). The error says which type comes nearest.
func ParseType(s string) (Type, error) {
	name, args, hasArgs, err := splitType(s)
	if err != nil {
		return Type{}, err
	}
	t := Type{Kind: Kind(name)}
	switch t.Kind {
	case Bool, Int64, Float64, String, JSON:
		if hasArgs {
			return Type{}, typeProblem(fmt.Sprintf("%s takes no parameters", name), "write "+name)
		}
		return t, nil
	case Decimal:
		return parseDecimal(args)
	case Timestamp:
		t.Format = formatRFC3339
	case Date:
		t.Format = dateLayout
	default:
		return Type{}, unknownType(name, args)
	}
	if hasArgs {
		t.Format = args
		if args == "" {
			return Type{}, typeProblem(name+"() names no layout", "write "+(Type{Kind: t.Kind}).String())
		}
	}
	return t, t.check()
}

// splitType splits name(args). A layout may hold parentheses of its own, so the last one closes.
func splitType(s string) (name, args string, hasArgs bool, err error) {
	s = strings.TrimSpace(s)
	open := strings.IndexByte(s, '(')
	if open < 0 {
		return s, "", false, nil
	}
	if !strings.HasSuffix(s, ")") {
		return "", "", false, typeProblem(fmt.Sprintf("type %q does not end in )", s), "write "+s[:open]+"(...)")
	}
	return strings.TrimSpace(s[:open]), strings.TrimSpace(s[open+1 : len(s)-1]), true, nil
}

func parseDecimal(args string) (Type, error) {
	const how = "write decimal(precision,scale): " + defaultDecimal + " holds up to 16 digits before the point and 2 after"
	p, s, _ := strings.Cut(args, ",")
	precision, err := strconv.Atoi(strings.TrimSpace(p))
	if err != nil {
		return Type{}, typeProblem("decimal needs a precision and a scale", how)
	}
	scale := 0
	if s != "" {
		if scale, err = strconv.Atoi(strings.TrimSpace(s)); err != nil {
			return Type{}, typeProblem("decimal needs a precision and a scale", how)
		}
	}
	t := Type{Kind: Decimal, Precision: precision, Scale: scale}
	return t, t.check()
}

// String returns the text that ParseType reads back as t.
func (t Type) String() string {
	switch {
	case t.Kind == Decimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case t.Kind == Timestamp:
		return "timestamp(" + t.withDefaults().Format + ")"
	case t.Kind == Date && t.Format != "" && t.Format != dateLayout:
		return "date(" + t.Format + ")"
	}
	return string(t.Kind)
}

func (t Type) withDefaults() Type {
	if t.Format == "" && t.Kind == Timestamp {
		t.Format = formatRFC3339
	}
	if t.Format == "" && t.Kind == Date {
		t.Format = dateLayout
	}
	return t
}

// check complains about a type that ParseType would not have made.
func (t Type) check() error {
	switch t.Kind {
	case Bool, Int64, Float64, String, JSON:
		if t.Precision != 0 || t.Scale != 0 || t.Format != "" {
			return typeProblem(fmt.Sprintf("%s takes no parameters", t.Kind), "write "+string(t.Kind))
		}
	case Decimal:
		return t.checkDecimal()
	case Date:
		return checkLayout(t)
	case Timestamp:
		if t.Unit() == "" && t.withDefaults().Format != formatRFC3339 {
			return checkLayout(t)
		}
	default:
		return unknownType(string(t.Kind), "")
	}
	return nil
}

func (t Type) checkDecimal() error {
	if t.Precision < 1 || t.Precision > maxPrecision {
		return typeProblem(fmt.Sprintf("decimal of %d digits is not possible", t.Precision), fmt.Sprintf("write a precision from 1 to %d", maxPrecision))
	}
	if t.Scale < 0 || t.Scale > t.Precision {
		return typeProblem(fmt.Sprintf("decimal cannot have %d of its %d digits after the point", t.Scale, t.Precision),
			fmt.Sprintf("write a scale from 0 to %d", t.Precision))
	}
	return nil
}

// Unit returns s, ms, us or ns for a timestamp that is a number of such units since 1970, else nothing.
func (t Type) Unit() string {
	if t.Kind == Timestamp {
		switch t.Format {
		case "s", "ms", "us", "ns":
			return t.Format
		}
	}
	return ""
}

func typeProblem(message, instead string) error { return &Problem{Message: message, Instead: instead} }

// typeAliases maps the words of other systems to ours.
func typeAliases() map[string]string {
	m := map[string]string{}
	for _, a := range []struct{ to, names string }{
		{"bool", "boolean bit"},
		{"int64", "int integer long bigint int8 int16 int32 smallint tinyint short byte uint uint8 uint16 uint32 uint64 hugeint serial counter"},
		{"float64", "float double real number float32 f64"},
		{defaultDecimal, "numeric money bigdecimal decimal128"},
		{"string", "str text varchar char keyword uuid enum symbol bytes binary"},
		{"timestamp(rfc3339)", "datetime timestamptz time iso8601 rfc3339 instant datetime64"},
		{"timestamp(s)", "epoch unix unixtime epoch_s epoch_seconds s"},
		{"timestamp(ms)", "epoch_ms epoch_millis epochmillis timestamp_ms unix_ms millis ms timestamp-millis"},
		{"timestamp(us)", "epoch_us epoch_micros timestamp_us micros us timestamp-micros"},
		{"timestamp(ns)", "epoch_ns epoch_nanos timestamp_ns nanos ns"},
		{"date", "day localdate"},
		{"json", "jsonb object map struct array list record variant any nested super"},
	} {
		for _, n := range strings.Fields(a.names) {
			m[n] = a.to
		}
	}
	return m
}

func unknownType(name, args string) error {
	kinds := []string{"bool", "int64", "float64", "decimal", "string", "date", "timestamp", "json"}
	if name == "" {
		return typeProblem("no type", "write one of "+typeList)
	}
	low := strings.ToLower(name)
	to := typeAliases()[low]
	if to == "" {
		to = Nearest(low, kinds)
	}
	switch {
	case to == "" || to == "decimal" && args == "":
		to = typeList
		return typeProblem(fmt.Sprintf("unknown type %q", name), "write one of "+to)
	case strings.HasPrefix(to, "decimal") && args != "":
		to = "decimal(" + args + ")"
	case strings.HasPrefix(to, "timestamp") && args != "":
		to = "timestamp(" + orElse(unitAlias(args), translateLayout(args)) + ")"
	case to == "timestamp":
		to = "timestamp(ms)"
	}
	return typeProblem(fmt.Sprintf("unknown type %q", name), "write "+to)
}

const typeList = "bool, int64, float64, decimal(18,2), string, date, timestamp(rfc3339), timestamp(ms), json"
