package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// byTimeRanges is Kylin's rule: for each range, the largest first, and each segment in order, those from it on that begin
// less than the range behind its start are taken while each goes on where the one before ends and is no longer than the
// range itself. If they are at least two and fill the range, they become one; there is one merge a plan. Two things are
// not as in Kylin. A segment without events is no obstacle: it stands where the one before it ends. And a range counts as
// full, too, when the next neighbour begins behind it: measured to the microsecond, six segments of five minutes have
// events of a little less than half an hour.
func (m *merger) byTimeRanges() []Merge {
	ranges := slices.Sorted(slices.Values(m.in.Rules.TimeRanges))
	slices.Reverse(ranges)
	low, high := m.times()
	latest := slices.Clone(high) // of all from here on
	for i := len(latest) - 2; i >= 0; i-- {
		latest[i] = max(latest[i], latest[i+1])
	}
	parts := m.parts()
	joins := func(i int) bool { return parts[i] == "" }
	for _, r := range ranges {
		for s := range m.list {
			us := r.Microseconds()
			if us <= 0 || latest[s]-low[s] < us || m.list[s].blocked() != "" || high[s]-low[s] > us {
				continue
			}
			end := s + 1
			for end < len(m.list) && joins(end) && low[end] < low[s]+us && high[end] >= low[s] && high[end]-low[end] <= us {
				end++
			}
			passed := end < len(m.list) && joins(end) && low[end] >= low[s]+us
			if end-s < 2 || (high[end-1]-low[s] < us && !passed) {
				continue
			}
			// The whole run once more: neighbours may fit in pairs, and not together.
			if runs := m.runs(m.list[s:end]); len(runs) == 1 && len(runs[0].list) == end-s {
				m.leave(ranges, parts)
				return []Merge{runs[0].merge(fmt.Sprintf("they fill %s of event time", r))}
			}
		}
	}
	m.leave(ranges, parts)
	return nil
}

// times returns the event times of each segment; of one without events the end of the one before it.
func (m *merger) times() (low, high []int64) {
	low, high = make([]int64, len(m.list)), make([]int64, len(m.list))
	last := int64(math.MinInt64)
	for i, s := range m.list {
		switch {
		case s.Events > 0:
			low[i], high[i] = s.MinTimeUs, s.MaxTimeUs
		case last == math.MinInt64:
			low[i], high[i] = s.high, s.high
		default:
			low[i], high[i] = last, last
		}
		last = high[i]
	}
	return low, high
}

// parts says of each segment what parts it from the one before it: nothing, if it may follow it in a merge.
func (m *merger) parts() []string {
	out := make([]string, len(m.list))
	for i := 1; i < len(m.list); i++ {
		a, b := &m.list[i-1], &m.list[i]
		if out[i] = cmp.Or(a.blocked(), b.blocked()); out[i] == "" {
			out[i] = m.apart(run{held: a.Range, events: a.Events}, a, b)
		}
	}
	return out
}

// leave says why what is in no merge stays.
func (m *merger) leave(ranges []time.Duration, parts []string) {
	why := fmt.Sprintf("with its neighbours it fills none of %v, or another merge comes first", ranges)
	for i := range m.list {
		switch blocked := m.list[i].blocked(); {
		case blocked != "":
			m.explain(&m.list[i], blocked)
		case parts[i] != "":
			m.explain(&m.list[i], fmt.Sprintf("%s; parted from segment %d: %s", why, m.list[i-1].Number, parts[i]))
		default:
			m.explain(&m.list[i], why)
		}
	}
}
