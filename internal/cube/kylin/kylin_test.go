package kylin

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/pageviews"
)

func viewsTable(t testing.TB) *cube.Table {
	t.Helper()
	table, err := cube.ParseTable([]byte(pageviews.TableYAML("pageviews", "pageviews")), "pageviews.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// testLookups are the lookup tables of the tests: of countries, and of devices.
func testLookups() []*cube.Lookup {
	text := func(name string) cube.LookupColumn { return cube.LookupColumn{Name: name, Type: "string"} }
	return []*cube.Lookup{
		{Project: "default", Name: "countries", Key: "code", Columns: []cube.LookupColumn{text("code"), text("continent"), text("lang")}},
		{Project: "default", Name: "devices", Key: "model", Columns: []cube.LookupColumn{text("model"), text("maker")}},
	}
}

// TestDescriptors: "import" reads a cube's and a model's descriptor with a line --- between them, "export" a cube.
func TestDescriptors(t *testing.T) {
	table := viewsTable(t)
	datadriven.Walk(t, "testdata/descriptors", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "export" {
				return exported(t, d.Input, table)
			}
			return imported(t, d.Input, table)
		})
	})
}

func imported(t *testing.T, input string, table *cube.Table) string {
	src, model, _ := strings.Cut(input, "\n---\n")
	desc, m, err := Parse([]byte(src), []byte(model))
	if err != nil {
		return err.Error()
	}
	c, notes, err := Import(desc, m, "default", table, testLookups()...)
	var b strings.Builder
	for i := range notes {
		fmt.Fprintf(&b, "note: %v\n", &notes[i])
	}
	if err != nil {
		return b.String() + err.Error()
	}
	return b.String() + string(cube.FormatCube(c))
}

func exported(t *testing.T, src string, table *cube.Table) string {
	c, err := cube.ParseCube([]byte(src), "c.yaml", table, testLookups()...)
	if err != nil {
		t.Fatal(err)
	}
	desc, model, notes := Export(c, table, testLookups()...)
	var b strings.Builder
	for i := range notes {
		fmt.Fprintf(&b, "note: %v\n", &notes[i])
	}
	for _, v := range []any{desc, model} {
		j, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		b.Write(j)
		b.WriteByte('\n')
	}
	return b.String()
}

// Y3: what is exported comes back with the same cells and the same rules that Kylin knows.
func TestRoundTrip(t *testing.T) {
	table := viewsTable(t)
	rapid.Check(t, func(t *rapid.T) {
		want := genCube(t, table)
		desc, model, notes := Export(want, table, testLookups()...)
		for i := range notes {
			if p := notes[i].Path; strings.HasPrefix(p, "dimensions") || strings.HasPrefix(p, "measures") {
				t.Fatalf("the generator drew what Kylin has not: %v", &notes[i])
			}
		}
		cj, err := json.Marshal(desc)
		if err != nil {
			t.Fatal(err)
		}
		mj, err := json.Marshal(model)
		if err != nil {
			t.Fatal(err)
		}
		d2, m2, err := Parse(cj, mj)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := Import(d2, m2, "default", table, testLookups()...)
		if err != nil {
			t.Fatalf("%v\n%s", err, cube.FormatCube(want))
		}
		diff := cube.DiffCubes(want, got)
		if diff.Rebuild {
			t.Fatalf("cells differ:\n%s\n%s\n%s", diff, cube.FormatCube(want), cj)
		}
		if len(diff.Lines) > 0 {
			t.Fatalf("rules differ:\n%s", diff)
		}
		again, _, _ := Export(got, table, testLookups()...)
		if d := cmp.Diff(desc, again); d != "" {
			t.Fatalf("(-first +second):\n%s", d)
		}
	})
}

// A table with a column of its own called HOUR_START: Kylin's word for the grain is taken.
func TestOwnTimeColumn(t *testing.T) {
	table := viewsTable(t)
	table.Columns = append(table.Columns, cube.Column{Name: "hour_start", Path: "hour_start", Type: cube.Type{Kind: cube.String}, Null: cube.NullKeep})
	c := &cube.Cube{Name: "c", Table: table.Name, Dimensions: []cube.Dimension{{Column: "ts", Grain: cube.Hour}, {Column: "hour_start"}, {Column: "ts", Grain: cube.Day}}}
	if err := c.Validate(table, testLookups()...); err != nil {
		t.Fatal(err)
	}
	desc, model, notes := Export(c, table, testLookups()...)
	var got []string
	for _, d := range desc.Dimensions {
		got = append(got, d.Column)
	}
	if d := cmp.Diff([]string{"TS_HOUR", "HOUR_START", "DAY_START"}, got); d != "" || len(notes) == 0 || notes[0].Path != "dimensions[0]" {
		t.Errorf("notes %v (-want +got):\n%s", notes, d)
	}
	if want := "PAGEVIEWS.DAY_START"; model.Partition.DateColumn != want {
		t.Errorf("partitioned by %s, want %s", model.Partition.DateColumn, want)
	}
	desc.Dimensions = desc.Dimensions[1:]
	desc.RowKey.Columns = desc.RowKey.Columns[1:]
	desc.Groups[0].Includes = desc.Groups[0].Includes[1:]
	back, _, err := Import(desc, model, "default", table)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]cube.Dimension{{Name: "hour_start", Column: "hour_start"}, {Name: "ts_day", Column: "ts", Grain: cube.Day}}, back.Dimensions); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// genCube draws what Kylin can say.
func genCube(t *rapid.T, table *cube.Table) *cube.Cube {
	c := &cube.Cube{
		Project: "default", Name: "c", Table: table.Name, Owner: "ann", Description: "page views",
		FillHoles: cube.Off, Cut: cube.CutRules{Manual: true}, Merge: cube.MergeRules{Manual: true},
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"country", "lang", "os", "browser", "section", "is_bounce"}), 1, 5, rapid.ID[string]).Draw(t, "columns") {
		c.Dimensions = append(c.Dimensions, cube.Dimension{Column: name})
	}
	for _, g := range rapid.SliceOfNDistinct(rapid.SampledFrom(timeGrains()), 0, 3, rapid.ID[cube.Grain]).Draw(t, "grains") {
		c.Dimensions = append(c.Dimensions, cube.Dimension{
			Name:   rapid.SampledFrom([]string{"", strings.ToLower(TimeColumn(g)), "my_" + string(g)}).Draw(t, "name"),
			Column: "ts", Grain: g,
		})
	}
	if slices.ContainsFunc(c.Dimensions, func(d cube.Dimension) bool { return d.Column == "country" }) && rapid.Bool().Draw(t, "lookup") {
		l := cube.CubeLookup{Lookup: "countries", Name: rapid.SampledFrom([]string{"", "place"}).Draw(t, "alias"), ForeignKey: "country"}
		l.Derived = []cube.Derived{{Name: rapid.SampledFrom([]string{"", "Part"}).Draw(t, "derived"), Column: "continent"}, {Name: "spoken", Column: "lang"}}
		c.Lookups = append(c.Lookups, l)
	}
	for i, m := range rapid.SliceOfN(rapid.SampledFrom([]cube.Measure{
		{Function: cube.Sum, Column: "bytes"},
		{Function: cube.Min, Column: "ts"},
		{Function: cube.Max, Column: "latency_ms"},
		{Function: cube.Avg, Column: "latency_ms"},
		{Function: cube.Count, Column: "referrer"},
		{Function: cube.CountDistinct, Column: "visitor_id", Precision: 14},
		{Function: cube.CountDistinctExact, Column: "visitor_id"},
		{Function: cube.Percentile, Column: "latency_ms", Compression: 200},
		{Function: cube.TopN, By: []string{"page_url"}, N: 10},
		{Function: cube.TopN, By: []string{"page_url", "section"}, Column: "bytes", N: 500},
	}), 0, 6).Draw(t, "measures") {
		m.Name = fmt.Sprintf("m%d", i)
		c.Measures = append(c.Measures, m)
	}
	c.Measures = distinct(c.Measures)
	names := c.WithDefaults().RowKey
	c.RowKey = rapid.Permutation(names).Draw(t, "row key")
	c.ShardBy = rapid.SampledFrom(append([]string{""}, names...)).Draw(t, "shard")
	if n := len(c.RowKey); n > 2 {
		c.Groups = []cube.Group{{Includes: c.RowKey, Mandatory: c.RowKey[:1], Joint: [][]string{c.RowKey[n-2:]}, DimCap: rapid.IntRange(2, n).Draw(t, "cap")}}
	} else {
		c.Groups = []cube.Group{{Includes: c.RowKey}}
	}
	if rapid.Bool().Draw(t, "merged") {
		c.Merge = cube.MergeRules{TimeRanges: []time.Duration{30 * time.Minute, 4 * time.Hour}, Volatile: rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(t, "volatile")}
	}
	if rapid.Bool().Draw(t, "placed") {
		c.Start = cube.CubeStart{At: "offsets", Offsets: []cube.PartitionOffset{{Partition: 2, Offset: 7}, {Partition: 10, Offset: 1 << 60}}}
	}
	c.Retention = rapid.SampledFrom([]time.Duration{0, time.Hour, 90 * 24 * time.Hour}).Draw(t, "retention")
	return c
}

// distinct leaves out measures that say the same.
func distinct(ms []cube.Measure) (out []cube.Measure) {
	seen := map[string]bool{}
	for _, m := range ms {
		if k := fmt.Sprint(m.Function, m.Column, m.By); !seen[k] {
			seen[k] = true
			out = append(out, m)
		}
	}
	return out
}

// FuzzImport: any descriptors give a cube that validates, or complaints that all say what to do.
func FuzzImport(f *testing.F) {
	table := viewsTable(f)
	c, err := cube.ParseCube([]byte(pageviews.CubeYAML("c", "pageviews")), "c.yaml", table)
	if err != nil {
		f.Fatal(err)
	}
	desc, model, _ := Export(c, table, testLookups()...)
	cj, err := json.Marshal(desc)
	if err != nil {
		f.Fatal(err)
	}
	mj, err := json.Marshal(model)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(cj, mj)
	f.Add([]byte(`{"name":"x","dimensions":[{"column":"a.b.c","derived":["x"]},{"column":"OS"}],"measures":[{"function":{"expression":"TOP_N","returntype":"topn(","parameter":{"type":"column","value":"."}}}]}`), []byte(`{"fact_table":"PAGEVIEWS","lookups":[{}]}`))
	f.Add([]byte(`{"name":"x","aggregation_groups":[{"includes":["OS"],"select_rule":{"joint_dims":[[]]}}],"mandatory_dimension_set_list":[[],["OS"]],"auto_merge_time_ranges":[-1,0,9223372036854775807],"partition_offset_start":{"-1":-1,"x":1}}`), []byte(`{}`))
	f.Add([]byte(`null`), []byte(`[]`))
	f.Fuzz(func(t *testing.T, src, modelSrc []byte) {
		desc, m, err := Parse(src, modelSrc)
		var c *cube.Cube
		if err == nil {
			c, _, err = Import(desc, m, "default", table, testLookups()...)
		}
		var de *cube.DefinitionError
		switch {
		case err == nil:
			if err := c.Validate(table, testLookups()...); err != nil {
				t.Fatalf("imported, but not valid: %v", err)
			}
			Export(c, table, testLookups()...)
		case !errors.As(err, &de) || len(de.Problems) == 0:
			t.Fatalf("error is %T: %v", err, err)
		default:
			for i := range de.Problems {
				if de.Problems[i].Instead == "" {
					t.Errorf("%v does not say what to do instead", &de.Problems[i])
				}
			}
		}
	})
}
