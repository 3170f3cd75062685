package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// CutRules say when a segment is cut without being asked. The first that is due gives the reason; none set means only
// by request.
type CutRules struct {
	Age          time.Duration // of the oldest offset behind the last segment, since it was read; 0: no such rule
	Rows         int64         // offsets behind the last segment; 0: no such rule
	Bytes        int64         // of their staged files; 0: no such rule
	Crons        []Cron
	RowsPerBuild int64 // a backlog becomes segments of at most so many offsets each; 0: no limit
}

// CutInput is what Cuts and Requested look at.
type CutInput struct {
	Rules       CutRules
	Now         time.Time
	From        segmenter.Vector      // where the next segment begins: NextStart
	Generations segmenter.Generations // their open ends are how far was read: no cut ends behind them (S11)
	Since       time.Time             // when the oldest offset behind From was read, or the last cut if that is not known
	Bytes       int64                 // of the staged files behind From
	Room        int                   // how many more segments may be new at a time
}

// Cut is a segment to be reserved.
type Cut struct {
	Range  segmenter.Vector
	Reason string
}

// CutPlan is what is cut, what is left and why.
type CutPlan struct {
	Cuts []Cut
	Left int64  // offsets that were read and wait for a later cut
	Why  string // they wait, or nothing is cut
}

// String has a line for each cut and one for what is left.
func (p CutPlan) String() string {
	var b strings.Builder
	for _, c := range p.Cuts {
		fmt.Fprintf(&b, "cut %s: %s\n", c.Range, c.Reason)
	}
	if p.Left > 0 || p.Why != "" {
		fmt.Fprintf(&b, "leave %d offsets: %s\n", p.Left, p.Why)
	}
	return b.String()
}

// NextStart returns where the next segment begins: for each known partition the end of its last new or ready segment,
// else its place in initial, else its first known offset.
func NextStart(segments []segmenter.Segment, initial segmenter.Vector, g segmenter.Generations) segmenter.Vector {
	places := make(map[int32]segmenter.PartitionRange)
	for _, s := range segments {
		if !s.Live() {
			continue
		}
		for _, r := range s.Range.Ends() {
			at, ok := places[r.Partition]
			if !ok || r.Generation > at.Generation || (r.Generation == at.Generation && r.End > at.End) {
				places[r.Partition] = r
			}
		}
	}
	for _, r := range initial.Ends() {
		if _, ok := places[r.Partition]; !ok {
			places[r.Partition] = r
		}
	}
	for _, x := range g {
		if _, ok := places[x.Partition]; !ok {
			r := x.Range()
			r.End = r.Start
			places[x.Partition] = r
		}
	}
	out := make(segmenter.Vector, 0, len(places))
	for _, r := range places {
		out = append(out, r)
	}
	return sorted(out)
}

// Pending returns what was read behind from: for each partition at least one range, empty where nothing is new.
func Pending(from segmenter.Vector, g segmenter.Generations) (segmenter.Vector, error) {
	ends := g.Read().Ends()
	var out segmenter.Vector
	for _, at := range NextStart(nil, from, g) {
		end, ok := place(ends, at.Partition)
		if !ok {
			return nil, fmt.Errorf("partition %d: nothing is known of it", at.Partition)
		}
		if end.Generation < at.Generation || (end.Generation == at.Generation && end.End < at.End) {
			return nil, fmt.Errorf("partition %d: the last segment ends at %s, but only what is below %s was read: the topic was truncated or made again, and no new generation began",
				at.Partition, placeText(at), placeText(end))
		}
		ranges, err := between(g, at, end)
		if err != nil {
			return nil, err
		}
		out = append(out, ranges...)
	}
	return out, nil
}

// between returns the ranges from one place of a partition to another.
func between(g segmenter.Generations, from, to segmenter.PartitionRange) ([]segmenter.PartitionRange, error) {
	if from.Generation > to.Generation || (from.Generation == to.Generation && from.End > to.Start) {
		return nil, fmt.Errorf("partition %d: the end, %s, is before the start, %s", from.Partition, placeText(to), placeText(from))
	}
	var out []segmenter.PartitionRange
	for _, p := range []segmenter.PartitionRange{from, to} {
		x, ok := g.Line(p.Partition, p.Generation)
		if !ok {
			return nil, fmt.Errorf("partition %d: generation %d is not known", p.Partition, p.Generation)
		}
		if p.Start < x.Start || p.End > x.End {
			return nil, fmt.Errorf("partition %d: %s is out of what was read, %s", p.Partition, placeText(p), x.Range())
		}
	}
	for _, x := range g.Of(from.Partition) {
		if x.Generation < from.Generation || x.Generation > to.Generation {
			continue
		}
		r := x.Range()
		if x.Generation == from.Generation {
			r.Start = from.End
		}
		if x.Generation == to.Generation {
			r.End = to.Start
		}
		if !r.Empty() {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		from.Start = from.End
		out = append(out, from)
	}
	return out, nil
}

// Cuts plans the segments that are due by the rules. A clock that was set back counts as all time gone by: one segment
// too early does no harm, none for hours would.
func Cuts(in CutInput) (CutPlan, error) {
	pending, err := Pending(in.From, in.Generations)
	if err != nil {
		return CutPlan{}, err
	}
	n := pending.Len()
	if n == 0 {
		return CutPlan{Why: "nothing new was read"}, nil
	}
	reason, wait := in.due(n)
	if reason == "" {
		return CutPlan{Left: n, Why: wait}, nil
	}
	return in.divide(pending, reason), nil
}

// due returns the reason to cut now, or what is waited for.
func (in CutInput) due(n int64) (reason, wait string) {
	r := in.Rules
	age := in.Now.Sub(in.Since)
	var waits []string
	switch {
	case r.Rows > 0 && n >= r.Rows:
		return fmt.Sprintf("rows %d", r.Rows), ""
	case r.Bytes > 0 && in.Bytes >= r.Bytes:
		return fmt.Sprintf("bytes %d", r.Bytes), ""
	case r.Age > 0 && (age >= r.Age || age < 0):
		return "age " + r.Age.String(), ""
	}
	for _, c := range r.Crons {
		if _, ok := c.Fired(in.Since, in.Now); ok || age < 0 {
			return "cron " + c.String(), ""
		}
	}
	// Not only when another rule is due: what is left of a backlog that was cut in part must not wait for the next hour.
	rules := r.Age > 0 || r.Rows > 0 || r.Bytes > 0 || len(r.Crons) > 0
	if rules && r.RowsPerBuild > 0 && n >= r.RowsPerBuild {
		return fmt.Sprintf("rows per build %d", r.RowsPerBuild), ""
	}
	if r.Age > 0 {
		waits = append(waits, fmt.Sprintf("age %s of %s", age, r.Age))
	}
	if r.Rows > 0 {
		waits = append(waits, fmt.Sprintf("rows %d of %d", n, r.Rows))
	}
	if r.Bytes > 0 {
		waits = append(waits, fmt.Sprintf("bytes %d of %d", in.Bytes, r.Bytes))
	}
	for _, c := range r.Crons {
		next := c.Next(in.Now)
		waits = append(waits, fmt.Sprintf("cron %s next at %s", c, next.Format(time.RFC3339)))
	}
	if len(waits) == 0 {
		return "", "no rule: it is cut by request"
	}
	return "", "wait for " + strings.Join(waits, ", ")
}

// NextDue returns when the age or a cron asks for a cut of what is behind From, if nothing changes until then; the zero time
// where neither does. It is a time behind Now, by the wall clock: what is due already waits for something else.
func (in CutInput) NextDue() (next time.Time) {
	take := func(t time.Time) {
		if t.After(in.Now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if in.Rules.Age > 0 {
		take(in.Now.Round(0).Add(in.Rules.Age - in.Now.Sub(in.Since)))
	}
	for _, c := range in.Rules.Crons {
		take(c.Next(in.Now))
	}
	return next
}

// divide makes one cut, or as many as the size limit asks for and Room allows.
func (in CutInput) divide(pending segmenter.Vector, reason string) CutPlan {
	p := CutPlan{Left: pending.Len()}
	for _, v := range Split(pending, in.Rules.RowsPerBuild, in.Room) {
		p.Cuts = append(p.Cuts, Cut{Range: v, Reason: reason})
		p.Left -= v.Len()
	}
	if p.Left > 0 {
		p.Why = fmt.Sprintf("there is room for %d new segments", max(in.Room, 0))
	}
	return p
}

func place(v segmenter.Vector, partition int32) (segmenter.PartitionRange, bool) {
	for _, r := range v {
		if r.Partition == partition {
			return r, true
		}
	}
	return segmenter.PartitionRange{}, false
}

func placeText(r segmenter.PartitionRange) string {
	if r.Generation == 0 {
		return fmt.Sprintf("offset %d", r.End)
	}
	return fmt.Sprintf("offset %d of generation %d", r.End, r.Generation)
}
