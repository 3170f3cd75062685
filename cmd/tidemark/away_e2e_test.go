//go:build e2e

package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// readyz is what /readyz answers.
type readyz struct {
	Ready                 bool
	Catalog, Store, Kafka string
	status                int
}

func askReady(ctx context.Context, url string) (out readyz, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return out, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	out.status = resp.StatusCode
	return out, json.NewDecoder(resp.Body).Decode(&out)
}

// untilReady waits for an answer of /readyz that is as wanted; one that is ready comes with 200, another with 503.
func untilReady(t *testing.T, url, what string, ok func(readyz) bool) {
	t.Helper()
	testkit.Until(t, what, func(ctx context.Context) error {
		r, err := askReady(ctx, url)
		if err != nil {
			return err
		}
		if r.Ready != (r.status == http.StatusOK) {
			t.Errorf("status %d with %+v", r.status, r)
		}
		if !ok(r) {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
}

// A catalog that takes everything and answers nothing, then one that hangs up, for a minute under `make soak`: the process
// lives and is not ready; once the catalog is back it goes on by itself, and nothing is lost or doubled.
func TestE2EFaultsPostgresGone(t *testing.T) {
	l, dsn := newSlowCatalog(t, testkit.Postgres(t))
	c := newCubed(t, place{flags: []string{"--catalog", dsn}, staging: "{roll: {rows: 1000, age: 1s}}"}, "cut: {age: 1s, rows: 5000}\n")
	c.start()
	untilReady(t, c.url, "ready at first", func(r readyz) bool { return r.Ready && r.Kafka == "ok" })
	for i, away := range []func(){l.hold, l.hangUp} {
		c.produce(t.Context(), 4000, uint64(10+i))
		away()
		gone := time.NewTimer(time.Duration(testkit.Rounds(5, 30)) * time.Second)
		untilReady(t, c.url, "not ready", func(r readyz) bool { return !r.Ready && r.Catalog != "ok" && r.Store == "ok" })
		c.produce(t.Context(), 4000, uint64(20+i))
		testkit.WaitHTTP(t, c.url+"/healthz")
		<-gone.C
		if r, err := askReady(t.Context(), c.url); err != nil || r.Ready {
			t.Errorf("at the end of the outage: %+v, %v", r, err)
		}
		l.goOn()
		l.answer()
		untilReady(t, c.url, "ready again", func(r readyz) bool { return r.Ready })
	}
	c.quiet()
	list := c.tiled()
	c.end()
	c.verify()
	c.proved(len(list), 0)
}

// Keys that the store never took: no start, with what to do. Keys that it takes no more: reading waits, says so, and goes on.
func TestE2EFaultsS3Keys(t *testing.T) {
	s3, store := ownS3(t)
	s := newSite(t, place{flags: []string{"--store", store}, staging: "{roll: {rows: 1000, age: 1s}}"})
	_, out, code := testkit.Run(t, testkit.Command{
		Args: s.args("serve", "--brokers", s.brokers, "--http", "127.0.0.1:0"), Env: []string{"AWS_SECRET_ACCESS_KEY=wrong"},
	})
	const refused = "refuses access key tidemark for bucket tidemark-test"
	for _, want := range []string{refused, "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "tidemark check"} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("start with a wrong secret key: exit code %d, printed %q; want 1 and %q", code, out, want)
		}
	}
	v := s.serve()
	s.produce(t.Context(), 4000, 1)
	v.until("committed while the keys are right", committed("pageviews", s.all()))
	s3.run("stop")
	changed := s3
	changed.env = append(changed.env[:len(changed.env):len(changed.env)], "S3_SECRET_KEY=another-secret")
	changed.run("start")
	s.produce(t.Context(), 4000, 2)
	v.until("the keys are refused", says("pageviews", "failing", refused))
	untilReady(t, v.url, "not ready", func(r readyz) bool { return !r.Ready && strings.Contains(r.Store, refused) && r.Catalog == "ok" })
	changed.run("stop")
	s3.run("start")
	v.until("goes on by itself", committed("pageviews", s.all()))
	untilReady(t, v.url, "ready again", func(r readyz) bool { return r.Ready })
	v.stop()
	s.verify()
}

// SIGTERM while segments are built: the process ends clean within its limit, jobs that have not ended go on at the next start,
// and each segment is there once.
func TestE2EFaultsStoppedInABuild(t *testing.T) {
	c := newCubed(t, place{staging: "{roll: {rows: 5000, age: 1s}}"}, "cut: {manual: true, rows_per_build: 1000}\nmerge: {manual: true}\nmax_jobs: 2\n")
	c.start()
	c.produce(t.Context(), 30_000, 1)
	c.read()
	if r := c.post(t.Context(), segmentsPath, `{}`, ""); r.err != nil || r.status != http.StatusOK {
		t.Fatalf("build: %d %s (%v)", r.status, r.text, r.err)
	}
	open := func(states string) (n int) {
		t.Helper()
		var out struct{ Jobs []struct{ ID int64 } }
		if err := json.Unmarshal([]byte(c.run("job", "list", "--state", states, "--limit", "10000", "-o", "json")), &out); err != nil {
			t.Fatal(err)
		}
		return len(out.Jobs)
	}
	for range 2 { // in the first builds, and in later ones
		testkit.Until(t, "a build runs", func(context.Context) error {
			if n := open("running"); n == 0 {
				return fmt.Errorf("no job runs, %d wait", open("pending"))
			}
			return nil
		})
		c.p.Signal(syscall.SIGTERM)
		if code := c.p.Wait(); code != 0 {
			t.Fatalf("exit code %d after SIGTERM in a build, want 0", code)
		}
		if n := open("pending,running"); n == 0 {
			t.Error("all jobs had ended before the stop: nothing is left to go on with")
		}
		c.start()
	}
	c.quiet()
	list := c.tiled()
	if len(list) < 25 {
		t.Errorf("%d segments, want one for each thousand of 30,000 rows", len(list))
	}
	c.end()
	c.verify()
	c.proved(len(list), 0)
}
