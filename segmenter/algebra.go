package segmenter

import (
	"fmt"
	"sort"
)

// NotExceptionError reports an offset that should be an exception of a kind and is not.
type NotExceptionError struct {
	Kind   ExceptionKind
	Offset int64
	Is     string // what it is instead: another kind, a row's state, "event", "given twice" or "not in the ledger"
}

func (e *NotExceptionError) Error() string {
	return fmt.Sprintf("offset %d is not %s: %s", e.Offset, e.Kind, e.Is)
}

// At returns the kind of exception that offset is, or ok=false where it is none.
func (e Exceptions) At(offset int64) (kind ExceptionKind, ok bool) {
	i := sort.Search(len(e), func(i int) bool { return e[i].End > offset })
	if i == len(e) || e[i].Start > offset {
		return "", false
	}
	return e[i].Kind, true
}

// Total returns the number of offsets of all kinds.
func (e Exceptions) Total() int64 {
	var n int64
	for _, x := range e {
		n += x.End - x.Start
	}
	return n
}

// Clip returns the exceptions that lie in [start, end), cut at its borders. e stays as it is.
func (e Exceptions) Clip(start, end int64) Exceptions {
	i := sort.Search(len(e), func(i int) bool { return e[i].End > start })
	var out Exceptions
	for ; i < len(e) && e[i].Start < end; i++ {
		out = out.Add(e[i].Kind, max(e[i].Start, start), min(e[i].End, end))
	}
	return out
}

// Merge returns the union of two lists. An offset in both is refused: it would be counted twice (S3).
func (e Exceptions) Merge(o Exceptions) (Exceptions, error) {
	out := make(Exceptions, 0, len(e)+len(o))
	for len(e) > 0 || len(o) > 0 {
		from := &e
		if len(e) == 0 || (len(o) > 0 && o[0].Start < e[0].Start) {
			from = &o
		}
		x := (*from)[0]
		*from = (*from)[1:]
		if n := len(out); n > 0 && x.Start < out[n-1].End {
			return nil, fmt.Errorf("offset %d is an exception twice: %s and %s", x.Start, out[n-1].Kind, x.Kind)
		}
		out = out.Add(x.Kind, x.Start, x.End)
	}
	return out, nil
}

// ExceptionsOf returns ascending offsets as a run-length list of one kind. Offsets that do not ascend are refused.
func ExceptionsOf(kind ExceptionKind, offsets []int64) (Exceptions, error) {
	var out Exceptions
	for i, o := range offsets {
		switch {
		case o < 0:
			return nil, fmt.Errorf("offset %d is negative", o)
		case i > 0 && o == offsets[i-1]:
			return nil, &NotExceptionError{Kind: kind, Offset: o, Is: "given twice"}
		case i > 0 && o < offsets[i-1]:
			return nil, fmt.Errorf("offset %d comes after %d: want them ascending", o, offsets[i-1])
		}
		out = out.Add(kind, o, o+1)
	}
	return out, nil
}

// Offsets returns every offset of one kind, ascending.
func (e Exceptions) Offsets(kind ExceptionKind) []int64 {
	out := make([]int64, 0, e.Count(kind))
	for _, x := range e {
		if x.Kind != kind {
			continue
		}
		for o := x.Start; o < x.End; o++ {
			out = append(out, o)
		}
	}
	return out
}

// Remove returns e without the given ascending offsets of one kind. An offset that is not an exception of that kind is
// a *NotExceptionError and nothing is removed: whoever asked worked on an old state. e stays as it is.
func (e Exceptions) Remove(kind ExceptionKind, offsets []int64) (Exceptions, error) {
	gone, err := ExceptionsOf(kind, offsets)
	if err != nil {
		return nil, err
	}
	var out Exceptions
	for _, x := range e {
		at := x.Start
		for len(gone) > 0 && gone[0].Start < x.End && x.Kind == kind {
			g := gone[0]
			if g.Start < at {
				return nil, e.notOf(kind, g.Start)
			}
			out = out.Add(kind, at, g.Start)
			at = min(g.End, x.End)
			if g.End > x.End { // the rest must lie in the next run, which does not touch this one: S3
				return nil, e.notOf(kind, x.End)
			}
			gone = gone[1:]
		}
		out = out.Add(x.Kind, at, x.End)
	}
	if len(gone) > 0 {
		return nil, e.notOf(kind, gone[0].Start)
	}
	return out, nil
}

func (e Exceptions) notOf(kind ExceptionKind, offset int64) error {
	is := "event"
	if k, ok := e.At(offset); ok {
		is = string(k)
	}
	return &NotExceptionError{Kind: kind, Offset: offset, Is: is}
}

// Requeue returns r after a supplement turned quarantined offsets into events, whose event times lie in
// [minUs, maxUs]. An offset that is not quarantined in r is a *NotExceptionError. r stays as it is.
func (r LedgerRow) Requeue(offsets []int64, minUs, maxUs int64) (LedgerRow, error) {
	if len(offsets) == 0 {
		return r, nil
	}
	if first, last := offsets[0], offsets[len(offsets)-1]; !r.Range.Contains(first) || !r.Range.Contains(last) {
		return LedgerRow{}, fmt.Errorf("offsets %d to %d are not all in the row %s", first, last, r.Range)
	}
	if r.State != Staged {
		return LedgerRow{}, &NotExceptionError{Kind: Quarantined, Offset: offsets[0], Is: string(r.State)}
	}
	left, err := r.Exceptions.Remove(Quarantined, offsets)
	if err != nil {
		return LedgerRow{}, err
	}
	r.Exceptions = left
	if r.Events == 0 {
		r.MinTimeUs, r.MaxTimeUs = minUs, maxUs
	}
	r.MinTimeUs, r.MaxTimeUs = min(r.MinTimeUs, minUs), max(r.MaxTimeUs, maxUs)
	r.Events += int64(len(offsets))
	return r, nil
}
