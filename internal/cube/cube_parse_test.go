package cube

import (
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/pageviews"
)

// viewsTable is the table that cubes are tested over: page views, and a column of each type that they lack.
func viewsTable(t testing.TB) *Table {
	t.Helper()
	table, err := ParseTable([]byte(pageviews.TableYAML("pageviews", "web.pageviews")), "pageviews.yaml")
	if err != nil {
		t.Fatal(err)
	}
	table.Columns = append(table.Columns,
		Column{Name: "price", Path: "price", Type: Type{Kind: Decimal, Precision: 12, Scale: 2}, Null: NullKeep},
		Column{Name: "score", Path: "score", Type: Type{Kind: Float64}, Null: NullKeep},
		Column{Name: "day", Path: "day", Type: Type{Kind: Date, Format: dateLayout}, Null: NullKeep},
		Column{Name: "payload", Path: "payload", Type: Type{Kind: JSON}, Null: NullKeep},
		Column{Name: "Referer", Path: "Referer", Type: Type{Kind: String}, Null: NullKeep},
		Column{Name: "ts_week", Path: "ts_week", Type: Type{Kind: String}, Null: NullKeep},
	)
	return table
}

// testLookups are the lookup tables that cubes are tested with.
func testLookups() []*Lookup {
	return []*Lookup{
		{Project: "default", Name: "shops", Key: "id", Columns: []LookupColumn{{"id", "int64"}, {"name", "string"}, {"city", "string"}, {"country", "string"}, {"opened", "date"}, {"share", "decimal(5,2)"}}},
		{Project: "default", Name: "devices", Key: "model", Columns: []LookupColumn{{"model", "string"}, {"maker", "string"}}},
		{Project: "default", Name: "sizes", Key: "id", Columns: []LookupColumn{{"id", "string"}, {"label", "string"}}},
	}
}

// TestCubeComplaints holds every complaint about a cube, as the user sees it, and what good definitions become.
func TestCubeComplaints(t *testing.T) {
	table := viewsTable(t)
	datadriven.Walk(t, "testdata/cubes", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			over := table
			if d.HasArg("no-table") {
				over = nil
			}
			c, err := ParseCube([]byte(unescape(d.Input)), "c."+d.Cmd, over, testLookups()...)
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
			return string(FormatCube(c))
		})
	})
}

func TestParseCube(t *testing.T) {
	const src = `
cube: views
table: pageviews
time_zone: Europe/Berlin
dimensions: [hour(ts), country, {name: day_of_visit, column: ts, grain: day}]
measures: [sum(bytes), {name: p, function: percentile, column: latency_ms}, top_n(page_url), count_distinct(visitor_id)]
groups: [{mandatory: [country], hierarchy: [[day_of_visit, ts_hour]]}]
cut: {crons: ["0 * * * *", {cron: 0 8 * * mon, time_zone: Asia/Tokyo}]}
start: "1:20,0:10"
retention: 90d
fill_holes: false
`
	want := &Cube{
		Project: "default", Name: "views", Table: "pageviews", TimeZone: "Europe/Berlin",
		Dimensions: []Dimension{{"ts_hour", "ts", Hour}, {"country", "country", ""}, {"day_of_visit", "ts", Day}},
		Measures: []Measure{
			{Name: "sum_bytes", Function: Sum, Column: "bytes"},
			{Name: "p", Function: Percentile, Column: "latency_ms", Compression: 100},
			{Name: "top_n_page_url", Function: TopN, By: []string{"page_url"}, N: 100},
			{Name: "count_distinct_visitor_id", Function: CountDistinct, Column: "visitor_id", Precision: 12},
			{Name: "count", Function: Count},
		},
		Groups:    []Group{{Mandatory: []string{"country"}, Hierarchy: [][]string{{"day_of_visit", "ts_hour"}}}},
		RowKey:    []string{"ts_hour", "country", "day_of_visit"},
		Start:     CubeStart{At: "offsets", Time: time.Time{}, Offsets: []PartitionOffset{{0, 10}, {1, 20}}},
		Cut:       CutRules{Crons: []Cron{{"0 * * * *", ""}, {"0 8 * * mon", "Asia/Tokyo"}}, RowsPerBuild: 20_000_000},
		Merge:     MergeRules{Budget: []AgeBudget{{7 * day, 4}, {30 * day, 3}, {0, 3}}},
		Retention: 90 * day, FillHoles: Off, RefreshOldVersions: On, MaxJobs: 2, Engine: EngineLocal, Store: StoreFiles,
	}
	table := viewsTable(t)
	got, err := ParseCube([]byte(src), "views.yaml", table)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	project, name, err := CubeTable([]byte(src), "views.yaml")
	if project != "default" || name != "pageviews" || err != nil {
		t.Errorf("CubeTable: %q, %q, %v", project, name, err)
	}
	short := &Cube{Name: want.Name, Table: want.Table, Dimensions: want.Dimensions, Measures: want.Measures[:1]}
	if err := short.Validate(table); err != nil {
		t.Errorf("zero values do not stand for defaults: %v", err)
	}
	d := short.WithDefaults()
	if d.Cut.Age != 5*time.Minute || len(d.Merge.Budget) != 3 || d.Measures[1].Name != "count" || !d.FillHoles.On() || d.Start.At != "earliest" || d.TimeZone != "UTC" {
		t.Errorf("defaults: %+v", d)
	}
	d.Dimensions[0].Name, d.RowKey[0], d.Merge.Budget[0].Segments = "x", "x", 9
	if short.Dimensions[0].Name == "x" || short.WithDefaults().Merge.Budget[0].Segments == 9 {
		t.Error("WithDefaults shares memory with its cube")
	}
}

// The type of every function over every kind of column. Empty: refused.
func TestMeasureResult(t *testing.T) {
	table := viewsTable(t)
	columns := map[Kind]string{Bool: "is_bounce", Int64: "bytes", Float64: "score", Decimal: "price", String: "country", Date: "day", Timestamp: "ts", JSON: "payload"}
	same := map[Kind]string{Bool: "bool", Int64: "int64", Float64: "float64", Decimal: "decimal(12,2)", String: "string", Date: "date", Timestamp: "timestamp(rfc3339)"}
	all := func(result string, kinds ...Kind) map[Kind]string {
		m := map[Kind]string{}
		for _, k := range kinds {
			m[k] = result
		}
		return m
	}
	for f, want := range map[Function]map[Kind]string{
		Count: all("int64", Bool, Int64, Float64, Decimal, String, Date, Timestamp, JSON),
		Sum:   {Int64: "decimal(38,0)", Float64: "float64", Decimal: "decimal(38,2)"},
		Min:   same, Max: same, First: same, Last: same,
		Avg:           all("float64", Int64, Float64, Decimal),
		Percentile:    all("float64", Int64, Float64, Decimal),
		TopN:          all("json", Int64, Float64, Decimal),
		CountDistinct: all("int64", Bool, Int64, Float64, Decimal, String, Date, Timestamp), CountDistinctExact: all("int64", Bool, Int64, String, Date, Timestamp),
	} {
		for kind, column := range columns {
			m := Measure{Function: f, Column: column, By: []string{"page_url"}}
			got, err := m.Result(table)
			if got.String() != want[kind] || (err == nil) != (want[kind] != "") {
				t.Errorf("%s(%s): %q, %v; want %q", f, kind, got, err, want[kind])
			}
			if f != TopN {
				m.By = nil
			}
			c := &Cube{Name: "c", Table: "pageviews", Dimensions: []Dimension{{Column: "os"}}, Measures: []Measure{m}}
			if valid := c.Validate(table); (valid == nil) != (err == nil) {
				t.Errorf("%s(%s): the cube says %v, its result %v", f, kind, valid, err)
			}
		}
	}
	for _, m := range []Measure{{Function: Sum, Column: "gone"}} {
		if _, err := m.Result(table); err == nil {
			t.Errorf("%+v has a result", m)
		}
	}
}
