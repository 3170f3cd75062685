//go:build e2e

package main_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// still is a tidemark with page views of the demo, to which nothing is added any more.
func still(t *testing.T) (address string) {
	t.Helper()
	data := t.TempDir()
	_, all, code := testkit.Run(t, testkit.Command{Args: []string{"demo", "--data", data, "--duration", "4s", "--rate", "1000", "--http", "127.0.0.1:0"}})
	if code != 0 {
		t.Fatalf("demo: exit code %d\n%s", code, all)
	}
	p := testkit.Start(t, testkit.Command{Args: []string{"serve", "--data", data, "--brokers", "127.0.0.1:1", "--http", "127.0.0.1:0"}})
	return p.WaitLine(`tidemark serves http://([0-9.:]+),`)[1]
}

// kylinAnswers are statements as Kylin's clients write them, and the same ones in the dialect of /api/v1.
func kylinAnswers() [][2]string {
	return [][2]string{
		{`select country, count(*), sum(bytes) from pageviews group by country order by country`, ``},
		{
			`SELECT "PAGEVIEWS"."OS" AS "k", count(*) AS "CNT" FROM "DEFAULT"."PAGEVIEWS" GROUP BY "PAGEVIEWS"."OS" ORDER BY "CNT" DESC, "k" LIMIT 5`,
			`SELECT os AS k, count(*) AS cnt FROM pageviews GROUP BY os ORDER BY cnt DESC, k LIMIT 5`,
		},
		{
			`select cast(floor(ts to MINUTE) as varchar) m, min(bytes), max(bytes), count(*) from default.pageviews where device_type <> 'bot' group by floor(ts to MINUTE) order by 1`,
			`SELECT CAST(date_trunc('minute', ts) AS VARCHAR) m, min(bytes), max(bytes), count(*) FROM pageviews WHERE device_type <> 'bot' GROUP BY date_trunc('minute', ts) ORDER BY 1`,
		},
		{`select country, os, count(*) from pageviews where country in ('US', 'DE') and browser like 'C%' group by country, os having count(*) > 2 order by 1, 2`, ``},
		{`select event_id, bytes, referrer from pageviews order by event_id limit 7`, ``},
		{`select cast(timestampadd(HOUR, 1, max(ts)) as varchar) from pageviews`, `SELECT CAST(max(ts) + INTERVAL 1 HOUR AS VARCHAR) FROM pageviews`},
		{`select x.country, y.n from (select country, max(bytes) b from pageviews group by country) x join (select country, count(*) n from pageviews group by country) y on x.country = y.country order by 2 desc, 1 limit 3`, ``},
		{`select cast(null as varchar) n, 'it''s' s, sum(bytes) from pageviews where country = 'nowhere'`, ``},
	}
}

// Kylin's clients as people have them.
func TestKylinClients(t *testing.T) {
	address := still(t)
	t.Run("jdbc", func(t *testing.T) { kylinJDBC(t, address) })
	t.Run("python", func(t *testing.T) { kylinPython(t, address) })
	t.Run("stop", func(t *testing.T) { kylinStop(t, "http://"+address+"/kylin/api") })
}

// What the JDBC driver is answered is what /api/v1 answers.
func kylinJDBC(t *testing.T, address string) {
	classes := testkit.JDBC(t)
	source, err := filepath.Abs("testdata/clients/Kylin.java")
	if err != nil {
		t.Fatal(err)
	}
	var ask, want strings.Builder
	for _, s := range kylinAnswers() {
		fmt.Fprintln(&ask, s[0])
		if s[1] == "" {
			s[1] = s[0]
		}
		rows := restRows(t, address, s[1])
		for _, row := range rows {
			fmt.Fprintln(&want, strings.Join(row, "\t"))
		}
		fmt.Fprintln(&want)
		if len(rows) == 0 {
			t.Errorf("%s: no rows", s[1])
		}
	}
	var errs bytes.Buffer
	c := exec.CommandContext(t.Context(), "java", "-Duser.timezone=UTC", "-Dfile.encoding=UTF-8", "-cp", classes, source, address)
	c.Stdin, c.Stderr = strings.NewReader(ask.String()), &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("java: %v\n%s%s", err, out, errs.Bytes())
	}
	if d := gocmp.Diff(want.String()+"ok\n", string(out)); d != "" {
		t.Errorf("the driver got (+), /api/v1 said (-):\n%s", d)
	}
}

func kylinPython(t *testing.T, address string) {
	out, err := exec.CommandContext(t.Context(), testkit.KylinPython(t), "testdata/clients/kylin.py", address).CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "ok\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// restRows asks /api/v1; null is the text null, as in the driver's answers.
func restRows(t *testing.T, address, sql string) [][]string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"sql": sql})
	if err != nil {
		t.Fatal(err)
	}
	code, answer := call(t, http.MethodPost, "http://"+address+"/api/v1/query", string(body), "text/csv")
	if code != http.StatusOK {
		t.Fatalf("%s: %d %s", sql, code, answer)
	}
	rows, err := csv.NewReader(strings.NewReader(answer)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for i := range row {
			if row[i] == "" {
				row[i] = "null"
			}
		}
	}
	return slices.Clone(rows[1:])
}

func call(t *testing.T, method, url, body, accept string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	r.SetBasicAuth("ADMIN", "KYLIN")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// A statement is stopped as Kylin's users do it: by the id that runningQueries shows.
func kylinStop(t *testing.T, base string) {
	type answer struct {
		code int
		text string
	}
	ended := make(chan answer, 1)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/query", strings.NewReader(`{"sql": "select count(*) from range(1000000000000) as r(x) where x % 7 = 3", "project": "default"}`))
		if err != nil {
			ended <- answer{0, err.Error()}
			return
		}
		r.SetBasicAuth("ADMIN", "KYLIN")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			ended <- answer{0, err.Error()}
			return
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		ended <- answer{resp.StatusCode, fmt.Sprint(string(text), err)}
	}()
	var running []struct{ QueryID string }
	testkit.Until(t, "the statement runs", func(context.Context) error {
		_, text := call(t, http.MethodGet, base+"/query/runningQueries", "", "application/json")
		if err := json.Unmarshal([]byte(text), &running); err != nil || len(running) != 1 {
			return fmt.Errorf("%s %v", text, err)
		}
		return nil
	})
	if code, text := call(t, http.MethodPut, base+"/query/"+running[0].QueryID+"/stop", "", "application/json"); code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	if got := <-ended; got.code != http.StatusInternalServerError || !strings.Contains(got.text, "ended by ADMIN") {
		t.Errorf("%d %s", got.code, got.text)
	}
}
