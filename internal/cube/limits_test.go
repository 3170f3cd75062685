package cube

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// Definitions have limits, each named in its complaint.
func TestLimits(t *testing.T) {
	columns := func(n int) string {
		var b strings.Builder
		b.WriteString("table: t\ntopic: t\nevent_time: {column: c0}\ncolumns:\n")
		for i := range n {
			fmt.Fprintf(&b, "  - {name: c%d, type: timestamp(ms)}\n", i)
		}
		return b.String()
	}
	if _, err := ParseTable([]byte(columns(maxColumns)), "t.yaml"); err != nil {
		t.Errorf("%d columns: %v", maxColumns, err)
	}
	_, err := ParseTable([]byte(columns(maxColumns+1)), "t.yaml")
	if err == nil || err.Error() != "t.yaml:4: columns: 1001 columns: write at most 1000, and take the rest with include: [extra] or as json" {
		t.Errorf("%d columns: %v", maxColumns+1, err)
	}
	_, err = ParseTable([]byte(strings.Repeat("# long\n", maxSourceBytes/7+1)), "t.yaml")
	if err == nil || !strings.Contains(err.Error(), "more than 1MiB") {
		t.Errorf("a long source: %v", err)
	}
	_, err = ParseTable([]byte(strings.ReplaceAll(columns(maxColumns), "c", "?")), "t.yaml")
	if err == nil {
		t.Error("a thousand bad columns are taken")
	}
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, "qqqqqqqqqqqqqqqqqqqq%d: 1\n", i)
	}
	_, err = ParseTable([]byte(b.String()), "t.yaml")
	var de *DefinitionError
	if !errors.As(err, &de) || len(de.Problems) != maxProblems+1 || de.Problems[maxProblems].Message != "and 2004 more complaints" {
		t.Errorf("3000 unknown keys: %v", err)
	}
	long := &Table{Name: "t", Topic: "t", EventTime: EventTime{Column: "ts"}, Notify: make([]string, maxNotify+1), Columns: []Column{
		{Name: "ts", Type: Type{Kind: Timestamp}},
		{Name: "s", Type: Type{Kind: String}, Null: NullDefault, Default: strings.Repeat("x", maxDefaultText+1)},
	}}
	want := "table t: notify: has 17 addresses: write at most 16\ntable t: columns[1].default: has more than 4096 bytes: write a shorter one"
	if err := long.Validate(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A table built in Go gets the same complaints as a text; what a text cannot say is refused too.
func TestValidateStruct(t *testing.T) {
	bad := &Table{
		Name: "t", Topic: "t", Version: -1, Start: Start{At: "latest", Time: minTime()},
		EventTime: EventTime{Column: "ts", Lateness: -1},
		Columns: []Column{
			{Name: "ts", Type: Type{Kind: "instant"}},
			{Name: "b", Type: Type{Kind: Bool, Scale: 2}},
			{Name: "s", Type: Type{Kind: String}, Null: "never"},
			{Name: "n", Type: Type{Kind: Int64}, Default: "5"},
			{Name: "u", Type: Type{Kind: String}, Null: NullDefault, Default: "\xff"},
		},
		Staging:    Staging{Format: "csv", RollRows: -1},
		Quarantine: QuarantinePolicy{MaxShare: math.NaN(), Window: -1},
		OnLoss:     "weep",
	}
	err := bad.Validate()
	if err == nil {
		t.Fatal("no complaint")
	}
	for _, want := range []string{
		"version: is below zero", "start: a time is given", "lateness: -1ns is outside", `columns[0].type: unknown type "instant": write timestamp(rfc3339)`,
		"columns[1].type: bool takes no parameters", `columns[2].null: unknown policy "never"`, "columns[3].default: a default is never used with null: keep",
		"columns[4].default:", "staging.format:", "roll.rows: -1 is outside", "max_share: NaN is no share", "window: -1 is outside", `on_loss: unknown policy "weep"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no complaint has %q:\n%v", want, err)
		}
	}
	if bad.Digest() == "" || !SameDefinition(bad, bad) || len(Diff(bad, bad)) != 0 {
		t.Error("a bad table cannot be compared")
	}
}
