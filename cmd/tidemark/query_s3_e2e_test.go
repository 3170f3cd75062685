//go:build e2e

package main_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// The store does not answer: a statement ends with its time-out and says so. Its connections break in mid-answer: it is tried
// again. The next statement is right.
func TestE2EQuerySlowStore(t *testing.T) {
	l, store := newSlowLine(t, testkit.S3(t))
	const limit = 3 * time.Second
	c := newCubed(t, place{flags: []string{"--store", store}, staging: "{roll: {rows: 5000, age: 1s}}"}, byHand)
	serve := func() {
		t.Helper()
		c.p = testkit.Start(t, testkit.Command{Args: c.args("serve", "--brokers", c.brokers, "--http", "127.0.0.1:0", "--query-timeout", limit.String()), Env: c.env})
		c.url = c.p.WaitLine(`tidemark serves (http://\S+),`)[1]
		testkit.WaitHTTP(t, c.url+"/healthz")
	}
	serve()
	c.built(3)
	c.end()
	serve() // nothing is kept of what was read
	l.hold()
	for _, sql := range []string{byCountry, "SELECT page_url, count(*) FROM pageviews WHERE latency_ms > 3 GROUP BY page_url"} {
		began := time.Now()
		_, err := c.query(t.Context(), sql)
		if err == nil || !strings.Contains(err.Error(), "took longer than 3s") {
			t.Errorf("%s, while the store does not answer: %v, want that it took longer than 3s", sql, err)
		}
		if took := time.Since(began); took > 20*limit {
			t.Errorf("%s: an error after %s, want one after %s", sql, took, limit)
		}
	}
	l.goOn()
	ask := func(ctx context.Context) error {
		out, err := c.query(ctx, byCountry)
		if err == nil {
			c.right(out)
		}
		return err
	}
	testkit.Until(t, "statements are answered again", ask)
	c.end()
	serve()
	done := make(chan error, 1)
	go func() { done <- ask(t.Context()) }()
	for range 20 {
		l.cut()
	}
	if err := <-done; err != nil {
		t.Error(fmt.Errorf("while connections break: %w", err))
	}
	testkit.Until(t, "statements are answered again", ask)
	c.end()
}
