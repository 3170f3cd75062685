package cube

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestCubeDocs: the examples of docs/CUBES.md parse, the long one shows every key, function and grain, its defaults are
// the defaults, and the limits are named.
func TestCubeDocs(t *testing.T) {
	src, err := os.ReadFile("../../docs/CUBES.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(src), -1)
	if len(blocks) != 2 {
		t.Fatalf("docs/CUBES.md has %d examples in YAML, want 2", len(blocks))
	}
	for _, b := range blocks {
		if _, err := ParseCube([]byte(b[1]), "docs/CUBES.md", viewsTable(t), testLookups()...); err != nil {
			t.Errorf("%v\n%s", err, b[1])
		}
	}
	long := blocks[1][1]
	for _, key := range knownCubeKeys(t) {
		if !regexp.MustCompile(`(?m)(^|[ {])` + key + `:`).MatchString(long) {
			t.Errorf("docs/CUBES.md does not show %s:", key)
		}
	}
	for _, f := range functions() {
		if !regexp.MustCompile(`(- |function: )` + string(f) + `\b`).MatchString(long) {
			t.Errorf("the example of docs/CUBES.md has no %s", f)
		}
		if !strings.Contains(string(src), "`"+string(f)+"`") {
			t.Errorf("docs/CUBES.md has no row for %s", f)
		}
	}
	for _, g := range grains() {
		if !strings.Contains(string(src), "`"+string(g)+"`") {
			t.Errorf("docs/CUBES.md does not name the grain %s", g)
		}
	}
	budget := regexp.MustCompile(`\s+`).ReplaceAllString(`merge: budget: - {younger_than: 7d, segments: 4} - {younger_than: 30d, segments: 3} - {segments: 3}`, " ")
	if plain := regexp.MustCompile(`\s+(#.*)?`).ReplaceAllString(regexp.MustCompile(`(?m)\s*#.*$`).ReplaceAllString(long, ""), " "); !strings.Contains(plain, budget) {
		t.Errorf("docs/CUBES.md does not show the default budget %v", defaultBudget())
	}
	for _, want := range []string{
		"default UTC", "age " + spanText(defaultCutAge), fmt.Sprintf("rows_per_build: %d", int64(defaultRowsPerBuild)), fmt.Sprintf("max_jobs: %d", defaultMaxJobs),
		fmt.Sprintf("precision: %d", defaultHLLPrecision), fmt.Sprintf("n: %d", defaultTopN), fmt.Sprintf("compression: %d", defaultCompression),
	} {
		if !strings.Contains(long, want) {
			t.Errorf("docs/CUBES.md does not show the default %q", want)
		}
	}
	for _, want := range []string{
		fmt.Sprintf("1 to %d", MaxDimensions), fmt.Sprintf("at most %d cuboids", MaxCuboids), fmt.Sprintf("at most %d; count is always there", maxMeasures),
		fmt.Sprintf("At most %d", maxGroups), fmt.Sprintf("at most %d bytes", maxDescription), fmt.Sprintf("at most %d", maxCrons),
		span(minCutAge, maxCutAge), fmt.Sprintf("at most %d", maxCutRows), formatSize(minCutBytes) + " to " + formatSize(maxCutBytes),
		fmt.Sprintf("%d to %d", minRowsPerBuild, maxRowsPerBuild), fmt.Sprintf("%d steps of %s and 1 to %d segments", maxBudget, span(minMergeSpan, maxMergeSpan), maxBudgetSegments),
		span(minRetention, maxRetention), fmt.Sprintf("%d to %d", minMergeRows, maxMergeRows), fmt.Sprintf("1 to %d; 1: strictly", maxMaxJobs), fmt.Sprintf("%d offsets", maxStartOffsets),
		fmt.Sprintf("%d to %d", minHLLPrecision, maxHLLPrecision), fmt.Sprintf("n up to %d", maxTopN), fmt.Sprintf("%d to %d", minCompression, maxCompression), fmt.Sprintf("a top-n %d columns", maxTopNColumns),
		fmt.Sprintf("lookup tables a cube may name, at most %d", maxCubeLookups),
	} {
		if !strings.Contains(string(src), want) {
			t.Errorf("docs/CUBES.md does not name the limit %q", want)
		}
	}
}

func span(from, to time.Duration) string { return spanText(from) + " to " + spanText(to) }

// knownCubeKeys asks the parser, as knownKeys does.
func knownCubeKeys(t *testing.T) []string {
	const src = `
qqqqqqqqqqqqqqqqqqqqqqqq: 1
dimensions: [{qqqqqqqqqqqqqqqqqqqqqqqq: 1}]
measures: [{qqqqqqqqqqqqqqqqqqqqqqqq: 1}]
lookups: [{qqqqqqqqqqqqqqqqqqqqqqqq: 1, derived: [{qqqqqqqqqqqqqqqqqqqqqqqq: 1}]}]
groups: [{qqqqqqqqqqqqqqqqqqqqqqqq: 1}]
cut: {qqqqqqqqqqqqqqqqqqqqqqqq: 1, crons: [{qqqqqqqqqqqqqqqqqqqqqqqq: 1}]}
merge: {qqqqqqqqqqqqqqqqqqqqqqqq: 1, budget: [{qqqqqqqqqqqqqqqqqqqqqqqq: 1}]}
`
	_, err := ParseCube([]byte(src), "", nil)
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
	if len(keys) < 45 {
		t.Fatalf("found only %d keys, %q, in %v", len(keys), keys, err)
	}
	return keys
}
