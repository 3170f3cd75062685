package cube

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// minDataKeys is from how many keys on an object may be a map with data as keys ({"u1": 1, "u2": 5}).
const minDataKeys = 32

// guess is a column on its way to a definition.
type guess struct {
	field *field
	name  string
	typ   Type
	notes []string
	time  bool
	fit   timeFit // when time is set
}

// guessField adds a column for f, or for everything below it.
func (inf *inference) guessField(f *field) {
	n, objects := f.values(), f.byForm[formObject]
	if n > 0 && rare(n-objects, n) && len(f.kids) > 0 && !f.keysAreData() {
		if n > objects {
			inf.notes = append(inf.notes, fmt.Sprintf("%d of %d values of %s are no objects: such events would be quarantined.", n-objects, n, quote(f.path.String())))
		}
		for _, kid := range f.kids {
			inf.guessField(kid)
		}
		return
	}
	g := &guess{field: f}
	g.setType()
	g.describe(inf.profile)
	inf.guesses = append(inf.guesses, g)
}

// keysAreData reports whether the object is used as a map: many keys, each in few of the events.
func (f *field) keysAreData() bool {
	if len(f.kids) < minDataKeys {
		return false
	}
	seen := 0
	for _, k := range f.kids {
		seen += k.events
	}
	return seen*4 < len(f.kids)*f.byForm[formObject]
}

// setType decides the type and notes what speaks for it.
func (g *guess) setType() {
	f := g.field
	n := f.values()
	numbers := f.byForm[formInt] + f.byForm[formBigInt] + f.byForm[formFloat] + f.byForm[formBigFloat]
	g.typ = Type{Kind: JSON}
	switch {
	case n == 0:
		g.note("only null was seen: json takes whatever comes")
	case g.setTime():
	case rare(n-f.byForm[formBool], n):
		g.take(Bool, f.byForm[formBool])
	case rare(n-numbers, n):
		g.setNumber(numbers)
	case rare(n-f.byForm[formString], n):
		g.take(String, f.byForm[formString])
	case rare(n-f.byForm[formArray], n):
		g.note("arrays: take single elements with a path such as " + quote(append(f.path[:len(f.path):len(f.path)], Step{Index: 0}).String()))
	case rare(n-f.byForm[formObject], n) && len(f.kids) == 0 && f.depth() < maxFlattenDepth:
		g.note("empty objects")
	case rare(n-f.byForm[formObject], n) && f.depth() >= maxFlattenDepth:
		g.note(fmt.Sprintf("objects at level %d: take what you need with paths of its own", maxFlattenDepth))
	case rare(n-f.byForm[formObject], n):
		g.note(fmt.Sprintf("objects with %d different keys, which look like data", len(f.kids)))
	default:
		g.note("mixed: " + f.mixText())
	}
}

// take sets a type without parameters that fits so many of the values.
func (g *guess) take(k Kind, fits int) {
	g.typ = Type{Kind: k}
	g.noteOthers(fits)
}

func (g *guess) noteOthers(fits int) {
	if n := g.field.values(); fits < n {
		g.note(fmt.Sprintf("%d of %d values are otherwise: such events would be quarantined", n-fits, n))
	}
}

func (g *guess) setTime() bool {
	f := g.field
	if !rare(f.values()-f.byForm[formInt]-f.byForm[formFloat]-f.byForm[formString], f.values()) {
		return false
	}
	f.fitTimes()
	if g.fit, g.time = f.timeType(); !g.time {
		return false
	}
	g.typ = g.fit.typ
	if unit := g.typ.Unit(); unit != "" {
		g.note(map[string]string{"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}[unit] + " since 1970, " + g.fit.explain())
	} else {
		g.note(g.fit.explain())
	}
	if !strings.ContainsAny(g.typ.Format, "zZ7") && g.typ.Kind == Timestamp && g.typ.Unit() == "" && g.typ.Format != formatRFC3339 {
		g.note("without a zone: read as UTC")
	}
	g.noteOthers(g.fit.fits)
	return true
}

func (g *guess) setNumber(numbers int) {
	f := g.field
	big := f.byForm[formBigInt] + f.byForm[formBigFloat]
	switch {
	case !rare(big, f.values()) && f.byForm[formBigInt] > 0:
		g.note("whole numbers beyond int64: json keeps every digit, so does decimal(38,0)")
	case !rare(big, f.values()):
		g.note("numbers beyond float64: json keeps them as they are")
	case f.byForm[formFloat] > 0:
		g.take(Float64, numbers-f.byForm[formBigFloat])
	default:
		g.take(Int64, f.byForm[formInt])
	}
}

func (g *guess) note(s string) { g.notes = append(g.notes, s) }

// mixText lists the forms of the values with their shares.
func (f *field) mixText() string {
	names := [forms]string{"bool", "whole numbers", "huge whole numbers", "numbers", "huge numbers", "strings", "objects", "arrays"}
	var parts []string
	for i, n := range f.byForm {
		if n > 0 {
			parts = append(parts, share(n, f.values())+" "+names[i])
		}
	}
	return strings.Join(parts, ", ")
}

// describe notes how often the field is there and what its values are.
func (g *guess) describe(p *profile) {
	f := g.field
	if missing := p.events - f.events; missing > 0 {
		g.note(share(missing, p.events) + " missing")
	}
	if f.nulls > 0 && f.values() > 0 {
		g.note(share(f.nulls, p.events) + " null")
	}
	switch g.typ.Kind {
	case Int64, Float64:
		if f.low <= f.top {
			g.note(g.rangeText())
		}
	case String:
		g.note(g.distinctText() + ", such as " + example(f.example))
	case Date, Timestamp:
		g.note("such as " + example(f.example))
	}
}

func (g *guess) rangeText() string {
	low, top := numberText(g.field.low), numberText(g.field.top)
	if low == top {
		return "always " + low
	}
	return g.distinctText() + ", " + low + " to " + top
}

func (g *guess) distinctText() string {
	n, scalars := len(g.field.distinct), g.field.values()
	switch {
	case n >= maxDistinct:
		return fmt.Sprintf("over %d different", maxDistinct)
	case n == 1:
		return "always the same"
	case n == scalars:
		return "all different"
	}
	return fmt.Sprintf("%d different", n)
}

// example shortens a value for a comment.
func example(s string) string {
	if r := []rune(s); len(r) > 32 {
		return quote(string(r[:29])) + "..."
	}
	return quote(s)
}

func numberText(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}
