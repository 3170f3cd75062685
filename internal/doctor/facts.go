package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
	"github.com/tidemarkdb/tidemark/segmenter/plan"
)

// Finding says how one table or cube fares.
type Finding struct {
	Project  string   `json:"project"` // empty: of no project
	Kind     string   `json:"kind"`    // table, cube, lookup, source, task, process, store, kafka, disk or catalog
	Name     string   `json:"name"`
	Blocked  bool     `json:"blocked"`
	Severity Severity `json:"severity"`
	Says     string   `json:"says"`              // one sentence
	Quotes   string   `json:"quotes,omitempty"`  // the end of Says, which may quote values of events; empty: none
	Command  string   `json:"command,omitempty"` // that mends it; empty: nothing is to be mended
}

// leftOut stands for what may quote values.
const leftOut = "the reason may quote values: it is left out"

// Bare returns f without what may quote values of events.
func (f Finding) Bare() Finding {
	if f.Quotes != "" {
		says, _ := strings.CutSuffix(f.Says, f.Quotes)
		f.Says, f.Quotes = says+leftOut, ""
	}
	return f
}

// Bare returns r without what may quote values of events.
func (r *Report) Bare() *Report {
	bare := *r
	bare.Findings = make([]Finding, len(r.Findings))
	for i, f := range r.Findings {
		bare.Findings[i] = f.Bare()
	}
	return &bare
}

// Severity says how much a finding matters.
type Severity string

// The severities.
const (
	Fine    Severity = "fine"
	Warning Severity = "warning" // it moves, but will not for long, or not well
	Blocked Severity = "blocked"
)

// graded fills in the severity.
func (f Finding) graded() Finding {
	switch {
	case f.Blocked:
		f.Severity = Blocked
	case f.Severity == "":
		f.Severity = Fine
	}
	return f
}

// Report lists findings: of what all share first, then tables, cubes, and the lookup tables that are not refreshed as they should be.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Query says what to look at. Empty fields mean all.
type Query struct {
	Project string
	Name    string   // of a table, cube or lookup table
	Sources []Source // that the asked process reads
	Store   string   // why the store does not answer; empty: it does
	Kafka   string   // why no broker answers; empty: one does, or the asked process asks none
}

// queue is what all cubes share.
type queue struct {
	nodes []catalog.Node
	tasks []catalog.Task // live ones
}

// tableFacts is what is known of a table.
type tableFacts struct {
	def   *cube.Table
	state catalog.TableState
	parts []catalog.PartitionInfo
	nodes []catalog.Node
}

// cubeFacts is what is known of a cube.
type cubeFacts struct {
	catalog.CubeSnapshot
	table *tableFacts
	queue *queue
	jobs  []catalog.Job // open ones
	holes []plan.Hole
}

// maxTasks is how many live tasks are looked at.
const maxTasks = 20_000

// Look examines tables, cubes and lookup tables at a time. A name that is neither is catalog.ErrNotFound.
func Look(ctx context.Context, c *catalog.Catalog, q Query, now time.Time) (*Report, error) {
	out := &Report{Findings: []Finding{}}
	tables, err := c.Tables(ctx, q.Project)
	if err != nil {
		return nil, err
	}
	shared, err := lookAtQueue(ctx, c)
	if err != nil {
		return nil, err
	}
	if q.Name == "" {
		out.Findings = slices.Concat(diagnoseStore(q.Store), diagnoseKafka(q.Kafka), shared.diagnoseNodes(now), shared.diagnoseTasks())
	}
	out.Findings = append(out.Findings, diagnoseSources(q.Sources, q)...)
	known := map[string]*tableFacts{}
	for _, def := range tables {
		t, err := lookAtTable(ctx, c, def)
		if errors.Is(err, catalog.ErrNotFound) { // dropped since
			continue
		}
		if err != nil {
			return nil, err
		}
		known[def.ID], t.nodes = t, shared.nodes
		if q.Name == "" || q.Name == def.Name {
			out.Findings = append(out.Findings, t.diagnose(now))
		}
	}
	cubes, err := c.Cubes(ctx, q.Project)
	if err != nil {
		return nil, err
	}
	for _, i := range cubes {
		if q.Name != "" && q.Name != i.Cube.Name {
			continue
		}
		f, err := lookAtCube(ctx, c, i.Cube.ID)
		if err != nil {
			return nil, err
		}
		f.queue, f.table = shared, known[i.TableID]
		out.Findings = append(out.Findings, f.diagnose(now))
	}
	lookups, err := c.Lookups(ctx, q.Project)
	if err != nil {
		return nil, err
	}
	for _, v := range lookups {
		if f, blocked := diagnoseLookup(v, now); (blocked || q.Name != "") && (q.Name == "" || q.Name == v.Lookup.Name) {
			out.Findings = append(out.Findings, f)
		}
	}
	if q.Name != "" && len(out.Findings) == 0 {
		return nil, fmt.Errorf("table or cube %s: %w", q.Name, catalog.ErrNotFound)
	}
	for i, f := range out.Findings {
		out.Findings[i] = f.graded()
	}
	return out, nil
}

func lookAtTable(ctx context.Context, c *catalog.Catalog, def *cube.Table) (t *tableFacts, err error) {
	t = &tableFacts{def: def}
	if t.state, err = c.TableState(ctx, def.ID); err != nil {
		return nil, err
	}
	t.parts, err = c.Partitions(ctx, def.ID)
	return t, err
}

func lookAtQueue(ctx context.Context, c *catalog.Catalog) (*queue, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	q := &queue{nodes: nodes}
	for t, err := range c.Tasks(ctx, catalog.TaskQuery{Live: true}) {
		if err != nil {
			return nil, err
		}
		if q.tasks = append(q.tasks, t); len(q.tasks) == maxTasks {
			break
		}
	}
	return q, nil
}

func lookAtCube(ctx context.Context, c *catalog.Catalog, id string) (f *cubeFacts, err error) {
	f = &cubeFacts{}
	if f.CubeSnapshot, err = c.CubeSnapshot(ctx, id); err != nil {
		return nil, err
	}
	if f.jobs, err = c.OpenJobs(ctx, id); err != nil {
		return nil, err
	}
	var live []segmenter.Segment
	for _, s := range f.Segments {
		live = append(live, s.Segment)
	}
	held := plan.Holder{Front: f.Start, Segments: live, Generations: f.generations()}
	var rows []segmenter.LedgerRow
	for _, gap := range held.Gaps() {
		for e, err := range c.Inputs(ctx, f.TableID, segmenter.Vector{gap}) {
			if err != nil {
				return nil, err
			}
			rows = append(rows, e.LedgerRow)
		}
	}
	f.holes = held.Holes(rows)
	return f, nil
}

func (f *cubeFacts) generations() (list segmenter.Generations) {
	for _, p := range f.Partitions {
		for _, g := range p.Generations {
			list = append(list, segmenter.Generation{Partition: g.Partition, Generation: g.Generation, Start: g.Start, End: g.End, Closed: g.Closed})
		}
	}
	return list
}

// unbuilt counts the committed offsets behind the last segment.
func (f *cubeFacts) unbuilt() int64 {
	var live []segmenter.Segment
	for _, s := range f.Segments {
		live = append(live, s.Segment)
	}
	g := f.generations()
	v, err := plan.Pending(plan.NextStart(live, f.Start, g), g)
	if err != nil {
		return 0 // the planner will say so
	}
	return v.Len()
}
