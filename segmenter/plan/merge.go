package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// MergeRules say which segments become one. TimeRanges, where set, take the place of Budget.
type MergeRules struct {
	Budget     []AgeBudget     // ages ascend; empty: DefaultBudget
	TimeRanges []time.Duration // Kylin's auto_merge_time_ranges: neighbours become one when they fill a range of event time
	Volatile   time.Duration   // data younger than this is not merged
	MaxRows    int64           // events of a merged segment; 0: no limit
}

// AgeBudget is how many segments are kept of data up to an age.
type AgeBudget struct {
	YoungerThan time.Duration // 0, in the last one: without end
	Segments    int
}

// DefaultBudget keeps about ten segments of a cube: 4 of the last 7 days, 3 up to 30 days, 3 of all that is older.
func DefaultBudget() []AgeBudget {
	return []AgeBudget{{YoungerThan: 7 * 24 * time.Hour, Segments: 4}, {YoungerThan: 30 * 24 * time.Hour, Segments: 3}, {Segments: 3}}
}

// buckets is how many equal parts the time of an age range is divided into; no more than its budget.
const buckets = 3

// MergeInput is what Merges looks at.
type MergeInput struct {
	Rules       MergeRules
	Now         time.Time
	Segments    []segmenter.Segment // new and ready ones; others are passed over
	Generations segmenter.Generations
	Alike       map[int]int      // versions of the definition whose segments hold the same have the same number here; one that is not named is alone
	Apart       map[int64]string // segments that cannot be merged with those before them, and why
}

// Merge is a run of ready segments that become one.
type Merge struct {
	Segments []int64 // numbers, in their order in the log
	Range    segmenter.Vector
	Events   int64
	Reason   string
}

// Left is a segment that a plan leaves as it is.
type Left struct {
	Segment int64
	Why     string
}

// MergePlan is what is merged, what is left and why.
type MergePlan struct {
	Merges []Merge // disjoint; any of them may be run alone
	Left   []Left  // every ready segment that is in no merge, in their order in the log
}

// String has a line for each merge, and one for each run of neighbours that are left for one reason.
func (p MergePlan) String() string {
	var b strings.Builder
	for _, m := range p.Merges {
		fmt.Fprintf(&b, "merge %s: %s\n", numbers(m.Segments), m.Reason)
	}
	for i := 0; i < len(p.Left); {
		j := i
		var run []int64
		for ; j < len(p.Left) && p.Left[j].Why == p.Left[i].Why; j++ {
			run = append(run, p.Left[j].Segment)
		}
		fmt.Fprintf(&b, "leave %s: %s\n", numbers(run), p.Left[i].Why)
		i = j
	}
	return b.String()
}

// numbers writes runs of consecutive numbers short: [1..48 50].
func numbers(list []int64) string {
	var parts []string
	for i := 0; i < len(list); {
		j := i + 1
		for j < len(list) && list[j] == list[j-1]+1 {
			j++
		}
		if j-i > 2 {
			parts = append(parts, fmt.Sprintf("%d..%d", list[i], list[j-1]))
			i = j
			continue
		}
		parts = append(parts, fmt.Sprint(list[i]))
		i++
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// aged is a ready segment with the stretch of event time that it adds to those before it in the log. A late event widens
// a segment's own times, but does not change its place.
type aged struct {
	*segmenter.Segment
	from  int64  // high of the segment before it; of the first with events its lowest event time
	high  int64  // highest event time of it and all before it
	busy  int64  // number of the new segment that replaces it; 0: none
	young bool   // too young to be merged
	why   string // it is left, as far as is known
}

// Merges plans the merges that are due now (S13).
func Merges(in MergeInput) MergePlan {
	list := timeline(in.Segments)
	if v := in.Rules.Volatile; v > 0 {
		for i := range list {
			list[i].young = list[i].high > in.Now.Add(-v).UnixMicro()
		}
	}
	m := merger{in: in, list: list}
	var merges []Merge
	if len(in.Rules.TimeRanges) > 0 {
		merges = m.byTimeRanges()
	} else {
		merges = m.byBudget()
	}
	p := MergePlan{Merges: merges}
	taken := make(map[int64]bool)
	for _, x := range merges {
		for _, n := range x.Segments {
			taken[n] = true
		}
	}
	for _, s := range list {
		if !taken[s.Number] {
			p.Left = append(p.Left, Left{Segment: s.Number, Why: s.why})
		}
	}
	return p
}

// timeline returns the ready segments in their order in the log, each with its stretch of time.
func timeline(segments []segmenter.Segment) []aged {
	ready := ordered(segments, func(s *segmenter.Segment) bool { return s.State == segmenter.SegmentReady })
	busy := make(map[int64]int64)
	for _, s := range segments {
		if s.State == segmenter.SegmentNew {
			for _, n := range s.Replaces {
				busy[n] = s.Number
			}
		}
	}
	list := make([]aged, len(ready))
	high, known := int64(math.MinInt64), false
	for i, s := range ready {
		a := aged{Segment: s, busy: busy[s.Number]}
		if s.Events > 0 {
			if !known {
				high, known = s.MinTimeUs, true
				for j := range i { // those without events before the first that has some
					list[j].from, list[j].high = high, high
				}
			}
			a.from = high
			high = max(high, s.MaxTimeUs)
			a.high = high
		} else {
			a.from, a.high = high, high
		}
		list[i] = a
	}
	return list
}

// merger plans over one timeline; it writes the reason to leave a segment into list.
type merger struct {
	in   MergeInput
	list []aged
}

// byBudget merges where an age range holds more segments than its budget: three equal buckets of its time are filled in
// order, and what is in a bucket becomes one, the cheapest bucket first, until the budget is kept.
func (m *merger) byBudget() []Merge {
	budget := m.in.Rules.Budget
	if len(budget) == 0 {
		budget = DefaultBudget()
	}
	var out []Merge
	to := len(m.list) // the segments from here on are younger
	young := time.Duration(0)
	for _, b := range budget {
		from := 0
		if b.YoungerThan > 0 {
			edge := m.in.Now.Add(-b.YoungerThan).UnixMicro()
			from, _ = slices.BinarySearchFunc(m.list[:to], edge, func(a aged, edge int64) int { return cmp.Compare(a.high, edge) })
		}
		name := "of any age"
		switch {
		case b.YoungerThan > 0 && young == 0:
			name = "younger than " + days(b.YoungerThan)
		case b.YoungerThan > 0:
			name = fmt.Sprintf("%s to %s old", days(young), days(b.YoungerThan))
		case young > 0:
			name = "older than " + days(young)
		}
		out = append(out, m.ageRange(m.list[from:to], b.Segments, name)...)
		to, young = from, b.YoungerThan
	}
	for i := range m.list[:to] {
		m.explain(&m.list[i], "older than any budget")
	}
	slices.SortFunc(out, func(a, b Merge) int { return a.Range.Compare(b.Range) })
	return out
}

func days(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return d.String()
}

func (m *merger) explain(a *aged, why string) {
	if a.why == "" {
		a.why = why
	}
}

func (m *merger) ageRange(list []aged, budget int, name string) []Merge {
	count := len(list)
	if count <= budget {
		for i := range list {
			m.explain(&list[i], fmt.Sprintf("%d segments %s, %d may stay", count, name, budget))
		}
		return nil
	}
	candidates := m.candidates(list, budget, fmt.Sprintf("%d segments %s, %d may stay", count, name, budget))
	// Cheapest first: events that are written again for each segment that goes. Ties go to the oldest.
	slices.SortStableFunc(candidates, func(a, b Merge) int {
		return cmp.Compare(float64(a.Events)/float64(len(a.Segments)-1), float64(b.Events)/float64(len(b.Segments)-1))
	})
	var out []Merge
	for _, c := range candidates {
		if count <= budget {
			break
		}
		out = append(out, c)
		count -= len(c.Segments) - 1
	}
	why := fmt.Sprintf("enough without it: %d segments %s, %d may stay", count, name, budget)
	if count > budget {
		why = fmt.Sprintf("no neighbour to merge with in its part of the time; %d segments %s, %d may stay", count, name, budget)
	}
	for i := range list {
		m.explain(&list[i], why)
	}
	return out
}

// candidates returns what each bucket could become: runs of at least two neighbours. A bucket is filled as far as the
// stretches of whole segments fit in it, at least with one; the last one takes the rest.
func (m *merger) candidates(list []aged, budget int, reason string) []Merge {
	n := max(min(buckets, budget), 1)
	size := (list[len(list)-1].high - list[0].from) / int64(n)
	var out []Merge
	for i, b := 0, 1; i < len(list); b++ {
		j := i + 1
		for j < len(list) && (b == n || list[j].high-list[i].from <= size) {
			j++
		}
		for _, r := range m.runs(list[i:j]) {
			out = append(out, r.merge(fmt.Sprintf("%s; these share part %d of %d of their time", reason, b, n)))
		}
		i = j
	}
	return out
}

// run is a list of neighbours that may become one, and what they hold together.
type run struct {
	list   []aged
	held   segmenter.Vector
	events int64
}

func (r run) merge(reason string) Merge {
	out := Merge{Range: r.held, Events: r.events, Reason: reason}
	for _, s := range r.list {
		out.Segments = append(out.Segments, s.Number)
	}
	return out
}

// runs returns the longest runs of at least two segments that may become one (S13), and says why others end.
func (m *merger) runs(list []aged) []run {
	var out []run
	for i := 0; i < len(list); {
		if why := list[i].blocked(); why != "" {
			m.explain(&list[i], why)
			i++
			continue
		}
		r, j := run{held: list[i].Range, events: list[i].Events}, i+1
		for ; j < len(list); j++ {
			next := &list[j]
			why := next.blocked()
			if why == "" {
				why = m.apart(r, &list[i], next)
			}
			var err error
			if why == "" {
				if r.held, err = r.held.Join(next.Range); err != nil {
					panic(fmt.Sprintf("S6: %v, but they are adjacent", err))
				}
				r.events += next.Events
				continue
			}
			if j == i+1 {
				m.explain(&list[i], fmt.Sprintf("alone before segment %d: %s", next.Number, why))
			}
			break
		}
		if r.list = list[i:j]; j-i > 1 {
			out = append(out, r)
		}
		i = j
	}
	return out
}

// blocked says why a segment can be in no merge.
func (a *aged) blocked() string {
	switch {
	case a.young:
		return "too young"
	case a.busy != 0:
		return fmt.Sprintf("segment %d is replacing it", a.busy)
	}
	return ""
}

// apart says why next cannot join the run that begins with first.
func (m *merger) apart(r run, first, next *aged) string {
	if !m.in.alike(first.Version, next.Version) {
		return fmt.Sprintf("it is of version %d of the definition, not %d", next.Version, first.Version)
	}
	if why := m.in.Apart[next.Number]; why != "" {
		return why
	}
	if limit := m.in.Rules.MaxRows; limit > 0 && r.events+next.Events > limit {
		return fmt.Sprintf("together they have more than %d events", limit)
	}
	if err := r.held.Adjacent(next.Range, m.in.Generations); err != nil {
		return err.Error()
	}
	return ""
}

func (in *MergeInput) alike(a, b int) bool {
	x, ok := in.Alike[a]
	y, found := in.Alike[b]
	return a == b || ok && found && x == y
}
