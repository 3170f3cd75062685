package cube

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// C3: every valid cube reads back from YAML, from JSON, and from JSON by the standard library.
func TestCubeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genCube().Draw(t, "cube")
		if err := c.Validate(nil); err != nil {
			t.Fatalf("the generator is wrong: %v", err)
		}
		want := c.WithDefaults()
		if d := cmp.Diff(want, want.WithDefaults()); d != "" {
			t.Fatalf("defaults of defaults (-want +got):\n%s", d)
		}
		text := FormatCube(c)
		got, err := ParseCube(text, "c.yaml", nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("YAML (-want +got):\n%s\n%s", d, text)
		}
		for _, v := range []*Cube{want, c} { // as applied, and as given
			checkCubeJSON(t, v)
		}
		if !SameCube(c, got) || c.Digest() != got.Digest() {
			t.Fatalf("a cube and its defaults are not the same:\n%s", text)
		}
	})
}

func checkCubeJSON(t *rapid.T, want *Cube) {
	j, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseCube(j, "c.json", nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, j)
	}
	if d := cmp.Diff(want.WithDefaults(), got); d != "" {
		t.Fatalf("JSON (-want +got):\n%s\n%s", d, j)
	}
	got = new(Cube)
	if err = json.Unmarshal(j, got); err != nil {
		t.Fatalf("%v\n%s", err, j)
	}
	if d := cmp.Diff(want.WithDefaults(), got.WithDefaults()); d != "" {
		t.Fatalf("json.Unmarshal (-want +got):\n%s\n%s", d, j)
	}
}

func TestCubeJSONForm(t *testing.T) {
	small := Cube{Name: "c", Table: "t", Dimensions: []Dimension{{Name: "a", Column: "a"}}, Measures: []Measure{{Name: "count", Function: Count}}}
	full := small
	full.Retention, full.FillHoles, full.Start = 36*time.Hour, Off, CubeStart{At: "offsets", Offsets: []PartitionOffset{{0, 5}, {2, 7}}}
	full.Cut = CutRules{Age: 90 * time.Second, Bytes: 1 << 30, Crons: []Cron{{"0 * * * *", "UTC"}}}
	full.Merge = MergeRules{TimeRanges: []time.Duration{30 * time.Minute, day}}
	other := small
	other.Merge = MergeRules{Budget: defaultBudget()}
	other.Cut.Manual = true
	for _, c := range []struct {
		cube Cube
		want string
	}{
		{small, `{"cube":"c","table":"t","dimensions":[{"name":"a","column":"a"}],"measures":[{"name":"count","function":"count"}]}`},
		{full, `{"cube":"c","table":"t","dimensions":[{"name":"a","column":"a"}],"measures":[{"name":"count","function":"count"}],"start":"0:5,2:7",` +
			`"cut":{"age":"1m30s","bytes":1073741824,"crons":[{"cron":"0 * * * *","time_zone":"UTC"}]},"merge":{"time_ranges":["30m","1d"]},"fill_holes":false,"retention":"36h"}`},
		{other, `{"cube":"c","table":"t","dimensions":[{"name":"a","column":"a"}],"measures":[{"name":"count","function":"count"}],"cut":{"manual":true},` +
			`"merge":{"budget":[{"younger_than":"7d","segments":4},{"younger_than":"30d","segments":3},{"segments":3}]}}`},
	} {
		j, err := json.Marshal(c.cube)
		if err != nil || string(j) != c.want {
			t.Errorf("%v\ngot  %s\nwant %s", err, j, c.want)
		}
		var got Cube
		if err := json.Unmarshal(j, &got); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(c.cube, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
	for _, bad := range []string{
		`[]`, `{"retention": "soon"}`, `{"cut": 1}`, `{"cut": {"age": "x"}}`, `{"merge": []}`, `{"merge": {"time_ranges": ["x"]}}`,
		`{"merge": {"budget": [1]}}`, `{"merge": {"budget": [{"younger_than": "x"}]}}`, `{"start": "yesterday"}`, `{"start": "1:-2"}`, `{"fill_holes": "perhaps"}`,
	} {
		if err := json.Unmarshal([]byte(bad), new(Cube)); err == nil {
			t.Errorf("json.Unmarshal took %s", bad)
		}
	}
}

// SameCube and DiffCubes agree, and a diff of nothing is empty.
func TestDiffCubesAgreesWithSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := genCube().Draw(t, "a")
		b := genCube().Draw(t, "b")
		c := a.WithDefaults()
		switch rapid.IntRange(0, 9).Draw(t, "one change") { // two drawn cubes never differ in little
		case 0:
			c.Dimensions, c.RowKey = b.Dimensions, nil
		case 1:
			c.Measures = b.Measures
		case 2:
			c.Groups = []Group{{DimCap: rapid.IntRange(0, 2).Draw(t, "cap")}}
		case 3:
			c.Cut = b.Cut
		case 4:
			c.Merge = b.Merge
		case 5:
			c.Start = b.Start
		case 6:
			slices.Reverse(c.Measures)
		case 7:
			c.TimeZone, c.Retention, c.MaxJobs = b.TimeZone, b.Retention, b.MaxJobs
		case 8:
			c.ID, c.Version = "another", 7
		case 9:
			c.FillHoles, c.RefreshOldVersions, c.ShardBy = b.FillHoles, b.RefreshOldVersions, b.ShardBy
		}
		for _, o := range []*Cube{a, b, c} {
			d := DiffCubes(a, o)
			if same := SameCube(a, o); same != (len(d.Lines) == 0) {
				t.Fatalf("SameCube is %t, but DiffCubes says:\n%s\na:\n%s\nb:\n%s", same, d, FormatCube(a), FormatCube(o))
			}
			if d.Rebuild && len(d.Lines) == 0 {
				t.Fatal("nothing changes, but cells do")
			}
		}
	})
}

func genCube() *rapid.Generator[*Cube] {
	return rapid.Custom(func(t *rapid.T) *Cube {
		name := rapid.StringMatching(`[a-z][a-z0-9_]{0,62}`)
		text := rapid.StringMatching(`(|[ -~é]{1,20})`)
		c := &Cube{
			Project: rapid.OneOf(rapid.Just(""), name).Draw(t, "project"), Name: name.Draw(t, "name"), Table: name.Draw(t, "table"),
			ID: rapid.StringMatching(`[a-z0-9]{0,12}`).Draw(t, "id"), Version: rapid.IntRange(0, 9).Draw(t, "version"),
			Owner: text.Draw(t, "owner"), Description: text.Draw(t, "description"),
			TimeZone:  rapid.SampledFrom([]string{"", "UTC", "Europe/Berlin", "Etc/GMT+3"}).Draw(t, "zone"),
			Retention: rapid.SampledFrom([]time.Duration{0, minRetention, 36 * time.Hour, day, 90 * day, maxRetention}).Draw(t, "retention"),
			FillHoles: rapid.SampledFrom([]Switch{"", On, Off}).Draw(t, "holes"), RefreshOldVersions: rapid.SampledFrom([]Switch{"", On, Off}).Draw(t, "refresh"),
			MaxJobs: rapid.IntRange(0, maxMaxJobs).Draw(t, "jobs"), Engine: rapid.SampledFrom([]Engine{"", EngineLocal}).Draw(t, "engine"),
			Store: rapid.SampledFrom([]Store{"", StoreFiles, StoreHBase}).Draw(t, "store"),
			Start: rapid.SampledFrom([]CubeStart{
				{},
				{At: startLatest},
				{At: startTime, Time: time.Unix(1.7e9, 5e6)},
				{At: startOffsets, Offsets: []PartitionOffset{{0, 0}, {7, 1 << 40}}},
			}).Draw(t, "start"),
		}
		for i := range rapid.IntRange(1, 5).Draw(t, "dimensions") {
			d := Dimension{Column: fmt.Sprintf("%s%d", rapid.StringMatching(`[a-zA-Z][a-zA-Z0-9_]{0,9}_`).Draw(t, "column"), i)}
			d.Grain = rapid.SampledFrom(append(grains(), "", "", "")).Draw(t, "grain")
			if rapid.Bool().Draw(t, "named") {
				d.Name = fmt.Sprintf("Dim%d", i)
			}
			c.Dimensions = append(c.Dimensions, d)
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "measures") {
			c.Measures = append(c.Measures, genMeasure(i).Draw(t, "measure"))
		}
		names := c.WithDefaults().names()
		for range rapid.IntRange(0, 2).Draw(t, "groups") {
			c.Groups = append(c.Groups, genGroup(names).Draw(t, "group"))
		}
		if rapid.Bool().Draw(t, "row key") {
			c.RowKey = rapid.Permutation(names).Draw(t, "order")
		}
		hosts := slices.DeleteFunc(slices.Clone(c.Dimensions), func(d Dimension) bool { return d.Grain != "" })
		for i := range rapid.IntRange(0, min(2, len(hosts)*2)).Draw(t, "lookups") {
			c.Lookups = append(c.Lookups, genLookup(hosts, i).Draw(t, "lookup"))
		}
		c.ShardBy = rapid.SampledFrom(append(names, "")).Draw(t, "shard")
		c.Cut, c.Merge = genCut(t), genMerge(t)
		return c
	})
}

// genLookup draws a lookup table over one of the dimensions that can hold its keys.
func genLookup(hosts []Dimension, i int) *rapid.Generator[CubeLookup] {
	return rapid.Custom(func(t *rapid.T) CubeLookup {
		l := CubeLookup{Lookup: rapid.SampledFrom([]string{"shops", "devices"}).Draw(t, "of"), ForeignKey: rapid.SampledFrom(hosts).Draw(t, "key").Column}
		if rapid.Bool().Draw(t, "renamed") || i > 0 {
			l.Name = fmt.Sprintf("lookup_%d", i)
		}
		for j := range rapid.IntRange(1, 3).Draw(t, "derived") {
			d := Derived{Column: fmt.Sprintf("derived_%d_%d", i, j)}
			if rapid.Bool().Draw(t, "named") {
				d.Name = fmt.Sprintf("Other_%d_%d", i, j)
			}
			l.Derived = append(l.Derived, d)
		}
		return l
	})
}

func genMeasure(i int) *rapid.Generator[Measure] {
	return rapid.Custom(func(t *rapid.T) Measure {
		m := Measure{Function: rapid.SampledFrom(functions()).Draw(t, "function"), Column: fmt.Sprintf("m%d", i)}
		switch m.Function {
		case CountDistinct:
			m.Precision = rapid.SampledFrom([]int{0, 4, 12, 21}).Draw(t, "precision")
		case Percentile:
			m.Compression = rapid.SampledFrom([]int{0, 20, 100, 1000}).Draw(t, "compression")
		case TopN:
			m.N = rapid.SampledFrom([]int{0, 1, 100, 10000}).Draw(t, "n")
			m.Column = rapid.SampledFrom([]string{"", "bytes"}).Draw(t, "summed")
			m.By = []string{fmt.Sprintf("m%d", i), "b"}[:rapid.IntRange(1, 2).Draw(t, "by")]
		}
		if rapid.Bool().Draw(t, "named") {
			m.Name = fmt.Sprintf("M%d", i)
		}
		return m
	})
}

func genCut(t *rapid.T) (r CutRules) {
	r.RowsPerBuild = rapid.SampledFrom([]int64{0, maxCutRows, 1_000_000}).Draw(t, "rows per build")
	if r.Manual = rapid.Bool().Draw(t, "manual cut"); r.Manual {
		return r
	}
	r.Age = rapid.SampledFrom([]time.Duration{0, time.Second, 1501 * time.Millisecond, maxCutAge}).Draw(t, "age")
	r.Rows = rapid.SampledFrom([]int64{0, 1, 1_000_000}).Draw(t, "rows")
	r.Bytes = rapid.SampledFrom([]int64{0, minCutBytes, 100_000_001}).Draw(t, "bytes")
	r.Crons = rapid.SampledFrom([][]Cron{nil, {{"*/5 * * * *", ""}}, {{"0 8 * * mon-fri", "Asia/Tokyo"}, {" 1,2  3-9/2 29 feb 7 ", "UTC"}}}).Draw(t, "crons")
	return r
}

func genMerge(t *rapid.T) MergeRules {
	return rapid.SampledFrom([]MergeRules{
		{},
		{Manual: true},
		{TimeRanges: []time.Duration{90 * time.Second, 4 * time.Hour, 28 * day}},
		{Budget: []AgeBudget{{time.Hour, 1}, {36 * time.Hour, 1000}}},
		{Budget: []AgeBudget{{0, 5}}},
		{Volatile: 90 * time.Minute},
		{TimeRanges: []time.Duration{day}, MaxRows: minMergeRows},
	}).Draw(t, "merge")
}
