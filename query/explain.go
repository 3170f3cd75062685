package query

import (
	"context"
	"strings"

	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Explanation says how a statement would be answered, and why.
type Explanation struct {
	Blocks []BlockExplanation
	Scans  []ScanExplanation
	Rest   string // what DuckDB does with their rows; "": nothing is left

	Raw     *RawSize // of staged files of which events are read as they are; nil: none are
	Refused string   // why the statement would be refused; "": it would be answered
}

// BlockExplanation is of a part of the statement that groups or aggregates one table.
type BlockExplanation struct {
	Name       string
	Table      string
	Groups     []string
	Aggregates []string
	Where      string
	Time       string   // no event outside of it counts
	Cube       string   // "": none can, events are read
	Lacks      string   // what cubes lack that cannot
	Single     []string // times of which events are read one by one, whatever segment holds them
	Kept       []SegmentExplanation
	Pruned     []SegmentExplanation // no event of them can count
	Uncovered  int                  // ranges of offsets that no segment holds
	TailEvents int64
}

// SegmentExplanation says why a segment takes part, or not.
type SegmentExplanation struct {
	Segment int64
	Time    string
	Cuboid  string // its dimensions; "": its staged files
	Rows    int64  // of the cuboid
	Other   string // the cuboid that comes nearest
	Lacks   string // the dimension that Other lacks; "": it would do and is larger
	Why     string
}

// ScanExplanation is of a table whose events are read as they are.
type ScanExplanation struct {
	Table   string
	Columns []string
	Time    string
	Reason  string // why no block reads it
}

// Explain says how a statement would be answered now. Nothing but metadata is read. It takes a turn, as a statement does.
func (e *Engine) Explain(ctx context.Context, r Request) (out *Explanation, err error) {
	if err := e.take(ctx, e.turns); err != nil {
		return nil, err
	}
	defer e.turns.give()
	ctx, late := context.WithTimeoutCause(ctx, e.o.Timeout, &TimeoutError{e.o.Timeout})
	defer late()
	defer func() { err = causeOf(ctx, e.fault(r, recover(), err)) }()
	p, err := e.prepare(ctx, r)
	if err != nil {
		return nil, err
	}
	x := &execution{e: e, r: r, p: p}
	defer x.release()
	if err := x.bind(); err != nil {
		return nil, err
	}
	if err := x.look(ctx); err != nil {
		return nil, err
	}
	out = &Explanation{}
	for _, b := range x.blocks {
		be, err := b.explain(ctx)
		if err != nil {
			return nil, err
		}
		out.Blocks = append(out.Blocks, *be)
	}
	for _, s := range p.st.Scans {
		se := ScanExplanation{Table: s.Relation.Name, Time: s.Time.String(), Reason: s.Reason}
		for _, c := range s.Columns {
			se.Columns = append(se.Columns, c.Name)
		}
		out.Scans = append(out.Scans, se)
	}
	if err := x.explainRaw(ctx, out); err != nil {
		return nil, err
	}
	if p.st.Whole == nil || x.blocks[0].way == nil {
		if out.Rest, err = e.db.Text(ctx, p.st.Root); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// explainRaw says what the policy and the limit of events make of the statement.
func (x *execution) explainRaw(ctx context.Context, out *Explanation) error {
	reason := x.rawReason()
	if reason == "" {
		return nil
	}
	size, err := x.rawSize(ctx)
	if err != nil {
		return err
	}
	out.Raw = &size
	switch {
	case x.policy() == RefuseRaw:
		out.Refused = (&NoCubeError{reason}).Error()
	case size.Bytes > x.e.o.RawBytes:
		out.Refused = (&RawSizeError{size, x.e.o.RawBytes, reason}).Error()
	}
	return nil
}

func (b *blockRun) explain(ctx context.Context) (*BlockExplanation, error) {
	out := &BlockExplanation{
		Name: b.p.b.Name, Table: b.t.def.table.Name, Where: b.p.b.Where.String(), Lacks: b.p.lacks,
		Uncovered: b.t.snap.UncoveredRanges(), TailEvents: b.t.snap.Completeness.TailEvents,
	}
	if b.p.b.Time != plan.Always() {
		out.Time = b.p.b.Time.String()
	}
	for i := range b.p.b.Groups {
		text, err := b.x.e.exprText(ctx, &b.p.b.Groups[i].Term)
		if err != nil {
			return nil, err
		}
		out.Groups = append(out.Groups, text)
	}
	for i := range b.p.b.Aggs {
		out.Aggregates = append(out.Aggregates, b.p.b.Aggs[i].String())
	}
	if b.way == nil {
		return out, nil
	}
	out.Cube = b.way.cube.def.Name
	for _, r := range b.way.eventNeed().Events {
		out.Single = append(out.Single, r.String())
	}
	b.answer = b.way.answer
	kept := map[*catalog.SegmentEntry]bool{}
	for _, s := range b.t.snap.SegmentsIn(b.p.b.Time.Lo, b.p.b.Time.Hi) {
		kept[s] = true
		se := SegmentExplanation{Segment: s.Number, Time: plan.Range{Lo: s.MinTimeUs, Hi: s.MaxTimeUs}.String()}
		if c, _, err := b.segment(ctx, s); err != nil {
			se.Why = err.Error()
		} else {
			se.Cuboid, se.Rows = c.Cuboid(), c.Entry.Rows
			b.argue(ctx, s, &c, &se)
		}
		out.Kept = append(out.Kept, se)
	}
	for _, s := range b.t.snap.Segments {
		if !kept[s] {
			out.Pruned = append(out.Pruned, SegmentExplanation{Segment: s.Number, Time: plan.Range{Lo: s.MinTimeUs, Hi: s.MaxTimeUs}.String()})
		}
	}
	return out, nil
}

// argue says why the cuboid of a segment, which was opened before, was chosen.
func (b *blockRun) argue(ctx context.Context, s *catalog.SegmentEntry, c *plan.Choice, to *SegmentExplanation) {
	o, err := b.open(ctx, s)
	if err != nil {
		to.Why = err.Error()
		return
	}
	other, text := c.Argue(o.manifest.Cuboids)
	if to.Why = text; other != nil {
		to.Other, to.Lacks = c.Need.CuboidName(other), c.Missing(other)
	}
}

// exprText writes an expression as SQL.
func (e *Engine) exprText(ctx context.Context, t *plan.Term) (string, error) {
	text, err := e.db.Text(ctx, selectOf(t.Expr))
	return strings.TrimPrefix(text, "SELECT "), err
}

// selectOf is a statement that only says an expression.
func selectOf(x duck.Expr) duck.Query { return &duck.Select{Items: []duck.Expr{duck.Clone(x)}} }
