package scheduler

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// T8: several processes with slow answers and long absences propose; between any two moments the task clock moves by at
// most the time that passed plus one limit.
func TestClockNeverRunsAhead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 3 * time.Second
		procs := []clock{{limit: limit}, {limit: limit}, {limit: limit}}
		type moment struct {
			at   time.Time
			tick int64
		}
		now, tick := time.Now(), int64(0)
		var seen []moment
		wait := func(most int) {
			now = now.Add(time.Duration(rapid.IntRange(0, most).Draw(t, "wait")) * time.Millisecond)
		}
		for range rapid.IntRange(1, 60).Draw(t, "passes") {
			p := &procs[rapid.IntRange(0, 2).Draw(t, "process")]
			wait(20_000)
			asked := p.propose(now)
			wait(500)
			tick = max(tick, asked)
			seen = append(seen, moment{now, tick})
			wait(500)
			p.observe(tick, now)
		}
		for i, a := range seen {
			for _, b := range seen[i:] {
				if moved := time.Duration(b.tick-a.tick) * time.Microsecond; moved > b.at.Sub(a.at)+limit {
					t.Fatalf("the clock moved by %v in %v, limit %v", moved, b.at.Sub(a.at), limit)
				}
			}
		}
	})
}
