package cube

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// What is wrong with the query of a lookup table is said with its place, and how often it is refreshed is read as other spans are.
func TestLookupQuery(t *testing.T) {
	for _, tt := range []struct {
		q    LookupQuery
		want string // of the complaint; "": none
		wait time.Duration
	}{
		{LookupQuery{SQL: "SELECT 1"}, "", 0},
		{LookupQuery{SQL: "SELECT 1", Every: "1d"}, "", 24 * time.Hour},
		{LookupQuery{SQL: "SELECT 1", Every: "90m"}, "", 90 * time.Minute},
		{LookupQuery{SQL: " "}, "query.sql: there is no statement", 0},
		{LookupQuery{SQL: strings.Repeat("x", maxLookupSQL+1)}, "query.sql: it has 65537 bytes", 0},
		{LookupQuery{SQL: "SELECT 1", Every: "hourly"}, "query.every: \"hourly\" is no duration", 0},
		{LookupQuery{SQL: "SELECT 1", Every: "1s"}, "query.every: 1s is out of range: write 10s to 366d", time.Second},
	} {
		l := Lookup{Project: "default", Name: "l", Key: "id", Columns: []LookupColumn{{Name: "id", Type: "int64"}}, Query: &tt.q}
		got := ""
		if err := l.Validate(); err != nil {
			got = err.Error()
		}
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%.60q every %q: got %q, want %q", tt.q.SQL, tt.q.Every, got, tt.want)
		}
		if d := tt.q.Interval(); d != tt.wait {
			t.Errorf("every %q: got %v, want %v", tt.q.Every, d, tt.wait)
		}
	}
	if d := (*LookupQuery)(nil).Interval(); d != 0 {
		t.Errorf("of a file: got %v, want 0", d)
	}
	text, err := json.Marshal(&LookupQuery{SQL: "SELECT 1"})
	if err != nil || string(text) != `{"sql":"SELECT 1"}` {
		t.Errorf("json: got %s, %v", text, err)
	}
	hour, minutes := LookupQuery{SQL: "x", Every: "1h"}, LookupQuery{SQL: "x", Every: "60m", At: time.Unix(1, 0)}
	if !hour.Same(&minutes) || hour.Same(&LookupQuery{SQL: "y", Every: "1h"}) || hour.Same(&LookupQuery{SQL: "x"}) || hour.Same(nil) {
		t.Error("the same are the same text and interval, of whatever moments")
	}
}
