//go:build e2e

package main_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// hbaseServer starts or kills the HBase of this run.
func hbaseServer(t *testing.T, verb string) {
	t.Helper()
	script := os.Getenv("TIDEMARK_TEST_HBASE_SCRIPT")
	if script == "" {
		t.Skip("TIDEMARK_TEST_HBASE_SCRIPT is not set (make e2e sets it)")
	}
	if out, err := exec.Command(script, verb).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", script, verb, err, out)
	}
}

// The two cubes of TestE2EHBase: one definition, two stores.
const inFiles, inHBase = "in_files", "in_hbase"

// stores is a site with a cube in files and the same in HBase.
type stores struct{ *cubed }

func newStores(t *testing.T) *stores {
	t.Helper()
	prefix := fmt.Sprintf("e2e%d", os.Getpid())
	flags := []string{"--hbase-quorum", os.Getenv("TIDEMARK_TEST_HBASE"), "--hbase-prefix", prefix, "--hbase-timeout", "4s", "--hbase-retry-for", "8s"}
	s := &stores{&cubed{site: newSite(t, place{flags: flags, staging: "{roll: {rows: 20000, age: 1s}}"})}}
	for name, store := range map[string]string{inFiles: "files", inHBase: "hbase"} {
		def := filepath.Join(t.TempDir(), "cube.yaml")
		text := "cube: " + name + "\ntable: pageviews\nstore: " + store + "\nshard_by: country\n" +
			"dimensions: [minute(ts), country, section, device_type]\nmeasures: [count, sum(bytes), max(latency_ms), count_distinct(visitor_id)]\n" + byHand
		if err := os.WriteFile(def, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.run("cube", "apply", "-f", def)
	}
	return s
}

// ready lists the ready segments of a cube, in the order of their offsets.
func (s *stores) ready(cube string) []segmentLine {
	s.t.Helper()
	var out segmentLines
	text := s.run("segment", "list", cube, "--state", "ready", "-o", "json")
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		s.t.Fatalf("segment list printed %q: %v", text, err)
	}
	return inOrder(out.Segments)
}

func (s *stores) manifest(l segmentLine) *segmenter.Manifest {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.data, "store", filepath.FromSlash(l.Path), segmenter.ManifestName))
	if err != nil {
		s.t.Fatal(err)
	}
	m, err := segmenter.DecodeManifest(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

// same wants n ready segments in both cubes, with the same cells, and returns those in HBase.
func (s *stores) same(n int) []segmentLine {
	s.t.Helper()
	files, tables := s.ready(inFiles), s.ready(inHBase)
	if len(files) != n || len(tables) != n {
		s.t.Fatalf("%d segments in files, %d in hbase, want %d", len(files), len(tables), n)
	}
	for i := range files {
		a, b := s.manifest(files[i]), s.manifest(tables[i])
		if b.Stored == nil || len(b.Files) > 0 || a.Stored != nil || len(a.Cuboids) != 15 {
			s.t.Errorf("%s is stored in %+v with %d files, %s in %+v with %d cuboids", tables[i], b.Stored, len(b.Files), files[i], a.Stored, len(a.Cuboids))
		}
		if d := gocmp.Diff(hashes(a), hashes(b)); d != "" {
			s.t.Errorf("cuboids of %s (-files +hbase):\n%s", tables[i], d)
		}
	}
	return tables
}

// hashes says which cells a segment has, wherever they are.
func hashes(m *segmenter.Manifest) (list []string) {
	for _, c := range m.Cuboids {
		list = append(list, fmt.Sprint(c.Cuboid, " ", c.Rows, " ", c.SHA256))
	}
	return list
}

// inspected wants the table's name, its groups and its first rows.
func (s *stores) inspected(l segmentLine) {
	s.t.Helper()
	m := s.manifest(l)
	var out struct {
		Stored *segmenter.StoredTable
		Table  *struct {
			File    string
			Cuboids []struct{ Cuboid, Rows int64 }
			Rows    []struct{ Values []*string }
		}
	}
	text := s.run("inspect", fmt.Sprint(inHBase, "/", l.Number), "--rows", "2", "-o", "json")
	if err := json.Unmarshal([]byte(text), &out); err != nil || out.Table == nil || out.Stored == nil {
		s.t.Fatalf("inspect printed %q: %v", text, err)
	}
	if out.Table.File != m.Stored.Table || out.Stored.Table != m.Stored.Table || len(out.Table.Rows) != 2*len(m.Cuboids) {
		s.t.Errorf("inspect shows table %s with %d first rows; want %s with 2 of each of %d cuboids", out.Table.File, len(out.Table.Rows), m.Stored.Table, len(m.Cuboids))
	}
	for i, c := range m.Cuboids {
		if i >= len(out.Table.Cuboids) || out.Table.Cuboids[i].Cuboid != c.Cuboid || out.Table.Cuboids[i].Rows != c.Rows {
			s.t.Errorf("inspect shows cuboids %+v, want %d with %d rows as number %d", out.Table.Cuboids, c.Cuboid, c.Rows, i)
		}
	}
	if text := s.run("inspect", fmt.Sprint(inHBase, "/", l.Number)); !strings.Contains(text, m.Stored.Table) {
		s.t.Errorf("inspect prints no table %s:\n%s", m.Stored.Table, text)
	}
}

// written is how many rows the process has put into HBase.
func (s *stores) written(ctx context.Context) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := s.do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if n, ok := strings.CutPrefix(lines.Text(), "tidemark_builder_hbase_rows_written_total "); ok {
			return strconv.ParseFloat(n, 64)
		}
	}
	return 0, fmt.Errorf("no count of rows in /metrics")
}

// A cube in a real HBase has the cells of the same cube in files, after builds and a merge; verify and inspect read it. The
// region server is killed in mid-write: no segment is seen before it is whole, and once the server is back the build ends
// well. A catalog that is made again from the files and the tables knows the same segments. What was dropped, and the table of
// the attempt that failed, are cleaned up by it.
func TestE2EHBase(t *testing.T) {
	hbaseServer(t, "start")
	s := newStores(t)
	s.start()
	for i := range 2 {
		s.produce(t.Context(), 1500, uint64(i+1))
		s.read()
		for _, cube := range []string{inFiles, inHBase} {
			s.run("segment", "build", cube, "--wait")
		}
	}
	s.same(2)
	for _, cube := range []string{inFiles, inHBase} {
		s.run("segment", "merge", cube, "1", "2", "--wait")
	}
	s.inspected(s.same(1)[0])
	s.verify()

	s.produce(t.Context(), 30_000, 3)
	s.read()
	s.killedInMidWrite()
	s.run("segment", "build", inFiles, "--wait")
	s.inspected(s.same(2)[1])
	s.rebuilt()
	s.verify()
	s.cleanedUp()
	s.verify()
	s.end()
}

// killedInMidWrite builds a segment while the region server dies and comes back.
func (s *stores) killedInMidWrite() {
	t, before := s.t, s.ready(inHBase)
	had, err := s.written(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := s.post(t.Context(), "/cubes/"+inHBase+"/segments", "{}", "")
	if r.err != nil || len(r.Jobs) != 1 {
		t.Fatalf("a build: %+v", r)
	}
	testkit.Until(t, "rows are written", func(ctx context.Context) error {
		n, err := s.written(ctx)
		if err == nil && n < had+1000 {
			err = fmt.Errorf("%.0f rows are written", n-had)
		}
		return err
	})
	hbaseServer(t, "crash")
	testkit.Until(t, "the build says what is wrong", func(ctx context.Context) error {
		var j struct{ State, Problem string }
		err := s.ask(ctx, fmt.Sprintf("/jobs/%d", r.Jobs[0].ID), &j)
		if err == nil && !strings.Contains(j.Problem, "hbase does not answer") {
			if j.State == "finished" {
				t.Fatal("the build had finished before the server was killed: nothing was tested")
			}
			err = fmt.Errorf("job %+v", j)
		}
		return err
	})
	if d := gocmp.Diff(before, s.ready(inHBase)); d != "" {
		t.Errorf("segments while hbase is down (-before +now):\n%s", d)
	}
	look := append(s.args("inspect", fmt.Sprint(inHBase, "/", before[0].Number)), "--hbase-timeout", "1s", "--hbase-retry-for", "1s") // it is down: why wait
	out, all, code := testkit.Run(t, testkit.Command{Args: look, Env: s.env})
	if code == 0 || !strings.Contains(all, "hbase does not answer") {
		t.Errorf("inspect while hbase is down: exit code %d, %q, want an error that says so", code, out+all)
	}
	hbaseServer(t, "start")
	asked := false // it would go on by itself, after its pause
	testkit.Until(t, "the build finishes", func(ctx context.Context) error {
		var j struct {
			State, Problem   string
			Attempts, Stalls int
		}
		if err := s.ask(ctx, fmt.Sprintf("/jobs/%d", r.Jobs[0].ID), &j); err != nil {
			return err
		}
		if j.State == "failed" || j.Attempts > 1 || j.State == "pending" && !asked && j.Stalls == 0 {
			t.Fatalf("job %+v: an outage is none of its attempts", j)
		}
		if j.State == "pending" && !asked {
			asked = s.post(ctx, fmt.Sprintf("/jobs/%d/retry", r.Jobs[0].ID), "{}", "").err == nil
		}
		if j.State != "finished" {
			return fmt.Errorf("job %+v", j)
		}
		return nil
	})
}

// rebuilt loses the catalog and makes it again; the process goes on with that one.
func (s *stores) rebuilt() {
	s.t.Helper()
	list := func() (lines []segmentLine) {
		for _, l := range append(s.ready(inFiles), s.ready(inHBase)...) {
			l.Reason = "" // is history
			lines = append(lines, l)
		}
		return lines
	}
	want := list()
	s.end()
	for _, file := range []string{"catalog.db", "catalog.db-wal", "catalog.db-shm"} {
		if err := os.Remove(filepath.Join(s.data, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.t.Fatal(err)
		}
	}
	_, all, code := testkit.Run(s.t, testkit.Command{Args: s.args("catalog", "rebuild"), Env: s.env})
	if code != 0 || strings.Contains(all, "warning:") || strings.Contains(all, "is gone") {
		s.t.Fatalf("catalog rebuild: exit code %d, want 0, no warning and no table that is gone\n%s", code, all)
	}
	if d := gocmp.Diff(want, list()); d != "" {
		s.t.Errorf("segments after catalog rebuild (-before +after):\n%s", d)
	}
	s.start()
}

// cleanedUp drops the segments in HBase and wants all tables gone, a step in each pass, as time goes by.
func (s *stores) cleanedUp() {
	s.t.Helper()
	if text := s.run("check", "--brokers", s.brokers); !strings.Contains(text, " tables of ours") || strings.Contains(text, " 2 tables of ours") {
		s.t.Errorf("check prints no tables, or only those of segments: that of the failed attempt is missing:\n%s", text)
	}
	for _, l := range s.ready(inHBase) {
		s.run("segment", "drop", inHBase, fmt.Sprint(l.Number))
	}
	for range 5 {
		s.later()
		s.task("cleanup")
	}
	if text := s.run("check", "--brokers", s.brokers); !strings.Contains(text, " 0 tables of ours") {
		s.t.Errorf("after clean-up there are tables:\n%s", text)
	}
}

// later makes all that lies in the store, and the marks of clean-up, three hours older.
func (s *stores) later() {
	s.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.data, "catalog.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(s.t.Context(), `UPDATE garbage SET marked_us = marked_us - 10800000000`); err != nil {
		s.t.Fatal(err)
	}
	err = filepath.WalkDir(filepath.Join(s.data, "store"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		at := time.Now().Add(-3 * time.Hour)
		return os.Chtimes(path, at, at)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}
