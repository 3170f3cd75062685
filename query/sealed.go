package query

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"unsafe"

	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/query/source"
)

// sealedPart is events of a block that lie in files, which never change: what was folded of them for one statement serves the next one,
// though more events have come meanwhile (Q8).
type sealedPart struct {
	name    byte
	content func(ctx context.Context, b []byte, times []source.Span) ([]byte, bool)
	fold    func(ctx context.Context) error
}

// sealedParts are apart from each other because staged files are added every few seconds, segments seldom.
func (b *blockRun) sealedParts() [2]sealedPart {
	staged := b.t.snap.Uncovered()
	return [2]sealedPart{
		{'f', staged.AppendContent, func(ctx context.Context) error { return b.events(ctx, staged) }},
		{'s', func(_ context.Context, to []byte, times []source.Span) ([]byte, bool) {
			return b.t.snap.AppendSegments(to, times)
		}, b.segments},
	}
}

// sealed folds a part, or takes what was folded of it before. What is asked for once is folded as it comes: to fold it apart, so that it
// can be kept, costs more.
func (b *blockRun) sealed(ctx context.Context, part sealedPart) error {
	key, ok, err := b.sealedKey(ctx, part)
	if err != nil {
		return err
	}
	if !ok {
		return part.fold(ctx)
	}
	kept, wanted := b.q.Known(key)
	if kept != nil {
		b.report.Segments = append(b.report.Segments, kept.Note().([]SegmentReport)...) // foldApart's
		return b.q.Take(ctx, kept)
	}
	if !wanted {
		return part.fold(ctx)
	}
	return b.foldApart(ctx, key, part)
}

// foldApart folds a part by itself, keeps that, and takes it. Where the statement has no memory for both it folds it as it comes.
func (b *blockRun) foldApart(ctx context.Context, key run.FoldedKey, part sealedPart) error {
	apart := b.q.Apart()
	defer apart.Close()
	before := b.report
	whole, waiting, held, heldBytes := b.q, b.cells, b.held, b.heldBytes
	b.q, b.cells, b.held, b.heldBytes = apart, nil, 0, 0
	err := part.fold(ctx)
	if err == nil {
		err = b.flush(ctx, nil)
	}
	b.q, b.cells, b.held, b.heldBytes = whole, waiting, held, heldBytes
	var folded *run.Folded
	if err == nil && !b.x.damage.found() {
		folded, err = apart.Folded(ctx)
	}
	var memory *run.MemoryError
	switch {
	case errors.As(err, &memory):
		b.p.large.Store(true)
		apart.Undo()
		b.report = before
		return part.fold(ctx)
	case err != nil || folded == nil:
		return err
	}
	b.looked = b.looked.Plus(apart.Stats())
	segments := slices.Clone(b.report.Segments[len(before.Segments):])
	folded.Annotate(segments, int64(cap(segments))*int64(unsafe.Sizeof(SegmentReport{})))
	switch {
	case len(b.report.Notes) > len(before.Notes): // segments were read from staged files, which must be said each time
		b.x.e.runner.Never(key)
	case !b.x.e.runner.Keep(key, folded):
		b.p.large.Store(true)
	}
	return b.q.Take(ctx, folded)
}

// sealedKey names a part of a block; false: nothing of it is kept.
func (b *blockRun) sealedKey(ctx context.Context, part sealedPart) (key run.FoldedKey, ok bool, err error) {
	if b.x.r.AsOf != nil || len(b.x.bad) > 0 || b.p.large.Load() || !b.p.isKept() {
		return key, false, nil
	}
	_, ids, err := b.number(ctx, b.way.eventNeed())
	if err != nil {
		return key, false, err
	}
	text := append(make([]byte, 0, 512), part.name, 0)
	if b.whole != nil {
		text[1] = 1 // the answer of a statement that is the block is another one
	}
	text = binary.AppendVarint(binary.AppendVarint(text, b.p.id), ids)
	text = append(append(text, b.way.cube.def.ID...), '#')
	var times []source.Span
	if r := b.p.b.Time; r != plan.Always() {
		times = spans([]plan.Range{r})
	}
	if text, ok = part.content(ctx, text, times); !ok {
		return key, false, nil
	}
	return sha256.Sum256(text), true, nil
}
