package server

import (
	"net/http"
	"strings"
	"testing"
)

// R5: a lookup table is made, changed and dropped; what is wrong with a file comes with its place.
func TestLookups(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxBody = 1 << 10 })
	const put = "/api/v1/lookups/shops?key=id&types=id:int64"
	var l Lookup
	w.get("PUT", put+"&dry_run=true", "id,name\n1,a\n", &l)
	if l.Rows != 1 || l.ID != "" || l.Outcome != "" {
		t.Errorf("dry run: got %+v", l)
	}
	w.get("PUT", put, "id,name\n1,a\n", &l)
	if l.Outcome != "created" || l.Version != 1 || l.Key != "id" || len(l.Columns) != 2 {
		t.Errorf("first: got %+v", l)
	}
	first := l.Object
	w.get("PUT", put, "id,name\n1,a\n", &l)
	if l.Outcome != "unchanged" || l.Object != first {
		t.Errorf("again: got %+v, want it unchanged in %s", l, first)
	}
	w.get("PUT", put, "id,name\n1,"+strings.Repeat("long", 1000)+"\n", &l) // larger than other bodies may be
	if l.Outcome != "changed" || l.Version != 2 {
		t.Errorf("second: got %+v", l)
	}
	var list Lookups
	w.get("GET", "/api/v1/lookups/shops", "", &list)
	if len(list.Lookups) != 2 || list.Lookups[0].Version != 2 || list.Lookups[0].Created.IsZero() {
		t.Errorf("versions: got %+v", list)
	}
	w.get("GET", "/api/v1/lookups", "", &list)
	if len(list.Lookups) != 1 || list.Lookups[0].Version != 2 {
		t.Errorf("list: got %+v", list)
	}
	for _, tt := range []struct {
		path, body, want string
		status           int
	}{
		{put, "id,name\nx,a\n", `line 2, column 1: id: \"x\" is no int64`, http.StatusUnprocessableEntity},
		{put, "id,name\n1,a\n1,b\n", "lines 2 and 3 have the same key id = 1", http.StatusUnprocessableEntity},
		{"/api/v1/lookups/shops?key=no", "id,name\n1,a\n", "there is no column", http.StatusUnprocessableEntity},
		{"/api/v1/lookups/Shops?key=id", "id,name\n1,a\n", "lookup", http.StatusUnprocessableEntity},
		{put + "&format=xls", "id\n1\n", "want csv or parquet", http.StatusUnprocessableEntity},
		{"/api/v1/lookups/shops?key=id&types=id", "id\n1\n", "want name:type", http.StatusBadRequest},
		{put + "&project=none", "id,name\n1,a\n", "not found", http.StatusNotFound},
	} {
		if code, text := w.call("PUT", tt.path, tt.body); code != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("PUT %s %q: got %d %s, want %d and %q", tt.path, tt.body, code, text, tt.status, tt.want)
		}
	}
	w.get("DELETE", "/api/v1/lookups/shops", "", &l)
	if code, _ := w.call("GET", "/api/v1/lookups/shops", ""); code != http.StatusNotFound {
		t.Errorf("dropped: got status %d, want 404", code)
	}
}
