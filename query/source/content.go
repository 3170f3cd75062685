package source

import (
	"context"
	"encoding/binary"
)

// AppendContent appends to b what names the events of a snapshot that may have one of these times (none: all), and in which
// segments they are: where it is the same, so is any answer over these times. What is added or changed at other times does not
// change it. ok is false where only the catalog could tell.
func (s *Snapshot) AppendContent(ctx context.Context, b []byte, times []Span) (_ []byte, ok bool) {
	if b, ok = s.AppendSegments(b, times); !ok {
		return b, false
	}
	for _, set := range []Set{s.Uncovered(), s.Tail()} {
		if b, ok = set.AppendContent(ctx, b, times); !ok {
			return b, false
		}
	}
	return b, true
}

// AppendSegments appends to b what names the segments that may have events of times, and what of their events counts.
func (s *Snapshot) AppendSegments(b []byte, times []Span) (_ []byte, ok bool) {
	if s.Long {
		return b, false
	}
	b = binary.AppendVarint(b, s.Change) // committed events were replaced, requeued or lost: whatever the files are called
	for _, e := range s.segmentsOf(times) {
		b = binary.AppendVarint(binary.AppendVarint(b, e.Number), e.Attempt)
	}
	return b, true
}

// AppendContent appends to b what names the events of a set that may have one of these times (none: all).
func (set Set) AppendContent(ctx context.Context, b []byte, times []Span) (_ []byte, ok bool) {
	if set.s.Long {
		return b, false
	}
	b = append(b, '|')
	for p, err := range set.pieces(ctx, times) {
		if err != nil {
			return b, false
		}
		if b = append(b, '/'); p.file != nil {
			b = append(b, p.file.Key...)
		} else { // what lies at an offset never changes
			b = binary.AppendVarint(binary.AppendVarint(b, int64(p.line.Partition)), int64(p.line.Generation))
		}
		for _, k := range p.keep {
			b = binary.AppendVarint(binary.AppendVarint(b, k.from), k.to)
		}
	}
	return b, true
}
