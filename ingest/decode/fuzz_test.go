package decode

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// checkAgainstOracle appends the event behind one good row and compares with the oracle.
func checkAgainstOracle(t *testing.T, d *Decoder, s *stage.Schema, event []byte) (accepted bool) {
	t.Helper()
	table := anyTable()
	c := stage.NewChunk(s)
	good := anyEvent(pageViewEvents(1, false)[0])
	if bad := d.Append(c, Record{Offset: 1, TimestampMs: -1, Value: good}); bad != nil {
		t.Fatalf("the good event: %v", bad)
	}
	before := stage.HashChunk(c)
	bad := d.Append(c, Record{Offset: 2, TimestampMs: -1, Value: event})
	want, ok := oracleRow(table, event)
	switch {
	case bad == nil && !ok:
		t.Errorf("accepted, but must not be: %q", event)
	case bad != nil && ok:
		t.Errorf("refused: %v: %q", bad, event)
	case bad != nil:
		if bad.Detail == "" || bad.Pos < 0 || bad.Pos > len(event) {
			t.Errorf("bad refusal %+v", bad)
		}
		syntax := bad.Column == ""
		if syntax == oracleValid(event) {
			t.Errorf("reason %s, but valid is %t: %q", bad.Reason, oracleValid(event), event)
		}
		if c.Rows() != 1 || stage.HashChunk(c) != before {
			t.Errorf("D1: the chunk changed: %q", event)
		}
		for i := range c.Columns {
			if n := c.Columns[i].Len(); n != 1 {
				t.Errorf("D1: column %d has %d rows: %q", i, n, event)
			}
		}
	default:
		if diff := sameRow(table, c, 1, want); diff != "" {
			t.Errorf("%q: -want +got\n%s", event, diff)
		}
		checkExtra(t, cell(&c.Columns[s.Field("_extra")], 1), event)
	}
	return bad == nil
}

// checkExtra compares the top level of _extra with the event's.
func checkExtra(t *testing.T, extra any, event []byte) {
	t.Helper()
	var have, whole map[string]any
	if err := json.Unmarshal(event, &whole); err != nil {
		return // a number beyond float64 in a field nobody reads
	}
	if text, ok := extra.(string); ok {
		if err := json.Unmarshal([]byte(text), &have); err != nil {
			t.Fatalf("_extra is no JSON object: %s", text)
		}
	}
	named := map[string]bool{}
	for _, c := range anyTable().Columns {
		named[strings.FieldsFunc(c.Path, func(r rune) bool { return r == '.' || r == '[' })[0]] = true
	}
	for k := range whole {
		if _, ok := have[k]; !ok && !named[k] {
			t.Errorf("_extra lacks %q: %v", k, extra)
		}
	}
}

// mutate damages or changes an event a little.
func mutate(r *rand.Rand, e []byte) []byte {
	e = bytes.Clone(e)
	words := []string{"null", "true", "-", "0", "1e5", "1.0", `""`, `"`, "{}", "[]", "[", "}", ",", ":", " ", "\n", "\\", `\u00e9`, `\ud800`, "\x00", "\x1f", "\x80", "\xc3\xa9", "\xff", "9223372036854775808", "1e400", `"url":`, `"page":{"url":1},`, `"ts":null,`, `"tags":[],`}
	switch r.IntN(6) {
	case 0:
		return e[:r.IntN(len(e))]
	case 1:
		e[r.IntN(len(e))] = byte(r.IntN(256))
	case 2:
		k := r.IntN(len(e))
		return append(e[:k:k], e[min(len(e), k+1+r.IntN(5)):]...)
	case 3:
		for range 3 {
			e[r.IntN(len(e))] = "{}[]\",:\\0-.eu\x00\x80 "[r.IntN(16)]
		}
	case 4: // insert a word
		k := r.IntN(len(e))
		return append(append(e[:k:k], words[r.IntN(len(words))]...), e[k:]...)
	default: // replace a value by a word: often still JSON
		st := r.IntN(len(e))
		k := bytes.IndexByte(e[st:], ':')
		if k < 0 {
			return e
		}
		k += st + 1
		end := k + bytes.IndexAny(e[k:], ",}]")
		if end < k {
			return e
		}
		return append(append(e[:k:k], words[r.IntN(len(words))]...), e[end:]...)
	}
	return e
}

// D2: 20,000 mutated events, none wrongly accepted or refused.
func TestMutatedEvents(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, 0))
	events := pageViewEvents(200, false)
	d, s := newDecoder(t, anyTable())
	accepted := 0
	for i := range 20_000 {
		e := anyEvent(events[i%len(events)])
		for range 1 + i%2 {
			if len(e) > 0 {
				e = mutate(r, e)
			}
		}
		if e == nil {
			e = []byte{}
		}
		if checkAgainstOracle(t, d, s, e) {
			accepted++
		}
		if t.Failed() {
			t.Fatalf("seed %d, event %d", seed, i)
		}
	}
	if accepted < 1000 || accepted > 15_000 {
		t.Errorf("%d of 20000 were accepted: the mutations test too little", accepted)
	}
}

// FuzzAppend compares the decoder with encoding/json: what is accepted, and which values come out.
func FuzzAppend(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, e := range pageViewEvents(10, false) {
		f.Add(anyEvent(e))
		f.Add(mutate(r, anyEvent(e)))
	}
	for _, s := range []string{
		``, ` `, `{}`, `[]`, `null`, "\xef\xbb\xbf{}", `{"ts":"2026-11-20T10:00:00+01:00"}`, `{"ts":"2026-11-20T10:00:00Z","tags":[0]}`,
		`{"ts":"2026-11-20T10:00:00Z","page":{"url":1},"page":{"url":"x"}}`, `{"ts":"2026-11-20T10:00:00Z","ctx":` + nested(199, "") + `}`,
		`{"ts":"2026-11-20T10:00:00Z","x":` + nested(200, "") + `}`, `{"ts":"2026-11-20T10:00:00Z","price":1e-2,"total":"1e31","latency_ms":-9223372036854775808}`,
		`{"ts":"2026-11-20T10:00:00Z","score":1.7976931348623159e308}`, `{"ts":"2026-11-20T10:00:00Z","sec":-1e-7,"ns":0.1,"day":"2024-02-29"}`,
	} {
		f.Add([]byte(s))
	}
	d, s := newDecoder(f, anyTable())
	f.Fuzz(func(t *testing.T, event []byte) {
		if len(event) > 1<<16 {
			return
		}
		if event == nil {
			event = []byte{}
		}
		checkAgainstOracle(t, d, s, event)
		checkAgainstOracle(t, d, s, event) // guesses learned from the event itself
	})
}
