package plan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// ErrNothingNew is returned for a request whose range holds no offset.
var ErrNothingNew = errors.New("no new offsets: the start is the end")

// OverlapError says that offsets of a request are taken (S8).
type OverlapError struct {
	Segment int64 // number of the segment that holds them
	State   segmenter.SegmentState
	Range   segmenter.Vector // the offsets in both
}

func (e *OverlapError) Error() string {
	return fmt.Sprintf("%s segment %d holds %s already: refresh or drop it, or build the rest", e.State, e.Segment, e.Range)
}

// Request asks for a build by hand.
type Request struct {
	By    string
	Start segmenter.Vector // places, empty ranges; a partition that is not named goes on where the last segment ends
	End   segmenter.Vector // places; nil: all that was read. A partition that is not named stays where it starts
}

// Requested plans the segments of a request over the offsets from Start to End, in pieces of the size limit. A range
// that was not read, runs backwards, is taken (*OverlapError) or holds nothing (ErrNothingNew) is refused with every
// complaint. Offsets left out behind the last segment are named in Why: they become a hole.
func Requested(in CutInput, req Request, segments []segmenter.Segment) (CutPlan, error) {
	from := NextStart(nil, in.From, in.Generations)
	var errs []error
	for _, v := range []segmenter.Vector{req.Start, req.End} {
		if err := v.Validate(); err != nil {
			errs = append(errs, err)
		}
		for _, r := range v {
			if len(in.Generations.Of(r.Partition)) == 0 {
				errs = append(errs, fmt.Errorf("partition %d: nothing is known of it", r.Partition))
			}
		}
	}
	if len(errs) > 0 {
		return CutPlan{}, errors.Join(errs...)
	}
	var want segmenter.Vector
	var skipped []string
	ends := req.End.Ends()
	if req.End == nil {
		ends = in.Generations.Read().Ends()
	}
	for _, at := range from {
		start, named := place(req.Start.Starts(), at.Partition)
		if !named {
			start = at
		}
		end, ok := place(ends, at.Partition)
		if !ok {
			end = start
		}
		ranges, err := between(in.Generations, start, end)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		want = append(want, ranges...)
		if gap, err := between(in.Generations, at, start); named && err == nil && !segmenter.Vector(gap).Empty() {
			skipped = append(skipped, segmenter.Vector(gap).String())
		}
	}
	for _, s := range segments {
		if both := want.Intersect(s.Range); s.Live() && len(both) > 0 {
			errs = append(errs, &OverlapError{Segment: s.Number, State: s.State, Range: both})
		}
	}
	switch {
	case len(errs) > 0:
		return CutPlan{}, errors.Join(errs...)
	case want.Empty():
		return CutPlan{}, ErrNothingNew
	}
	p := in.divide(want, "request by "+req.By)
	if len(skipped) > 0 {
		p.Why = strings.TrimPrefix(p.Why+"; left out, a hole from now on: "+strings.Join(skipped, ", "), "; ")
	}
	return p, nil
}
