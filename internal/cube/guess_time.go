package cube

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// near is how far a time may be from Kafka's timestamp for a number to be taken for a time by that alone.
const near = 30 * 24 * time.Hour

// timeFit says how well the values of a field read as times of one type.
type timeFit struct {
	typ    Type
	fits   int           // values that read
	close  int           // of those with a Kafka timestamp: at most near away from it
	known  int           // values that read, of records with a timestamp
	median time.Duration // of the distances to Kafka's timestamp; MaxInt64 when none is known
	before bool          // the median value is before its record
}

// timeTypes lists what strings are tried as: common notations that are not ambiguous.
func timeTypes() []Type {
	var ts []Type
	for _, f := range []string{
		formatRFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700",
		"2006-01-02T15:04:05-0700", "2006/01/02 15:04:05", "02.01.2006 15:04:05", "02/Jan/2006:15:04:05 -0700", time.RFC1123Z,
	} {
		ts = append(ts, Type{Kind: Timestamp, Format: f})
	}
	for _, f := range []string{dateLayout, "2006/01/02", "02.01.2006"} {
		ts = append(ts, Type{Kind: Date, Format: f})
	}
	return ts
}

// fitTimes tries every way to read the field's values as times and keeps those that read nearly all.
func (f *field) fitTimes() {
	var types []Type
	for _, u := range []string{"s", "ms", "us", "ns"} {
		types = append(types, Type{Kind: Timestamp, Format: u})
	}
	if f.byForm[formString] > 0 {
		types = append(types, timeTypes()...)
	}
	for _, typ := range types {
		if fit, ok := f.fit(typ); ok {
			f.times = append(f.times, fit)
		}
	}
}

func (f *field) fit(typ Type) (timeFit, bool) {
	fit := timeFit{typ: typ, median: math.MaxInt64}
	var apart []time.Duration
	misses := 0
	for i := range f.records {
		r := &f.records[i]
		at, ok := r.time(typ)
		if !ok {
			if misses++; rare(misses, f.values()) {
				continue
			}
			return fit, false
		}
		fit.fits++
		if r.kafkaMs > 0 {
			d := time.UnixMilli(r.kafkaMs).Sub(at)
			apart = append(apart, d)
			if d.Abs() <= near {
				fit.close++
			}
		}
	}
	if fit.known = len(apart); fit.known > 0 {
		slices.SortFunc(apart, func(a, b time.Duration) int { return cmp.Compare(a.Abs(), b.Abs()) })
		mid := apart[len(apart)/2]
		fit.median, fit.before = mid.Abs(), mid > 0
	}
	return fit, fit.fits > 0 && rare(f.values()-fit.fits, f.values())
}

// time reads the value. Numbers must be of this century: any other could be anything.
func (r *timeless) time(typ Type) (time.Time, bool) {
	if unit := typ.Unit(); unit != "" {
		return epochTime(r.text, unitsPerSecond(unit))
	}
	if r.number {
		return time.Time{}, false
	}
	if typ.Format == formatRFC3339 {
		return parseRFC3339(r.text)
	}
	at, err := time.Parse(typ.Format, r.text)
	if err != nil || at.Year() <= 0 {
		return at, false
	}
	// Written as read: else 8:00 would pass for 08:00. +00:00 and Z are the same zone in two notations.
	return at, at.Format(typ.Format) == stripFraction(r.text, typ.Format) || strings.HasSuffix(r.text, "+00:00")
}

// epochTime takes fractions too: 1767225600.25 seconds is what time.time() gives in Python.
func epochTime(text string, per int64) (time.Time, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	fraction := 0.0
	if err != nil {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Abs(v) >= 1<<62 || !json.Valid([]byte(text)) {
			return time.Time{}, false
		}
		whole, part := math.Modf(v)
		n, fraction = int64(whole), part
	}
	at := time.Unix(n/per, n%per*(1e9/per)+int64(fraction*1e9/float64(per))).UTC()
	return at, !at.Before(defaultEarliest()) && at.Before(defaultLatest())
}

// stripFraction removes the fraction of a second that time.Parse takes though the layout has none.
func stripFraction(s, layout string) string {
	i := strings.Index(layout, "05") + 2
	if i < 2 || i >= len(s) || s[i] != '.' {
		return s
	}
	end := i + 1
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	return s[:i] + s[end:]
}

// rare says that so few of all values are otherwise that they look like bad records: at most one in a hundred.
func rare(few, all int) bool { return few*100 <= all }

// timeType returns the best fit, or ok=false when the field is no time. A number is one if it is near Kafka's timestamp, or
// in this century and called like a time.
func (f *field) timeType() (best timeFit, ok bool) {
	for _, fit := range f.times {
		if fit.typ.Unit() != "" && !rare(fit.known-fit.close, fit.known) && timeRank(f.path) > rankNamed {
			continue
		}
		if fit.typ.Unit() != "" && fit.known == 0 && timeRank(f.path) > rankNamed {
			continue
		}
		if !ok || fit.median < best.median {
			best, ok = fit, true
		}
	}
	return best, ok
}

// Ranks of a field's name as the event time: lower is better.
const (
	rankEvent   = iota // ts, event_time
	rankCreated        // created_at
	rankNamed          // any other name of a time: updated_at
	rankOther
)

func timeRank(p Path) int {
	name := toName(p[len(p)-1].Key)
	switch name {
	case "ts", "timestamp", "event_time", "event_ts", "event_timestamp", "eventtime", "time", "t", "occurred_at", "happened_at", "event_at",
		"datetime", "date_time", "timestamp_ms", "ts_ms", "event_time_ms", "time_ms", "ts_us", "ts_ns", "timestamp_us", "timestamp_ns", "client_ts", "client_time":
		return rankEvent
	}
	for _, late := range []string{"receive", "ingest", "process", "update", "expire", "expiry", "birth", "modified", "deleted", "valid", "last", "due", "end"} {
		if strings.Contains(name, late) {
			if timeWord(name) {
				return rankNamed
			}
			return rankOther
		}
	}
	if timeWord(name) {
		return rankCreated
	}
	return rankOther
}

func timeWord(name string) bool {
	for _, w := range strings.Split(name, "_") {
		switch w {
		case "at", "ts", "time", "timestamp", "date", "datetime", "day", "created", "updated", "modified", "expires", "epoch", "when", "since", "until":
			return true
		}
	}
	return false
}

// candidate is a field that can be the event time.
type candidate struct {
	field *field
	fit   timeFit
}

// eventTimes orders the fields that can be the event time, the best first: present in nearly every event, then near Kafka's
// timestamp (by steps: an event a minute old is as good as a new one), then by name, then the nearest.
func (p *profile) eventTimes(taken []*guess) []candidate {
	var out []candidate
	for _, g := range taken {
		if g.time && g.field.values() > 0 {
			out = append(out, candidate{g.field, g.fit})
		}
	}
	slices.SortStableFunc(out, func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(p.absence(a.field), p.absence(b.field)),
			cmp.Compare(dateRank(a.fit), dateRank(b.fit)),
			cmp.Compare(step(a.fit), step(b.fit)),
			cmp.Compare(timeRank(a.field.path), timeRank(b.field.path)),
			cmp.Compare(a.field.depth(), b.field.depth()),
			cmp.Compare(a.fit.median, b.fit.median),
		)
	})
	return out
}

// absence grades how often the field is missing: hardly ever, sometimes, mostly.
func (p *profile) absence(f *field) int {
	switch missing := p.events - f.values(); {
	case rare(missing, p.events):
		return 0
	case missing*2 < p.events:
		return 1
	}
	return 2
}

func dateRank(f timeFit) int {
	if f.typ.Kind == Date {
		return 1
	}
	return 0
}

func step(f timeFit) int {
	for i, d := range []time.Duration{time.Hour, 24 * time.Hour, near, 366 * 24 * time.Hour} {
		if f.median <= d {
			return i
		}
	}
	return 4
}

// explain says how far the values are from Kafka's timestamps.
func (f timeFit) explain() string {
	if f.known == 0 {
		return "no Kafka timestamps to compare with"
	}
	switch {
	case f.median == 0:
		return "the same as Kafka's timestamp"
	case f.before:
		return fmt.Sprintf("median %s before Kafka's timestamp", roughly(f.median))
	}
	return fmt.Sprintf("median %s after Kafka's timestamp", roughly(f.median))
}

func roughly(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
	case d >= time.Minute:
		return formatDuration(d.Round(time.Minute))
	case d >= time.Second:
		return formatDuration(d.Round(time.Second / 10))
	}
	return formatDuration(d.Round(time.Millisecond))
}
