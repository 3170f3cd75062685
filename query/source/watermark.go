package source

import "time"

// IdleAfter is how long the end of a log may be behind what the broker has: so often is it asked.
const IdleAfter = 10 * time.Second

// Mark says how far one partition was read.
type Mark struct {
	HasTime bool
	Us      int64 // its watermark: the highest event time less the allowed lateness, in microseconds since 1970
	AtEnd   bool  // of its log, as it was seen last
}

// Watermark returns up to which event time all partitions of a table were read, ok=false if none has events; and which of them are idle.
// A partition is idle if it is read to its end and whatever comes now has a later event time than its own watermark, or is late: it holds the
// clock less the lateness and IdleAfter, and no less. Where all are idle the lowest watermark is said, since no event was later.
func Watermark(marks []Mark, now time.Time, lateness time.Duration) (us int64, ok bool, idle []int) {
	clock := now.Add(-lateness - IdleAfter).UnixMicro()
	lowest, some := int64(0), false // of all
	for i, m := range marks {
		if m.HasTime && (!some || m.Us < lowest) {
			lowest, some = m.Us, true
		}
		switch resting := m.AtEnd && (!m.HasTime || m.Us <= clock); {
		case resting:
			idle = append(idle, i)
		case m.HasTime && (!ok || m.Us < us):
			us, ok = m.Us, true
		}
	}
	if !ok {
		return lowest, some, idle
	}
	if len(idle) > 0 {
		us = min(us, clock)
	}
	return us, true, idle
}
