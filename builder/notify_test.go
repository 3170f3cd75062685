package builder

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
)

// A job that fails for good tells the owner's webhook what, where and why; one that cannot be reached stops nothing.
func TestNotify(t *testing.T) {
	got := make(chan failure, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var f failure
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			t.Errorf("webhook body: %v", err)
		}
		got <- f
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	w := newWorld(t, 1, byHand+"owner: ann\nnotify: [\""+gone.URL+"\", \""+srv.URL+"\"]\n")
	w.stage(0, 0, 10)
	b := w.builder(nil)
	sub, err := b.Build(t.Context(), BuildRequest{Request: w.request()})
	must(t, err)
	must(t, w.store.Delete(t.Context(), w.keys("staged/")[0]))
	w.run(b)
	f := <-got
	if f.Event != "failed" || f.Cube != "views" || f.Owner != "ann" || f.Job != sub.Jobs[0].ID || !strings.Contains(f.Problem, "gone from the store") {
		t.Errorf("told: got %+v", f)
	}
	b.taskFailed(t.Context(), scheduler.Task{ID: 7, Kind: taskMaintain, Spec: []byte(`{"cube":"` + w.cube.ID + `"}`), Error: "no luck"})
	if f := <-got; f.Task != 7 || f.Kind != taskMaintain || f.Problem != "no luck" {
		t.Errorf("told of a task: got %+v", f)
	}
	b.wg.Wait()
}
