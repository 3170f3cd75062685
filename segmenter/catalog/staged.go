package catalog

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// StagedQuery chooses ledger rows that have events.
type StagedQuery struct {
	Snapshot *QuerySnapshot             // its table; where events of that have changed since, the answer is a *ConflictError
	Ranges   []segmenter.PartitionRange // rows with offsets in one of them; they ascend and do not overlap
	// FromUs and ToUs choose rows whose event times intersect [FromUs, ToUs]; both 0: all.
	FromUs, ToUs int64
	After        *segmenter.PartitionRange // rows behind this one: the next page
	Limit        int                       // with as many rows there may be more; default 1,000
}

const stagedLimit = 1000

// Staged reads ledger rows with events that have offsets in some ranges and event times in a span, ascending by partition,
// generation and start. Of a short span it costs what lies in that span, whatever else the ledger holds (C7); of one with more
// rows than the limit, what the ranges hold.
func (c *Catalog) Staged(ctx context.Context, q StagedQuery) (list []*LedgerEntry, err error) {
	if q.Limit <= 0 {
		q.Limit = stagedLimit
	}
	tableID := q.Snapshot.TableID
	err = c.read(ctx, "read staged rows of table "+tableID, func(t *tx) error {
		list = nil
		change, err := t.tableChange(tableID)
		if err != nil {
			return err
		}
		if change != q.Snapshot.Change {
			return &ConflictError{What: "table with id " + tableID, Reason: "committed events have changed since the snapshot was taken: take another one"}
		}
		timed, ok := q.FromUs != 0 || q.ToUs != 0, false
		if timed && q.After == nil {
			if list, ok, err = t.stagedByTime(q); err != nil {
				return err
			}
		}
		if !timed {
			q.FromUs, q.ToUs = math.MinInt64, math.MaxInt64
		}
		if !ok {
			if list, err = t.stagedByOffset(q); err != nil {
				return err
			}
		}
		return t.supplementEach(tableID, list)
	})
	return list, err
}

// timeSteps is how many steps of ledger.time_step there are: step i is below 8^i seconds, the last has no end.
const timeSteps = 10

// timeStep is the step of a row's event times.
func timeStep(minUs, maxUs int64) int {
	span := uint64(maxUs) - uint64(minUs) // right also where a signed difference would not be
	for i := range timeSteps - 1 {
		if span < stepUs(i) {
			return i
		}
	}
	return timeSteps - 1
}

func stepUs(step int) uint64 { return 1_000_000 << (3 * step) }

// stagedByTime finds the rows of a span, step by step in one statement; ok=false: there are more than the limit.
func (t *tx) stagedByTime(q StagedQuery) (list []*LedgerEntry, ok bool, err error) {
	args := []any{q.Snapshot.TableID, q.FromUs, q.ToUs, q.Limit + 1}
	steps := make([]string, timeSteps)
	for step := range timeSteps {
		highest := int64(math.MaxInt64)
		if step < timeSteps-1 && q.ToUs < math.MaxInt64-int64(stepUs(step)) {
			highest = q.ToUs + int64(stepUs(step))
		}
		args = append(args, highest)
		steps[step] = fmt.Sprintf("(%d, CAST($%d AS BIGINT))", step, len(args))
	}
	found := 0
	if err := t.each(func(scan func(...any) error) error {
		e, err := scanEntry(scan)
		if err != nil {
			return err
		}
		found++
		if i := behind(q.Ranges, e.Range); i < len(q.Ranges) && q.Ranges[i].Overlaps(e.Range) {
			if list = append(list, &e.LedgerEntry); e.supplemented {
				e.Supplements = []Supplement{} // to be read
			}
		}
		return nil
	}, `WITH steps (step, highest) AS (VALUES `+strings.Join(steps, ", ")+`) `+selectEntry()+`JOIN steps ON l.time_step = steps.step
		WHERE l.table_id = $1 AND l.events > 0 AND l.max_time_us >= $2 AND l.max_time_us <= steps.highest AND l.min_time_us <= $3
		LIMIT $4`, args...); err != nil || found > q.Limit {
		return nil, false, err
	}
	slices.SortFunc(list, func(a, b *LedgerEntry) int { return compareRanges(a.Range, b.Range) })
	return list, true, nil
}

// stagedByOffset walks through the rows of the ranges.
func (t *tx) stagedByOffset(q StagedQuery) (list []*LedgerEntry, err error) {
	for _, r := range q.Ranges {
		from := r.Start
		if n := len(list); n > 0 && list[n-1].Range.SameLine(r) {
			from = max(from, list[n-1].Range.End)
		}
		if a := q.After; a != nil && a.SameLine(r) {
			from = max(from, a.End)
		}
		if from >= r.End || len(list) == q.Limit || (q.After != nil && compareLines(*q.After, r) > 0) {
			continue
		}
		if err := t.each(func(scan func(...any) error) error {
			e, err := scanEntry(scan)
			if err != nil {
				return err
			}
			if e.Range.Start >= r.End {
				return errStop
			}
			if list = append(list, &e.LedgerEntry); e.supplemented {
				e.Supplements = []Supplement{} // to be read
			}
			return nil
		}, selectEntry()+`WHERE l.table_id = $1 AND l.partition = $2 AND l.generation = $3 AND l.end_offset > $4 AND l.start_offset < $5
			AND l.events > 0 AND l.max_time_us >= $6 AND l.min_time_us <= $7 ORDER BY l.end_offset LIMIT $8`,
			q.Snapshot.TableID, r.Partition, r.Generation, from, r.End, q.FromUs, q.ToUs, q.Limit-len(list)); notStop(err) != nil {
			return nil, err
		}
	}
	return list, nil
}

// supplementEach reads the supplements of rows that were found to have some.
func (t *tx) supplementEach(tableID string, list []*LedgerEntry) error {
	for _, e := range list {
		if e.Supplements == nil {
			continue
		}
		one := []LedgerEntry{*e}
		one[0].Supplements = nil
		if err := t.addSupplements(tableID, one); err != nil {
			return err
		}
		e.Supplements = one[0].Supplements
	}
	return nil
}

func compareLines(a, b segmenter.PartitionRange) int {
	return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Generation, b.Generation))
}

func compareRanges(a, b segmenter.PartitionRange) int {
	return cmp.Or(compareLines(a, b), cmp.Compare(a.Start, b.Start))
}

// behind returns the first of ascending ranges that ends behind the start of r.
func behind(list []segmenter.PartitionRange, r segmenter.PartitionRange) int {
	i, _ := slices.BinarySearchFunc(list, r, func(x, r segmenter.PartitionRange) int {
		if c := compareLines(x, r); c != 0 {
			return c
		}
		if x.End > r.Start {
			return 1
		}
		return -1
	})
	return i
}
