package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Offsets say what is committed of each partition of a table.
type Offsets struct {
	Project    string      `json:"project"`
	Table      string      `json:"table"`
	Partitions []Partition `json:"partitions"`
	Ranges     []Range     `json:"ranges,omitempty"` // on request
	Next       string      `json:"next,omitempty"`   // ask with after=next for more ranges
}

// Partition is what is committed of one partition.
type Partition struct {
	Partition   int32        `json:"partition"`
	Generation  int32        `json:"generation"`
	Start       int64        `json:"start"`     // first offset of the generation
	Committed   int64        `json:"committed"` // all below is in files, skipped or lost
	Epoch       int64        `json:"epoch"`
	Owner       string       `json:"owner,omitempty"`
	Address     string       `json:"address,omitempty"`
	Stats       Stats        `json:"stats"` // of all generations
	Generations []Generation `json:"generations"`
}

// Generation is one life of a topic's partition.
type Generation struct {
	Generation int32     `json:"generation"`
	Start      int64     `json:"start"`
	End        int64     `json:"end"`
	TopicID    string    `json:"topic_id,omitempty"`
	ClosedAt   time.Time `json:"closed_at,omitzero"`
	Reason     string    `json:"reason,omitempty"` // why the next one began
}

// Range is one row of the ledger.
type Range struct {
	Partition   int32     `json:"partition"`
	Generation  int32     `json:"generation"`
	Start       int64     `json:"start"`
	End         int64     `json:"end"`
	State       string    `json:"state"` // staged, skipped or lost
	Events      int64     `json:"events"`
	Gaps        int64     `json:"gaps"`
	Quarantined int64     `json:"quarantined"`
	MinTime     time.Time `json:"min_time,omitzero"`
	MaxTime     time.Time `json:"max_time,omitzero"`
	File        string    `json:"file,omitempty"`
	Bytes       int64     `json:"bytes,omitempty"`
	Reason      string    `json:"reason,omitempty"`
}

const (
	defaultPage = 100
	maxPage     = 10_000
)

func (s *Server) offsets(r *http.Request) (any, error) {
	def, err := s.named(r)
	if err != nil {
		return nil, err
	}
	parts, err := s.opts.Catalog.Partitions(r.Context(), def.ID)
	if err != nil {
		return nil, err
	}
	out := Offsets{Project: def.Project, Table: def.Name, Partitions: []Partition{}}
	for _, p := range parts {
		out.Partitions = append(out.Partitions, partition(p))
	}
	ranges, err := boolean(r, "ranges")
	if err != nil || !ranges {
		return out, err
	}
	out.Ranges, out.Next, err = s.ranges(r, def)
	return out, err
}

func partition(p catalog.PartitionInfo) Partition {
	out := Partition{
		Partition: p.Partition, Generation: p.Generation, Start: p.Start, Committed: p.End, Epoch: p.Epoch,
		Owner: p.Owner, Address: p.Address, Stats: stats(p.Stats), Generations: []Generation{},
	}
	for _, g := range p.Generations {
		v := Generation{Generation: g.Generation, Start: g.Start, End: g.End, TopicID: g.TopicID, Reason: g.ClosedReason}
		if g.Closed {
			v.ClosedAt = time.UnixMicro(g.ClosedUs).UTC()
		}
		out.Generations = append(out.Generations, v)
	}
	return out
}

func stats(s catalog.TableStats) Stats {
	return Stats{
		Events: s.Events, Files: s.Files, Bytes: s.Bytes, Gaps: s.Gaps,
		Quarantined: s.Quarantined, Skipped: s.Skipped, Lost: s.Lost,
	}
}

// ranges returns one page of the ledger.
func (s *Server) ranges(r *http.Request, def *cube.Table) ([]Range, string, error) {
	part, err := integer(r, "partition", -1, -1, 1<<31-1)
	if err != nil {
		return nil, "", err
	}
	limit, err := integer(r, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return nil, "", err
	}
	after, err := parseCursor(r.URL.Query().Get("after"))
	if err != nil {
		return nil, "", err
	}
	q := catalog.LedgerQuery{TableID: def.ID, Partition: int32(part), After: after, Limit: int(limit)}
	out, last := []Range{}, segmenter.PartitionRange{}
	for e, err := range s.opts.Catalog.Ledger(r.Context(), q) {
		if err != nil {
			return nil, "", err
		}
		out = append(out, ledgerRange(e))
		last = e.Range
	}
	if len(out) < int(limit) {
		return out, "", nil
	}
	return out, cursor(last), nil
}

func ledgerRange(e catalog.LedgerEntry) Range {
	v := Range{
		Partition: e.Range.Partition, Generation: e.Range.Generation, Start: e.Range.Start, End: e.Range.End,
		State: string(e.State), Events: e.Events, Gaps: e.Exceptions.Count(segmenter.Gap),
		Quarantined: e.Exceptions.Count(segmenter.Quarantined), Reason: e.Reason,
	}
	if e.Events > 0 {
		v.MinTime, v.MaxTime = time.UnixMicro(e.MinTimeUs).UTC(), time.UnixMicro(e.MaxTimeUs).UTC()
	}
	if e.File != nil {
		v.File, v.Bytes = e.File.Key, e.File.Size
	}
	return v
}

// cursor names the end of a range: partition.generation.end.
func cursor(r segmenter.PartitionRange) string {
	return fmt.Sprintf("%d.%d.%d", r.Partition, r.Generation, r.End)
}

// parseCursor returns nil for no cursor. Only the line and the end of the range are set.
func parseCursor(text string) (*segmenter.PartitionRange, error) {
	if text == "" {
		return nil, nil
	}
	var n [3]int64
	fields := strings.Split(text, ".")
	ok := len(fields) == len(n)
	for i := 0; ok && i < len(n); i++ {
		var err error
		n[i], err = strconv.ParseInt(fields[i], 10, 64)
		ok = err == nil && n[i] >= 0 && (i == 2 || n[i] < 1<<31)
	}
	if !ok {
		return nil, badRequest("after=%q is no cursor: give back the value of next", text)
	}
	return &segmenter.PartitionRange{Partition: int32(n[0]), Generation: int32(n[1]), Start: n[2], End: n[2]}, nil
}

// Rolled answers a request to roll.
type Rolled struct {
	Project   string `json:"project"`
	Table     string `json:"table"`
	Partition int32  `json:"partition"` // -1: all
	Request   int64  `json:"request"`
	Reading   bool   `json:"reading"` // some process owns a partition of the table and will see to it
}

// roll files a roll request. Filed twice it has the effect of once: what is open is rolled (R2).
func (s *Server) roll(r *http.Request) (any, error) {
	def, err := s.named(r)
	if err != nil {
		return nil, err
	}
	part, err := integer(r, "partition", -1, -1, 1<<31-1)
	if err != nil {
		return nil, err
	}
	id, err := s.opts.Catalog.RequestRoll(r.Context(), catalog.RollRequest{TableID: def.ID, Partition: int32(part)})
	if err != nil {
		return nil, err
	}
	parts, err := s.opts.Catalog.Partitions(r.Context(), def.ID)
	if err != nil {
		return nil, err
	}
	out := Rolled{Project: def.Project, Table: def.Name, Partition: int32(part), Request: id}
	for _, p := range parts {
		out.Reading = out.Reading || p.Owner != ""
	}
	return out, nil
}
