package pageviews

import (
	"maps"
	"math"
)

// Sums are the truth about a set of records: what any query over the staged events must come to. Add records in any
// order; the zero value is ready.
type Sums struct {
	Records     int64            `json:"records"` // events and bad records
	Events      int64            `json:"events"`
	Bad         int64            `json:"bad"`
	Late        int64            `json:"late"`
	ValueBytes  int64            `json:"value_bytes"` // of all records
	Bytes       int64            `json:"sum_bytes"`   // from here on of the events alone: the column bytes ...
	LatencyMs   int64            `json:"sum_latency_ms"`
	Bounces     int64            `json:"bounces"`
	MinTimeUs   int64            `json:"min_time_us"` // 0 without events
	MaxTimeUs   int64            `json:"max_time_us"`
	ByCountry   map[string]int64 `json:"by_country"`
	BadByReason map[Reason]int64 `json:"bad_by_reason"`
	ByPartition map[int32]int64  `json:"records_by_partition"`
}

// Add counts one record whose value has valueBytes bytes.
func (s *Sums) Add(ev *Event, valueBytes int) {
	if s.ByPartition == nil {
		s.ByCountry, s.BadByReason, s.ByPartition = map[string]int64{}, map[Reason]int64{}, map[int32]int64{}
	}
	s.Records++
	s.ValueBytes += int64(valueBytes)
	s.ByPartition[ev.Partition]++
	if ev.Reason != "" {
		s.Bad++
		s.BadByReason[ev.Reason]++
		return
	}
	s.widen(ev.TimeUs, ev.TimeUs)
	s.Events++
	s.Bytes += ev.Bytes
	s.LatencyMs += ev.LatencyMs
	s.ByCountry[ev.Country]++
	if ev.Late {
		s.Late++
	}
	if ev.Bounce {
		s.Bounces++
	}
}

// Merge adds the records of o.
func (s *Sums) Merge(o *Sums) {
	if o.Events > 0 {
		s.widen(o.MinTimeUs, o.MaxTimeUs)
	}
	s.Records += o.Records
	s.Events += o.Events
	s.Bad += o.Bad
	s.Late += o.Late
	s.ValueBytes += o.ValueBytes
	s.Bytes += o.Bytes
	s.LatencyMs += o.LatencyMs
	s.Bounces += o.Bounces
	s.ByCountry = added(s.ByCountry, o.ByCountry)
	s.BadByReason = added(s.BadByReason, o.BadByReason)
	s.ByPartition = added(s.ByPartition, o.ByPartition)
}

// Clone returns a copy that shares nothing with s.
func (s *Sums) Clone() Sums {
	c := *s
	c.ByCountry, c.BadByReason, c.ByPartition = maps.Clone(s.ByCountry), maps.Clone(s.BadByReason), maps.Clone(s.ByPartition)
	return c
}

// widen must come before the events are counted: without events there are no times yet.
func (s *Sums) widen(lo, hi int64) {
	if s.Events == 0 {
		s.MinTimeUs, s.MaxTimeUs = math.MaxInt64, math.MinInt64
	}
	s.MinTimeUs, s.MaxTimeUs = min(s.MinTimeUs, lo), max(s.MaxTimeUs, hi)
}

func added[K comparable](dst, src map[K]int64) map[K]int64 {
	if dst == nil {
		dst = make(map[K]int64, len(src))
	}
	for k, n := range src {
		dst[k] += n
	}
	return dst
}
