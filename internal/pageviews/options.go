package pageviews

import (
	"errors"
	"fmt"
	"time"
)

// Options configure a Generator. The zero value of a field means its default.
type Options struct {
	Seed       uint64        // any value; 0 is a seed like another
	Start      time.Time     // arrival of the first record; default 2026-01-05T10:00:00Z, long enough ago for any clock
	Rate       float64       // records per second of event time; default 250. How fast they are made is the caller's affair
	Wide       bool          // records of about 1.2 kB instead of 385 bytes
	Late       float64       // share of events whose time lies a minute to MaxLate behind; default 0
	MaxLate    time.Duration // default 30m
	Bad        float64       // share of records that no reader can use; default 0
	Partitions int32         // default 4
	Skew       float64       // 0: partitions alike; 1: the n-th gets 1/n of the first, and so on by power
	Sessions   int           // sessions open at a time; default: so many that each has a view every 16 s, and 4096 at least
}

// A busier site has more visitors, not more hurried ones: with as few sessions as a quiet one its views would fall into fewer
// cells than in life.
const (
	sessionSeconds = 16.384 // of event time from one view of a session to the next, about
	leastSessions  = 4096
	mostSessions   = 1 << 20
)

func (o Options) withDefaults() Options {
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
	}
	if o.Rate == 0 {
		o.Rate = 250
	}
	if o.MaxLate == 0 {
		o.MaxLate = 30 * time.Minute
	}
	if o.Partitions == 0 {
		o.Partitions = 4
	}
	if o.Sessions == 0 {
		o.Sessions = int(min(max(leastSessions, o.Rate*sessionSeconds), mostSessions))
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(o.Late >= 0 && o.Late <= 1, "share of late events %v: give a number from 0 to 1", o.Late)
	bad(o.Bad >= 0 && o.Bad <= 1, "share of bad records %v: give a number from 0 to 1", o.Bad)
	bad(o.Rate > 0 && o.Rate <= 1e9, "rate %v: give a number of records per second above 0, up to 1e9", o.Rate)
	bad(o.MaxLate > time.Minute, "max late %v: give more than 1m", o.MaxLate)
	bad(o.Partitions > 0, "partitions %d: give 1 or more", o.Partitions)
	bad(o.Skew >= 0 && o.Skew <= 10, "skew %v: give a number from 0 to 10", o.Skew)
	bad(o.Sessions > 0 && o.Sessions <= mostSessions, "sessions %d: give a number from 1 to 1048576", o.Sessions)
	y := o.Start.UTC().Year()
	bad(y >= 2000 && y < 2090, "start %v: give a time from 2000 to 2089, others are bad records", o.Start)
	return errors.Join(errs...)
}
