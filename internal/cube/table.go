package cube

import "time"

// Table is the definition of a table: a topic with a schema. ID and Version are given by the catalog. The zero value of
// a setting means its default; WithDefaults fills it in. The JSON form has the same keys as the YAML form
// (docs/TABLES.md), so ParseTable reads both, with complaints; json.Unmarshal reads it as the catalog kept it.
type Table struct {
	Project    string           `json:"project,omitempty"`
	Name       string           `json:"table"`
	ID         string           `json:"id,omitempty"`
	Version    int              `json:"version,omitempty"`
	Topic      string           `json:"topic"`
	Owner      string           `json:"owner,omitempty"`
	Notify     []string         `json:"notify,omitempty"` // webhook URLs
	Start      Start            `json:"start,omitzero"`
	EventTime  EventTime        `json:"event_time"`
	Columns    []Column         `json:"columns"`
	Include    Include          `json:"include,omitzero"`
	Staging    Staging          `json:"staging,omitzero"`
	Quarantine QuarantinePolicy `json:"quarantine,omitzero"`
	OnLoss     LossPolicy       `json:"on_loss,omitempty"`
}

// Start says where a partition is first read: earliest (default), latest, or the first record at or after a time.
// Its text form is earliest, latest or the time.
type Start struct {
	At   string    // "earliest", "latest" or "time"
	Time time.Time // set when At is "time"
}

// EventTime names the column that says when an event happened, and which times are possible. An event outside the
// bounds is quarantined. MaxAhead is relative to the record's Kafka timestamp, so that reading again decides the same.
type EventTime struct {
	Column   string
	Lateness time.Duration // how far behind the highest event time the watermark stays; default 10m
	Earliest time.Time     // default 2000-01-01
	Latest   time.Time     // exclusive; default 2100-01-01
	MaxAhead time.Duration // default 24h
}

// Column maps a JSON path to a typed column.
type Column struct {
	Name    string     `json:"name"`
	Path    string     `json:"path,omitempty"` // "page.url", "tags[0]"; default: the name
	Type    Type       `json:"type"`
	Null    NullPolicy `json:"null,omitempty"`
	Default string     `json:"default,omitempty"` // in the notation of the type; used when Null is NullDefault
}

// NullPolicy says what a JSON null or a missing field becomes.
type NullPolicy string

// The null policies.
const (
	NullKeep    NullPolicy = "keep"    // null (default)
	NullDefault NullPolicy = "default" // the column's default value
	NullReject  NullPolicy = "reject"  // the record is quarantined
)

// Kind is the logical type of a column.
type Kind string

// The kinds.
const (
	Bool      Kind = "bool"
	Int64     Kind = "int64"
	Float64   Kind = "float64"
	Decimal   Kind = "decimal"
	String    Kind = "string"
	Date      Kind = "date"
	Timestamp Kind = "timestamp"
	JSON      Kind = "json"
)

// Type is a kind with its parameters. Its text form is int64, decimal(12,2), timestamp(ms), timestamp(rfc3339) ...
type Type struct {
	Kind      Kind
	Precision int    // decimal: 1..38
	Scale     int    // decimal: 0..precision
	Format    string // timestamp: rfc3339 (default), s, ms, us, ns, or a Go time layout; date: Go layout, default 2006-01-02
}

// Include switches the optional system columns on. Its text form is a list: [extra, raw, key, headers].
type Include struct {
	Extra   bool // _extra: fields no column names, as a JSON object
	Raw     bool // _raw: the record's value as it came
	Key     bool // _key: the record's key
	Headers bool // _headers: JSON array of {"key","value"}; value base64 where it is not UTF-8
}

// Format is a staging format.
type Format string

// The staging formats.
const (
	Parquet Format = "parquet"
	NDJSON  Format = "ndjson"
)

// Staging says how events are staged: the format and when a file is rolled (whichever comes first).
type Staging struct {
	Format    Format        // default parquet
	RollBytes int64         // bytes of columns in memory; default 64 MiB
	RollRows  int64         // default 1,000,000
	RollAge   time.Duration // default 1m
}

// QuarantinePolicy bounds what a table accepts of unreadable records.
type QuarantinePolicy struct {
	MaxShare       float64 `json:"max_share,omitempty"`        // of the last Window records; over it the table stops; default 1 (never)
	Window         int     `json:"window,omitempty"`           // default 10,000
	MaxRecordBytes int     `json:"max_record_bytes,omitempty"` // larger values are quarantined; default 16 MiB
}

// LossPolicy says what happens when the broker no longer has the next offset.
type LossPolicy string

// The loss policies. Either way the loss is recorded first.
const (
	LossStop LossPolicy = "stop" // the table stops until a person says skip (default)
	LossSkip LossPolicy = "skip" // reading goes on at the first offset that is left
)
