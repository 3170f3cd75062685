package source

import "time"

// IdleAfter is how far the clock of idle partitions is held back beyond the lateness.
const IdleAfter = 10 * time.Second

// Mark says how far one partition was read.
type Mark struct {
	HasTime bool
	Us      int64 // its watermark: the highest event time less the allowed lateness, in microseconds since 1970
	EndUs   int64 // it is read to the end that its log had then, in microseconds since 1970; 0: it is not at its end, or nobody knows
}

// Clock returns the time below which whatever is unread of a partition is late, in microseconds since 1970; ok=false: nothing but its events
// tells. All that its log held at EndUs is read, however long ago that was: what came since may be as old as that less the lateness.
func (m Mark) Clock(now time.Time, lateness time.Duration) (us int64, ok bool) {
	return min(now.Add(-lateness-IdleAfter).UnixMicro(), m.EndUs-lateness.Microseconds()), m.EndUs != 0
}

// Watermark returns up to which event time all partitions of a table were read, ok=false if none has events; and which of them are idle.
// A partition is idle if it is read to its end and whatever is unread has a later event time than its own watermark, or is late: it holds its
// clock, and no less. Where all are idle the lowest watermark is said, since no event was later.
func Watermark(marks []Mark, now time.Time, lateness time.Duration) (us int64, ok bool, idle []int) {
	lowest, some := int64(0), false // of all
	held := now.UnixMicro()         // by the idle ones
	for i, m := range marks {
		if m.HasTime && (!some || m.Us < lowest) {
			lowest, some = m.Us, true
		}
		switch clock, atEnd := m.Clock(now, lateness); {
		case atEnd && (!m.HasTime || m.Us <= clock):
			idle, held = append(idle, i), min(held, clock)
		case m.HasTime && (!ok || m.Us < us):
			us, ok = m.Us, true
		}
	}
	if !ok {
		return lowest, some, idle
	}
	if len(idle) > 0 {
		us = min(us, held)
	}
	return us, true, idle
}
