//go:build e2e

package main_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// signed says with each request who asks.
type signed struct {
	http.RoundTripper
	who *person
}

func (s signed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.SetBasicAuth(s.who.user, s.who.password)
	return s.RoundTripper.RoundTrip(r)
}

// http is a client that asks as the person, and trusts what it trusts.
func (w *person) http(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{}
	if w.cert != "" {
		tr = trusting(t, w.cert)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: signed{tr, w}}
}

// client runs a program that people ask with, and returns what it printed. Both outputs are logged.
func (p *path) client(stdin, program string, args ...string) (string, error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 3*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, program, args...)
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &out, &errs
	c.Env = append(os.Environ(), "PGPASSWORD="+p.password, "KYLIN_PASSWORD="+p.password)
	if p.cert != "" {
		c.Env = append(c.Env, "SSL_CERT_FILE="+p.cert)
	}
	err := c.Run()
	log, lerr := os.OpenFile(p.log("clients"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if lerr != nil {
		p.t.Fatal(lerr)
	}
	defer log.Close()
	if _, lerr = fmt.Fprintf(log, "$ %v\n%s%s(%v)\n\n", c.Args, out.Bytes(), errs.Bytes(), err); lerr != nil {
		p.t.Error(lerr)
	}
	if err != nil {
		err = fmt.Errorf("%v: %w\n%s%s", c.Args, err, out.Bytes(), errs.Bytes())
	}
	return out.String(), err
}

// answered is client, for one that must get an answer.
func (p *path) answered(stdin, program string, args ...string) string {
	p.t.Helper()
	out, err := p.client(stdin, program, args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// told compares rows of country, count and sum, with a tab between, with what was sent.
func (p *path) told(by string, q question, rows string) {
	p.t.Helper()
	got, total := map[string]int64{}, int64(0)
	for line := range strings.Lines(rows) {
		f := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if len(f) != 3 {
			p.t.Fatalf("%s printed %q, want three values:\n%s", by, line, rows)
		}
		n, err := strconv.ParseInt(f[1], 10, 64)
		sum, serr := strconv.ParseInt(f[2], 10, 64)
		if err != nil || serr != nil {
			p.t.Fatalf("%s printed %q: %v, %v", by, line, err, serr)
		}
		got[f[0]], total = n, total+sum
	}
	if d := gocmp.Diff(p.sums.ByCountry, got); d != "" {
		p.t.Errorf("%s: events by country (-sent +%s):\n%s", q.cube, by, d)
	}
	if want := q.total(&p.sums); total != want {
		p.t.Errorf("%s: %s says %d in all, sent %d", q.cube, by, total, want)
	}
}

// curls asks /api/v1 by curl.
func (p *path) curls() { p.asked(true) }

// asked asks by curl, and wants all answers to be right, and from cuboids alone if there is one over every event.
func (p *path) asked(whole bool) {
	p.t.Helper()
	for _, q := range questions() {
		body, err := json.Marshal(map[string]string{"sql": q.sql})
		if err != nil {
			p.t.Fatal(err)
		}
		args := append(p.known(), "-H", "Content-Type: application/json", "--data-binary", "@-", p.url+"/api/v1/query")
		p.told("curl", q, tabs(p.t, p.answered(string(body), "curl", append(args, "-H", "Accept: text/csv")...)))
		var out queried
		if err := json.Unmarshal([]byte(p.answered(string(body), "curl", args...)), &out); err != nil || len(out.Blocks) != 1 || len(out.Tables) != 1 {
			p.t.Fatalf("%s: answer with %+v and %+v (%v), want one block and one table", q.sql, out.Blocks, out.Tables, err)
		}
		if b, t := out.Blocks[0], out.Tables[0]; b.Cube != q.cube || whole && len(b.Notes) > 0 || t.Events != p.sums.Events || t.Quarantined != p.sums.Bad || t.Partial {
			p.t.Errorf("answered by %+v over %+v; want cube %s over %d events and %d bad records", b, t, q.cube, p.sums.Events, p.sums.Bad)
		}
	}
}

// known are the flags of curl for a call that says who asks.
func (w *person) known() []string {
	flags := append(w.trust(), "--fail-with-body")
	if w.cert != "" {
		flags = append(flags, "-u", w.user+":"+w.password)
	}
	return flags
}

// trust are curl's flags of a call as nobody.
func (w *person) trust() []string {
	if w.cert == "" {
		return []string{"-sS"}
	}
	return []string{"-sS", "--cacert", w.cert}
}

// tabs are the rows of CSV without its first line, with tabs; what is empty is null.
func tabs(t *testing.T, text string) string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("no CSV with rows: %v\n%s", err, text)
	}
	var b strings.Builder
	for _, row := range rows[1:] {
		for i := range row {
			if row[i] == "" {
				row[i] = "null"
			}
		}
		fmt.Fprintln(&b, strings.Join(row, "\t"))
	}
	return b.String()
}

// psqls asks by psql.
func (p *path) psqls() {
	p.t.Helper()
	where := fmt.Sprintf("host=%s port=%s user=%s dbname=default sslmode=disable", host(p.pg), port(p.pg), p.user)
	if p.cert != "" {
		where = strings.Replace(where, "disable", "verify-full sslrootcert="+p.cert, 1)
	}
	for _, q := range questions() {
		p.told("psql", q, p.answered("", "psql", "-X", "-A", "-t", "-F", "\t", "-c", q.sql, where))
	}
}

// asUser adds the user's name, where one must prove it.
func (w *person) asUser(args ...string) []string {
	if w.cert == "" {
		return args
	}
	return append(args, w.user, w.cert)
}

// address is host and port of HTTP.
func (p *path) address() string { return p.url[strings.LastIndexByte(p.url, '/')+1:] }

// kylinpys asks by kylinpy and by its dialect of SQLAlchemy, which must agree.
func (p *path) kylinpys() {
	p.t.Helper()
	var ask strings.Builder
	for _, q := range questions() {
		fmt.Fprintln(&ask, q.sql)
	}
	out := p.answered(ask.String(), testkit.KylinPython(p.t), p.asUser("testdata/clients/kylin.py", p.address())...)
	answers := strings.Split(out, "\n\n")
	if len(answers) != len(questions())+1 || answers[len(answers)-1] != "ok\n" {
		p.t.Fatalf("kylin.py printed %q", out)
	}
	for i, q := range questions() {
		p.told("kylinpy", q, answers[i])
	}
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

// kylinJDBC wants Kylin's driver to be answered what /api/v1 answers.
func (p *path) kylinJDBC() {
	p.t.Helper()
	list := kylinAnswers()
	for _, q := range questions() {
		list = append(list, [2]string{q.sql, q.sql})
	}
	var ask, want strings.Builder
	for _, s := range list {
		fmt.Fprintln(&ask, s[0])
		if s[1] == "" {
			s[1] = s[0]
		}
		r, err := p.queryAs(p.t.Context(), s[1], "text/csv")
		if err != nil {
			p.t.Fatalf("%s: %v", s[1], err)
		}
		text, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			p.t.Fatalf("%s: %v", s[1], err)
		}
		fmt.Fprintln(&want, tabs(p.t, string(text)))
	}
	source, err := filepath.Abs("testdata/clients/Kylin.java")
	if err != nil {
		p.t.Fatal(err)
	}
	args := append([]string{"-Duser.timezone=UTC", "-Dfile.encoding=UTF-8", "-XX:TieredStopAtLevel=1", "-cp", testkit.JDBC(p.t)}, p.asUser(source, p.address())...)
	out := p.answered(ask.String(), "java", args...)
	if d := gocmp.Diff(want.String()+"ok\n", out); d != "" {
		p.t.Errorf("the driver got (+), /api/v1 said (-):\n%s", d)
	}
	answers := strings.Split(out, "\n\n")
	for i, q := range questions() {
		p.told("kylin-jdbc", q, answers[len(kylinAnswers())+i])
	}
}

// kylin calls Kylin's API.
func (p *path) kylin(method, path, body string) (int, string, error) {
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url+"/kylin/api"+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := p.do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// kylinStop stops a statement as Kylin's users do it: by the id that runningQueries shows.
func (p *path) kylinStop() {
	type answer struct {
		code int
		text string
		err  error
	}
	ended := make(chan answer, 1)
	go func() {
		var a answer
		a.code, a.text, a.err = p.kylin(http.MethodPost, "/query", `{"sql": "select count(*) from range(1000000000000) as r(x) where x % 7 = 3", "project": "default"}`)
		ended <- a
	}()
	var running []struct{ QueryID string }
	testkit.Until(p.t, "the statement runs", func(context.Context) error {
		_, text, err := p.kylin(http.MethodGet, "/query/runningQueries", "")
		if err == nil {
			err = json.Unmarshal([]byte(text), &running)
		}
		if err != nil || len(running) != 1 {
			return fmt.Errorf("%s %v", text, err)
		}
		return nil
	})
	if code, text, err := p.kylin(http.MethodPut, "/query/"+running[0].QueryID+"/stop", ""); code != http.StatusOK || err != nil {
		p.t.Fatalf("%d %s (%v)", code, text, err)
	}
	if got := <-ended; got.err != nil || got.code != http.StatusInternalServerError || !strings.Contains(got.text, "ended by "+p.user) {
		p.t.Errorf("%+v", got)
	}
}

// strangers are refused at every door, also with the cookie that Kylin's log-in gave to who had the password.
func (p *path) strangers() {
	forged := "JSESSIONID=" + base64.RawURLEncoding.EncodeToString([]byte(p.user))
	jar := filepath.Join(p.t.TempDir(), "cookies")
	right, wrong := p.user+":"+p.password, p.user+":wrong guess"
	login, cubes, query := p.url+"/kylin/api/user/authentication", p.url+"/kylin/api/cubes", p.url+"/api/v1/query"
	for _, c := range []struct {
		want string // of body and status
		args []string
	}{
		{`"username":"` + p.user + `"[\s\S]*200$`, []string{"-c", jar, "-u", right, "-X", "POST", login}},
		{`"exception"[\s\S]*401$`, []string{"-b", jar, cubes}},
		{`"exception"[\s\S]*401$`, []string{"-b", jar, "-u", wrong, cubes}},
		{`"exception"[\s\S]*401$`, []string{"-b", forged, cubes}},
		{`"exception"[\s\S]*401$`, []string{"-b", forged, "-X", "POST", login}},
		{`"exception"[\s\S]*401$`, []string{"-u", "ADMIN:KYLIN", login}},
		{`"unauthorized"[\s\S]*401$`, []string{"-b", forged, "-H", "Content-Type: application/json", "-d", `{"sql": "select 1"}`, query}},
	} {
		out := p.answered("", "curl", append(append(p.trust(), "-w", "\n%{http_code}"), c.args...)...)
		if !regexp.MustCompile(c.want).MatchString(out) {
			p.t.Errorf("curl %v:\n%s\nwant %s", c.args, out, c.want)
		}
	}
	if text, err := os.ReadFile(jar); err != nil || strings.Contains(string(text), "JSESSIONID") {
		p.t.Errorf("the log-in of a user gave cookies: %v\n%s", err, text)
	}
	where := fmt.Sprintf("host=%s port=%s user=%s dbname=default sslmode=require password=guess", host(p.pg), port(p.pg), p.user)
	if out, err := p.client("", "psql", "-X", "-c", "SELECT 1", where); err == nil || !strings.Contains(err.Error(), "password authentication failed") {
		p.t.Errorf("psql with a wrong password: %q, %v", out, err)
	}
}
