package run

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tidemarkdb/tidemark/builder/cells"
	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// result are the groups of one grouping set.
type result struct {
	n      int
	groups [][]uint32 // ids in the domains, by group column; nil: the column is not in the set
	states []cells.Folding
	at     []uint32 // the state of each row; nil: its own
	set    int

	known map[int]stage.Column // of columns of the answer: the values of all states, once worked out
}

// Record returns the answer. A query without groups has one row whatever it was given, as SQL has it.
func (q *Query) Record(ctx context.Context) (arrow.Record, error) {
	s := q.r.getScratch()
	defer q.r.scratch.Put(s)
	all, err := q.merge(ctx, s)
	if err != nil {
		return nil, err
	}
	results := []*result{all}
	if q.a.Sets != nil {
		if results, err = q.rollUp(ctx, all); err != nil {
			return nil, err
		}
	}
	results, order, err := q.choose(ctx, results)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := q.mem.add(q.columnBytes(rowsOf(results))); err != nil {
		return nil, err
	}
	return q.record(results, order)
}

// merge brings the groups of all threads together, those of the fewest into those of the most.
func (q *Query) merge(ctx context.Context, s *scratch) (*result, error) {
	var all *partial
	sizes := make([]int, len(q.axes))
	for _, p := range q.parts {
		if p == nil {
			continue
		}
		if all == nil || p.n > all.n {
			all = p
		}
		for i, n := range p.sizes {
			sizes[i] = max(sizes[i], n)
		}
	}
	switch {
	case all == nil:
		all = q.newPartial(make([]int, len(q.axes)), 0)
	case !all.fits(sizes):
		all = q.newPartial(sizes, 0)
	}
	for _, p := range q.parts {
		if p == nil || p == all {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := all.absorb(s, p); err != nil {
			return nil, err
		}
		p.release()
	}
	met := all.met()
	out := &result{n: len(met), groups: all.ids(met), states: all.states}
	for i, ids := range out.groups {
		q.axes[i].domainIDs(ids)
	}
	if len(met) < all.n {
		out.at = met
	}
	return out, nil
}

// through returns where the states of some rows are.
func (r *result) through(rows []uint32) []uint32 {
	if r.at == nil {
		return rows
	}
	out := make([]uint32, len(rows))
	for i, row := range rows {
		out[i] = r.at[row]
	}
	return out
}

// columnBytes is about what rows take as columns of the answer: at least a word each.
func (q *Query) columnBytes(rows int) int64 { return int64(rows) * 8 * int64(len(q.a.schema.Fields())) }

// take returns the states of some groups, which count as memory from then on.
func (q *Query) take(states []cells.Folding, rows []uint32) ([]cells.Folding, error) {
	places := iota32(len(rows))
	var out []cells.Folding
	for i, st := range states {
		to := q.a.States[i].Measure.NewFolding(len(rows))
		for from := 0; from < len(rows); from += morsel {
			end := min(from+morsel, len(rows))
			if err := to.FoldRows(places[from:end], rows[from:end], 0, st); err != nil {
				return nil, err
			}
		}
		out = append(out, to)
		if err := q.mem.add(to.MemBytes()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func iota32(n int) []uint32 {
	out := make([]uint32, n)
	for i := range out {
		out[i] = uint32(i)
	}
	return out
}

// rollUp makes the grouping sets of the groups of all columns: states merge, so no cell is looked at again.
func (q *Query) rollUp(ctx context.Context, all *result) ([]*result, error) {
	var out []*result
	for k, set := range q.a.Sets {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r := &result{groups: make([][]uint32, len(q.axes)), set: k}
		places, first := placesOf(all, set)
		r.n = len(first)
		if len(set) == 0 {
			r.n = 1 // also where there is nothing
		}
		for _, g := range set {
			r.groups[g] = make([]uint32, r.n)
			for i, row := range first {
				r.groups[g][i] = all.groups[g][row]
			}
		}
		rows := all.through(iota32(all.n))
		for i, st := range all.states {
			to := q.a.States[i].Measure.NewFolding(r.n)
			for from := 0; from < len(rows); from += morsel {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				end := min(from+morsel, len(rows))
				if err := to.FoldRows(places[from:end], rows[from:end], 0, st); err != nil {
					return nil, err
				}
			}
			r.states = append(r.states, to)
		}
		if err := q.holds(r); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// holds has the query's memory know of a result: its ids and its states.
func (q *Query) holds(r *result) error {
	n := int64(0)
	for _, ids := range r.groups {
		n += 4 * int64(len(ids))
	}
	for _, st := range r.states {
		n += st.MemBytes()
	}
	return q.mem.add(n)
}

// placesOf returns the place of each row among the distinct values of some columns, and the first row of each place.
func placesOf(all *result, set []int) (places, first []uint32) {
	places = make([]uint32, all.n)
	size := 0
	keys := make([]uint64, all.n)
	for k, g := range set {
		t := newTable()
		for i, id := range all.groups[g] {
			keys[i] = uint64(id)<<32 | uint64(places[i])
		}
		t.places(places, keys)
		if size = len(t.keys); k < len(set)-1 {
			continue
		}
		first = make([]uint32, 0, size)
		for i, p := range places {
			if int(p) == len(first) {
				first = append(first, uint32(i))
			}
		}
	}
	if len(set) == 0 && all.n > 0 {
		first = []uint32{0}
	}
	return places, first
}

// record lays the rows of results out as columns, in order; nil: as they stand.
func (q *Query) record(results []*result, order []uint32) (arrow.Record, error) {
	if order == nil {
		order = iota32(rowsOf(results))
	}
	var columns []arrow.Array
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	for c := range q.a.schema.Fields() {
		a, err := q.column(c, results, order)
		if err != nil {
			return nil, err
		}
		columns = append(columns, a)
	}
	return array.NewRecord(q.a.schema, columns, int64(len(order))), nil
}

func rowsOf(results []*result) (n int) {
	for _, r := range results {
		n += r.n
	}
	return n
}

// choose drops rows by having, sorts and limits. Rows of several results are counted through.
func (q *Query) choose(ctx context.Context, results []*result) (_ []*result, order []uint32, _ error) {
	if q.a.Having == nil && q.a.Order == nil && q.a.Limit == nil && q.a.Offset == 0 {
		return results, nil, nil
	}
	rows := iota32(rowsOf(results))
	if q.a.Having != nil {
		var err error
		if rows, err = q.having(ctx, results, rows); err != nil {
			return nil, nil, err
		}
	}
	rows, err := q.sorted(ctx, results, rows)
	if err != nil {
		return nil, nil, err
	}
	from := int(min(q.a.Offset, int64(len(rows))))
	if rows = rows[from:]; q.a.Limit != nil {
		rows = rows[:min(*q.a.Limit, int64(len(rows)))]
	}
	return q.pick(results, rows)
}

// pick returns results of the given rows alone, and the places in these where the rows stand in their order.
func (q *Query) pick(results []*result, rows []uint32) (out []*result, order []uint32, _ error) {
	starts := startsOfResults(results)
	own := make([][]uint32, len(results))
	for k := range own {
		own[k] = []uint32{} // nil would stand for all
	}
	for _, row := range rows {
		k := starts.of(row)
		own[k] = append(own[k], row-starts[k])
	}
	next := uint32(0)
	place := make([]uint32, len(results)) // of the next row of each
	for k, r := range results {
		to := &result{n: len(own[k]), groups: make([][]uint32, len(q.axes)), set: r.set}
		for g, ids := range r.groups {
			if ids == nil {
				continue
			}
			to.groups[g] = make([]uint32, 0, to.n)
			for _, row := range own[k] {
				to.groups[g] = append(to.groups[g], ids[row])
			}
			if err := q.mem.add(4 * int64(to.n)); err != nil {
				return nil, nil, err
			}
		}
		if to.states, to.at, to.known = r.states, r.through(own[k]), r.known; len(own[k]) < r.n/4 && len(r.known) < len(q.a.aggs) { // the results of all others need not be worked out
			var err error
			if to.states, err = q.take(r.states, to.at); err != nil {
				return nil, nil, err
			}
			to.at, to.known = nil, nil
		}
		out = append(out, to)
		place[k] = next
		next += uint32(to.n)
	}
	order = make([]uint32, 0, len(rows))
	for _, row := range rows {
		k := starts.of(row)
		order = append(order, place[k])
		place[k]++
	}
	return out, order, nil
}

// resultStarts are the numbers of the first rows of results, counted through.
type resultStarts []uint32

func startsOfResults(results []*result) resultStarts {
	out, n := resultStarts{}, uint32(0)
	for _, r := range results {
		out = append(out, n)
		n += uint32(r.n)
	}
	return out
}

// of returns the result that a row is in.
func (s resultStarts) of(row uint32) int {
	k := len(s) - 1
	for s[k] > row {
		k--
	}
	return k
}
