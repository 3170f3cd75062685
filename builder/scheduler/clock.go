package scheduler

import "time"

// clock follows the task clock (T8) by the monotonic clock of this process. It starts where the Store last stood and never
// runs faster than time does; where several processes follow, the Store takes the furthest.
type clock struct {
	tick int64 // microseconds
	at   time.Time
}

// propose returns what the task clock shows at now, at least. now must hold a monotonic reading.
func (c *clock) propose(now time.Time) int64 {
	if c.at.IsZero() {
		return 0
	}
	return c.tick + now.Sub(c.at).Microseconds()
}

// observe learns that the task clock had reached tick before now. It keeps its base while that is the furthest: starting
// anew at each answer would lose the time of each call.
func (c *clock) observe(tick int64, now time.Time) {
	if c.at.IsZero() || tick > c.propose(now) {
		c.tick, c.at = tick, now
	}
}
