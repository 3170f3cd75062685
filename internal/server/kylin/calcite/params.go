package calcite

import (
	"regexp"
	"strings"
)

// Param is the value of a question mark, as Kylin's clients send it.
type Param struct {
	ClassName string  `json:"className"` // of Java: java.lang.String, java.sql.Date ...
	Value     *string `json:"value"`     // null: NULL
}

// numeric is what may stand as a number.
var numeric = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

// param writes the value of a question mark. As a literal it is known when the statement is planned, so that it prunes
// segments, and a string beside a time is one.
func (t *translator) param(n *node) {
	lit, problem := t.params[n.number].literal()
	if problem != "" {
		t.fail(n.at, "parameter %d: %s", n.number+1, problem)
		return
	}
	t.put(" "+lit, n.at) // the blank keeps it apart from a letter that would give a string another meaning
}

// literal writes the value as SQL.
func (p Param) literal() (sql, problem string) {
	if p.Value == nil {
		return "NULL", ""
	}
	v := *p.Value
	plain := "'" + strings.ReplaceAll(v, "'", "''") + "'"
	switch class := strings.TrimPrefix(strings.TrimPrefix(p.ClassName, "java.lang."), "java."); class {
	case "String", "Character", "Object", "":
		return plain, ""
	case "Byte", "Short", "Integer", "Long", "math.BigInteger", "math.BigDecimal":
		if !numeric.MatchString(v) {
			return "", v + " is no number"
		}
		return "(" + v + ")", ""
	case "Float", "Double":
		if v == "NaN" || v == "Infinity" || v == "-Infinity" || numeric.MatchString(v) {
			return "CAST(" + plain + " AS DOUBLE)", ""
		}
		return "", v + " is no number"
	case "Boolean":
		if strings.EqualFold(v, "true") || strings.EqualFold(v, "false") {
			return strings.ToUpper(v), ""
		}
		return "", v + " is neither true nor false"
	case "sql.Date":
		return "CAST(" + plain + " AS DATE)", ""
	case "sql.Time":
		return "CAST(" + plain + " AS TIME)", ""
	case "sql.Timestamp":
		return "CAST(" + plain + " AS TIMESTAMP)", ""
	default:
		return "", "a " + p.ClassName + " is not known: send a string, a number, a boolean, a date, a time or a timestamp"
	}
}
