package cube

import (
	"fmt"
	"strings"
	"time"
)

// Limits of a lookup table that is a snapshot of a query.
const (
	maxLookupSQL   = 64 << 10 // bytes of its text
	minLookupEvery = 10 * time.Second
	maxLookupEvery = 366 * 24 * time.Hour
)

// LookupQuery says of which statement's answer a lookup table is a snapshot, and of which moment.
type LookupQuery struct {
	SQL    string        `json:"sql"`
	Every  string        `json:"every,omitempty"` // how often it is refreshed, as 1h; empty: by hand only
	At     time.Time     `json:"at,omitzero"`     // when it was asked
	Covers []LookupCover `json:"covers,omitempty"`
}

// LookupCover is what a snapshot of a query covers of a table, or which version of another lookup table it has read.
type LookupCover struct {
	Table     string    `json:"table,omitempty"`
	Offsets   string    `json:"offsets,omitempty"` // up to where, as as_of takes it: 0:1000,1:900
	Watermark time.Time `json:"watermark,omitzero"`
	Lookup    string    `json:"lookup,omitempty"`
	Version   int64     `json:"version,omitempty"` // of Lookup
}

// Interval returns how often the query is to be asked again; 0: never by itself.
func (q *LookupQuery) Interval() time.Duration {
	if q == nil || q.Every == "" {
		return 0
	}
	d, err := parseDuration(q.Every)
	if err != nil {
		return 0 // Validate says so
	}
	return d
}

// Same reports whether two say the same of a lookup table, whatever moments they are of.
func (q *LookupQuery) Same(o *LookupQuery) bool {
	return q != nil && o != nil && q.SQL == o.SQL && q.Interval() == o.Interval()
}

func (q *LookupQuery) validate(k *checker) {
	if strings.TrimSpace(q.SQL) == "" {
		k.add("query.sql", "there is no statement", "write a SELECT")
	}
	if len(q.SQL) > maxLookupSQL {
		k.add("query.sql", fmt.Sprintf("it has %d bytes", len(q.SQL)), fmt.Sprintf("write at most %d", maxLookupSQL))
	}
	if q.Every == "" {
		return
	}
	switch d, err := parseDuration(q.Every); {
	case err != nil:
		k.addErr("query.every", err)
	case d < minLookupEvery || d > maxLookupEvery:
		k.add("query.every", q.Every+" is out of range", fmt.Sprintf("write %s to %s", formatDuration(minLookupEvery), "366d"))
	}
}
