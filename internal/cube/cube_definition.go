package cube

import "time"

// Limits of a cube that its lattice needs too.
const (
	MaxDimensions = 63   // a cuboid is a set of dimensions, kept as the bits of an int64 that is never negative
	MaxCuboids    = 4096 // of a cube, the base cuboid included
)

// Cube is the definition of a cube over one table: what is grouped by, what is aggregated, which combinations are kept
// ready, and when segments are cut, merged and retired. ID and Version are given by the catalog; whether a cube is enabled
// is the catalog's state and not part of it. The zero value of a setting means its default; WithDefaults fills it in. The
// JSON form has the same keys as the YAML form (docs/CUBES.md), so ParseCube reads both, with complaints; json.Unmarshal
// reads it as the catalog kept it.
type Cube struct {
	Project     string       `json:"project,omitempty"` // also the table's; default "default"
	Name        string       `json:"cube"`
	ID          string       `json:"id,omitempty"`
	Version     int          `json:"version,omitempty"`
	Table       string       `json:"table"` // name of a table of the same project; never changes
	Description string       `json:"description,omitempty"`
	Owner       string       `json:"owner,omitempty"`
	Notify      []string     `json:"notify,omitempty"`    // webhook URLs
	TimeZone    string       `json:"time_zone,omitempty"` // IANA name, of grains and of crons without one; default UTC
	Dimensions  []Dimension  `json:"dimensions"`
	Lookups     []CubeLookup `json:"lookups,omitempty"`  // and what is derived from them: no cuboid has it
	Measures    []Measure    `json:"measures,omitempty"` // WithDefaults adds count where it is missing
	Groups      []Group      `json:"groups,omitempty"`   // none: every combination of all dimensions
	RowKey      []string     `json:"row_key,omitempty"`  // every dimension once, in the order of storage; default: as in Dimensions
	ShardBy     string       `json:"shard_by,omitempty"` // a dimension of many values by which large cuboids are split; may be empty
	Start       CubeStart    `json:"start,omitzero"`     // of the first segment
	Cut         CutRules     `json:"cut,omitzero"`
	Merge       MergeRules   `json:"merge,omitzero"`

	// Retention retires the first segment once its newest event is older. 0: never.
	Retention time.Duration `json:"-"` // key "retention", as text

	FillHoles          Switch `json:"fill_holes,omitempty"`           // default on
	RefreshOldVersions Switch `json:"refresh_old_versions,omitempty"` // default on
	MaxJobs            int    `json:"max_jobs,omitempty"`             // builds, merges and refreshes at once, 1 to 10; default 2
	Engine             Engine `json:"engine,omitempty"`               // default local
	Store              Store  `json:"store,omitempty"`                // of cuboids; default files
}

// Dimension is what is grouped by: a column of the table, or the start of the day (hour, month ...) in which a time
// column's value lies, in the cube's time zone.
type Dimension struct {
	Name   string `json:"name,omitempty"` // unique among dimensions and measures; default: the column, with a grain ts_hour
	Column string `json:"column"`
	Grain  Grain  `json:"grain,omitempty"` // of a timestamp or date column; empty: the value itself
}

// Grain is a span of the calendar. Weeks begin on Monday.
type Grain string

// The grains, from fine to coarse. Those from day on need the cube's time zone; a date column knows only those after day.
const (
	Second  Grain = "second"
	Minute  Grain = "minute"
	Hour    Grain = "hour"
	Day     Grain = "day"
	Week    Grain = "week"
	Month   Grain = "month"
	Quarter Grain = "quarter"
	Year    Grain = "year"
)

// Measure is what is aggregated. Its parameters are zero where its function takes none; docs/CUBES.md has the table.
type Measure struct {
	Name        string   `json:"name,omitempty"` // unique among dimensions and measures; default: the function and its column, sum_bytes
	Function    Function `json:"function"`
	Column      string   `json:"column,omitempty"`      // empty for count of all events; of top_n what is summed, empty: events are counted
	Precision   int      `json:"precision,omitempty"`   // count_distinct: 4 to 21, 2^precision registers; default 12
	By          []string `json:"by,omitempty"`          // top_n: the columns whose values are ranked
	N           int      `json:"n,omitempty"`           // top_n: how many are kept, 1 to 10000; default 100
	Compression int      `json:"compression,omitempty"` // percentile: of the t-digest, 20 to 1000; default 100
}

// Function is how a measure aggregates. Every one has a state that merges.
type Function string

// The functions.
const (
	Count              Function = "count"          // events; with a column those where it is not null
	Sum                Function = "sum"            // of whole numbers exact, as decimal(38,0)
	Min                Function = "min"            // the smallest value
	Max                Function = "max"            // the largest value
	Avg                Function = "avg"            // kept as sum and count
	CountDistinct      Function = "count_distinct" // HyperLogLog
	CountDistinctExact Function = "count_distinct_exact"
	TopN               Function = "top_n"      // the values of By with the largest sums
	Percentile         Function = "percentile" // t-digest
	First              Function = "first"      // of the first event by event time, then partition and offset
	Last               Function = "last"       // of the last one
)

// Group is an aggregation group: it says which combinations of its dimensions become cuboids. The lists name dimensions.
type Group struct {
	Includes  []string   `json:"includes,omitempty"`  // default: all
	Mandatory []string   `json:"mandatory,omitempty"` // in every cuboid of the group
	Hierarchy [][]string `json:"hierarchy,omitempty"` // coarse to fine; a level comes only with those before it
	Joint     [][]string `json:"joint,omitempty"`     // all of them or none
	DimCap    int        `json:"dim_cap,omitempty"`   // at most so many dimensions a cuboid, mandatory ones counted; 0: no cap
}

// CutRules say when the next segment ends: at whichever comes first of the rules that are set. With none of them set and
// Manual false, age has its default of 5m.
type CutRules struct {
	Manual       bool          // only by request
	Age          time.Duration // of the oldest event that was read and is in no segment, since it was read
	Rows         int64         // offsets that were read: events, and the few that hold none
	Bytes        int64         // of staged files
	Crons        []Cron
	RowsPerBuild int64 // a backlog becomes several segments of at most so many offsets; default 20,000,000
}

// Cron is a time table of five fields: minute, hour, day of month, month, day of week.
type Cron struct {
	Cron     string `json:"cron"`
	TimeZone string `json:"time_zone,omitempty"` // IANA name; default: the cube's
}

// MergeRules say which segments become one: Budget or TimeRanges, not both. With neither and Manual false, Budget has its
// default: 4 segments of data younger than 7 days, 3 to 30 days, 3 of all that is older.
type MergeRules struct {
	Manual     bool            // only by request
	Budget     []AgeBudget     // ages ascend; the last may have none
	TimeRanges []time.Duration // Kylin's auto_merge_time_ranges, ascending: neighbours become one when they fill a range of event time
	Volatile   time.Duration   // data younger than this is not merged; 0: all may be
	MaxRows    int64           // events of a merged segment; 0: no limit
}

// AgeBudget is how many segments are kept of data up to an age.
type AgeBudget struct {
	YoungerThan time.Duration // 0, in the last: without end
	Segments    int
}

// CubeStart says where the first segment begins: earliest (default), latest, the first record at or after a time, or at
// given offsets. Its text form is earliest, latest, the time, or 0:1200,1:900 (partition:offset). Partitions that are not
// named begin at their first offset.
type CubeStart struct {
	At      string            // "earliest", "latest", "time" or "offsets"
	Time    time.Time         // set when At is "time"
	Offsets []PartitionOffset // set when At is "offsets"; partitions ascend
}

// PartitionOffset is a place in the newest generation of a partition.
type PartitionOffset struct {
	Partition int32
	Offset    int64
}

// Switch is on or off; empty means its default. Its JSON form is true or false.
type Switch string

// The positions of a switch.
const (
	On  Switch = "on"
	Off Switch = "off"
)

// Engine is what runs the builds of a cube.
type Engine string

// EngineLocal builds in this process.
const EngineLocal Engine = "local"

// Store is where the cuboids of a cube are kept. Manifests, staged files and all else are files in any case.
type Store string

// The stores.
const (
	StoreFiles Store = "files" // Parquet files beside the manifest
	StoreHBase Store = "hbase" // a table of HBase for each segment
)
