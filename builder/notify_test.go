package builder

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
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
	for id := range int64(3) { // and tells of the same once
		b.taskFailed(t.Context(), scheduler.Task{ID: 8 + id, Kind: taskMaintain, Spec: []byte(`{"cube":"` + w.cube.ID + `"}`), Error: "no luck again"})
	}
	b.taskFailed(t.Context(), scheduler.Task{ID: 20, Kind: taskCut, Spec: []byte(`{"cube":"` + w.cube.ID + `"}`), Error: "no luck"})
	if f := <-got; f.Task != 20 || f.Kind != taskCut {
		t.Errorf("told after repetitions: got %+v, want task 20", f)
	}
	b.wg.Wait()
}

// The same failure is told again after an hour, at once where the notice was lost, and apart from others.
func TestToldOnce(t *testing.T) {
	var x told
	at := time.Unix(1000, 0)
	def := &cube.Cube{ID: "a"}
	f := failure{def: def, Kind: KindMerge, Job: 3}
	for i, c := range []struct {
		url  string
		f    failure
		at   time.Time
		want bool
	}{
		{"u", f, at, true},
		{"u", f, at.Add(time.Minute), false},
		{"v", f, at, true},
		{"u", f.forGood(), at, true},
		{"u", f.forGood(), at, false},
		{"u", failure{def: def, Kind: KindMerge, Job: 4}, at, true},
		{"u", f, at.Add(toldFor), true},
		{"u", f, at.Add(toldFor + 1), false},
	} {
		if got := x.first(c.url, c.f, c.at); got != c.want {
			t.Errorf("notice %d to %s at %v: got %t, want %t", i, c.url, c.at, got, c.want)
		}
	}
	if x.forget("u", f); !x.first("u", f, at.Add(toldFor+2)) {
		t.Error("a lost notice is not told again")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The owner of a cube is told how often its job was tried: attempts that met an outage are among them.
func TestNotifyCountsStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, submit := engineWorld(t, "notify: [\"https://owner.example.org/hook\"]\n")
		told := make(chan string, 10)
		hook := roundTrip(func(r *http.Request) (*http.Response, error) {
			var f failure
			if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
				t.Errorf("webhook body: %v", err)
			}
			told <- fmt.Sprintf("%d attempts: %s", f.Attempts, f.Problem)
			return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
		})
		b := w.builder(func(o *Options) {
			o.HTTP, o.MaxStalls = &http.Client{Transport: hook}, 4
			o.Engine = &goneEngine{err: fmt.Errorf("no answer: %w", catalog.ErrUnavailable)}
		})
		submit(b)
		w.rests(b, 30, func() { time.Sleep(time.Second) })
		b.wg.Wait()
		close(told)
		var got []string
		for line := range told {
			got = append(got, line)
		}
		problem := "make cuboids: no answer: " + catalog.ErrUnavailable.Error()
		want := []string{"3 attempts: " + problem, "4 attempts: a store did not answer in 4 attempts in a row: " + problem}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("told (-want +got):\n%s", d)
		}
	})
}
