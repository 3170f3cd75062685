package cube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustParse(t *testing.T, src string) *Table {
	t.Helper()
	table, err := ParseTable([]byte(src), "t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestDiff(t *testing.T) {
	a := mustParse(t, `
table: t
topic: t
owner: ann
event_time: {column: ts}
columns:
  - {name: ts, type: timestamp(ms)}
  - {name: url, path: page.url, type: string}
  - {name: bytes, type: int64, default: 0}
  - {name: old, type: bool}
`)
	b := mustParse(t, `
table: t
topic: t
notify: ["https://example.org/hook"]
event_time: {column: ts, lateness: 5m}
columns:
  - {name: url, path: page.uri, type: json}
  - {name: ts, type: timestamp(ms), null: reject}
  - {name: bytes, type: int64, default: 1}
  - {name: fresh, path: a.b, type: float64, default: 0.5}
include: [key]
staging: {format: ndjson, roll: {age: 10s}}
quarantine: {max_share: 1%}
on_loss: skip
`)
	want := []string{
		"owner: ann is removed",
		"notify: set to https://example.org/hook",
		"event_time.lateness: 10m becomes 5m",
		"include: set to key",
		"staging.format: parquet becomes ndjson",
		"staging.roll.age: 1m becomes 10s",
		"quarantine.max_share: 100% becomes 1%",
		"on_loss: stop becomes skip",
		"column url: path page.url becomes page.uri",
		"column url: type string becomes json",
		"column ts: null keep becomes reject",
		`column bytes: null default "0" becomes default "1"`,
		`column fresh: new, float64 from a.b, null: default "0.5"`,
		"column old: removed, was bool from old",
		"columns: another order",
	}
	if d := cmp.Diff(want, Diff(a, b)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := Diff(a, a); got != nil {
		t.Errorf("Diff(a, a) = %q", got)
	}
}

// Tables differ by Diff, SameDefinition and Digest alike, and neither id, version nor written-out defaults count.
func TestDiffAgreesWithSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := genTable().Draw(t, "a")
		b := a.WithDefaults()
		b.ID, b.Version = "other", a.Version+1
		if !SameDefinition(a, b) || Diff(a, b) != nil || a.Digest() != b.Digest() {
			t.Fatalf("id, version or defaults make a difference: %q", Diff(a, b))
		}
		c := genTable().Draw(t, "c")
		same := SameDefinition(a, c)
		if (len(Diff(a, c)) == 0) != same || (a.Digest() == c.Digest()) != same {
			t.Fatalf("SameDefinition is %t, Diff %q", same, Diff(a, c))
		}
	})
}
