package cube

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
)

// TestComplaints holds every complaint about a definition, as the user sees it.
func TestComplaints(t *testing.T) {
	datadriven.Walk(t, "testdata/complaints", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			name := "t." + d.Cmd
			table, err := ParseTable([]byte(unescape(d.Input)), name)
			if err != nil {
				var de *DefinitionError
				if !errors.As(err, &de) {
					t.Fatalf("%s: error is %T, want *DefinitionError", d.Pos, err)
				}
				for _, p := range de.Problems {
					if p.Instead == "" {
						t.Errorf("%s: %v does not say what to do instead", d.Pos, &p)
					}
				}
				return err.Error()
			}
			return string(FormatTable(table))
		})
	})
}

// unescape lets test files hold what an editor would not keep: <tab>, <ff> for the byte 0xff.
func unescape(s string) string {
	return strings.NewReplacer("<tab>", "\t", "<ff>", "\xff", "<bom>", "\ufeff", "<blank>", "").Replace(s)
}

func TestParseTable(t *testing.T) {
	const src = `
table: pageviews
topic: pageviews
event_time: {column: ts, lateness: 10m}
columns:
  - {name: ts, type: timestamp(ms)}
  - {name: url, path: page.url, type: string}
  - {name: bytes, type: int64, default: 0}
staging: {format: parquet, roll: {bytes: 64MiB, rows: 1000000, age: 1m}}
`
	want := &Table{
		Project: "default", Name: "pageviews", Topic: "pageviews", Start: Start{At: "earliest"},
		EventTime: EventTime{
			Column: "ts", Lateness: 10 * time.Minute, MaxAhead: 24 * time.Hour,
			Earliest: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), Latest: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		},
		Columns: []Column{
			{Name: "ts", Path: "ts", Type: Type{Kind: Timestamp, Format: "ms"}, Null: NullKeep},
			{Name: "url", Path: "page.url", Type: Type{Kind: String}, Null: NullKeep},
			{Name: "bytes", Path: "bytes", Type: Type{Kind: Int64}, Null: NullDefault, Default: "0"},
		},
		Staging:    Staging{Format: Parquet, RollBytes: 64 << 20, RollRows: 1_000_000, RollAge: time.Minute},
		Quarantine: QuarantinePolicy{MaxShare: 1, Window: 10_000, MaxRecordBytes: 16 << 20},
		OnLoss:     LossStop,
	}
	got, err := ParseTable([]byte(src), "pageviews.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	short := &Table{Name: want.Name, Topic: want.Topic, EventTime: EventTime{Column: "ts"}, Columns: want.Columns}
	if err := short.Validate(); err != nil {
		t.Errorf("zero values do not stand for defaults: %v", err)
	}
	if d := cmp.Diff(want, short.WithDefaults()); d != "" {
		t.Errorf("WithDefaults (-want +got):\n%s", d)
	}
}
