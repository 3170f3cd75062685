package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/query/run"
)

// blockPlan is how a block is answered, for any snapshot.
type blockPlan struct {
	id     int64
	b      *plan.Block
	table  *tableDef
	names  *names
	ways   []*way        // of the cubes that can answer it
	lacks  string        // why others cannot
	answer *run.Answer   // of the first way; nil: none, or the block has to be computed from events
	schema *arrow.Schema // of the block's rows
	types  []arrow.DataType
	large  atomic.Bool // what it makes of segments, or of staged files, is too much to be kept

	mu       sync.Mutex
	raw      *duck.Statement // computes the block from events; nil: it is compiled when it is needed
	programs map[programKey]*run.Program
	bytes    int64                          // about what these take
	kept     bool                           // with its plan: Engine.programs counts it
	older    map[*cells.Layout][]*plan.Need // of segments of other versions
}

// way is how one cube answers a block.
type way struct {
	cube   *cubeDef
	needs  []*plan.Need
	answer *run.Answer

	once  sync.Once
	whole *run.Answer // with the order and the limit of a statement that is the block
	err   error
}

// ordered returns the answer of a statement that is the block.
func (w *way) ordered(of *plan.Whole) (*run.Answer, error) {
	w.once.Do(func() { w.whole, w.err = wholeAnswer(w.answer, of) })
	return w.whole, w.err
}

// programKey names what is compiled for a layout and a need.
type programKey struct {
	answer *run.Answer
	need   *plan.Need
	lo     int64 // of a range within which conditions on the event time do not change
	fixed  bool  // lo counts
}

// planBlock finds the cubes that answer a block.
func (e *Engine) planBlock(ctx context.Context, n *names, b *plan.Block) (*blockPlan, error) {
	bp := &blockPlan{id: preparedIDs.Add(1), b: b, table: n.tables[b.Relation.Table.ID], names: n, programs: map[programKey]*run.Program{}}
	err := bp.describe(ctx, e)
	if err != nil {
		return nil, err
	}
	for _, c := range bp.table.cubes {
		if b.Relation.Cube != nil && b.Relation.Cube.ID != c.def.ID {
			continue
		}
		needs, lacks := b.Need(c.layout, c.def)
		if lacks != nil {
			bp.lack(c.def, lacks.Error())
			continue
		}
		w := &way{cube: c, needs: needs}
		if n := len(w.eventNeed().Events); n > e.o.EdgeRanges {
			e.m.edges.Inc()
			bp.lack(c.def, fmt.Sprintf("no cells for %d ranges of time: at most %d are made of events one by one (query.edge_ranges)", n, e.o.EdgeRanges))
			continue
		}
		if w.answer, err = bp.answerOf(needs[0]); err != nil {
			bp.lack(c.def, err.Error())
			continue
		}
		if _, err = bp.program(e, w.answer, needs[0], moment{}); err != nil {
			bp.lack(c.def, err.Error())
			continue
		}
		bp.ways = append(bp.ways, w)
	}
	if len(bp.ways) > 0 {
		bp.ways = exactFirst(bp.ways)
		bp.answer = bp.ways[0].answer
	} else if bp.lacks == "" {
		bp.lacks = fmt.Sprintf("table %s has no cube", b.Relation.Table.Name)
	}
	return bp, nil
}

// describe finds the columns of the block's rows. What computes them from events is compiled as well, unless that takes long: where
// a cube answers nobody needs it.
func (bp *blockPlan) describe(ctx context.Context, e *Engine) error {
	undo := shortened(bp.b)
	s, err := e.db.Compile(ctx, bp.b.Original)
	if undo != nil {
		undo()
	} else {
		bp.raw = s
	}
	if err != nil {
		return err
	}
	raw, err := e.rawSchema(bp.table, bp.b.Raw)
	if err != nil {
		return err
	}
	if bp.schema, err = e.db.Describe(ctx, s, []duck.Table{{Name: bp.b.Raw.Name, Schema: raw}}); err != nil {
		return unheld(err, bp.b)
	}
	for _, f := range bp.schema.Fields() {
		bp.types = append(bp.types, f.Type)
	}
	return nil
}

// fromEvents returns what computes the block from events.
func (bp *blockPlan) fromEvents(ctx context.Context, e *Engine) (_ *duck.Statement, err error) {
	bp.mu.Lock()
	defer bp.mu.Unlock()
	if bp.raw == nil {
		bp.raw, err = e.db.Compile(ctx, bp.b.Original)
	}
	return bp.raw, err
}

// unheld tells of a column of a block whose type answers cannot hold, as BIT, by its place: nobody has written its name.
func unheld(err error, b *plan.Block) error {
	var d *duck.Error
	if !errors.As(err, &d) || d.Kind != duck.KindUnsupported {
		return err
	}
	out := *d
	for i := range b.Groups {
		if strings.Contains(d.Message, strconv.Quote(plan.GroupColumn(i))) {
			out.Message, out.Offset = "values of this type are neither grouped nor counted", b.Groups[i].Expr.Pos()
		}
	}
	for i := range b.Aggs {
		if strings.Contains(d.Message, strconv.Quote(plan.AggColumn(i))) {
			out.Message, out.Offset = "an aggregate has a type that answers cannot hold", b.Aggs[i].Call.Pos()
		}
	}
	return &out
}

func (bp *blockPlan) lack(c *cube.Cube, what string) {
	if bp.lacks != "" {
		bp.lacks += "; "
	}
	bp.lacks += fmt.Sprintf("cube %s has %s", c.Name, what)
}

// answerOf returns what run answers of a block by a need. The columns are those of the block, in their order.
func (bp *blockPlan) answerOf(need *plan.Need) (*run.Answer, error) {
	var a run.Answer
	for i := range bp.b.Groups {
		if isTop(need) {
			break // the measure ranks them
		}
		a.Groups = append(a.Groups, run.GroupColumn{Name: plan.GroupColumn(i), Type: bp.types[i], Key: bp.groupKey(i)})
	}
	states := map[stateKey]int{}
	filters := filtersOf(bp.b)
	for i := range bp.b.Aggs {
		g := &bp.b.Aggs[i]
		out := run.Aggregate{Name: plan.AggColumn(i), Quantile: g.Param}
		measures, function, err := statesOf(need, i)
		if err != nil {
			return nil, err
		}
		out.Func = function
		if function == cube.Percentile {
			out.Type = bp.types[len(bp.b.Groups)+i]
		}
		for _, m := range measures {
			key := stateKey{m, filters.of[i]}
			at, ok := states[key]
			if !ok {
				at = len(a.States)
				states[key] = at
				a.States = append(a.States, run.State{Measure: &need.Layout.Measures[m], Filter: filters.of[i]})
			}
			out.States = append(out.States, at)
		}
		a.Aggregates = append(a.Aggregates, out)
	}
	if bp.b.Sets != nil {
		a.Sets, a.SetName = bp.b.Sets, plan.SetColumn
	}
	return run.NewAnswer(a)
}

// groupKey names the values of a group, which are the same whatever cube has them; "": they are the block's own.
func (bp *blockPlan) groupKey(i int) string {
	g := &bp.b.Groups[i]
	of := bp.table.table.ID
	if g.Time != nil {
		return fmt.Sprintf("%s time %q %v %t", of, g.Time.Column, g.Time.Steps, g.Time.Date)
	}
	if c, ok := plainColumn(g.Expr); ok {
		at := slices.IndexFunc(bp.b.Relation.Columns, func(x plan.Column) bool { return x.Name == c })
		if x := bp.b.Relation.Columns[at]; x.Lookup != "" {
			return fmt.Sprintf("lookup %s column %q", bp.names.lookups[x.Lookup].Key, x.LookupColumn)
		}
		return fmt.Sprintf("%s column %q %s", of, c, bp.types[i])
	}
	return ""
}

// plainColumn returns the name of the column that an expression is.
func plainColumn(e duck.Expr) (string, bool) {
	c, ok := e.(*duck.Column)
	if !ok || len(c.Names) != 1 {
		return "", false
	}
	return c.Names[0], true
}

// stateKey tells states of an answer apart.
type stateKey struct{ measure, filter int }

// blockFilters are the distinct filters of a block's aggregates: of[i] is 0 where aggregate i has none, else its filter's index
// and one.
type blockFilters struct {
	list []*plan.Cond
	of   []int
}

func filtersOf(b *plan.Block) (f blockFilters) {
	known := map[string]int{}
	for i := range b.Aggs {
		c := b.Aggs[i].Filter
		if c == nil {
			f.of = append(f.of, 0)
			continue
		}
		text := c.String()
		at, ok := known[text]
		if !ok || !simple(c) { // texts of terms say what they need, not what they are
			f.list = append(f.list, c)
			at = len(f.list)
			known[text] = at
		}
		f.of = append(f.of, at)
	}
	return f
}

func simple(c *plan.Cond) bool {
	for _, l := range c.Leaves() {
		if l.Simple == nil && !l.Timed {
			return false
		}
	}
	return true
}

// statesOf returns the measures that an aggregate is made of, and how.
func statesOf(need *plan.Need, i int) (measures []int, f cube.Function, err error) {
	s := need.Sources[i]
	measure := func() cube.Function { return need.Layout.Measures[s.Measure].Function }
	switch s.Kind {
	case plan.FromCount:
		return []int{s.Measure}, cube.Count, nil
	case plan.FromSum:
		return []int{s.Measure}, cube.Sum, nil
	case plan.FromAvg:
		if s.Measure == s.Count {
			return []int{s.Measure}, cube.Avg, nil
		}
		return []int{s.Measure, s.Count}, cube.Avg, nil
	case plan.FromTop:
		return []int{s.Measure}, cube.TopN, nil
	case plan.FromValue, plan.FromSketch, plan.FromExact, plan.FromDigest:
		return []int{s.Measure}, measure(), nil
	}
	return nil, "", fmt.Errorf("no measure from which %s follows", s.Kind)
}

// program returns what is compiled for a need, of the layout that it has.
func (bp *blockPlan) program(e *Engine, a *run.Answer, need *plan.Need, at moment) (*run.Program, error) {
	p, more, err := bp.compiled(e, programKey{a, need, at.lo, at.fixed}, at)
	if more != 0 {
		e.programs.add(bp, more)
	}
	return p, err
}

// compiled finds a program or makes it; more are the bytes by which those that are kept have grown.
func (bp *blockPlan) compiled(e *Engine, key programKey, at moment) (p *run.Program, more int64, err error) {
	bp.mu.Lock()
	defer bp.mu.Unlock()
	if p, ok := bp.programs[key]; ok {
		return p, 0, nil
	}
	if p, err = bp.compile(e, key.answer, key.need, at); err != nil {
		return nil, 0, err
	}
	bytes := p.MemBytes()
	if len(bp.programs) >= maxPrograms {
		more -= bp.bytes
		bp.forgetLocked()
	}
	bp.programs[key] = p
	bp.bytes += bytes
	if !bp.kept {
		return p, 0, nil
	}
	return p, more + bytes, nil
}

// maxPrograms bounds what is kept of one block: ranges whose conditions on the time do not change are many.
const maxPrograms = 4096

// keep has the engine count what is compiled for the block from now on.
func (bp *blockPlan) keep(e *Engine) {
	bp.mu.Lock()
	bp.kept = true
	n := bp.bytes
	bp.mu.Unlock()
	e.programs.add(bp, n)
}

// isKept reports whether the next statement of the same text has the same plan.
func (bp *blockPlan) isKept() bool {
	bp.mu.Lock()
	defer bp.mu.Unlock()
	return bp.kept
}

// forget drops what is compiled. Statements that run keep what they have.
func (bp *blockPlan) forget() {
	bp.mu.Lock()
	defer bp.mu.Unlock()
	bp.forgetLocked()
}

func (bp *blockPlan) forgetLocked() {
	clear(bp.programs)
	bp.bytes = 0
}

func (bp *blockPlan) compile(e *Engine, a *run.Answer, need *plan.Need, at moment) (*run.Program, error) {
	t := &translation{e: e, bp: bp, need: need, at: at}
	p := run.Program{Answer: a, Layout: need.Layout}
	var err error
	if p.Where, err = t.cond(bp.b.Where); err != nil {
		return nil, err
	}
	if c := t.inCells(); c != nil {
		p.Where = bothOf(p.Where, c)
	}
	filters := filtersOf(bp.b)
	for _, f := range filters.list {
		c, err := t.cond(f)
		if err != nil {
			return nil, err
		}
		p.Filters = append(p.Filters, c)
	}
	for i := range bp.b.Groups {
		if isTop(need) {
			break
		}
		g, err := t.group(i)
		if err != nil {
			return nil, err
		}
		p.Groups = append(p.Groups, g)
	}
	p.Measures, err = bp.measures(a, need, filters)
	if err != nil {
		return nil, err
	}
	return run.NewProgram(p)
}

// measures lists the measures of a layout in the order of the answer's states.
func (bp *blockPlan) measures(a *run.Answer, need *plan.Need, filters blockFilters) ([]int, error) {
	out := make([]int, len(a.States))
	for i := range a.Aggregates {
		list, _, err := statesOf(need, i)
		if err != nil {
			return nil, err
		}
		if len(list) != len(a.Aggregates[i].States) {
			return nil, fmt.Errorf("%s is made of other measures", a.Aggregates[i].Name)
		}
		for k, m := range list {
			out[a.Aggregates[i].States[k]] = m
		}
	}
	return out, nil
}

func bothOf(a, b *run.Cond) *run.Cond {
	if a == nil {
		return b
	}
	return &run.Cond{Kind: run.And, Of: []*run.Cond{a, b}}
}

// layoutOf returns the layout of a segment's definition and table.
func (e *Engine) layoutOf(ctx context.Context, cubeID string, version, table int, t *tableDef) (*cells.Layout, *cube.Cube, error) {
	def, err := e.o.Catalog.CubeByID(ctx, cubeID, version)
	if err != nil {
		return nil, nil, err
	}
	of := t.table
	if table != 0 && table != of.Version {
		if of, err = e.o.Catalog.TableByID(ctx, of.ID, table); err != nil {
			return nil, nil, err
		}
	}
	l, err := e.known.layout(def, of)
	return l, def, err
}
