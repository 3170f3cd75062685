package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed peers/duckdb_query.py
var duckdbQuery string

// queryFlags are those of the scenario query.
type queryFlags struct {
	cubeFlags
	events   int64
	segments int
	tail     float64
	rate     float64
	clients  int
	seconds  int
}

func (f *queryFlags) register(fs *flag.FlagSet) {
	f.runFlags.register(fs, 1)
	fs.Int64Var(&f.events, "events", 21_000_000, "page views, those behind the segments included")
	fs.IntVar(&f.segments, "segments", 10, "that they are built in, of equal parts")
	fs.Float64Var(&f.tail, "tail", 1.0/21, "share of the events that no segment holds")
	fs.Float64Var(&f.rate, "event-rate", 250, "events per second of event time: 21 million are a day")
	fs.IntVar(&f.clients, "clients", 32, "that ask at once, after one alone")
	fs.IntVar(&f.seconds, "seconds", 20, "how long each contender is asked, by one client and by many")
	fs.StringVar(&f.memory, "build-memory", "512MiB", "of tidemark's builds")
}

// asked is one statement of the mix, for tidemark and for DuckDB over the files and over tables that were rolled up by hand.
type asked struct {
	name, sql, rollup string
}

// mix is a dashboard: ten statements.
var mix = []asked{
	{"views by hour of a country", "SELECT date_trunc('hour', ts) AS h, count(*) FROM pageviews WHERE country = 'DE' GROUP BY 1 ORDER BY 1", "SELECT h, sum(n) FROM by_hour WHERE country = 'DE' GROUP BY 1 ORDER BY 1"},
	{"views by minute of a section", "SELECT date_trunc('minute', ts) AS m, count(*) FROM pageviews WHERE section = 'news' GROUP BY 1 ORDER BY 1", "SELECT m, sum(n) FROM by_minute WHERE section = 'news' GROUP BY 1 ORDER BY 1"},
	{"bytes by minute", "SELECT date_trunc('minute', ts) AS m, sum(bytes) FROM pageviews GROUP BY 1 ORDER BY 1", "SELECT m, sum(b) FROM by_minute GROUP BY 1 ORDER BY 1"},
	{"top pages", "SELECT page_url, count(*) AS n FROM pageviews GROUP BY 1 ORDER BY 2 DESC LIMIT 10", "SELECT page_url, sum(n) AS n FROM by_page GROUP BY 1 ORDER BY 2 DESC LIMIT 10"},
	{"top pages of a section", "SELECT page_url, count(*) AS n FROM pageviews WHERE section = 'sport' GROUP BY 1 ORDER BY 2 DESC LIMIT 10", "SELECT page_url, sum(n) AS n FROM by_page WHERE section = 'sport' GROUP BY 1 ORDER BY 2 DESC LIMIT 10"},
	{"visitors by hour", "SELECT date_trunc('hour', ts) AS h, approx_count_distinct(visitor_id) FROM pageviews GROUP BY 1 ORDER BY 1", "SELECT h, v FROM visitors_by_hour ORDER BY 1"},
	{"visitors by country", "SELECT country, approx_count_distinct(visitor_id) AS v FROM pageviews GROUP BY 1 ORDER BY 2 DESC LIMIT 20", "SELECT country, v FROM visitors_by_country ORDER BY 2 DESC LIMIT 20"},
	{"device by browser", "SELECT device_type, browser, count(*), avg(latency_ms) FROM pageviews GROUP BY 1, 2 ORDER BY 3 DESC", "SELECT device_type, browser, sum(n), sum(l) / sum(n) FROM by_hour GROUP BY 1, 2 ORDER BY 3 DESC"},
	{"country by device", "SELECT country, device_type, count(*), sum(bytes) FROM pageviews GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 50", "SELECT country, device_type, sum(n), sum(b) FROM by_hour GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 50"},
	{"total with two filters", "SELECT count(*), sum(bytes) FROM pageviews WHERE country IN ('US', 'IN') AND device_type = 'mobile'", "SELECT sum(n), sum(b) FROM by_hour WHERE country IN ('US', 'IN') AND device_type = 'mobile'"},
}

// queryYAML is the cube that answers the mix.
const queryYAML = `cube: dashboard
table: pageviews
dimensions: [hour(ts), minute(ts), country, section, device_type, browser, page_url]
measures: [count, sum(bytes), avg(latency_ms), count_distinct(visitor_id)]
groups:
  - {includes: [ts_hour, ts_minute, country, section, device_type], hierarchy: [[ts_hour, ts_minute]], dim_cap: 3}
  - {includes: [ts_hour, country, device_type, browser], dim_cap: 3}
  - {includes: [section, page_url], hierarchy: [[section, page_url]]}
  - {includes: [page_url]}
cut: {manual: true}
merge: {manual: true}
`

// latencies are of one contender's statements, in milliseconds.
type latencies struct {
	Contender string             `json:"contender"`
	Clients   int                `json:"clients"`
	PerSecond float64            `json:"queries_per_second"`
	P50       float64            `json:"p50_ms"`
	P99       float64            `json:"p99_ms"`
	ByQuery   map[string]float64 `json:"p50_ms_by_query"`
}

type queryReport struct {
	header
	Events   int64       `json:"events"`
	Segments int         `json:"segments"`
	Runs     []latencies `json:"runs"`
}

func (f *queryFlags) validate() error { return f.runFlags.validate() }

func (f *queryFlags) measure(ctx context.Context, h header, stdout io.Writer) (report, error) {
	rep := &queryReport{header: h, Events: f.events, Segments: f.segments}
	return rep, f.queries(ctx, func(l latencies) {
		rep.Runs = append(rep.Runs, l)
		fmt.Fprintf(stdout, "%-22s %3d clients %9.0f queries/s  p50 %8.2f ms  p99 %8.2f ms\n", l.Contender, l.Clients, l.PerSecond, l.P50, l.P99)
	})
}

// queries stages the events, builds the segments and asks.
func (f *queryFlags) queries(ctx context.Context, add func(latencies)) error {
	st, err := f.stage(ctx, f.events, f.rate)
	if err != nil {
		return err
	}
	path := filepath.Join(f.work, "dashboard.yaml")
	if err := os.WriteFile(path, []byte(queryYAML), 0o644); err != nil {
		return err
	}
	f.merges.segments, f.merges.events = f.segments, int64(float64(f.events)*(1-f.tail))
	if _, err := f.served(ctx, st.data, func(_ context.Context, ask asker) error {
		if err := ask(nil, "cube", "apply", "-f", path); err != nil {
			return err
		}
		_, err := f.parts(ask, "dashboard")
		return err
	}); err != nil {
		return err
	}
	for _, c := range []struct{ name, args string }{
		{"tidemark, nothing folded", noResults + " --folded-cache-bytes 0"}, {"tidemark, no answers", noResults}, {"tidemark", ""},
	} {
		if _, err := f.with(c.args).served(ctx, st.data, func(ctx context.Context, _ asker) error {
			return f.askTidemark(ctx, st, c.name, add)
		}); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	if f.python == "" {
		return nil
	}
	return f.duckdbQueries(ctx, st, add)
}

// noResults has tidemark work out each answer, also of a statement that it has just answered.
const noResults = "--result-cache-bytes 0"

// askTidemark asks the server of a data folder, by one client and by many.
func (f *queryFlags) askTidemark(ctx context.Context, st staged, contender string, add func(latencies)) error {
	url, err := urlOf(st)
	if err != nil {
		return err
	}
	for _, clients := range []int{1, f.clients} {
		took, seconds, err := askMix(ctx, url, askedOf(mix, ""), clients, f.seconds)
		if err != nil {
			return err
		}
		add(summed(contender, clients, took, seconds))
	}
	return nil
}

// urlOf returns where the server of a data folder answers.
func urlOf(st staged) (string, error) {
	address, err := os.ReadFile(filepath.Join(st.data, "address"))
	if err != nil {
		return "", err
	}
	url := strings.TrimSpace(string(address))
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	return url, nil
}

// askedOf returns the statements; with a cube's name those that ask it, of times within a condition.
func askedOf(list []asked, cube string, within ...string) (out []string) {
	for _, q := range list {
		sql := q.sql
		if cube != "" {
			sql = strings.Replace(sql, "FROM pageviews", "FROM "+cube, 1)
		}
		for _, w := range within {
			if strings.Contains(sql, " WHERE ") {
				sql = strings.Replace(sql, " WHERE ", " WHERE "+w+" AND ", 1)
			} else {
				sql = strings.Replace(sql, " GROUP BY ", " WHERE "+w+" GROUP BY ", 1)
			}
		}
		out = append(out, sql)
	}
	return out
}

// askMix asks tidemark the statements, over and over, after each once. It returns how long each took, in ms, each time.
func askMix(ctx context.Context, url string, list []string, clients, seconds int) (took [][]float64, whole float64, err error) {
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	for _, q := range list {
		if _, text, err := askHTTP(ctx, c, url, q); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", q, err)
		} else if err := byCube(text); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", q, err)
		}
	}
	var mu sync.Mutex
	took = make([][]float64, len(list))
	var failed error
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	began := time.Now()
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for i := client; time.Now().Before(end); i++ {
				d, _, err := askHTTP(ctx, c, url, list[i%len(list)])
				mu.Lock()
				if err != nil {
					failed = err
					mu.Unlock()
					return
				}
				took[i%len(list)] = append(took[i%len(list)], d.Seconds()*1000)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return took, time.Since(began).Seconds(), failed
}

func summed(contender string, clients int, took [][]float64, seconds float64) latencies {
	l := latencies{Contender: contender, Clients: clients, ByQuery: map[string]float64{}}
	var all []float64
	for i, t := range took {
		slices.Sort(t)
		all = append(all, t...)
		l.ByQuery[mix[i].name] = quantile(t, .5)
	}
	slices.Sort(all)
	l.PerSecond, l.P50, l.P99 = float64(len(all))/seconds, quantile(all, .5), quantile(all, .99)
	return l
}

func quantile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

// askHTTP asks one statement and reads the answer whole. What it says is not looked at but for errors: the machine is tidemark's.
func askHTTP(ctx context.Context, c *http.Client, url, sql string) (took time.Duration, text []byte, err error) {
	body, err := json.Marshal(map[string]any{"sql": sql})
	if err != nil {
		return 0, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/v1/query", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	began := time.Now()
	resp, err := c.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	took = time.Since(began)
	if err == nil && (resp.StatusCode != http.StatusOK || bytes.Contains(text, []byte(`"error":`))) {
		err = fmt.Errorf("%s: status %d, %s", sql, resp.StatusCode, text[:min(len(text), 300)])
	}
	return took, text, err
}

// byCube checks that an answer has rows and comes from a cube.
func byCube(text []byte) error {
	var answer struct {
		Count  int64
		Blocks []struct{ Cube string }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	if answer.Count == 0 || len(answer.Blocks) != 1 || answer.Blocks[0].Cube == "" {
		return fmt.Errorf("%d rows, not answered by the cube", answer.Count)
	}
	return nil
}

// duckdbQueries has DuckDB answer the mix, over the staged files and over roll-ups made by hand.
func (f *queryFlags) duckdbQueries(ctx context.Context, st staged, add func(latencies)) error {
	glob := filepath.Join(st.data, "store", "staged", "*", "*", "*.parquet")
	for _, kind := range []string{"raw", "rollup"} {
		var list []string
		for _, q := range mix {
			sql := q.sql
			if kind == "rollup" {
				sql = q.rollup
			}
			list = append(list, sql)
		}
		text, err := json.Marshal(list)
		if err != nil {
			return err
		}
		for _, clients := range []int{1, f.clients} {
			var r struct {
				Seconds float64
				Took    [][]float64 // ms, of each statement
			}
			c := child{path: f.python, args: []string{"-c", duckdbQuery, glob, kind, fmt.Sprint(clients), fmt.Sprint(f.seconds), string(text)}, stderr: f.log}
			if _, err := c.runJSON(ctx, &r); err != nil {
				return err
			}
			add(summed("duckdb "+kind, clients, r.Took, r.Seconds))
		}
	}
	return nil
}

func (r *queryReport) markdown() string {
	var b strings.Builder
	b.WriteString(r.title("Queries"))
	fmt.Fprintf(&b, `%d page views, %d segments, the rest staged and in memory. A mix of ten statements of a dashboard, asked over and over: tidemark over HTTP
(JSON, from another process): with nothing folded, where each statement folds the cells of all segments and files again; with no answers, where it
folds its groups of these with what has come since, as it does while events come; and as it is by default, where a statement that comes again while
nothing has come is not worked out again. DuckDB in its own process, a cursor a thread, over the same staged Parquet files and over tables rolled up by hand.

`, r.Events, r.Segments)
	b.WriteString("| contender | clients | queries/s | p50 ms | p99 ms |\n| --- | --- | --- | --- | --- |\n")
	for _, l := range r.Runs {
		fmt.Fprintf(&b, "| %s | %d | %.1f | %.2f | %.2f |\n", l.Contender, l.Clients, l.PerSecond, l.P50, l.P99)
	}
	b.WriteString("\np50 in ms of one client:\n\n| statement |")
	var one []latencies
	for _, l := range r.Runs {
		if l.Clients == 1 {
			one = append(one, l)
			fmt.Fprintf(&b, " %s |", l.Contender)
		}
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(one)) + "\n")
	for _, q := range mix {
		fmt.Fprintf(&b, "| %s |", q.name)
		for _, l := range one {
			fmt.Fprintf(&b, " %.2f |", l.ByQuery[q.name])
		}
		b.WriteString("\n")
	}
	return b.String()
}
