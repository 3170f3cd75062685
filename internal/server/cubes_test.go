package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

const clicksCube = `cube: clicks_cube
table: clicks
dimensions: [url]
measures: [count]
`

func (w *world) applyCube() *cube.Cube {
	w.t.Helper()
	w.apply()
	var a AppliedCube
	w.get(http.MethodPut, "/api/v1/cubes", clicksCube, &a)
	return a.Definition
}

// keyed sends a request with an Idempotency-Key.
func (w *world) keyed(method, path, body, key string) (int, string) {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	r.Header.Set("Idempotency-Key", key)
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	w.valid(method, path, rec)
	return rec.Code, rec.Body.String()
}

func TestCubeApplyListShowDrop(t *testing.T) {
	w := newWorld(t)
	w.apply()
	var a AppliedCube
	w.get(http.MethodPut, "/api/v1/cubes?dry_run", clicksCube, &a)
	if a.Outcome != "created" || !a.DryRun || a.ID != "" || a.Cuboids != 1 {
		t.Errorf("dry run: %+v", a)
	}
	w.get(http.MethodPut, "/api/v1/cubes/clicks_cube", clicksCube, &a)
	if a.Outcome != "created" || a.Version != 1 || a.DryRun || a.ID == "" {
		t.Errorf("first apply: %+v", a)
	}
	w.get(http.MethodPut, "/api/v1/cubes", clicksCube, &a) // R2
	if a.Outcome != "unchanged" || a.Version != 1 {
		t.Errorf("the same again: %+v", a)
	}
	wider := strings.Replace(clicksCube, "[url]", "[url, hour(ts)]", 1)
	w.get(http.MethodPut, "/api/v1/cubes?dry_run", wider, &a)
	if a.Outcome != "changed" || a.Version != 2 || len(a.Changes) == 0 || a.Cuboids != 3 {
		t.Errorf("dry run of a change: %+v", a)
	}
	w.get(http.MethodPut, "/api/v1/cubes", wider, &a)
	if a.Outcome != "changed" || a.Version != 2 {
		t.Errorf("change: %+v", a)
	}
	var list Cubes
	w.get(http.MethodGet, "/api/v1/cubes", "", &list)
	if len(list.Cubes) != 1 || list.Cubes[0].Version != 2 || list.Cubes[0].State != "enabled" || list.Cubes[0].Definition != nil {
		t.Errorf("list: %+v", list)
	}
	var shown Cube
	w.get(http.MethodGet, "/api/v1/cubes/clicks_cube?version=1", "", &shown)
	if shown.Definition == nil || shown.Definition.Version != 1 || len(shown.Definition.Dimensions) != 1 {
		t.Errorf("show version 1: %+v", shown)
	}
	w.refused(http.MethodGet, "/api/v1/cubes/clicks_cube?version=9", "", http.StatusNotFound, "not_found")
	w.get(http.MethodGet, "/api/v1/cubes/clicks_cube", "", &shown)
	if again, err := cube.ParseCube(cube.FormatCube(shown.Definition), "", nil); err != nil || !cube.SameCube(again, shown.Definition) {
		t.Errorf("what is shown does not apply: %v", err)
	}
	var state CubeState
	w.get(http.MethodDelete, "/api/v1/cubes/clicks_cube", "", &state)
	if state.State != "dropped" {
		t.Errorf("drop: %+v", state)
	}
	w.refused(http.MethodDelete, "/api/v1/cubes/clicks_cube", "", http.StatusNotFound, "not_found")
}

// Every complaint comes at once, with its line, that there is no such table among them.
func TestCubeApplyReportsEveryProblem(t *testing.T) {
	w := newWorld(t)
	w.apply()
	bad := "cube: clicks_cube\ntable: nowhere\ndimensions: [url]\nmeasures: [summ(url)]\ncut: {age: soon}\n"
	for body, lines := range map[string][]int{
		bad: {2, 4, 5},
		strings.Replace(bad, "nowhere", "clicks", 1):       {4, 5},
		"cube: x\ntable: clicks\ndimensions: [uri]\n":      {3},
		`{"cube": "x", "table": "no", "dimensions":["a"]}`: {1},
	} {
		e := w.refused(http.MethodPut, "/api/v1/cubes", body, http.StatusUnprocessableEntity, "invalid_definition")
		var got []int
		for _, p := range e.Problems {
			got = append(got, p.Line)
			if p.Message == "" || p.Instead == "" {
				t.Errorf("problem without message or advice: %+v", p)
			}
		}
		for i, want := range lines {
			if len(got) != len(lines) || got[i] != want {
				t.Errorf("%q: problems on lines %v, want %v: %+v", body, got, lines, e.Problems)
				break
			}
		}
	}
	w.refused(http.MethodPut, "/api/v1/cubes/other", clicksCube, http.StatusBadRequest, "bad_request")
	w.refused(http.MethodPut, "/api/v1/cubes?project=b", "project: a\n"+clicksCube, http.StatusBadRequest, "bad_request")
	var list Cubes
	if w.get(http.MethodGet, "/api/v1/cubes", "", &list); len(list.Cubes) != 0 {
		t.Errorf("a refused definition made a cube: %+v", list)
	}
}

func TestCubeOfAnotherTableIsRefused(t *testing.T) {
	w := newWorld(t)
	w.applyCube()
	var a Applied
	w.get(http.MethodPut, "/api/v1/tables", strings.ReplaceAll(clicks, "clicks", "visits"), &a)
	moved := strings.Replace(clicksCube, "table: clicks", "table: visits", 1)
	for _, dry := range []string{"", "?dry_run"} {
		w.refused(http.MethodPut, "/api/v1/cubes"+dry, moved, http.StatusConflict, "conflict")
	}
}

func TestCubeEnableDisablePurge(t *testing.T) {
	w := newWorld(t)
	w.applyCube()
	for _, c := range []struct {
		call, state, reason string
		changed             bool
	}{
		{"disable?reason=moving+house", "disabled", "moving house", true},
		{"disable", "disabled", "moving house", false},
		{"enable", "enabled", "", true},
		{"enable", "enabled", "", false},
		{"disable", "disabled", "disabled by anonymous", true},
		{"purge", "purged", "", true},
	} {
		var s CubeState
		w.get(http.MethodPost, "/api/v1/cubes/clicks_cube/"+c.call, "", &s)
		if s.State != c.state || s.Reason != c.reason || s.Changed != c.changed {
			t.Errorf("%s: got %+v, want %+v", c.call, s, c)
		}
	}
	w.refused(http.MethodPost, "/api/v1/cubes/none/purge", "", http.StatusNotFound, "not_found")
}

func TestCubeClone(t *testing.T) {
	w := newWorld(t)
	w.applyCube()
	const path = "/api/v1/cubes/clicks_cube/clone"
	code, first := w.keyed(http.MethodPost, path, `{"cube": "copy"}`, "k1")
	if code != http.StatusOK || !strings.Contains(first, `"created"`) {
		t.Fatalf("clone: %d %s", code, first)
	}
	if code, again := w.keyed(http.MethodPost, path, `{"cube": "copy"}`, "k1"); code != http.StatusOK || again != first {
		t.Errorf("the same request under the same key: %d %s, want %s", code, again, first)
	}
	if code, other := w.keyed(http.MethodPost, path, `{"cube": "other"}`, "k1"); code != http.StatusConflict {
		t.Errorf("another request under the same key: %d %s", code, other)
	}
	if code, long := w.keyed(http.MethodPost, path, `{"cube": "other"}`, strings.Repeat("k", maxKey+1)); code != http.StatusBadRequest {
		t.Errorf("a key that is too long: %d %s", code, long)
	}
	w.refused(http.MethodPost, path, `{"cube": "copy"}`, http.StatusConflict, "conflict")
	w.refused(http.MethodPost, path, `{"cube": "not a name"}`, http.StatusUnprocessableEntity, "invalid_definition")
	w.refused(http.MethodPost, path, ``, http.StatusBadRequest, "bad_request")
	w.refused(http.MethodPost, path, `{"cub": "x"}`, http.StatusBadRequest, "bad_request")
	w.refused(http.MethodPost, path, `{"cube": "x"} {}`, http.StatusBadRequest, "bad_request")
	w.refused(http.MethodPost, path, `{"cube": "x", "project": "nope"}`, http.StatusNotFound, "not_found")
}

func TestCubeRollback(t *testing.T) {
	w := newWorld(t)
	w.applyCube()
	const path = "/api/v1/cubes/clicks_cube/rollback"
	w.refused(http.MethodPost, path, "", http.StatusBadRequest, "bad_request")
	var a AppliedCube
	w.get(http.MethodPut, "/api/v1/cubes", clicksCube+"owner: ann\n", &a)
	w.get(http.MethodPost, path, "", &a)
	if a.Version != 3 || a.Outcome != "changed" || a.Definition.Owner != "" || len(a.Changes) != 1 {
		t.Errorf("back to version 1: %+v", a)
	}
	w.get(http.MethodPost, path+"?version=3", "", &a)
	if a.Version != 3 || a.Outcome != "unchanged" {
		t.Errorf("to where it is: %+v", a)
	}
	w.refused(http.MethodPost, path+"?version=9", "", http.StatusNotFound, "not_found")
}

// R5: whichever storage call of an apply fails, the same apply again ends with the definition in the store.
func TestCubeApplyCompletesAfterAFailure(t *testing.T) {
	for _, after := range []bool{false, true} {
		for i := 0; ; i++ {
			mem := new(blob.Mem)
			st := &faultblob.Store{Store: mem, At: i, After: after}
			w := newWorld(t, func(o *Options) { o.Store = st })
			w.call(http.MethodPut, "/api/v1/tables", clicks)
			w.call(http.MethodPut, "/api/v1/tables", clicks)
			code, text := w.call(http.MethodPut, "/api/v1/cubes", clicksCube)
			fired := st.Fired()
			if code == http.StatusOK && !fired {
				break
			}
			var a AppliedCube
			w.get(http.MethodPut, "/api/v1/cubes", clicksCube, &a)
			r, err := mem.Open(t.Context(), "cubes/"+a.ID+"/v1.json", 0, -1)
			if err != nil {
				t.Fatalf("fault %d (after=%t), first answer %d %s: %v", i, after, code, text, err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if i > 20 {
				t.Fatal("faults without end")
			}
		}
	}
}
