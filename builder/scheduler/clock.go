package scheduler

import "time"

// clock follows the task clock (T8) by the monotonic clock of this process: from the answer of one pass to the next. A
// process that was away for long (stopped, cut off) adds no more than limit, whatever it missed: others may have been given
// leases since. So between any two moments the task clock, which takes the furthest of what processes propose, moves by at
// most the time that passed plus limit, and a lease lasts its length less limit at least.
type clock struct {
	limit time.Duration
	tick  int64 // microseconds
	at    time.Time
}

// propose returns what the task clock shows at now, at least. now must hold a monotonic reading.
func (c *clock) propose(now time.Time) int64 {
	if c.at.IsZero() {
		return 0
	}
	return c.tick + min(now.Sub(c.at), c.limit).Microseconds()
}

// observe learns that the task clock has reached tick by now.
func (c *clock) observe(tick int64, now time.Time) { c.tick, c.at = tick, now }
