package server

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
)

func TestApplyListShowDrop(t *testing.T) {
	w := newWorld(t)
	var a Applied
	w.get(http.MethodPut, "/api/v1/tables?dry_run", clicks, &a)
	if a.Outcome != "created" || !a.DryRun || a.ID != "" {
		t.Errorf("dry run: %+v", a)
	}
	w.get(http.MethodPut, "/api/v1/tables", clicks, &a)
	if a.Outcome != "created" || a.Version != 1 || a.DryRun {
		t.Errorf("first apply: %+v", a)
	}
	w.get(http.MethodPut, "/api/v1/tables", clicks, &a) // R2
	if a.Outcome != "unchanged" || a.Version != 1 {
		t.Errorf("the same again: %+v", a)
	}
	wider := clicks + "  - {name: bytes, type: int64}\n"
	w.get(http.MethodPut, "/api/v1/tables/clicks?dry_run=true", wider, &a)
	if a.Outcome != "changed" || a.Version != 2 || len(a.Changes) != 1 {
		t.Errorf("dry run of a change: %+v", a)
	}
	w.get(http.MethodPut, "/api/v1/tables/clicks", wider, &a)
	if a.Outcome != "changed" || a.Version != 2 {
		t.Errorf("change: %+v", a)
	}
	var list Tables
	w.get(http.MethodGet, "/api/v1/tables", "", &list)
	if len(list.Tables) != 1 || list.Tables[0].Version != 2 || list.Tables[0].Columns != 3 || list.Tables[0].Definition != nil {
		t.Errorf("list: %+v", list)
	}
	var shown Table
	w.get(http.MethodGet, "/api/v1/tables/clicks", "", &shown)
	if shown.Definition == nil || shown.ID != a.ID || shown.State != "active" {
		t.Errorf("show: %+v", shown)
	}
	if again, err := cube.ParseTable(cube.FormatTable(shown.Definition), ""); err != nil || !cube.SameDefinition(again, shown.Definition) {
		t.Errorf("what is shown does not apply: %v", err)
	}
	var state TableState
	w.get(http.MethodDelete, "/api/v1/tables/clicks", "", &state)
	if state.State != "dropped" {
		t.Errorf("drop: %+v", state)
	}
	w.refused(http.MethodDelete, "/api/v1/tables/clicks", "", http.StatusNotFound, "not_found")
	w.refused(http.MethodGet, "/api/v1/tables/clicks", "", http.StatusNotFound, "not_found")
}

// What is shown in JSON is a definition too.
func TestShownJSONAppliesAgain(t *testing.T) {
	w := newWorld(t)
	w.apply()
	_, text := w.call(http.MethodGet, "/api/v1/tables/clicks", "")
	from := strings.Index(text, `"definition": `)
	definition := strings.TrimSuffix(strings.TrimSpace(text[from+len(`"definition": `):]), "}")
	var a Applied
	w.get(http.MethodPut, "/api/v1/tables", definition, &a)
	if a.Outcome != "unchanged" {
		t.Errorf("got %+v", a)
	}
}

func TestApplyReportsEveryProblemWithItsLine(t *testing.T) {
	w := newWorld(t)
	bad := "table: clicks\ntopic: clicks\nevent_time: {column: when}\ncolumns:\n  - {name: ts, type: timestmp}\n  - {name: url, typ: string}\n"
	e := w.refused(http.MethodPut, "/api/v1/tables", bad, http.StatusUnprocessableEntity, "invalid_definition")
	lines := []int{}
	for _, p := range e.Problems {
		lines = append(lines, p.Line)
		if p.Message == "" || p.Instead == "" {
			t.Errorf("problem without message or advice: %+v", p)
		}
	}
	for _, want := range []int{3, 5, 6} {
		if !slices.Contains(lines, want) {
			t.Errorf("no problem on line %d: %+v", want, e.Problems)
		}
	}
	var list Tables
	if w.get(http.MethodGet, "/api/v1/tables", "", &list); len(list.Tables) != 0 {
		t.Errorf("a refused definition made a table: %+v", list)
	}
}

func TestApplyRefuses(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxBody = 1 << 10 })
	w.apply()
	w.refused(http.MethodPut, "/api/v1/tables/other", clicks, http.StatusBadRequest, "bad_request")
	w.refused(http.MethodPut, "/api/v1/tables?dry_run=maybe", clicks, http.StatusBadRequest, "bad_request")
	w.refused(http.MethodPut, "/api/v1/tables", clicks+"#"+strings.Repeat("x", 1<<10), http.StatusRequestEntityTooLarge, "too_large")
	moved := strings.Replace(clicks, "topic: clicks", "topic: visits", 1)
	for _, dry := range []string{"", "?dry_run"} {
		w.refused(http.MethodPut, "/api/v1/tables"+dry, moved, http.StatusConflict, "conflict")
	}
	w.refused(http.MethodPut, "/api/v1/tables?project=nope", clicks, http.StatusNotFound, "not_found")
	w.refused(http.MethodPut, "/api/v1/tables?project=b", "project: a\n"+clicks, http.StatusBadRequest, "bad_request")
	w.refused(http.MethodGet, "/api/v1/tables/clicks?project=nope", "", http.StatusNotFound, "not_found")
}

// R5: whichever storage call of an apply fails, the same apply again ends with the definition in the store.
func TestApplyCompletesAfterAFailure(t *testing.T) {
	for _, after := range []bool{false, true} {
		for i := 0; ; i++ {
			mem := new(blob.Mem)
			st := &faultblob.Store{Store: mem, At: i, After: after}
			w := newWorld(t, func(o *Options) { o.Store = st })
			code, text := w.call(http.MethodPut, "/api/v1/tables", clicks)
			if !st.Fired() {
				if code != http.StatusOK {
					t.Fatalf("without a fault: %d %s", code, text)
				}
				break
			}
			if code == http.StatusOK && !after {
				t.Errorf("fault %d was swallowed", i)
			}
			def := w.apply()
			var keys []string
			for o, err := range mem.List(t.Context(), "tables/") {
				if err != nil {
					t.Fatal(err)
				}
				keys = append(keys, o.Key)
			}
			if diff := cmp.Diff([]string{"tables/" + def.ID + "/v1.json"}, keys); diff != "" {
				t.Errorf("fault %d (after=%t): %s", i, after, diff)
			}
		}
	}
}

func TestStoreDefinitionsFillsWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	def := w.apply()
	key := "tables/" + def.ID + "/v1.json"
	if err := w.store.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.server.StoreDefinitions(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := blob.Stat(t.Context(), w.store, key); err != nil {
		t.Error(err)
	}
	// Another spelling of the same definition is no conflict, another definition is.
	for text, want := range map[string]bool{
		`{"name":"clicks","project":"default","id":"` + def.ID + `","version":1}`: false,
	} {
		if err := w.store.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if err := w.store.Create(t.Context(), key, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.server.StoreDefinitions(t.Context()); (err == nil) != want {
			t.Errorf("store holds %s: got %v", text, err)
		}
	}
}

func TestStopAndResume(t *testing.T) {
	w := newWorld(t)
	w.apply()
	for _, step := range []struct {
		path string
		want TableState
	}{
		{"stop?reason=repair", TableState{"default", "clicks", "stopped", "repair", true}},
		{"stop?reason=other", TableState{"default", "clicks", "stopped", "repair", false}},
		{"resume", TableState{"default", "clicks", "active", "", true}},
		{"resume", TableState{"default", "clicks", "active", "", false}},
		{"stop", TableState{"default", "clicks", "stopped", "stopped by hand", true}},
	} {
		var got TableState
		w.get(http.MethodPost, "/api/v1/tables/clicks/"+step.path, "", &got)
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s: %s", step.path, diff)
		}
	}
	var shown Table
	if w.get(http.MethodGet, "/api/v1/tables/clicks", "", &shown); shown.State != "stopped" || shown.Reason != "stopped by hand" {
		t.Errorf("shown: %+v", shown)
	}
}

func TestRollNeedsSomebodyWhoReads(t *testing.T) {
	w := newWorld(t)
	def := w.apply()
	var got Rolled
	if w.get(http.MethodPost, "/api/v1/tables/clicks/roll", "", &got); got.Reading || got.Partition != -1 {
		t.Errorf("nobody reads: %+v", got)
	}
	w.commit(def, segmenter.PartitionRange{Partition: 2, Start: 0, End: 10})
	if w.get(http.MethodPost, "/api/v1/tables/clicks/roll?partition=2", "", &got); !got.Reading || got.Partition != 2 {
		t.Errorf("partition 2 is read: %+v", got)
	}
	rolls, err := w.catalog.RollRequests(t.Context())
	if err != nil || len(rolls) != 1 || rolls[0].Partition != 2 {
		t.Errorf("requests: %+v, %v", rolls, err)
	}
	w.refused(http.MethodPost, "/api/v1/tables/clicks/roll?partition=9", "", http.StatusNotFound, "not_found")
}
