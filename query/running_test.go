package query_test

import (
	"context"
	"slices"
	"testing"

	"github.com/tidemarkdb/tidemark/query"
)

// A statement of the process itself is not listed, neither while it runs nor after; it says of which time the newest event is that it
// covers, as all others do.
func TestInternalStatementsAreNotListed(t *testing.T) {
	w := someWorld(t)
	e := w.limited(query.Options{})
	ask := func(r query.Request) *query.Answer {
		a, err := e.Query(context.Background(), r)
		must(t, err)
		return a
	}
	own, users := ask(query.Request{SQL: "SELECT count(*) FROM shop", Internal: true}), ask(query.Request{SQL: "SELECT count(*) FROM shop"})
	listed := func(when string, of []query.Running, want ...string) {
		t.Helper()
		var got []string
		for _, r := range of {
			got = append(got, r.SQL)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s %q are listed, want %q", when, got, want)
		}
	}
	running, _ := e.Statements()
	listed("while both run", running, "SELECT count(*) FROM shop")
	if x, y := own.Tables[0].NewestMs, users.Tables[0].NewestMs; x == 0 || x != y {
		t.Errorf("the newest events of the same tail are of %d and of %d", x, y)
	}
	must(t, own.Close())
	must(t, users.Close())
	running, ended := e.Statements()
	listed("of those that run", running)
	listed("of those that have ended", ended, "SELECT count(*) FROM shop")
}
