package cube

import (
	"bytes"
	"errors"
	"hash/fnv"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Limits of a profile: what a sample may cost, whatever is in it.
const (
	maxSampleDepth   = 200    // deeper records are counted as unreadable
	maxFlattenDepth  = 8      // objects below are taken as json
	maxProfileFields = 5000   // further ones are not looked at
	maxDistinct      = 10_000 // a field; beyond it the count is a lower bound
)

// form is what a value is, as finely as types tell.
type form int

const (
	formBool form = iota
	formInt
	formBigInt // whole, but beyond int64
	formFloat
	formBigFloat // beyond float64
	formString
	formObject
	formArray
	forms // how many there are
)

// field is what a sample says about one path.
type field struct {
	path   Path
	parent *field   // nil at the top
	kids   []*field // keys of its objects, in order of appearance

	events  int // in which it is there, null or not
	nulls   int
	byForm  [forms]int
	example string

	distinct map[uint64]struct{}
	low, top float64    // of numbers that are not huge
	times    []timeFit  // how well each way to read a time fits
	records  []timeless // kept for times: values with the record's timestamp
}

// timeless is a scalar that may be a time, with the Kafka timestamp of its record.
type timeless struct {
	text    string
	number  bool
	kafkaMs int64
}

// values is how many are there and not null.
func (f *field) values() int { return f.events - f.nulls }

func (f *field) depth() int { return len(f.path) }

// profile is what a sample says about a topic.
type profile struct {
	records int
	events  int
	bad     []badCount // unreadable records by reason, in order of appearance
	root    field
	byPath  map[string]*field
	dropped int // fields over maxProfileFields, or whose path is too long
	firstMs int64
	lastMs  int64
}

type badCount struct {
	reason string
	n      int
}

func newProfile(samples []Sample) *profile {
	p := &profile{records: len(samples), byPath: map[string]*field{}}
	for i := range samples {
		p.add(&samples[i])
	}
	return p
}

func (p *profile) add(s *Sample) {
	reason := ""
	var root *node
	switch trimmed := bytes.TrimLeft(s.Value, " \t\r\n"); {
	case s.Value == nil:
		reason = "null (tombstones)"
	case len(trimmed) == 0:
		reason = "empty"
	case !utf8.Valid(s.Value):
		reason = "not UTF-8"
	default:
		var err error
		if root, err = parseJSON(s.Value, maxSampleDepth); err != nil {
			reason = "not JSON"
			var prob *Problem
			if errors.As(err, &prob) && prob.Message == tooDeep(0, maxSampleDepth).Message {
				reason = "nested too deep"
			}
		} else if root.kind != objectNode {
			reason = "JSON, but no object"
		}
	}
	if reason != "" {
		p.countBad(reason)
		return
	}
	p.events++
	if s.TimestampMs > 0 {
		if p.firstMs == 0 || s.TimestampMs < p.firstMs {
			p.firstMs = s.TimestampMs
		}
		p.lastMs = max(p.lastMs, s.TimestampMs)
	}
	p.object(&p.root, root, s.TimestampMs)
}

func (p *profile) countBad(reason string) {
	for i := range p.bad {
		if p.bad[i].reason == reason {
			p.bad[i].n++
			return
		}
	}
	p.bad = append(p.bad, badCount{reason, 1})
}

// object notes the members of n under f. Of equal keys the last one counts, as for the decoder.
func (p *profile) object(f *field, n *node, kafkaMs int64) {
	last := make(map[string]int, len(n.keys))
	for i, k := range n.keys {
		last[k.text] = i
	}
	for i, k := range n.keys {
		if last[k.text] != i {
			continue
		}
		kid := p.kid(f, k.text)
		if kid == nil {
			continue
		}
		kid.events++
		p.value(kid, n.items[i], kafkaMs)
	}
}

func (p *profile) kid(f *field, key string) *field {
	path := append(f.path[:len(f.path):len(f.path)], Step{Key: key, Index: -1})
	text := path.String()
	if kid := p.byPath[text]; kid != nil {
		return kid
	}
	if len(p.byPath) >= maxProfileFields || len(text) > maxPathBytes {
		p.dropped++
		return nil
	}
	kid := &field{path: path, distinct: map[uint64]struct{}{}, low: math.Inf(1), top: math.Inf(-1)}
	if len(f.path) > 0 {
		kid.parent = f
	}
	f.kids = append(f.kids, kid)
	p.byPath[text] = kid
	return kid
}

func (p *profile) value(f *field, n *node, kafkaMs int64) {
	switch {
	case n.null:
		f.nulls++
		return
	case n.kind == objectNode:
		f.byForm[formObject]++
		if f.depth() < maxFlattenDepth {
			p.object(f, n, kafkaMs)
		}
		return
	case n.kind == listNode:
		f.byForm[formArray]++
		return
	}
	f.scalar(n, kafkaMs)
}

func (f *field) scalar(n *node, kafkaMs int64) {
	form := scalarForm(n)
	f.byForm[form]++
	if form == formInt || form == formFloat { // huge ones are bad records, or make the column json
		if v, err := strconv.ParseFloat(n.text, 64); err == nil {
			f.low, f.top = min(f.low, v), max(f.top, v)
		}
	}
	if len(f.distinct) < maxDistinct {
		h := fnv.New64a()
		h.Write([]byte(n.text)) // never fails
		f.distinct[h.Sum64()] = struct{}{}
	}
	if f.example == "" {
		f.example = n.text
	}
	if n.lit != boolLit && len(n.text) <= maxLayout {
		f.records = append(f.records, timeless{n.text, n.lit == numberLit, kafkaMs})
	}
}

func scalarForm(n *node) form {
	switch n.lit {
	case boolLit:
		return formBool
	case textLit:
		return formString
	}
	if _, err := strconv.ParseInt(n.text, 10, 64); err == nil {
		return formInt
	}
	if digits(trimMinus(n.text)) {
		return formBigInt
	}
	if _, err := strconv.ParseFloat(n.text, 64); err != nil {
		return formBigFloat
	}
	return formFloat
}

func trimMinus(s string) string {
	if s != "" && s[0] == '-' {
		return s[1:]
	}
	return s
}

// span is the time the sample covers by Kafka's timestamps, 0 if they are not known.
func (p *profile) span() time.Duration { return time.Duration(p.lastMs-p.firstMs) * time.Millisecond }
