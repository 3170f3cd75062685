package segmenter

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ProblemKind names what is wrong with a ledger.
type ProblemKind string

// The kinds of problems, with the invariant that each breaks.
const (
	Overlap      ProblemKind = "overlap"       // S1
	Hole         ProblemKind = "hole"          // S2
	BadException ProblemKind = "bad_exception" // S3
	BadCount     ProblemKind = "bad_count"     // S4
	BadRow       ProblemKind = "bad_row"       // numbers or names that no row can have
)

// Problem is one thing that is wrong with a ledger, and where.
type Problem struct {
	Kind   ProblemKind    `json:"kind"`
	Range  PartitionRange `json:"range"`
	Detail string         `json:"detail"`
}

func (p Problem) String() string { return fmt.Sprintf("%s %s: %s", p.Range, p.Kind, p.Detail) }

// Error makes a Problem an error, for callers that stop at the first.
func (p Problem) Error() string { return p.String() }

// Problems lists what is wrong with r alone: its range, state, exceptions (S3) and counts (S4).
func (r LedgerRow) Problems() []Problem {
	var out []Problem
	add := func(k ProblemKind, format string, args ...any) {
		out = append(out, Problem{Kind: k, Range: r.Range, Detail: fmt.Sprintf(format, args...)})
	}
	if err := r.Range.Validate(); err != nil {
		add(BadRow, "%v", err)
		return out
	}
	if r.Range.Empty() {
		add(BadRow, "the range holds no offset")
	}
	switch r.State {
	case Staged:
	case Skipped, Lost:
		if r.Events != 0 {
			add(BadCount, "a %s row has %d events, want 0", r.State, r.Events)
		}
		if len(r.Exceptions) != 0 {
			add(BadException, "a %s row has exceptions; only staged rows have any", r.State)
		}
		return out
	default:
		add(BadRow, "state %q: want staged, skipped or lost", r.State)
		return out
	}
	if err := r.Exceptions.Validate(); err != nil {
		add(BadException, "%v", err)
		return out
	}
	if n := len(r.Exceptions); n > 0 && (r.Exceptions[0].Start < r.Range.Start || r.Exceptions[n-1].End > r.Range.End) {
		add(BadException, "exceptions [%d,%d) reach out of the row", r.Exceptions[0].Start, r.Exceptions[n-1].End)
		return out
	}
	if want := r.Range.Len() - r.Exceptions.Total(); r.Events != want {
		add(BadCount, "%d offsets less %d exceptions are %d events, the row says %d",
			r.Range.Len(), r.Exceptions.Total(), want, r.Events)
	}
	if r.Events > 0 && r.MinTimeUs > r.MaxTimeUs {
		add(BadRow, "lowest event time %d us is above the highest, %d us", r.MinTimeUs, r.MaxTimeUs)
	}
	return out
}

// Validate returns the Problems of r joined, or nil.
func (r LedgerRow) Validate() error {
	var errs []error
	for _, p := range r.Problems() {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

// CheckTiling lists everything that is wrong with a ledger of any partitions and generations: S1 to S4. Rows may come in
// any order. What lies before the first and behind the last row of a line is not known here: see CheckLine.
func CheckTiling(rows []LedgerRow) []Problem {
	sorted := sortedRows(rows)
	var out []Problem
	for i := 0; i < len(sorted); {
		j := i + 1
		for j < len(sorted) && sorted[j].Range.SameLine(sorted[i].Range) {
			j++
		}
		line := sorted[i].Range
		line.End = line.Start
		for _, r := range sorted[i:j] {
			line.End = max(line.End, r.Range.End)
		}
		out = append(out, checkLine(line, sorted[i:j])...)
		i = j
	}
	return out
}

// CheckLine lists everything that is wrong with the rows of one partition and generation, which must tile line from its
// start to its end (S1 to S4). Rows of another partition or generation are reported too.
func CheckLine(line PartitionRange, rows []LedgerRow) []Problem {
	return checkLine(line, sortedRows(rows))
}

func checkLine(line PartitionRange, rows []LedgerRow) []Problem {
	var out []Problem
	at := line.Start
	hole := func(start, end int64) {
		h := line
		h.Start, h.End = start, end
		out = append(out, Problem{Kind: Hole, Range: h, Detail: fmt.Sprintf("no row holds these %d offsets", h.Len())})
	}
	for _, r := range rows {
		out = append(out, r.Problems()...)
		if r.Range.Validate() != nil {
			continue // it holds no offset that could be missing or taken
		}
		if !r.Range.SameLine(line) {
			out = append(out, Problem{Kind: BadRow, Range: r.Range, Detail: fmt.Sprintf("the row is not of %s", line)})
			continue
		}
		switch {
		case r.Range.Start > at:
			hole(at, r.Range.Start)
		case r.Range.Start < at:
			o := r.Range
			o.End = min(at, r.Range.End)
			out = append(out, Problem{Kind: Overlap, Range: o, Detail: fmt.Sprintf("offsets before %d are taken already", at)})
		}
		at = max(at, r.Range.End)
	}
	switch {
	case at < line.End:
		hole(at, line.End)
	case at > line.End:
		o := line
		o.Start, o.End = line.End, at
		out = append(out, Problem{Kind: Overlap, Range: o, Detail: fmt.Sprintf("rows reach behind the end %d", line.End)})
	}
	return out
}

func sortedRows(rows []LedgerRow) []LedgerRow {
	out := slices.Clone(rows)
	slices.SortStableFunc(out, func(a, b LedgerRow) int {
		return cmp.Or(
			cmp.Compare(a.Range.Partition, b.Range.Partition), cmp.Compare(a.Range.Generation, b.Range.Generation),
			cmp.Compare(a.Range.Start, b.Range.Start), cmp.Compare(a.Range.End, b.Range.End))
	})
	return out
}
