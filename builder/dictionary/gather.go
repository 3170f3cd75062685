package dictionary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tidemarkdb/tidemark/ingest/stage"
)

// maxRuns is how many sorted runs a Gather keeps; then it merges them into one.
const maxRuns = 128

// Gather collects the values of one column of one build, block by block. Add may be called by several goroutines; Close comes
// last, whatever has happened.
type Gather struct {
	d       *Dictionaries
	tableID string
	column  string

	mu      sync.Mutex
	disk    disk
	columns []*column
	held    int64   // bytes of them
	starts  []int64 // of each block, among the values of all of them; one more at the end
	runs    []*run
	done    bool
}

// Gather begins with a column of a table.
func (d *Dictionaries) Gather(tableID, column string) *Gather {
	return &Gather{
		d: d, tableID: tableID, column: column, starts: []int64{0},
		disk: disk{dir: d.o.Dir, create: d.create, limit: d.o.Disk, m: d.m},
	}
}

// Add takes in the values of a block, which it copies: strings in ascending order of their bytes, none twice, no nulls. It
// returns the number under which IDs.Of knows them, from 0.
func (g *Gather) Add(ctx context.Context, col *stage.Column) (block int, err error) {
	if err := checkSorted(col); err != nil {
		return 0, g.named(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done {
		return 0, g.named(errors.New("values are added after ids were given"))
	}
	block = len(g.starts) - 1
	g.starts = append(g.starts, g.starts[block]+int64(col.Len()))
	if col.Len() == 0 {
		return block, nil
	}
	copied := &stage.Column{Kind: stage.Bytes, Data: bytes.Clone(col.Data), Ends: slices.Clone(col.Ends)}
	g.columns = append(g.columns, &column{col: copied, block: [1]uint32{uint32(block)}})
	g.held += int64(len(col.Data)) + 4*int64(len(col.Ends)) + 128
	if g.held < g.d.o.Memory/2 {
		return block, nil
	}
	return block, g.named(g.spill(ctx))
}

// checkSorted refuses what would make a dictionary wrong in silence.
func checkSorted(col *stage.Column) error {
	if col.Kind != stage.Bytes || col.Dict != nil || col.NullCount() > 0 {
		return errors.New("want a column of strings without nulls and without a dictionary of its own")
	}
	for i := range col.Len() {
		v := col.Bytes(i)
		if i > 0 && bytes.Compare(col.Bytes(i-1), v) >= 0 {
			return fmt.Errorf("value %.80q comes after %.80q: want values ascending, each once", v, col.Bytes(i-1))
		}
		if len(v) > maxValue {
			return fmt.Errorf("a value of %d bytes: a dictionary takes up to %d; use count_distinct, which needs no dictionary", len(v), maxValue)
		}
	}
	return nil
}

func (g *Gather) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("dictionary of table %s, column %s: %w", g.tableID, g.column, err)
}

// spill writes what is held to a run, and merges the runs when they are many.
func (g *Gather) spill(ctx context.Context) error {
	r, err := g.disk.writeRun(ctx, unionOf(g.inMemory()))
	if err != nil {
		return err
	}
	g.runs, g.columns, g.held = append(g.runs, r), nil, 0
	if len(g.runs) < maxRuns {
		return nil
	}
	all, err := g.disk.writeRun(ctx, unionOf(g.spilled()))
	if err != nil {
		return err
	}
	for _, r := range g.runs {
		err = errors.Join(err, g.disk.drop(r.f, r.size))
	}
	g.runs = []*run{all}
	return err
}

func (g *Gather) inMemory() (out []stream) {
	for _, c := range g.columns {
		c.i = 0
		out = append(out, c)
	}
	return out
}

func (g *Gather) spilled() (out []stream) {
	for _, r := range g.runs {
		out = append(out, r.stream(g.d.o.Memory/4/int64(len(g.runs))))
	}
	return out
}

// Close removes temporary files, those of the IDs too. It may be called twice.
func (g *Gather) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.runs, g.columns, g.done = nil, nil, true
	return g.named(g.disk.close())
}
