package server

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
)

func TestReadyzSaysWhichPartDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &faultblob.Store{Store: new(blob.Mem), At: 1}
		w := newWorld(t, func(o *Options) { o.Store = st })
		ask := func(when string, code int, catalog, store bool) {
			t.Helper()
			got, text := w.call(http.MethodGet, "/readyz", "")
			var a Readiness
			if err := json.Unmarshal([]byte(text), &a); err != nil || got != code || a.Ready != (code == http.StatusOK) {
				t.Errorf("%s: %d %s, %v, want %d", when, got, text, err, code)
			}
			if (a.Catalog == "ok") != catalog || (a.Store == "ok") != store || a.Catalog == "" || a.Store == "" {
				t.Errorf("%s: %+v", when, a)
			}
		}
		ask("all well", http.StatusOK, true, true)
		time.Sleep(readyEvery - 1)
		ask("within a second", http.StatusOK, true, true)
		time.Sleep(1 * time.Nanosecond)
		ask("store gone", http.StatusServiceUnavailable, true, false)
		if err := w.catalog.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(readyEvery)
		ask("catalog gone", http.StatusServiceUnavailable, false, true)
		if code, _ := w.call(http.MethodGet, "/healthz", ""); code != http.StatusOK {
			t.Errorf("healthz: %d: the process itself is well", code)
		}
		if st.Calls() != 3 {
			t.Errorf("the store was asked %d times by 4 calls, want 3", st.Calls())
		}
	})
}

// A process that stops is not ready, and says why; it can be asked for all else until it has ended.
func TestReadyzOfAProcessThatStops(t *testing.T) {
	w := newWorld(t)
	w.server.Leave()
	code, text := w.call(http.MethodGet, "/readyz", "")
	var a Readiness
	if err := json.Unmarshal([]byte(text), &a); err != nil || code != http.StatusServiceUnavailable || a.Ready || !a.Leaving || a.Catalog != "ok" || a.Store != "ok" {
		t.Errorf("readyz: %d %s, %v, want %d, leaving, with all parts well", code, text, err, http.StatusServiceUnavailable)
	}
	for _, path := range []string{"/healthz", "/metrics", "/api/v1/nodes"} {
		if code, _ := w.call(http.MethodGet, path, ""); code != http.StatusOK {
			t.Errorf("%s: %d, want %d", path, code, http.StatusOK)
		}
	}
}

// waiting is a store whose lists wait for until, and for their context if they listen to it.
type waiting struct {
	blob.Store
	until chan struct{}
	deaf  bool
	lists atomic.Int32
}

func (s *waiting) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	s.lists.Add(1)
	done := ctx.Done()
	if s.deaf {
		done = nil
	}
	select {
	case <-s.until:
	case <-done:
		return func(yield func(blob.Object, error) bool) { yield(blob.Object{}, ctx.Err()) }
	}
	return s.Store.List(ctx, prefix)
}

// Many ask at once, and the one whose call began the look goes away: the others get its answer.
func TestReadyzIsLookedAtOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &waiting{Store: new(blob.Mem), until: make(chan struct{})}
		w := newWorld(t, func(o *Options) { o.Store = st })
		first, gone := context.WithCancel(t.Context())
		codes := make(chan int, 11)
		ask := func(ctx context.Context) {
			rec := httptest.NewRecorder()
			w.server.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/readyz", nil))
			codes <- rec.Code
		}
		go ask(first)
		synctest.Wait()
		for range cap(codes) - 1 {
			go ask(t.Context())
		}
		synctest.Wait()
		gone()
		synctest.Wait()
		time.Sleep(readyEvery) // a look that goes on is still the one
		go ask(t.Context())
		synctest.Wait()
		close(st.until)
		for range cap(codes) + 1 {
			if code := <-codes; code != http.StatusOK {
				t.Errorf("got %d, want 200", code)
			}
		}
		if n := st.lists.Load(); n != 1 {
			t.Errorf("the store was asked %d times, want once", n)
		}
	})
}

// A part that does not even end when it is told to holds up nobody, the caller that looks no more than those after it. It is asked once
// as long as it hangs, and the other part is said to answer.
func TestReadyzAnswersBesideAPartThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &waiting{Store: new(blob.Mem), until: make(chan struct{}), deaf: true}
		w := newWorld(t, func(o *Options) { o.Store, o.ReadyLimit = st, 3*time.Second })
		for range 3 {
			began := time.Now()
			code, text := w.call(http.MethodGet, "/readyz", "")
			var a Readiness
			if err := json.Unmarshal([]byte(text), &a); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); code != http.StatusServiceUnavailable || took != 3*time.Second || a.Catalog != "ok" || a.Store != "no answer within 3s" {
				t.Errorf("%d %s after %s, want 503 after 3s for the store's sake", code, text, took)
			}
		}
		if n := st.lists.Load(); n != 1 {
			t.Errorf("a store that hangs was asked %d times, want once", n)
		}
		close(st.until)
		synctest.Wait()
		time.Sleep(readyEvery)
		if code, text := w.call(http.MethodGet, "/readyz", ""); code != http.StatusOK {
			t.Errorf("%d %s when the store answers again", code, text)
		}
	})
}
