package segmenter

import "fmt"

// RowState names what became of the offsets of a ledger row.
type RowState string

// The states of a ledger row. Gaps and quarantined offsets are exceptions inside a staged row.
const (
	Staged  RowState = "staged"  // the offsets are in a staged file, less the row's exceptions
	Skipped RowState = "skipped" // a person or a policy chose not to read them
	Lost    RowState = "lost"    // the broker's retention overtook us, or the topic was truncated
)

// ExceptionKind names why an offset inside a staged row is not an event.
type ExceptionKind string

// The kinds of exceptions.
const (
	Gap         ExceptionKind = "gap"         // control record, aborted transaction, compacted away: will never come
	Quarantined ExceptionKind = "quarantined" // unreadable, kept with its reason
)

// Exception is a run of offsets [Start, End) inside a staged row that are no events.
type Exception struct {
	Kind  ExceptionKind `json:"kind"`
	Start int64         `json:"start"`
	End   int64         `json:"end"`
}

// Exceptions is a run-length list, ascending, without overlap; neighbours of one kind that touch are one run (S3).
type Exceptions []Exception

// Add appends offsets [start, end). They must lie behind all of e: Add panics otherwise (S3).
func (e Exceptions) Add(kind ExceptionKind, start, end int64) Exceptions {
	if end <= start {
		return e
	}
	if n := len(e); n > 0 {
		last := &e[n-1]
		if start < last.End {
			panic(fmt.Sprintf("S3: exception [%d,%d) starts before the end %d of the one before", start, end, last.End))
		}
		if last.Kind == kind && last.End == start {
			last.End = end
			return e
		}
	}
	return append(e, Exception{Kind: kind, Start: start, End: end})
}

// Count returns the number of offsets of one kind.
func (e Exceptions) Count(kind ExceptionKind) int64 {
	var n int64
	for _, x := range e {
		if x.Kind == kind {
			n += x.End - x.Start
		}
	}
	return n
}

// LedgerRow is one whole range of offsets with one fate. Rows tile the line of a partition and generation (S1, S2).
type LedgerRow struct {
	Range      PartitionRange `json:"range"`
	State      RowState       `json:"state"`
	Events     int64          `json:"events"`               // staged rows only (S4)
	Exceptions Exceptions     `json:"exceptions,omitempty"` // staged rows only
	MinTimeUs  int64          `json:"min_time_us"`          // measured event time, closed; meaningless when Events is 0
	MaxTimeUs  int64          `json:"max_time_us"`
	Reason     string         `json:"reason,omitempty"` // who and why, of a skipped or lost row
}
