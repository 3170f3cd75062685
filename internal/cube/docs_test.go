package cube

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocs: the examples of docs/TABLES.md parse, and the long one shows every key of every object.
func TestDocs(t *testing.T) {
	src, err := os.ReadFile("../../docs/TABLES.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(src), -1)
	if len(blocks) != 2 {
		t.Fatalf("docs/TABLES.md has %d examples in YAML, want 2", len(blocks))
	}
	for _, b := range blocks {
		if _, err := ParseTable([]byte(b[1]), "docs/TABLES.md"); err != nil {
			t.Errorf("%v\n%s", err, b[1])
		}
	}
	long := blocks[1][1]
	for _, key := range knownKeys(t) {
		if !regexp.MustCompile(`(?m)(^|[ {])` + key + `:`).MatchString(long) {
			t.Errorf("docs/TABLES.md does not show %s:", key)
		}
	}
	for _, k := range []Kind{Bool, Int64, Float64, Decimal, String, Date, Timestamp, JSON} {
		if !strings.Contains(long, "type: "+string(k)) && !strings.Contains(long, `type: "`+string(k)) {
			t.Errorf("docs/TABLES.md does not show type %s", k)
		}
	}
}

// knownKeys asks the parser: what it knows on each level is in its complaint about a key that nobody would write.
func knownKeys(t *testing.T) []string {
	const src = `
qqqqqqqqqqqqqqqqqqqqqqqq: 1
event_time: {qqqqqqqqqqqqqqqqqqqqqqqq: 1}
columns: [{qqqqqqqqqqqqqqqqqqqqqqqq: 1}]
staging: {qqqqqqqqqqqqqqqqqqqqqqqq: 1, roll: {qqqqqqqqqqqqqqqqqqqqqqqq: 1}}
quarantine: {qqqqqqqqqqqqqqqqqqqqqqqq: 1}
`
	_, err := ParseTable([]byte(src), "")
	if err == nil {
		t.Fatal("unknown keys are taken")
	}
	var keys []string
	for _, m := range regexp.MustCompile(`known here are ([a-z_, ]+)`).FindAllStringSubmatch(err.Error(), -1) {
		for _, k := range strings.Split(m[1], ", ") {
			if k != "id" && k != "version" { // given by the catalog
				keys = append(keys, k)
			}
		}
	}
	if len(keys) < 25 {
		t.Fatalf("found only %q in %v", keys, err)
	}
	return keys
}
