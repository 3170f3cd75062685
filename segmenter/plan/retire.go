package plan

import (
	"fmt"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// RetireRules say how long a cube's data is kept.
type RetireRules struct {
	Keep       time.Duration // 0: for ever
	FromNewest bool          // counted back from the last segment's highest event time, as Kylin does, not from now
}

// RetirePlan is what expires.
type RetirePlan struct {
	Retire []int64 // numbers, in their order in the log
	Why    string  // the next one stays
}

// Retire plans the retention of a cube (S15): the first segment goes while its events are older than Keep. One without
// events goes with the one behind it.
func Retire(rules RetireRules, now time.Time, segments []segmenter.Segment) RetirePlan {
	if rules.Keep <= 0 {
		return RetirePlan{Why: "kept for ever"}
	}
	list := timeline(segments)
	if len(list) == 0 {
		return RetirePlan{Why: "there is no ready segment"}
	}
	edge := now.Add(-rules.Keep).UnixMicro()
	if rules.FromNewest {
		edge = list[len(list)-1].high - rules.Keep.Microseconds()
	}
	var p RetirePlan
	var empty []int64
	for i, s := range list {
		switch {
		case s.busy != 0:
			p.Why = fmt.Sprintf("segment %d is being replaced by %d", s.Number, s.busy)
			return p
		case i == len(list)-1:
			p.Why = fmt.Sprintf("segment %d is the last: the next one goes on where it ends", s.Number)
			return p
		case s.Events == 0:
			empty = append(empty, s.Number)
		case s.MaxTimeUs >= edge:
			p.Why = fmt.Sprintf("segment %d has events younger than %s", s.Number, days(rules.Keep))
			return p
		default:
			p.Retire = append(append(p.Retire, empty...), s.Number)
			empty = nil
		}
	}
	return p
}
