package source

import (
	"slices"
	"testing"
	"time"
)

// A partition that is read to its end holds the clock less the lateness, and not its last event; one that is not holds that.
func TestWatermarkOfIdlePartitions(t *testing.T) {
	const lateness = time.Minute
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	clock := -lateness - IdleAfter
	at := func(d time.Duration) int64 { return now.Add(d).UnixMicro() }
	for _, c := range []struct {
		name  string
		marks []Mark
		want  time.Duration
		none  bool
		idle  []int
	}{
		{"nothing", nil, 0, true, nil},
		{"no event", []Mark{{}, {EndUs: at(0)}}, 0, true, []int{1}},
		{"all are read", []Mark{{true, at(-time.Hour), 0}, {true, at(-2 * time.Hour), 0}}, -2 * time.Hour, false, nil},
		{"one rests", []Mark{{true, at(-time.Hour), 0}, {true, at(-2 * time.Hour), at(0)}}, -time.Hour, false, []int{1}},
		{"one rests, the other is ahead of its clock", []Mark{{true, at(time.Hour), 0}, {true, at(-2 * time.Hour), at(0)}}, clock, false, []int{1}},
		{"one has never had an event, the other is of now", []Mark{{true, at(-lateness), 0}, {EndUs: at(0)}}, clock, false, []int{1}},
		{"at the end a moment ago", []Mark{{true, at(clock + 1000), at(0)}, {true, at(0), 0}}, clock + 1000, false, nil},
		{"at the end for long enough", []Mark{{true, at(clock), at(0)}, {true, at(clock + time.Second), at(0)}}, clock, false, []int{0}},
		{"the end was asked for long ago", []Mark{{true, at(-lateness), 0}, {true, at(-2 * time.Hour), at(-time.Minute)}}, -time.Minute - lateness, false, []int{1}},
		{"the end was asked for at different times", []Mark{{true, at(0), 0}, {true, at(-2 * time.Hour), at(-time.Minute)}, {EndUs: at(-5 * time.Minute)}}, -5*time.Minute - lateness, false, []int{1, 2}},
		{"events are later than what the end that was asked for then says", []Mark{{true, at(-time.Minute), at(-2 * time.Minute)}, {true, at(0), 0}}, -time.Minute, false, nil},
		{"all rest", []Mark{{true, at(-time.Hour), at(0)}, {true, at(-2 * time.Hour), at(0)}, {EndUs: at(0)}}, -2 * time.Hour, false, []int{0, 1, 2}},
	} {
		us, ok, idle := Watermark(c.marks, now, lateness)
		if ok == c.none || ok && us != at(c.want) || !slices.Equal(idle, c.idle) {
			t.Errorf("%s: %v %t, idle %v; want %v %t, idle %v", c.name, time.UnixMicro(us).UTC(), ok, idle, now.Add(c.want), !c.none, c.idle)
		}
	}
}
