package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// RefreshInput is what Refreshes looks at.
type RefreshInput struct {
	Segments []segmenter.Segment // new and ready ones
	Version  int                 // of the definition in force; 0: old versions are left alone
	Same     map[int]bool        // older versions whose segments hold what it says
	Changed  map[int64]string    // segments whose inputs changed, and how
	Gone     map[int64]string    // segments that cannot be rebuilt, and what is missing
	Reported map[int64]bool      // those of Gone that were reported before
	Room     int                 // how many more segments may be new at a time
}

// Refresh is a segment to be built again over its own range.
type Refresh struct {
	Segment int64
	Range   segmenter.Vector
	Reason  string
}

// RefreshPlan is what is built again, what is left, and what a person must be told once.
type RefreshPlan struct {
	Refresh []Refresh // newest data first
	Report  []Left    // wanted, but cannot be rebuilt, and not yet reported
	Left    []Left    // wanted, but not at present
}

// String has a line for each segment that is wanted.
func (p RefreshPlan) String() string {
	var b strings.Builder
	for _, r := range p.Refresh {
		fmt.Fprintf(&b, "refresh %d %s: %s\n", r.Segment, r.Range, r.Reason)
	}
	for _, l := range p.Report {
		fmt.Fprintf(&b, "report %d: %s\n", l.Segment, l.Why)
	}
	for _, l := range p.Left {
		fmt.Fprintf(&b, "leave %d: %s\n", l.Segment, l.Why)
	}
	return b.String()
}

// Refreshes plans the segments whose inputs changed or whose definition is old, newest data first: it is asked for most.
// A segment that cannot be rebuilt is reported once and keeps answering as it is.
func Refreshes(in RefreshInput) RefreshPlan {
	list := timeline(in.Segments)
	slices.Reverse(list)
	newest := func(s aged) int64 {
		if s.Events > 0 {
			return s.MaxTimeUs
		}
		return s.high
	}
	slices.SortStableFunc(list, func(a, b aged) int { return cmp.Compare(newest(b), newest(a)) })
	var p RefreshPlan
	for _, s := range list {
		reason := ""
		if how, ok := in.Changed[s.Number]; ok {
			reason = "refresh: " + how
		} else if s.Version < in.Version && !in.Same[s.Version] {
			reason = fmt.Sprintf("refresh: definition version %d, now %d", s.Version, in.Version)
		}
		if reason == "" {
			continue
		}
		missing, gone := in.Gone[s.Number]
		switch {
		case gone && !in.Reported[s.Number]:
			p.Report = append(p.Report, Left{Segment: s.Number, Why: "cannot be rebuilt: " + missing})
		case gone:
		case s.busy != 0:
			p.Left = append(p.Left, Left{Segment: s.Number, Why: fmt.Sprintf("segment %d is replacing it", s.busy)})
		case len(p.Refresh) >= in.Room:
			p.Left = append(p.Left, Left{Segment: s.Number, Why: fmt.Sprintf("there is room for %d new segments", max(in.Room, 0))})
		default:
			p.Refresh = append(p.Refresh, Refresh{Segment: s.Number, Range: s.Range, Reason: reason})
		}
	}
	return p
}
