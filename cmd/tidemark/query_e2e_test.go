//go:build e2e

package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// queried is what is used of an answer of /api/v1/query.
type queried struct {
	Rows   [][]any
	Count  int64
	Tables []struct {
		Events, Quarantined int64
		Segments            int
		Partial             bool
		Offsets             []struct{ Start, End int64 }
		TailElsewhere       []struct {
			Partition      int32
			Owner, Address string
		} `json:"tail_elsewhere"`
	}
	Blocks []struct {
		Cube  string
		Notes []string
	}
	Error *struct{ Message string }
}

// query asks the process that runs; an error is what is not 200, or broke off.
func (c *cubed) query(ctx context.Context, sql string) (out queried, err error) {
	r, err := c.queryAs(ctx, sql, "application/json")
	if err != nil {
		return out, err
	}
	defer r.Close()
	if err := json.NewDecoder(r).Decode(&out); err != nil {
		return out, err
	}
	if out.Error != nil {
		return out, fmt.Errorf("%s", out.Error.Message)
	}
	return out, nil
}

func (c *cubed) queryAs(ctx context.Context, sql, accept string) (io.ReadCloser, error) {
	body, err := json.Marshal(map[string]string{"sql": sql})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/api/v1/query", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", accept)
	resp, err := c.do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return nil, fmt.Errorf("%s: %s (%v)", resp.Status, text, err)
	}
	return resp.Body, nil
}

const byCountry = "SELECT country, count(*) AS n FROM pageviews GROUP BY country ORDER BY country"

// right wants the answer to be what was sent, all of it.
func (c *cubed) right(out queried) {
	c.t.Helper()
	got := map[string]int64{}
	for _, row := range out.Rows {
		got[row[0].(string)] = int64(row[1].(float64))
	}
	if d := gocmp.Diff(c.sums.ByCountry, got); d != "" {
		c.t.Errorf("events by country (-sent +answered):\n%s", d)
	}
	t := out.Tables[0]
	var offsets int64
	for _, o := range t.Offsets {
		offsets += o.End - o.Start
	}
	if t.Events != c.sums.Events || t.Quarantined != c.sums.Bad || t.Partial || offsets != c.all() {
		c.t.Errorf("the answer covers %+v, sent %d events and %d bad records", t, c.sums.Events, c.sums.Bad)
	}
}

// built produces, reads and builds segments by hand, n of them.
func (c *cubed) built(n int) {
	c.t.Helper()
	for i := range n {
		c.produce(c.t.Context(), 3000, uint64(i+1))
		c.read()
		if r := c.post(c.t.Context(), segmentsPath, `{}`, ""); r.err != nil || r.status != http.StatusOK {
			c.t.Fatalf("build: %d %s (%v)", r.status, r.text, r.err)
		}
		c.quiet()
	}
}

// The command's outputs agree while events come in, and with what was sent once all is read; the process is killed in between.
func TestE2EQueryOutputs(t *testing.T) {
	c := newCubed(t, place{staging: "{roll: {rows: 5000, age: 1s}}"}, "cut: {rows: 20000, age: 1s}\n")
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.produce(ctx, testkit.Rounds(300_000, 5_000_000), 1)
	}()
	for range testkit.Rounds(3, 20) {
		c.start()
		last := int64(0)
		for range 15 { // what was seen is not lost again while the process lives
			out, err := c.query(t.Context(), "SELECT count(*), count(DISTINCT country) FROM pageviews")
			if err != nil {
				t.Fatal(err)
			}
			n := int64(out.Rows[0][0].(float64))
			if n < last || n != out.Tables[0].Events {
				t.Errorf("%d events, %d before; the answer says that it covers %d", n, last, out.Tables[0].Events)
			}
			last = n
		}
		c.p.Kill()
	}
	c.start()
	<-sent
	cancel()
	testkit.Until(t, "all is visible", func(ctx context.Context) error {
		out, err := c.query(ctx, "SELECT count(*) FROM pageviews")
		if err == nil && out.Tables[0].Events != c.sums.Events {
			err = fmt.Errorf("%d of %d events", out.Tables[0].Events, c.sums.Events)
		}
		return err
	})
	out, err := c.query(t.Context(), byCountry)
	if err != nil {
		t.Fatal(err)
	}
	c.right(out)
	c.sameInAll(out.Rows)
	c.end()
	c.verify()
}

// sameInAll asks the command in all its outputs.
func (c *cubed) sameInAll(want [][]any) {
	c.t.Helper()
	var lines [][]string
	for _, row := range want {
		lines = append(lines, []string{row[0].(string), strconv.FormatInt(int64(row[1].(float64)), 10)})
	}
	same := func(what string, got [][]string) {
		c.t.Helper()
		if d := gocmp.Diff(lines, got); d != "" {
			c.t.Errorf("%s (-json by HTTP, +%s):\n%s", what, what, d)
		}
	}
	ask := func(output string) string { return c.run("query", "-o", output, byCountry) }
	var out queried
	if err := json.Unmarshal([]byte(ask("json")), &out); err != nil {
		c.t.Fatal(err)
	}
	c.right(out)
	records, err := csv.NewReader(strings.NewReader(ask("csv"))).ReadAll()
	if err != nil {
		c.t.Fatal(err)
	}
	same("csv", records[1:])
	same("arrow", arrowRows(c.t, ask("arrow")))
	file := filepath.Join(c.t.TempDir(), "answer.parquet")
	if err := os.WriteFile(file, []byte(ask("parquet")), 0o600); err != nil {
		c.t.Fatal(err)
	}
	rows, err := openDuckDB(c.t).Query("SELECT country, n FROM read_parquet('" + file + "') ORDER BY country")
	if err != nil {
		c.t.Fatal(err)
	}
	defer rows.Close()
	var parquet [][]string
	for rows.Next() {
		row := make([]string, 2)
		if err := rows.Scan(&row[0], &row[1]); err != nil {
			c.t.Fatal(err)
		}
		parquet = append(parquet, row)
	}
	same("parquet", parquet)
	text := ask("text")
	for _, l := range lines {
		if !slices.ContainsFunc(strings.Split(text, "\n"), func(s string) bool { return slices.Equal(strings.Fields(s), l) }) {
			c.t.Errorf("the text has no line of %v:\n%s", l, text)
		}
	}
	if want := fmt.Sprintf("pageviews: %d events", c.sums.Events); !strings.Contains(text, want) {
		c.t.Errorf("the text does not say %q:\n%s", want, text)
	}
}

func arrowRows(t *testing.T, text string) (out [][]string) {
	t.Helper()
	r, err := ipc.NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	for r.Next() {
		rec := r.Record()
		for i := range int(rec.NumRows()) {
			out = append(out, []string{rec.Column(0).(*array.String).Value(i), rec.Column(1).ValueStr(i)})
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return out
}

// Cuboids and manifests that are flipped, cut off or gone: their segments are answered from staged files, with a note, and right.
func TestE2EQueryDamaged(t *testing.T) {
	c := newCubed(t, place{staging: "{roll: {rows: 5000, age: 1s}}"}, byHand)
	c.start()
	c.built(5)
	out, err := c.query(t.Context(), byCountry)
	if err != nil || len(out.Blocks) != 1 || out.Blocks[0].Cube != cubeName || len(out.Blocks[0].Notes) > 0 {
		t.Fatalf("before the damage: %+v, %v", out.Blocks, err)
	}
	c.right(out)
	c.end()
	list := c.segments("ready")
	cuboids := func(i int) string {
		files, err := filepath.Glob(filepath.Join(c.data, "store", list[i].Path, "cuboids-*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("files of %s: %v, %v", list[i], files, err)
		}
		return files[0]
	}
	rewrite(t, cuboids(0), func(b []byte) []byte {
		for i := 100; i < len(b)-100; i += 50 { // in every page
			b[i] ^= 0x55
		}
		return b
	})
	rewrite(t, cuboids(1), func(b []byte) []byte { return b[:len(b)/2] })
	if err := os.Remove(cuboids(2)); err != nil {
		t.Fatal(err)
	}
	rewrite(t, filepath.Join(c.data, "store", list[3].Path, "manifest.json"), func(b []byte) []byte { return b[:len(b)-10] })
	c.start()
	for range 2 {
		out, err = c.query(t.Context(), byCountry)
		if err != nil {
			t.Fatal(err)
		}
		c.right(out)
		if len(out.Blocks[0].Notes) != 4 {
			t.Errorf("notes %q, want one of each of 4 segments", out.Blocks[0].Notes)
		}
	}
	if text := c.run("query", byCountry); strings.Count(text, "is answered from its staged files") != 4 {
		t.Errorf("the command says of 4 damaged segments:\n%s", text)
	}
	c.end()
}

func rewrite(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// peak is the most memory that a process had, in MiB.
func (c *cubed) peak() int {
	c.t.Helper()
	pid, err := os.ReadFile(filepath.Join(c.data, "lock"))
	if err != nil {
		c.t.Fatal(err)
	}
	status, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "status"))
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kib, err := strconv.Atoi(f[1])
			if err != nil {
				c.t.Fatal(err)
			}
			return kib >> 10
		}
	}
	c.t.Fatal("no VmHWM")
	return 0
}

// An answer of ten million rows is streamed: memory does not grow with it. Who leaves in its midst leaves no statement behind.
func TestE2EQueryLargeAnswer(t *testing.T) {
	c := newCubed(t, place{staging: "{roll: {rows: 5000, age: 1s}}"}, byHand)
	c.start()
	c.built(1)
	if _, err := c.query(t.Context(), byCountry); err != nil {
		t.Fatal(err)
	}
	before := c.peak()
	const want = 10_000_000
	large := fmt.Sprintf("SELECT r.range AS i, p.country, p.page_url FROM range(%d) r, (SELECT * FROM pageviews LIMIT 1) p", want)
	for _, accept := range []string{"text/csv", "application/json"} {
		r, err := c.queryAs(t.Context(), large, accept)
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for in := bufio.NewReaderSize(r, 1<<20); ; rows++ {
			if _, err = in.ReadSlice('\n'); err != nil {
				break
			}
		}
		if err := r.Close(); err != nil || rows < want {
			t.Errorf("%s: %d lines, want %d (%v)", accept, rows, want, err)
		}
	}
	const most = 600 // MiB
	if after := c.peak(); after-before > most {
		t.Errorf("the process took %d MiB for it, want at most %d", after-before, most)
	}
	for _, accept := range []string{"text/csv", "application/json", "application/vnd.apache.arrow.stream"} {
		ctx, leave := context.WithCancel(t.Context())
		r, err := c.queryAs(ctx, large, accept)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, 1<<20); err != nil {
			t.Fatal(err)
		}
		leave()
		r.Close() // the error is that it was left
	}
	testkit.Until(t, "no statement runs", func(ctx context.Context) error {
		var list struct {
			Running []struct{ SQL string }
		}
		err := c.ask(ctx, "/statements", &list)
		if err == nil && len(list.Running) > 0 {
			err = fmt.Errorf("%d run", len(list.Running))
		}
		return err
	})
	out, err := c.query(t.Context(), byCountry)
	if err != nil {
		t.Fatal(err)
	}
	c.right(out)
	c.end()
}

// The catalog is away: a statement says so and does not hang, and the next one is answered once it is back.
func TestE2EQueryCatalogAway(t *testing.T) {
	testkit.Postgres(t) // without servers there is nothing to test
	port := ports(t, 1)
	pg := newServer(t, "postgres.sh", fmt.Sprintf("PG_PORT=%d", port))
	flags := []string{"--catalog", fmt.Sprintf("postgres://postgres@127.0.0.1:%d/tidemark?sslmode=disable", port)}
	c := newCubed(t, place{flags: flags, staging: "{roll: {rows: 5000, age: 1s}}"}, byHand)
	c.start()
	c.built(2)
	ask := func() error {
		out, err := c.query(t.Context(), byCountry)
		if err == nil {
			c.right(out)
		}
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	pg.run("crash")
	if err := ask(); err == nil || !strings.Contains(err.Error(), "catalog") {
		t.Errorf("while the catalog is away: %v, want an error that names it", err)
	}
	pg.run("start")
	testkit.Until(t, "statements are answered again", func(context.Context) error { return ask() })
	c.end()
}
