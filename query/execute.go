package query

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/bits"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/query/plan"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// execution is a statement that runs.
type execution struct {
	e    *Engine
	r    Request
	p    *prepared
	id   int64  // in the history
	from string // what answers: cubes, events, both or nothing
	give func() // gives the turn back
	end  func()

	raw      string     // why events are read as they are; "": they are not
	changed  bool       // it has a turn of those that read events
	sized    bool       // what is read of them was counted
	key      *resultKey // of the answer; nil: it is not kept
	warnings []string
	held     int64 // bytes of records that are kept
	lost     int   // starts that were in vain because of the tail
	moves    int   // likewise, because what was committed has changed

	damage damageFound
	bad    map[string]error      // folders of segments in which it has met damage: each costs one start at most
	failed map[*blockPlan]string // blocks that cuboids do not answer, and why

	tables []*tableRun
	blocks []*blockRun
	scans  []*scanRun
	looked []*lookupScan
}

// tableRun is a table that a statement reads, at one moment (Q1).
type tableRun struct {
	def  *tableDef
	only string           // id of the cube that was named, or ""
	cube *cubeDef         // whose segments are read; nil: none
	snap *source.Snapshot // of the moment of all others of the table
	ids  *idsAt           // nil: not asked for yet
}

// How often a statement begins: startsAtMost because the tail was held for too long, movesAtMost because what was committed has changed
// under it, which a requeue does once for each file that it writes.
const (
	startsAtMost = 3
	movesAtMost  = 20
)

// AgainError says that events moved away under a statement, as often as it was begun.
type AgainError struct{ What string }

func (e *AgainError) Error() string { return e.What }

// errLost says that what was read of the tail is not to be trusted.
var errLost = &AgainError{"the tail was held for longer than ingest.pin_timeout, three times in a row: ask for less, or raise it"}

// againOf returns the error of a statement which is to begin again because of another one; nil: that would not help.
func againOf(err error) *AgainError {
	var again *AgainError
	var changed *catalog.ConflictError
	switch {
	case errors.As(err, &again):
		return again
	case errors.As(err, &changed), errors.Is(err, source.ErrMoves):
		return &AgainError{"events that were committed before were read again, requeued or lost while the statement ran, each time that it began: ask again"}
	}
	return nil
}

// spent counts a start that was in vain; true: it was the last.
func (x *execution) spent(why *AgainError) bool {
	if why == errLost {
		x.lost++
		return x.lost >= startsAtMost
	}
	x.moves++
	return x.moves >= movesAtMost
}

// start reads what blocks read, and begins the rest. It begins again without the cuboids that turned out to be damaged (Q4): once for all
// of them, since a start goes on to its end when it has met one.
func (x *execution) start(ctx context.Context) (*Answer, error) {
	for {
		a, err := x.try(ctx)
		why := "damage"
		if found := x.damage.take(); len(found) > 0 && ctx.Err() == nil {
			if x.bad == nil {
				x.bad = map[string]error{}
			}
			for _, d := range found {
				x.bad[d.folder] = d.err
				x.e.o.Logger.LogAttrs(ctx, slog.LevelError, "segment cannot be read", slog.Int64("segment", d.segment), slog.Any("err", d.err))
				x.e.damaged.add(d.folder, d.err, time.Now())
			}
		} else if x.uncomputed(err) {
			why = "values" // and that block is answered from events
		} else if again := againOf(err); again == nil {
			return a, err
		} else if why = "events"; x.spent(again) {
			return nil, again
		}
		x.e.m.restarts.WithLabelValues(why).Inc()
		x.release()
	}
}

// uncomputed notes the block of which cells do not give a value, and reports whether that is new.
func (x *execution) uncomputed(err error) bool {
	var eval *evalError
	if !errors.As(err, &eval) || x.failed[eval.block] != "" {
		return false
	}
	if x.failed == nil {
		x.failed = map[*blockPlan]string{}
	}
	x.failed[eval.block] = "not all values can be computed: " + eval.Error()
	return true
}

func (x *execution) try(ctx context.Context) (*Answer, error) {
	if err := x.bind(); err != nil {
		return nil, err
	}
	if err := x.judge(); err != nil {
		return nil, err
	}
	if err := x.look(ctx); err != nil {
		return nil, err
	}
	if r := x.known(ctx); r != nil {
		return x.kept(r), nil
	}
	if x.raw != "" && !x.changed {
		if err := x.change(ctx); err != nil {
			return nil, err
		}
		if r := x.known(ctx); r != nil {
			return x.kept(r), nil
		}
	}
	if err := x.checkSize(ctx); err != nil {
		return nil, err
	}
	if err := x.readTails(ctx); err != nil {
		return nil, err
	}
	for _, b := range x.blocks {
		if b.way == nil && x.damage.found() {
			continue // it begins again: only the other blocks may know of more
		}
		if err := b.readFiles(ctx); err != nil {
			return nil, err
		}
	}
	if x.damage.found() {
		return nil, cmp.Or(ctx.Err(), errDamaged)
	}
	return x.answer(ctx)
}

// bind lists what is to be read, and by which cubes.
func (x *execution) bind() error {
	for i, b := range x.p.blocks {
		t := x.table(b.b.Relation)
		run := &blockRun{x: x, t: t, p: b, whole: x.p.st.Whole}
		if i > 0 {
			run.whole = nil
		}
		x.blocks = append(x.blocks, run)
	}
	for _, s := range x.p.st.Scans {
		if s.Relation.Lookup != nil {
			l, err := x.newLookupScan(s)
			if err != nil {
				return err
			}
			x.looked = append(x.looked, l)
			continue
		}
		run, err := x.newScan(x.table(s.Relation), s)
		if err != nil {
			return err
		}
		x.scans = append(x.scans, run)
	}
	x.chooseCubes()
	for _, b := range x.blocks {
		if b.way != nil {
			continue
		}
		var err error
		if b.scan, err = x.newScan(b.t, b.p.b.Raw); err != nil {
			return err
		}
	}
	return nil
}

// look takes the snapshots: those of one table together (Q1).
func (x *execution) look(ctx context.Context) error {
	for i, first := range x.tables {
		of := func(t *tableRun) bool { return t.def.table.ID == first.def.table.ID }
		if slices.ContainsFunc(x.tables[:i], of) {
			continue
		}
		var same []*tableRun
		var views []source.View
		for _, t := range x.tables[i:] {
			if !of(t) {
				continue
			}
			v := source.View{Table: t.def.table, CubeID: t.only, CubeOnly: t.only != "", AsOf: x.r.AsOf}
			if t.cube != nil {
				v.CubeID = t.cube.def.ID
			}
			same, views = append(same, t), append(views, v)
		}
		list, err := x.e.source.Snapshots(ctx, views...)
		if err != nil {
			return err
		}
		for k, t := range same {
			t.snap = list[k]
		}
	}
	return nil
}

// table returns the run of the table that a relation reads.
func (x *execution) table(r *plan.Relation) *tableRun {
	only := ""
	if r.Cube != nil {
		only = r.Cube.ID
	}
	for _, t := range x.tables {
		if t.def.table.ID == r.Table.ID && t.only == only {
			return t
		}
	}
	t := &tableRun{def: x.p.names.tables[r.Table.ID], only: only}
	x.tables = append(x.tables, t)
	return t
}

// chooseCubes takes for each table the cube that answers the most blocks, then the one of which they read the fewest dimensions.
func (x *execution) chooseCubes() {
	for _, t := range x.tables {
		most, least := 0, 0
		for _, c := range t.def.cubes {
			n, dims := 0, 0
			for _, b := range x.blocks {
				if w := b.wayOf(c); w != nil && b.t == t {
					n, dims = n+1, dims+bits.OnesCount64(w.needs[0].Mask)
				}
			}
			named := t.only == c.def.ID
			if n > most || n == most && n > 0 && dims < least || named {
				t.cube, most, least = c, n, dims
			}
			if named {
				break
			}
		}
		for _, b := range x.blocks {
			if b.t == t && t.cube != nil {
				b.way = b.wayOf(t.cube)
			}
		}
	}
}

// lacks says why no cube answers the block.
func (b *blockRun) lacks() string { return cmp.Or(b.x.failed[b.p], b.p.lacks) }

func (b *blockRun) wayOf(c *cubeDef) *way {
	if b.x.failed[b.p] != "" {
		return nil
	}
	return b.p.wayOf(c)
}

func (bp *blockPlan) wayOf(c *cubeDef) *way {
	for _, w := range bp.ways {
		if w.cube == c {
			return w
		}
	}
	return nil
}

// readTails reads all tails, then gives them back (Q2).
func (x *execution) readTails(ctx context.Context) error {
	for _, b := range x.blocks {
		if err := b.readTail(ctx); err != nil {
			return err
		}
	}
	for _, s := range x.scans {
		if err := s.readTail(ctx); err != nil {
			return err
		}
	}
	lost := slices.ContainsFunc(x.tables, func(t *tableRun) bool { return t.snap.Lost() })
	for _, t := range x.tables { // which may share pins
		t.snap.Release()
	}
	if lost {
		return errLost
	}
	return nil
}

// release gives back what a start has taken.
func (x *execution) release() {
	for _, t := range x.tables {
		if t.snap != nil {
			t.snap.Release()
		}
	}
	for _, b := range x.blocks {
		b.release()
	}
	for _, s := range x.scans {
		s.release()
	}
	x.tables, x.blocks, x.scans, x.looked, x.held = nil, nil, nil, nil, 0
}

// close ends the statement; err says why it did not finish. Only the first call counts.
func (x *execution) close(err error) {
	defer x.ended(err)                                    // also after a panic: a turn is given back in any case
	defer func() { _ = x.e.fault(x.r, recover(), nil) }() // it is logged, and the statement has its answer
	x.release()
}

func (x *execution) ended(err error) {
	if x.end == nil {
		return
	}
	x.end()
	x.end = nil
	state, problem := "finished", ""
	var killed *KilledError
	switch {
	case errors.As(err, &killed):
		state, problem = "killed", err.Error()
	case errors.Is(err, context.Canceled):
		state, problem = "cancelled", "whoever asked it went away"
	case err != nil:
		state, problem = "failed", err.Error()
	}
	done, _ := x.e.history.end(x.id, state, problem)
	x.e.m.seconds.WithLabelValues(state, x.from).Observe(done.Took.Seconds())
	if done.Took >= x.e.o.Slow {
		x.e.o.Logger.LogAttrs(context.Background(), slog.LevelInfo, "slow statement", slog.Int64("took_ms", done.Took.Milliseconds()), slog.String("sql", done.SQL), slog.String("kind", x.from))
	}
}
