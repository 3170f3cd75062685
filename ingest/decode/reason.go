package decode

import (
	"fmt"
	"strings"
)

// Reason names why a record was refused. The list is closed: metrics and quarantine files use it.
type Reason string

// The reasons, in the order in which they are looked for (D8).
const (
	Tombstone       Reason = "tombstone"        // the value is null
	TooLarge        Reason = "too_large"        // value, or key and headers, over MaxRecordBytes
	Empty           Reason = "empty"            // no bytes, or white space only
	ByteOrderMark   Reason = "byte_order_mark"  // the value begins with one
	NotJSON         Reason = "not_json"         // a byte that JSON does not allow there
	Truncated       Reason = "truncated"        // the value ends inside the JSON text
	InvalidUTF8     Reason = "invalid_utf8"     // bytes in a string that are not UTF-8
	TooDeep         Reason = "too_deep"         // more than MaxDepth levels
	NotObject       Reason = "not_object"       // valid JSON, but not an object
	WrongType       Reason = "wrong_type"       // a JSON type that the column, or the way to it, does not take
	BadFormat       Reason = "bad_format"       // a string that is no date, timestamp or decimal as declared
	NumberRange     Reason = "number_range"     // a number that the column's type cannot hold
	NullRejected    Reason = "null_rejected"    // null in a column with null: reject
	MissingRejected Reason = "missing_rejected" // no such field, in a column with null: reject
	NoEventTime     Reason = "no_event_time"    // the event time is null or missing
	EventTimeRange  Reason = "event_time_range" // the event time is outside the table's bounds
)

// Reasons returns all reasons in the order in which they are looked for.
func Reasons() []Reason {
	return []Reason{
		Tombstone, TooLarge, Empty, ByteOrderMark, NotJSON, Truncated, InvalidUTF8, TooDeep, NotObject, WrongType,
		BadFormat, NumberRange, NullRejected, MissingRejected, NoEventTime, EventTimeRange,
	}
}

// BadRecord says why a record is no event.
type BadRecord struct {
	Reason Reason
	Column string // the column concerned; empty when it is the record as a whole
	Detail string // what, where, and what to do
	Pos    int    // byte in the value where the trouble is; 0 when it is the record as a whole
}

// Error implements error.
func (e *BadRecord) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Reason))
	if e.Column != "" {
		fmt.Fprintf(&b, ": column %s", e.Column)
	}
	fmt.Fprintf(&b, ": %s", e.Detail)
	if e.Pos > 0 {
		fmt.Fprintf(&b, " (at byte %d)", e.Pos)
	}
	return b.String()
}

func badf(r Reason, pos int, format string, args ...any) *BadRecord {
	return &BadRecord{Reason: r, Pos: pos, Detail: fmt.Sprintf(format, args...)}
}

const maxExcerpt = 48 // bytes of a value shown in a detail

// excerpt shows the beginning of a value, in quotes where they help.
func excerpt(text []byte, quoted bool) string {
	dots := ""
	if len(text) > maxExcerpt {
		text, dots = text[:maxExcerpt], "..."
	}
	s := strings.ToValidUTF8(string(text), "\uFFFD")
	if quoted || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
		return fmt.Sprintf("%q", s+dots)
	}
	return s + dots
}
