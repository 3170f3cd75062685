package server

import (
	"fmt"
	"net/http"
	"time"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/query/source"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Complete says whether all events of before a time have been read.
type Complete struct {
	Project     string              `json:"project"`
	Table       string              `json:"table"`
	Time        time.Time           `json:"time"`
	Complete    bool                `json:"complete"`
	Reasons     []string            `json:"reasons"`             // why not
	Watermark   *time.Time          `json:"watermark,omitempty"` // that of answers: the lowest of the partitions that are not idle at it; of all where all are
	Lateness    string              `json:"lateness"`            // of the table: events that come later than this behind their time are not waited for
	Partitions  []CompletePartition `json:"partitions"`
	Lost        int64               `json:"lost"` // offsets that are final and no events
	Quarantined int64               `json:"quarantined"`
	Skipped     int64               `json:"skipped"`
}

// CompletePartition says how far a partition has been read.
type CompletePartition struct {
	Partition int32        `json:"partition"`
	Watermark *time.Time   `json:"watermark,omitempty"` // highest event time less the lateness; none: no event was ever read
	State     ingest.State `json:"state,omitempty"`     // in this process; none: it does not read it
	Lag       int64        `json:"lag"`                 // records that the broker has and nobody has read
	Idle      bool         `json:"idle"`                // read to its end, and nothing that is unread can be on time: nobody waits for it

	end time.Time // it is read to the end that its log had then; zero: it is not
}

// completion is what a decision about a time rests on.
type completion struct {
	def     *cube.Table
	at, now time.Time
	parts   []catalog.PartitionInfo
	sources []ingest.Source // of the table
	rereads []catalog.Reread
	stopped catalog.TableState
}

// complete answers whether a time is final: GET /tables/{table}/complete.
func (s *Server) complete(r *http.Request) (any, error) {
	def, err := s.named(r)
	if err != nil {
		return nil, err
	}
	given := r.URL.Query().Get("time")
	at, err := time.Parse(time.RFC3339, given)
	if err != nil {
		return nil, badRequest("time=%q: want one as 2006-01-02T15:04:05Z: of an hour, its end", given)
	}
	c := completion{def: def, at: at.UTC()}
	if c.stopped, err = s.opts.Catalog.TableState(r.Context(), def.ID); err != nil {
		return nil, err
	}
	if s.opts.Ingest != nil { // before the catalog is asked: what leaves the tail is committed then
		c.now = time.Now()
		for _, src := range s.opts.Ingest.Sources() {
			if src.Project == def.Project && src.Table == def.Name {
				c.sources = append(c.sources, src)
			}
		}
	}
	if c.parts, err = s.opts.Catalog.Partitions(r.Context(), def.ID); err != nil {
		return nil, err
	}
	if c.rereads, err = s.opts.Catalog.TableRereads(r.Context(), def.ID); err != nil {
		return nil, err
	}
	return c.decide(), nil
}

// decide is pure: all that it knows is in c.
func (c *completion) decide() *Complete {
	out := &Complete{
		Project: c.def.Project, Table: c.def.Name, Time: c.at, Lateness: c.def.EventTime.Lateness.String(),
		Reasons: []string{}, Partitions: []CompletePartition{},
	}
	because := func(format string, args ...any) { out.Reasons = append(out.Reasons, fmt.Sprintf(format, args...)) }
	if c.stopped.Stopped {
		because("the table is stopped: %s: tidemark table resume %s", c.stopped.Reason, c.def.Name)
	}
	known := map[int32]*ingest.Source{}
	for i, src := range c.sources {
		if src.Partition < 0 {
			because("the table is not read: %s", src.Reason)
			continue
		}
		known[src.Partition] = &c.sources[i]
	}
	for _, p := range c.parts {
		out.Lost, out.Quarantined, out.Skipped = out.Lost+p.Stats.Lost, out.Quarantined+p.Stats.Quarantined, out.Skipped+p.Stats.Skipped
		one := c.partition(p.Partition, &p.PartitionState, known[p.Partition])
		delete(known, p.Partition)
		out.Partitions = append(out.Partitions, one)
	}
	for _, src := range c.sources { // those of which nothing was committed
		if known[src.Partition] != nil {
			out.Partitions = append(out.Partitions, c.partition(src.Partition, &catalog.PartitionState{}, known[src.Partition]))
		}
	}
	if len(out.Partitions) == 0 {
		because("nothing of the table was read")
	}
	out.Watermark = c.watermark(out.Partitions)
	for _, p := range out.Partitions {
		if why := c.holds(&p); why != "" {
			because("partition %d %s", p.Partition, why)
		}
	}
	for _, x := range c.rereads {
		if !x.Done {
			because("offsets %s are to be read again", x.Range)
		}
	}
	out.Complete = len(out.Reasons) == 0
	return out
}

// partition is what is known of one, committed and in memory.
func (c *completion) partition(n int32, p *catalog.PartitionState, src *ingest.Source) CompletePartition {
	out := CompletePartition{Partition: n}
	if p.HasTime {
		at := time.UnixMicro(p.MaxTimeUs).Add(-c.def.EventTime.Lateness).UTC()
		out.Watermark = &at
	}
	if src == nil {
		return out
	}
	out.State, out.Lag = src.State, src.Lag
	if out.Watermark == nil && !src.Watermark.IsZero() || out.Watermark != nil && src.Watermark.After(*out.Watermark) {
		at := src.Watermark
		out.Watermark = &at
	}
	if src.State == ingest.AtEnd {
		out.end = src.EndAt
	}
	clock, ok := out.mark().Clock(c.now, c.def.EventTime.Lateness)
	out.Idle = ok && clock >= c.at.UnixMicro()
	return out
}

// holds says why a partition may still bring events of before the time; "": it does not.
func (c *completion) holds(p *CompletePartition) string {
	if p.Idle || p.Watermark != nil && !p.Watermark.Before(c.at) {
		return ""
	}
	how := "has no event yet"
	if p.Watermark != nil {
		how = "has been read to the watermark " + p.Watermark.Format(time.RFC3339)
	}
	switch {
	case p.State == "":
		return how + ", and this process does not read it"
	case p.State == ingest.AtEnd:
		return how + ", and is at its end: what comes may still be on time"
	}
	return fmt.Sprintf("%s, is %s, and has %d records to be read", how, p.State, p.Lag)
}

// mark is what its watermark and its end say to that of the table.
func (p *CompletePartition) mark() (m source.Mark) {
	if p.Watermark != nil {
		m.HasTime, m.Us = true, p.Watermark.UnixMicro()
	}
	if !p.end.IsZero() {
		m.EndUs = p.end.UnixMicro()
	}
	return m
}

// watermark is that of the table, as answers of statements say it.
func (c *completion) watermark(parts []CompletePartition) *time.Time {
	var marks []source.Mark
	for _, p := range parts {
		marks = append(marks, p.mark())
	}
	us, ok, _ := source.Watermark(marks, c.now, c.def.EventTime.Lateness)
	if !ok {
		return nil
	}
	at := time.UnixMicro(us).UTC()
	return &at
}
