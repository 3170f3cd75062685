package server

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/server/statements"
	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func (w *world) register(n catalog.Node) {
	w.t.Helper()
	if _, err := w.catalog.RegisterNode(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
}

// A process without the role query says which one has it; all else is answered.
func TestStatementsElsewhere(t *testing.T) {
	w := newWorld(t)
	w.register(catalog.Node{Name: "builder", Address: "node-1:7070", Roles: []string{"schedule", "build"}})
	refused := func() (says string) {
		t.Helper()
		for _, c := range [][2]string{{http.MethodPost, "/query"}, {http.MethodPost, "/explain"}, {http.MethodGet, "/statements"}} {
			e := w.refused(c[0], "/api/v1"+c[1], `{"sql": "SELECT 1"}`, http.StatusServiceUnavailable, "unavailable")
			if says = e.Message; !strings.Contains(says, "role query") {
				t.Errorf("%s %s: %q, want a word about the role query", c[0], c[1], says)
			}
		}
		return says
	}
	if says := refused(); !strings.Contains(says, "tidemark serve --roles query") || strings.Contains(says, "node-1") {
		t.Errorf("nobody answers: %q", says)
	}
	w.register(catalog.Node{Name: "nowhere", Roles: []string{"query"}})
	w.register(catalog.Node{Name: "reader", Address: "node-2:7070", Roles: []string{"ingest", "query"}, Version: "v1"})
	if says := refused(); !strings.Contains(says, "ask node-2:7070") {
		t.Errorf("%q, want node-2:7070 in it", says)
	}
	var out Nodes
	w.get(http.MethodGet, "/api/v1/nodes", "", &out)
	i := slices.IndexFunc(out.Nodes, func(n Node) bool { return n.Node == "reader" })
	if len(out.Nodes) != 3 || i < 0 {
		t.Fatalf("nodes: %+v, want 3", out.Nodes)
	}
	if n := out.Nodes[i]; !n.Live || n.Address != "node-2:7070" || n.Version != "v1" || !slices.Equal(n.Roles, []string{"ingest", "query"}) || n.SeenAt.IsZero() {
		t.Errorf("got %+v", n)
	}
}

// E8: an answer says whose memory it is without, also where it is kept from before; one of the past does not, nor who is alone.
func TestAnswersWithoutAnothersTail(t *testing.T) {
	w := queryWorld(t, func(q *query.Options) { q.Source.Node = "me" })
	def := w.apply()
	for p, owner := range []string{"other", "me", "other", ""} {
		state, err := w.catalog.Assign(t.Context(), catalog.Claim{TableID: def.ID, Partition: int32(p), Owner: owner, Address: "node-1:7070"})
		if err != nil {
			t.Fatal(err)
		}
		if p == 2 {
			if err := w.catalog.Release(t.Context(), def.ID, 2, state.Epoch); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask := func(more string) QueryAnswer {
		t.Helper()
		var out QueryAnswer
		w.get(http.MethodPost, "/api/v1/query", `{"sql": "SELECT count(*) FROM clicks"`+more+`}`, &out)
		if len(out.Tables) != 1 {
			t.Fatalf("tables: %+v", out.Tables)
		}
		return out
	}
	want := []statements.QueryElsewhere{{Partition: 0, Owner: "other", Address: "node-1:7070"}}
	cached := false
	for range 3 {
		out := ask("")
		if d := cmp.Diff(want, out.Tables[0].TailElsewhere); d != "" {
			t.Errorf("cached: %t (-want +got):\n%s", out.Cached, d)
		}
		cached = cached || out.Cached
	}
	if !cached {
		t.Error("no answer was kept: nothing is shown of those that are")
	}
	if out := ask(`, "as_of": "` + time.Now().UTC().Format(time.RFC3339Nano) + `"`); out.Tables[0].TailElsewhere != nil {
		t.Errorf("of the past: %+v, want no mark", out.Tables[0].TailElsewhere)
	}
	if _, err := w.catalog.Assign(t.Context(), catalog.Claim{TableID: def.ID, Owner: "me"}); err != nil {
		t.Fatal(err)
	}
	if out := ask(""); out.Tables[0].TailElsewhere != nil {
		t.Errorf("when all is read here: %+v, want no mark", out.Tables[0].TailElsewhere)
	}
}
