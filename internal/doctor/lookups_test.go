package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// D1: a lookup table whose query fails, or that nobody refreshes, is told with the command that mends it; others are not blocked.
func TestDiagnoseLookup(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	hourly := &cube.LookupQuery{SQL: "SELECT 1", Every: "1h"}
	for _, tt := range []struct {
		name          string
		query         *cube.LookupQuery
		age           time.Duration // of the last try
		failures      int
		says, command string
	}{
		{"file", nil, 1000 * time.Hour, 0, "lookup table sales/l is made of a file: version 2 has 7 rows", ""},
		{"by hand", &cube.LookupQuery{SQL: "SELECT 1"}, 1000 * time.Hour, 0, "is a snapshot of a query: version 2", ""},
		{"on time", hourly, time.Hour, 0, "is a snapshot of a query", ""},
		{"late", hourly, time.Hour + silent + 1, 0, "no process refreshes it every 1h", "tidemark serve"},
		{"fails", hourly, time.Minute, 3, "its query has failed 3 times since: no such table", "tidemark lookup refresh l --project sales"},
	} {
		v := catalog.LookupVersion{Lookup: &cube.Lookup{Project: "sales", Name: "l", Version: 2, Query: tt.query}, Rows: 7}
		v.Refresh = catalog.LookupRefresh{TriedUs: now.Add(-tt.age).UnixMicro(), RefreshedUs: now.Add(-tt.age).UnixMicro(), Failures: tt.failures}
		if tt.failures > 0 {
			v.Refresh.Problem = "no such table"
		}
		f, blocked := diagnoseLookup(v, now)
		if !strings.Contains(f.Says, tt.says) || f.Command != tt.command || blocked != (tt.command != "") || f.Blocked != blocked {
			t.Errorf("%s: got %+v, want %q and %q", tt.name, f, tt.says, tt.command)
		}
	}
}
