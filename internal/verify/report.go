package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// Report is the result of a proof. Numbers of events are counted in the files, not taken from the catalog.
type Report struct {
	OK         bool             `json:"ok"` // there is no problem
	Events     int64            `json:"events"`
	Files      int64            `json:"files"` // staged and supplement files that were read
	Bytes      int64            `json:"bytes"` // of those
	Ranges     int64            `json:"ranges"`
	Exceptions map[string]int64 `json:"exceptions"` // offsets by name: gap, quarantined, skipped, lost
	Kafka      *KafkaReport     `json:"against_kafka,omitempty"`
	Tables     []TableReport    `json:"tables"`

	Segments      int64          `json:"segments"`       // ready ones, of all cubes
	Cuboids       int64          `json:"cuboids"`        // of these, that were read and are what the manifests say
	StaleSegments []StaleSegment `json:"stale_segments"` // no problem: they are refreshed, or by hand
	Holes         []Hole         `json:"holes"`          // no problem: answers read staged files there
	Cubes         []CubeReport   `json:"cubes"`

	Uncounted []UncountedSegment `json:"uncounted_segments"` // no problem, but less of them is proved

	RetiredDamage  []RetiredDamage `json:"retired_damage"`   // no problem: what is about to be removed
	RetiredLeftOut bool            `json:"retired_left_out"` // there are more retired segments than were looked at, the oldest

	// Objects counts what was proved of the store beside files of ledgers and segments: definition, marker, lookup, backup.
	Objects map[string]int64 `json:"objects"`

	Problems []Problem `json:"problems"`
	TookMs   int64     `json:"took_ms"`
}

// CubeReport is the part of one cube.
type CubeReport struct {
	Project  string `json:"project"`
	Cube     string `json:"cube"`
	CubeID   string `json:"cube_id"`
	Table    string `json:"table"`
	Segments int64  `json:"segments"` // ready
	Building int64  `json:"building"` // reserved and not yet published
	Stale    int64  `json:"stale"`    // of Segments
	Holes    int64  `json:"holes"`
	Events   int64  `json:"events"`          // of all segments whose manifests were read
	Bytes    int64  `json:"bytes"`           // of their own files
	Cuboids  int64  `json:"cuboids"`         // that were read and are what the manifests say
	Cells    int64  `json:"cells"`           // rows of these
	Bare     int64  `json:"without_cuboids"` // of Segments: staged files answer for them
	// SecondRead counts files of cuboids that another Parquet implementation read too.
	SecondRead int64 `json:"second_read"`
	// Recounted counts segments whose base cuboid was held against their events, counted again from staged files.
	Recounted int64 `json:"recounted"`
}

// UncountedSegment is a segment with cuboids whose events were not counted again from staged files: what it was built from is no longer
// known, or a problem names it.
type UncountedSegment struct {
	Cube    string `json:"cube"` // project/cube
	Segment int64  `json:"segment"`
	Why     string `json:"why"`
}

// StaleSegment is a ready segment whose inputs have changed since it was built: it is right as of then.
type StaleSegment struct {
	Cube    string           `json:"cube"` // project/cube
	Segment int64            `json:"segment"`
	Path    string           `json:"path"` // its folder in the store
	Range   segmenter.Vector `json:"range"`
	Why     string           `json:"why"`
}

// Hole is a range of offsets between two segments of a cube that no other covers.
type Hole struct {
	Cube    string           `json:"cube"`  // project/cube
	Range   segmenter.Vector `json:"range"` // empty ranges say where the other partitions stand
	Offsets int64            `json:"offsets"`
	Staged  bool             `json:"staged"` // staged files hold all of it: it can be filled
	After   int64            `json:"after"`  // the segments before and behind it; after 0: it is at the cube's front
	Before  int64            `json:"before"`
}

// TableReport is the part of one table.
type TableReport struct {
	Project          string           `json:"project"`
	Table            string           `json:"table"`
	TableID          string           `json:"table_id"`
	Events           int64            `json:"events"`
	Files            int64            `json:"files"`
	Bytes            int64            `json:"bytes"`
	Ranges           int64            `json:"ranges"`
	Exceptions       map[string]int64 `json:"exceptions"` // gap, quarantined
	Skipped          int64            `json:"skipped"`
	Lost             int64            `json:"lost"`
	Generations      int64            `json:"generations"`       // of all partitions together
	Hash             stage.Hash       `json:"hash"`              // order-free, of all events
	SecondRead       int64            `json:"second_read"`       // files that another Parquet implementation read too
	DictionarySlices int64            `json:"dictionary_slices"` // that are whole and in order
	Kafka            *KafkaReport     `json:"against_kafka,omitempty"`
}

// KafkaReport says how much of a table Kafka could confirm.
type KafkaReport struct {
	Records      int64    `json:"records"`       // read again, control records left out
	NotCheckable int64    `json:"not_checkable"` // offsets that Kafka no longer has
	Notes        []string `json:"notes"`         // which those are, and why
}

// Problem is one thing that is wrong.
type Problem struct {
	Kind      Kind                      `json:"kind"`
	Table     string                    `json:"table"`          // project/table; "": the store as a whole
	Cube      string                    `json:"cube,omitempty"` // project/cube, of a problem with a segment
	Segment   int64                     `json:"segment,omitempty"`
	Partition int32                     `json:"partition"` // -1: the table as a whole
	Range     *segmenter.PartitionRange `json:"range,omitempty"`
	File      string                    `json:"file,omitempty"` // key in the store
	Message   string                    `json:"message"`
	Do        string                    `json:"do"` // what to do about it
}

// String says all of it in one line.
func (p Problem) String() string {
	var b strings.Builder
	switch {
	case p.Cube != "":
		fmt.Fprintf(&b, "cube %s", p.Cube)
	case p.Table != "":
		fmt.Fprintf(&b, "table %s", p.Table)
	default:
		b.WriteString("store")
	}
	if p.Segment > 0 {
		fmt.Fprintf(&b, " segment %d", p.Segment)
	}
	switch {
	case p.Range != nil:
		fmt.Fprintf(&b, " %s", p.Range)
	case p.Partition >= 0:
		fmt.Fprintf(&b, " p%d", p.Partition)
	}
	if p.File != "" {
		fmt.Fprintf(&b, " file %s", p.File)
	}
	fmt.Fprintf(&b, ": %s: %s; %s", p.Kind, p.Message, p.Do)
	return b.String()
}

func (t *TableReport) name() string { return t.Project + "/" + t.Table }

// finish sums the tables up. Problems come in the order of tables, cubes, segments, partitions
// and offsets, whoever found them first.
func (r *Report) finish(took time.Duration) {
	r.Exceptions = map[string]int64{"gap": 0, "quarantined": 0, "skipped": 0, "lost": 0}
	for _, t := range r.Tables {
		r.Events, r.Files, r.Bytes, r.Ranges = r.Events+t.Events, r.Files+t.Files, r.Bytes+t.Bytes, r.Ranges+t.Ranges
		for kind, n := range t.Exceptions {
			r.Exceptions[kind] += n
		}
		r.Exceptions["skipped"] += t.Skipped
		r.Exceptions["lost"] += t.Lost
		if t.Kafka == nil {
			continue
		}
		if r.Kafka == nil {
			r.Kafka = &KafkaReport{Notes: []string{}}
		}
		r.Kafka.Records += t.Kafka.Records
		r.Kafka.NotCheckable += t.Kafka.NotCheckable
		for _, note := range t.Kafka.Notes {
			r.Kafka.Notes = append(r.Kafka.Notes, t.name()+" "+note)
		}
	}
	for _, c := range r.Cubes {
		r.Segments, r.Cuboids = r.Segments+c.Segments, r.Cuboids+c.Cuboids
	}
	slices.SortFunc(r.StaleSegments, func(a, b StaleSegment) int {
		return cmp.Or(cmp.Compare(a.Cube, b.Cube), cmp.Compare(a.Segment, b.Segment))
	})
	slices.SortFunc(r.Uncounted, func(a, b UncountedSegment) int {
		return cmp.Or(cmp.Compare(a.Cube, b.Cube), cmp.Compare(a.Segment, b.Segment))
	})
	slices.SortStableFunc(r.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Cube, b.Cube), cmp.Compare(a.Segment, b.Segment), cmp.Compare(a.Partition, b.Partition), compareRanges(a.Range, b.Range),
			cmp.Compare(a.File, b.File), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Message, b.Message))
	})
	r.OK = len(r.Problems) == 0
	r.TookMs = took.Milliseconds()
}

func compareRanges(a, b *segmenter.PartitionRange) int {
	if a == nil || b == nil {
		return cmp.Compare(boolInt(a != nil), boolInt(b != nil))
	}
	return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
