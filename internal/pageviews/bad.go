package pageviews

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Reason says why a record is bad, in the words that a quarantine uses.
type Reason string

// The reasons. Each is made in one way or more.
const (
	NotJSON        Reason = "not_json"         // plain text, HTML, something after the end
	Truncated      Reason = "truncated"        // cut off
	InvalidUTF8    Reason = "invalid_utf8"     // a byte 0xff in a string
	TooDeep        Reason = "too_deep"         // arrays in arrays, 1000 deep
	WrongType      Reason = "wrong_type"       // text, an object or an array where a number belongs
	NumberRange    Reason = "number_range"     // a whole number above 64 bits
	NoEventTime    Reason = "no_event_time"    // ts missing or null
	EventTimeRange Reason = "event_time_range" // the years 1970 and 2126
	Empty          Reason = "empty"            // 0 bytes
	Tombstone      Reason = "tombstone"        // null
)

// spoil makes the record in dst[start:] one that no reader can use. Every way is equally likely.
func (g *Generator) spoil(dst []byte, start int, ev *Event) []byte {
	ways := [...]func([]byte) ([]byte, Reason){
		func(b []byte) ([]byte, Reason) {
			n := 1 + g.rng.below(len(b)-1)
			for !utf8.RuneStart(b[n]) { // a cut within a character would be bad for two reasons
				n--
			}
			return b[:n], Truncated
		},
		func(b []byte) ([]byte, Reason) { return append(b[:0], "page view lost, see log"...), NotJSON },
		func(b []byte) ([]byte, Reason) {
			return append(b[:0], "<html><body>502 Bad Gateway</body></html>"...), NotJSON
		},
		func(b []byte) ([]byte, Reason) { return append(b, '}'), NotJSON },
		func(b []byte) ([]byte, Reason) {
			b[bytes.Index(b, []byte(`/p/`))+3] = 0xff
			return b, InvalidUTF8
		},
		func(b []byte) ([]byte, Reason) {
			nested := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
			return append(append(append(b[:len(b)-1], `,"path":`...), nested...), '}'), TooDeep
		},
		func(b []byte) ([]byte, Reason) { return replaceNumber(b, "latency_ms", `"fast"`), WrongType },
		func(b []byte) ([]byte, Reason) { return replaceNumber(b, "bytes", `{"gzip":812}`), WrongType },
		func(b []byte) ([]byte, Reason) { return replaceNumber(b, "bytes", "[812]"), WrongType },
		func(b []byte) ([]byte, Reason) { return replaceNumber(b, "bytes", "92233720368547758080"), NumberRange },
		func(b []byte) ([]byte, Reason) { return replaceTime(b, "null"), NoEventTime },
		func(b []byte) ([]byte, Reason) {
			return append(b[:1], b[len(`{"ts":"2006-01-02T15:04:05.000Z",`):]...), NoEventTime
		},
		func(b []byte) ([]byte, Reason) { return replaceTime(b, `"1970-01-01T00:00:01.766Z"`), EventTimeRange },
		func(b []byte) ([]byte, Reason) { return replaceTime(b, `"2126-01-05T10:00:00.000Z"`), EventTimeRange },
		func(b []byte) ([]byte, Reason) { return b[:0], Empty },
		func(b []byte) ([]byte, Reason) { return b[:0], Tombstone },
	}
	// A record of its own, so that no way can touch what dst held before.
	value, reason := ways[g.rng.below(len(ways))](bytes.Clone(dst[start:]))
	ev.Reason = reason
	ev.Late = false
	return append(dst[:start], value...)
}

// replaceNumber puts text in the place of a number of the record's top level.
func replaceNumber(b []byte, field, text string) []byte {
	i := bytes.Index(b, []byte(`"`+field+`":`)) + len(field) + 3
	n := bytes.IndexByte(b[i:], ',')
	return append(append(bytes.Clone(b[:i]), text...), b[i+n:]...)
}

// replaceTime puts text in the place of the event time, which every record has first.
func replaceTime(b []byte, text string) []byte {
	const before = len(`{"ts":`)
	const after = before + len(`"2006-01-02T15:04:05.000Z"`)
	return append(append(bytes.Clone(b[:before]), text...), b[after:]...)
}
