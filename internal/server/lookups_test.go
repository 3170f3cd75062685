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
		{put + "&format=xls", "id\n1\n", "want csv, parquet or query", http.StatusUnprocessableEntity},
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

// R5: a cube names lookup tables that are there; while it does they stay, and a plan says what is derived from them.
func TestCubeNamesLookups(t *testing.T) {
	w := newWorld(t)
	w.get("PUT", "/api/v1/tables", clicks, new(Applied))
	const def = "cube: c\ntable: clicks\ndimensions: [url]\nlookups: [{lookup: pages, foreign_key: url, derived: [title]}]\n"
	refused := func(method, path, body, want string, status int) {
		t.Helper()
		if code, text := w.call(method, path, body); code != status || !strings.Contains(text, want) {
			t.Errorf("%s %s: got %d %s, want %d and %q", method, path, code, text, status, want)
		}
	}
	refused("PUT", "/api/v1/cubes", def, `there is no lookup table \"pages\" in project default`, http.StatusUnprocessableEntity)
	w.get("PUT", "/api/v1/lookups/pages?key=url", "url,title\n/,home\n", new(Lookup))
	refused("PUT", "/api/v1/cubes", strings.Replace(def, "title", "titel", 1), `has no column \"titel\"`, http.StatusUnprocessableEntity)
	var plan CubePlan
	w.get("POST", "/api/v1/cubes/plan", def, &plan)
	if len(plan.Derived) != 1 || plan.Derived[0] != (PlannedDerived{Dimension: "title", Lookup: "pages", Column: "title", From: "url"}) || plan.Cuboids != 1 {
		t.Errorf("plan: got %+v, want one cuboid and title derived", plan)
	}
	w.get("PUT", "/api/v1/cubes", `{"cube": "c", "table": "clicks", "dimensions": ["url"], "lookups": [{"lookup": "pages", "foreign_key": "url", "derived": ["title"]}]}`, new(AppliedCube))
	var shown Cube
	w.get("GET", "/api/v1/cubes/c", "", &shown)
	if l := shown.Definition.Lookups; len(l) != 1 || l[0].Name != "pages" || l[0].Derived[0].Name != "title" {
		t.Errorf("shown: got %+v", l)
	}
	w.get("POST", "/api/v1/cubes/c/clone", `{"cube": "d"}`, new(AppliedCube))
	refused("DELETE", "/api/v1/lookups/pages", "", "cubes c, d name it", http.StatusConflict)
	refused("PUT", "/api/v1/lookups/pages?key=url", "url,name\n/,home\n", "cube c could not use this version", http.StatusConflict)
	w.get("DELETE", "/api/v1/cubes/d", "", new(CubeState))
	w.get("DELETE", "/api/v1/cubes/c", "", new(CubeState))
	w.get("DELETE", "/api/v1/lookups/pages", "", new(Lookup))
}
