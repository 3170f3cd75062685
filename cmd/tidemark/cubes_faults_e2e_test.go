//go:build e2e

package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// reply is what /api/v1 says to a request that changes something.
type reply struct {
	status int
	text   string
	Jobs   []struct{ ID int64 }
	err    error
}

// post asks for something, under an idempotency key unless it is empty. It may be called from any goroutine.
func (c *cubed) post(ctx context.Context, path, body, key string) (r reply) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		return reply{err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := c.do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if r.status, r.text = resp.StatusCode, string(text); err == nil && r.status == http.StatusOK {
		err = json.Unmarshal(text, &r)
	}
	r.err = err
	return r
}

// read waits until all that was sent is staged.
func (c *cubed) read() {
	c.t.Helper()
	testkit.Until(c.t, "all is read", func(ctx context.Context) error {
		n, err := c.committed(ctx)
		if want := c.sums.Events + c.sums.Bad; err == nil && n != want {
			err = fmt.Errorf("%d of %d offsets are committed", n, want)
		}
		return err
	})
}

const segmentsPath = "/cubes/" + cubeName + "/segments"

// job waits until a job is in a state, and returns its problem.
func (c *cubed) job(id int64, state string, words ...string) (problem string) {
	c.t.Helper()
	testkit.Until(c.t, fmt.Sprintf("job %d is %s", id, state), func(ctx context.Context) error {
		var j struct{ State, Problem string }
		if err := c.ask(ctx, fmt.Sprintf("/jobs/%d", id), &j); err != nil {
			return err
		}
		problem = j.Problem
		for _, w := range words {
			if !strings.Contains(problem, w) {
				return fmt.Errorf("%+v, want %q in the problem", j, w)
			}
		}
		if j.State != state {
			return fmt.Errorf("%+v", j)
		}
		return nil
	})
	return problem
}

// Many identical requests at once: under one key all get the same job; without a key one gets a job and the others a word
// on why not. Either way each event is in one segment.
func TestE2ECubesTwoAtOnce(t *testing.T) {
	c := newCubed(t, place{staging: "{roll: {rows: 5000, age: 1s}}"}, byHand)
	c.start()
	const clients = 8
	ask := func(key string) (list []reply) {
		list = make([]reply, clients)
		var wg sync.WaitGroup
		for i := range list {
			wg.Go(func() { list[i] = c.post(t.Context(), segmentsPath, `{}`, key) })
		}
		wg.Wait()
		return list
	}
	c.produce(t.Context(), 3000, 1)
	c.read()
	first := ask("the same")
	for i, r := range first {
		if r.err != nil || r.status != http.StatusOK || len(r.Jobs) != 1 || r.Jobs[0] != first[0].Jobs[0] {
			t.Errorf("client %d of one key: %d %s (%v), want job %v", i, r.status, r.text, r.err, first[0].Jobs)
		}
	}
	c.produce(t.Context(), 3000, 2)
	c.read()
	built := 0
	for i, r := range ask("") {
		switch {
		case r.err == nil && r.status == http.StatusOK && len(r.Jobs) == 1:
			built++
		case r.err != nil || r.status != http.StatusConflict || !strings.Contains(r.text, "message"):
			t.Errorf("client %d without a key: %d %s (%v), want one job, or 409 and why", i, r.status, r.text, r.err)
		}
	}
	if built != 1 {
		t.Errorf("%d of %d requests without a key were given a job, want 1", built, clients)
	}
	c.quiet()
	if list := c.tiled(); len(list) != 2 {
		t.Errorf("segments %v, want 2", list)
	}
	c.end()
	c.verify()
	c.proved(2, 0)
}

// What makes no sense is refused with what is wrong, and leaves nothing behind.
func TestE2ECubesRefused(t *testing.T) {
	c := newCubed(t, place{staging: "{roll: {rows: 5000, age: 1s}}"}, byHand)
	c.start()
	for i := range 3 {
		c.produce(t.Context(), 1000, uint64(i+1))
		c.read()
		if r := c.post(t.Context(), segmentsPath, `{}`, ""); r.err != nil || r.status != http.StatusOK {
			t.Fatalf("build %d: %d %s (%v)", i, r.status, r.text, r.err)
		}
		c.quiet()
	}
	before := c.tiled()
	for _, x := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"", `{}`, http.StatusConflict, "no new"},
		{"", `{"start": "0:10,1:10,2:10,3:10", "end": "0:300,1:300,2:300,3:300"}`, http.StatusConflict, "already: refresh or drop it"},
		{"", `{"start": "0:200", "end": "0:100"}`, http.StatusBadRequest, "before the start"},
		{"", `{"end": "9:5"}`, http.StatusBadRequest, "partition 9"},
		{"", `{"end": "0:1000000"}`, http.StatusBadRequest, "outside of what can be read"},
		{"", `{"start": "0.g7:1"}`, http.StatusBadRequest, "no generation 7"},
		{"/merge", fmt.Sprintf(`{"segments": [%d, %d]}`, before[0].Number, before[2].Number), http.StatusConflict, "not neighbours"},
		{"/merge", fmt.Sprintf(`{"segments": [%d]}`, before[0].Number), http.StatusBadRequest, "at least two"},
		{"/refresh", `{"segments": [99]}`, http.StatusNotFound, "segment 99"},
		{"/drop", `{"segments": [99]}`, http.StatusNotFound, "segment 99"},
	} {
		if r := c.post(t.Context(), segmentsPath+x.path, x.body, ""); r.err != nil || r.status != x.status || !strings.Contains(r.text, x.want) {
			t.Errorf("POST %s %s: %d %s (%v), want %d with %q", x.path, x.body, r.status, r.text, r.err, x.status, x.want)
		}
	}
	c.quiet()
	c.end()
	c.verify()
	c.proved(3, 0)
}

// A refresh whose staged file is gone fails with its name and goes on once it is back; the segment answers all the while.
// A definition that changes under live segments and an open job is built again by itself, and no event is lost on the way.
func TestE2ECubesChangedUnderneath(t *testing.T) {
	c := newCubed(t, place{staging: "{roll: {rows: 5000, age: 1s}}"}, byHand)
	c.start()
	for i := range 2 {
		c.produce(t.Context(), 2000, uint64(i+1))
		c.read()
		c.post(t.Context(), segmentsPath, `{}`, "")
		c.quiet()
	}
	before := c.tiled()
	files, err := filepath.Glob(filepath.Join(c.data, "store/staged/*/*/*-*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatalf("staged files %v, %v", files, err)
	}
	aside := filepath.Join(t.TempDir(), "aside")
	if err := os.Rename(files[0], aside); err != nil {
		t.Fatal(err)
	}
	r := c.post(t.Context(), segmentsPath+"/refresh", fmt.Sprintf(`{"segments": [%d]}`, before[0].Number), "")
	if r.status != http.StatusOK || len(r.Jobs) != 1 {
		t.Fatalf("refresh: %d %s (%v)", r.status, r.text, r.err)
	}
	c.job(r.Jobs[0].ID, "failed", "gone from the store", filepath.Base(files[0]))
	if got := c.segments("ready"); len(got) != 2 || got[0].Number != before[0].Number {
		t.Errorf("while the refresh has failed: %v, want %v", got, before)
	}
	if err := os.Rename(aside, files[0]); err != nil {
		t.Fatal(err)
	}
	c.run("job", "resume", fmt.Sprint(r.Jobs[0].ID))
	c.job(r.Jobs[0].ID, "finished")

	c.produce(t.Context(), 2000, 3)
	c.read()
	c.post(t.Context(), segmentsPath, `{}`, "")
	c.applyCube(byHand + "time_zone: Europe/Berlin\n") // cells by hour and day are others
	testkit.Until(t, "all are of the new version", func(ctx context.Context) error {
		var list struct {
			Segments []struct{ Number, Version int64 }
		}
		err := c.ask(ctx, segmentsPath+"?state=ready", &list)
		for _, s := range list.Segments {
			if err == nil && s.Version != 2 {
				err = fmt.Errorf("segment %d is of version %d", s.Number, s.Version)
			}
		}
		if err == nil && len(list.Segments) != 3 {
			err = fmt.Errorf("%d segments", len(list.Segments))
		}
		return err
	})
	c.quiet()
	c.tiled()
	c.end()
	c.verify()
	c.proved(3, 0)
}

// The disk of catalog and store is full when a job is to publish: it says so, its segment is not there, and it is published
// once when there is room.
func TestE2ECubesDiskFull(t *testing.T) {
	if asRoot(t) {
		return
	}
	disk, fill := smallDisk(t)
	c := newCubed(t, place{staging: "{roll: {rows: 5000, age: 1s}}"}, byHand)
	moved := filepath.Join(disk, "data")
	if err := os.CopyFS(moved, os.DirFS(c.data)); err != nil {
		t.Fatal(err)
	}
	c.data = moved
	c.start()
	c.produce(t.Context(), 2000, 1)
	c.read()
	free := fill()
	r := c.post(t.Context(), segmentsPath, `{}`, "full")
	if r.err != nil || r.status == http.StatusOK {
		t.Logf("the request found room: %d %s (%v)", r.status, r.text, r.err)
	} else if r.status != http.StatusServiceUnavailable {
		t.Errorf("a build on a full disk: %d %s, want 503 and why", r.status, r.text)
	}
	if list := c.segments("ready"); len(list) != 0 {
		t.Errorf("on a full disk %v was published", list)
	}
	testkit.WaitHTTP(t, c.url+"/healthz")
	free()
	testkit.Until(t, "the same request is taken", func(ctx context.Context) error {
		if r = c.post(ctx, segmentsPath, `{}`, "full"); r.err != nil || r.status != http.StatusOK {
			return fmt.Errorf("%d %s (%v)", r.status, r.text, r.err)
		}
		return nil
	})
	c.quiet()

	c.produce(t.Context(), 2000, 2)
	c.read()
	r = c.post(t.Context(), segmentsPath, `{}`, "")
	free = fill() // at some moment of the job
	if r.err != nil || r.status != http.StatusOK {
		t.Fatalf("build: %d %s (%v)", r.status, r.text, r.err)
	}
	testkit.WaitHTTP(t, c.url+"/healthz")
	free()
	c.quiet()
	if list := c.tiled(); len(list) != 2 {
		t.Errorf("segments %v, want 2", list)
	}
	c.end()
	c.verify()
	c.proved(2, 0)
}

// PostgreSQL is killed and started again in the middle of publications, time after time: every segment is published once.
func TestE2ECubesPostgresRestarts(t *testing.T) {
	testkit.Postgres(t) // without servers there is nothing to test
	port := ports(t, 1)
	pg := newServer(t, "postgres.sh", fmt.Sprintf("PG_PORT=%d", port))
	flags := []string{"--catalog", fmt.Sprintf("postgres://postgres@127.0.0.1:%d/tidemark?sslmode=disable", port)}
	c := newCubed(t, place{flags: flags, staging: "{roll: {rows: 5000, age: 1s}}"},
		"cut: {manual: true, rows_per_build: 1000}\nmerge: {budget: [{segments: 3}]}\nmax_jobs: 10\n")
	c.start()
	for i := range testkit.Rounds(2, 10) {
		c.produce(t.Context(), 30_000, uint64(i+1))
		c.read()
		if r := c.post(t.Context(), segmentsPath, `{}`, ""); r.err != nil || r.status != http.StatusOK {
			t.Fatalf("build: %d %s (%v)", r.status, r.text, r.err)
		}
		testkit.Until(t, "some are published, others not", func(ctx context.Context) error {
			var jobs struct{ Jobs []struct{ ID int64 } }
			err := c.ask(ctx, "/jobs?state=finished&limit=10000", &jobs)
			if err == nil && len(jobs.Jobs) < 3 {
				err = fmt.Errorf("%d jobs have finished", len(jobs.Jobs))
			}
			return err
		})
		pg.run("crash")
		if r := c.post(t.Context(), segmentsPath, `{}`, ""); r.err == nil && r.status < http.StatusInternalServerError {
			t.Errorf("a request without a catalog: %d %s", r.status, r.text)
		}
		pg.run("start")
		c.quiet()
	}
	c.tiled()
	c.end()
	c.verify()
}
