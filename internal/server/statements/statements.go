package statements

import (
	"time"

	"github.com/tidemarkdb/tidemark/segmenter"
)

// Query is the body of a question.
type Query struct {
	SQL         string `json:"sql"`
	Project     string `json:"project,omitempty"`     // default "default"
	Params      []any  `json:"params,omitempty"`      // of ? or $1, $2: null, booleans, numbers or strings
	MaxRows     int64  `json:"max_rows,omitempty"`    // after so many the answer is truncated; 0: all
	Approximate bool   `json:"approximate,omitempty"` // exact functions may be answered by sketches
	Raw         string `json:"raw,omitempty"`         // what no cube answers: allow, warn or refuse; default: the setting query.raw
	AsOf        string `json:"as_of,omitempty"`       // a time, a version or offsets: only what was committed then
}

// QueryColumn is a column of an answer.
type QueryColumn struct {
	Name string `json:"name"`
	Type string `json:"type"` // SQL's name
}

// QueryTable says what an answer covers of a table.
type QueryTable struct {
	Table       string                     `json:"table"`
	Newest      *time.Time                 `json:"newest,omitempty"`    // the highest event time
	Watermark   *time.Time                 `json:"watermark,omitempty"` // up to which event time all partitions were read, idle ones aside
	Idle        []int32                    `json:"idle,omitempty"`      // partitions that are read to their end and hold the watermark no longer
	Offsets     []segmenter.PartitionRange `json:"offsets"`
	Holes       []segmenter.PartitionRange `json:"holes"`
	Partial     bool                       `json:"partial"` // there are holes
	Events      int64                      `json:"events"`
	TailEvents  int64                      `json:"tail_events"` // of them in memory
	Lost        int64                      `json:"lost"`
	Quarantined int64                      `json:"quarantined"`
	Skipped     int64                      `json:"skipped"`
	Segments    int                        `json:"segments"`
	Files       int64                      `json:"files"`
	AsOf        *QueryMoment               `json:"as_of,omitempty"` // the moment that was asked for, of which offsets says the ends

	TailElsewhere []QueryElsewhere `json:"tail_elsewhere,omitempty"` // partitions that other processes read: what they hold in memory is not in the answer
}

// QueryElsewhere is a partition that another process reads.
type QueryElsewhere struct {
	Partition int32  `json:"partition"`
	Owner     string `json:"owner"`             // name of the process
	Address   string `json:"address,omitempty"` // where it is asked: its own answers hold what it has in memory
}

// QueryMoment is an earlier moment of the catalog.
type QueryMoment struct {
	Asked   string     `json:"asked"`
	Version int64      `json:"version,omitempty"` // none where offsets were asked for
	Time    *time.Time `json:"time,omitempty"`
}

// QueryBlock says what a part of a statement was answered from.
type QueryBlock struct {
	Block    string         `json:"block"`
	Table    string         `json:"table"`
	Cube     string         `json:"cube,omitempty"`
	Reason   string         `json:"reason,omitempty"` // why events were read in place of a cube
	Segments []QuerySegment `json:"segments"`
	Batches  int64          `json:"batches"`
	Cells    int64          `json:"cells"` // that were looked at
	Rows     int64          `json:"rows"`
	Notes    []string       `json:"notes,omitempty"`
}

// QuerySegment says which cuboid of a segment took part.
type QuerySegment struct {
	Segment int64  `json:"segment"`
	Cuboid  string `json:"cuboid,omitempty"` // none: its staged files
	Rows    int64  `json:"rows"`
}

// Explained says how a statement would be answered.
type Explained struct {
	Blocks []ExplainedBlock `json:"blocks"`
	Scans  []ExplainedScan  `json:"scans"`
	Rest   string           `json:"rest,omitempty"` // what DuckDB does with their rows

	RawFiles int64  `json:"raw_files,omitempty"` // staged files of which events are read as they are, as no cube answers
	RawBytes int64  `json:"raw_bytes,omitempty"` // of them
	Refused  string `json:"refused,omitempty"`   // why the statement would be refused

	Text string `json:"text"` // all that, for people
}

// ExplainedBlock is of a part of a statement that groups or aggregates one table.
type ExplainedBlock struct {
	Block      string             `json:"block"`
	Table      string             `json:"table"`
	Groups     []string           `json:"groups"`
	Aggregates []string           `json:"aggregates"`
	Where      string             `json:"where"`
	Time       string             `json:"time,omitempty"`
	Cube       string             `json:"cube,omitempty"`  // none: events are read
	Lacks      string             `json:"lacks,omitempty"` // what other cubes lack
	Single     []string           `json:"single"`          // times of which events are read one by one
	Kept       []ExplainedSegment `json:"kept"`
	Pruned     []ExplainedSegment `json:"pruned"`
	Uncovered  int                `json:"uncovered_ranges"` // of offsets that no segment holds
	TailEvents int64              `json:"tail_events"`
}

// ExplainedSegment says why a segment takes part, or not.
type ExplainedSegment struct {
	Segment int64  `json:"segment"`
	Time    string `json:"time"`
	Cuboid  string `json:"cuboid,omitempty"` // its dimensions; none: the staged files of the segment
	Rows    int64  `json:"rows"`             // of the cuboid
	Other   string `json:"other,omitempty"`  // the cuboid that comes nearest
	Lacks   string `json:"lacks,omitempty"`  // the dimension that other lacks; none: it would do and is larger
	Why     string `json:"why,omitempty"`
}

// ExplainedScan is of a table whose events are read as they are.
type ExplainedScan struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
	Time    string   `json:"time,omitempty"`
	Reason  string   `json:"reason"`
}

// Statements are those of one process.
type Statements struct {
	Running []Statement `json:"running"`
	Ended   []Statement `json:"ended"` // the newest first
}

// Statement is one that runs, or has run.
type Statement struct {
	ID      int64        `json:"id"`
	Project string       `json:"project"`
	SQL     string       `json:"sql"` // its first 4096 bytes
	Started time.Time    `json:"started"`
	TookMs  float64      `json:"took_ms"`
	State   string       `json:"state"` // running, finished, failed, cancelled or killed
	Problem string       `json:"problem,omitempty"`
	Rows    int64        `json:"rows"`
	From    string       `json:"from,omitempty"` // cubes, events, both or nothing
	Blocks  []QueryBlock `json:"blocks"`
}
