package kylin

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

func imported2(t *testing.T, table, kafka string, old *cube.Table) (*cube.Table, string) {
	t.Helper()
	s, err := ParseStreaming([]byte(table), []byte(`{"type": "kafka"}`), []byte(kafka))
	if err != nil {
		t.Fatal(err)
	}
	def, notes, err := ImportTable(s, "default", old)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range notes {
		fmt.Fprintln(&b, &notes[i])
	}
	return def, b.String()
}

// Y1: types, event time and paths of a streaming table are what they were in Kylin.
func TestImportTable(t *testing.T) {
	def, notes := imported2(t, `{"name": "WEB.VIEWS", "columns": [{"name": "site", "datatype": "varchar(256)"}, {"name": "user.age", "datatype": "int"},
		{"name": "price", "datatype": "decimal(12, 2)"}, {"name": "day_start", "datatype": "date"}, {"name": "ok", "datatype": "boolean"}, {"name": "d", "datatype": "date"}]}`,
		`{"topic": "views", "margin": 300000, "parserProperties": "tsColName=at;tsParser=org.apache.kylin.source.kafka.DateTimeParser;tsPattern=yyyy-MM-dd HH:mm:ss;separator=."}`, nil)
	want := "at at timestamp(2006-01-02 15:04:05)\nsite site string\nuser_age user.age int64\nprice price decimal(12,2)\nok ok bool\nd d date\n"
	var got string
	for _, c := range def.Columns {
		got += fmt.Sprintf("%s %s %s\n", c.Name, c.Path, c.Type)
	}
	if d := cmp.Diff(want, got); d != "" || def.Name != "views" || def.EventTime.Column != "at" {
		t.Errorf("table %s by %s (-want +got):\n%s", def.Name, def.EventTime.Column, d)
	}
	for _, want := range []string{"day_start is no column", "column at is added", "margin", "user.age is called user_age", "missing key"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes lack %q:\n%s", want, notes)
		}
	}
}

// Y3: what is exported comes back, and what Kylin has no words for stays.
func TestTableRoundTrip(t *testing.T) {
	want := viewsTable(t)
	s, notes := ExportTable(want)
	table, err := json.Marshal(s.Table)
	if err != nil {
		t.Fatal(err)
	}
	kafka, err := json.Marshal(s.Kafka)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := imported2(t, string(table), string(kafka), want)
	if d := cube.Diff(want, got); len(d) > 0 {
		t.Errorf("changed: %q (notes %v)", d, notes)
	}
	fresh, _ := imported2(t, string(table), string(kafka), nil)
	if len(fresh.Columns) != len(want.Columns) || fresh.EventTime.Column != want.EventTime.Column || fresh.Topic != want.Topic {
		t.Errorf("made: %d columns, event time %s, want %d and %s", len(fresh.Columns), fresh.EventTime.Column, len(want.Columns), want.EventTime.Column)
	}
}
