package kylin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/query"
)

// newQueryFixture is a fixture with an engine over its catalog, whose table is empty.
func newQueryFixture(t *testing.T) (*fixture, *query.Engine) {
	t.Helper()
	f := newFixture(t)
	o := query.Options{Catalog: f.c, Store: new(blob.Mem)}
	o.Duck.TempDir = t.TempDir()
	e, err := query.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	if f.h, err = New(Options{Catalog: f.c, Building: f, Cubes: f, Store: new(blob.Mem), Query: e}); err != nil {
		t.Fatal(err)
	}
	return f, e
}

// reply is what clients read of an answer.
type reply struct {
	ColumnMetas []struct {
		Label          string
		ColumnType     int
		ColumnTypeName string
		Precision      *int
		Scale          *int
		DisplaySize    *int
		IsNullable     *int
	}
	Results          [][]*string
	IsException      *bool
	ExceptionMessage *string
	Partial          *bool
	Cube             *string
}

func (f *fixture) ask(path, body string) reply {
	f.t.Helper()
	var r reply
	f.good(http.MethodPost, path, body, &r)
	if r.Results == nil || r.ColumnMetas == nil || r.IsException == nil || *r.IsException || r.ExceptionMessage != nil || r.Partial == nil {
		f.t.Errorf("%s: %+v", body, r)
	}
	return r
}

// table is labels, types and rows, one a line.
func (r reply) table() string {
	var b strings.Builder
	for i, c := range r.ColumnMetas {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(c.Label + ":" + c.ColumnTypeName)
	}
	for _, row := range r.Results {
		b.WriteByte('\n')
		for i, v := range row {
			if i > 0 {
				b.WriteByte('|')
			}
			if v == nil {
				b.WriteString("null")
			} else {
				b.WriteString(*v)
			}
		}
	}
	return b.String()
}

func question(t *testing.T, sql string, more map[string]any) string {
	t.Helper()
	q := map[string]any{"sql": sql, "project": "DEFAULT", "acceptPartial": false, "backdoorToggles": nil, "params": nil, "extra": 1}
	for k, v := range more {
		q[k] = v
	}
	b, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestQuery(t *testing.T) {
	f, _ := newQueryFixture(t)
	params := func(of ...string) map[string]any {
		var list []map[string]any
		for i := 0; i < len(of); i += 2 {
			list = append(list, map[string]any{"className": "java." + of[i], "value": of[i+1]})
		}
		return map[string]any{"params": list}
	}
	for _, c := range []struct {
		sql  string
		more map[string]any
		want string
	}{
		{"select 1;", nil, "EXPR$0:INTEGER\n1"},
		{"select count(*), count(*) as \"count\", url from \"DEFAULT\".\"CLICKS\" group by url", nil, "EXPR$0:BIGINT count:BIGINT URL:VARCHAR"},
		{"select count(*) from default.clicks where ts >= '2026-01-02'", nil, "EXPR$0:BIGINT\n0"},
		{"select * from clicks", nil, "TS:TIMESTAMP URL:VARCHAR"},
		{"select CLICKS.URL as \"k\" from \"CLICKS\" where \"CLICKS\".\"TS\" < timestamp '2026-01-01 00:00:00' limit 5", nil, "k:VARCHAR"},
		{
			"SELECT CAST(FLOOR(CAST(TS AS TIMESTAMP) TO DAY) AS DATE) AS TS, count(*) AS \"count\" FROM CLICKS GROUP BY CAST(FLOOR(CAST(TS AS TIMESTAMP) TO DAY) AS DATE) ORDER BY \"count\" DESC",
			nil, "TS:DATE count:BIGINT",
		},
		{
			"select cast('2024-02-29' as date) d, timestamp '2024-02-29 01:02:03.5' ts, cast(12.5 as decimal(10,4)) p, cast(0.25 as double) f, true b, cast(null as varchar) n, cast('nan' as double) nan",
			nil, "D:DATE TS:TIMESTAMP P:DECIMAL F:DOUBLE B:BOOLEAN N:VARCHAR NAN:DOUBLE\n2024-02-29|2024-02-29 01:02:03.5|12.5000|0.25|true|null|NaN",
		},
		{"select 'a\"b\\ü' s, '' as empty", nil, "S:VARCHAR EMPTY:VARCHAR\na\"b\\ü|"},
		{"select sum(x) s from (values (9223372036854775807)) as v(x)", nil, "S:BIGINT\n9223372036854775807"},
		{"select sum(x) s from (values (9223372036854775807), (1)) as v(x)", nil, "S:DECIMAL\n9223372036854775808"},
		{"select x from range(10) as r(x)", map[string]any{"limit": 2, "offset": 3}, "X:BIGINT\n3\n4"},
		{"select x from range(10) as r(x) order by x desc limit 4", map[string]any{"limit": 50000}, "X:BIGINT\n9\n8\n7\n6"},
		{"select x from range(5000) as r(x)", map[string]any{"offset": 4998}, "X:BIGINT\n4998\n4999"},
		{"select x from range(5000) as r(x)", map[string]any{"backdoorToggles": map[string]any{maxRows: "3"}}, "X:BIGINT\n0\n1\n2"},
		{"select x from range(3) as r(x)", map[string]any{"backdoorToggles": map[string]any{maxRows: "0"}}, "X:BIGINT\n0\n1\n2"},
		{"select ? s, ? + 1 i, '?' q", params("lang.String", "it's", "lang.Integer", "41"), "S:VARCHAR I:INTEGER Q:VARCHAR\nit's|42|?"},
		{"select timestampadd(DAY, ?, ?) t", params("lang.Long", "1", "sql.Date", "2016-11-28"), "T:TIMESTAMP\n2016-11-29 00:00:00"},
		{
			"select timestampdiff(MONTH, '2024-01-31', '2024-03-30') m, dayofweek(date '2024-03-03') w, quarter(date '2024-05-01') q, floor(timestamp '2024-03-05 10:00:00' to week) s",
			nil, "M:BIGINT W:BIGINT Q:BIGINT S:TIMESTAMP\n1|1|2|2024-03-03 00:00:00",
		},
		{
			"select CAST(TIMESTAMPADD(QUARTER, QUARTER(CAST(c AS DATE)) - 1, FLOOR(CAST(c AS TIMESTAMP) TO YEAR)) AS DATE) AS c, CAST(TIMESTAMPADD(WEEK, WEEK(CAST(c AS DATE)) - 1, FLOOR(CAST(c AS TIMESTAMP) TO YEAR)) AS DATE) w from (select timestamp '2024-05-05 01:00:00' as c)",
			nil, "C:DATE W:DATE\n2024-04-01|2024-04-29",
		},
		{
			"select intersect_count(v, k, array['a', 'b']), intersect_count(v, k, array['a|b', 'c']), count(distinct v, k) n, percentile(v, 0.5) p from (values (1,'a'),(1,'b'),(2,'a'),(2,'c'),(3,null)) as t(v, k)",
			nil, "EXPR$0:BIGINT EXPR$1:BIGINT N:BIGINT P:INTEGER\n1|1|4|2",
		},
		{"select count(*) from clicks where ts < '2022-02-15 00:00:00.000000' and cast(ts as date) < '2022-02-15 00:00:00.000000'", nil, "EXPR$0:BIGINT\n0"},
	} {
		for _, path := range []string{"/query", "/query/prestate"} {
			if got := f.ask(path, question(t, c.sql, c.more)).table(); got != c.want {
				t.Errorf("%s: %s %v\ngot\n%s\nwant\n%s", path, c.sql, c.more, got, c.want)
			}
		}
	}
}

// A mistake is 500 with its place in the text that was sent, not in ours.
func TestQueryMistakes(t *testing.T) {
	f, _ := newQueryFixture(t)
	for _, c := range []struct{ sql, want string }{
		{"", "SQL should not be empty."},
		{"select floor(ts to day), /* a comment */ wrong_one from default.clicks", "line 1, column 42: "},
		{"select * from default.nowhere", "nowhere"},
		{"select 1 +", "line 1, column "},
		{"insert into clicks values (1)", "line 1, column 1: "},
		{"select ? from clicks", "the statement has 1 parameters, and 0 values were sent"},
		{"select cast('x' as integer)", "x"},
		{"select cast(s as integer) from (values ('1'), ('x')) as t(s)", "x"},
		{"select intersect_count(a) from clicks", "line 1, column 8: INTERSECT_COUNT takes"},
	} {
		f.bad(http.MethodPost, "/query", question(t, c.sql, nil), http.StatusInternalServerError, c.want)
	}
	f.bad(http.MethodPost, "/query", `{"sql": "select 1", "project": "nowhere"}`, http.StatusInternalServerError, "Cannot find project 'nowhere'")
	f.bad(http.MethodPost, "/query", `{"sql": "select 1", "limit": -1}`, http.StatusInternalServerError, "want 0 or more")
	f.bad(http.MethodPost, "/query", `{`, http.StatusBadRequest, "JSON")
	f.h.o.Query = nil
	f.bad(http.MethodPost, "/query", `{"sql": "select 1"}`, http.StatusServiceUnavailable, "answers no statements")
}

// An answer that fails after its first part was sent is closed, and says so as clients look for it.
func TestQueryLateFailure(t *testing.T) {
	f, _ := newQueryFixture(t)
	var r reply
	f.good(http.MethodPost, "/query", question(t, "select cast(case when x < 150000 then '1' else 'wrong' end as integer), repeat('y', 100) from range(200000) as r(x)", nil), &r)
	if r.IsException == nil || !*r.IsException || r.ExceptionMessage == nil || !strings.Contains(*r.ExceptionMessage, "wrong") || len(r.Results) == 0 {
		t.Errorf("%d rows, exception %v %v", len(r.Results), r.IsException, r.ExceptionMessage)
	}
}

func TestCSV(t *testing.T) {
	f, _ := newQueryFixture(t)
	get := func(sql string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/kylin/api/query/format/csv?project=default&sql="+url.QueryEscape(sql), nil)
		r.SetBasicAuth("ADMIN", "KYLIN")
		rec := httptest.NewRecorder()
		f.h.ServeHTTP(rec, r)
		return rec
	}
	for sql, want := range map[string]string{
		"select x, 'a,b' as s, null n from range(2) as r(x)": "X,S,N\n0,\"a,b\",\n1,\"a,b\",\n",
		"select count(*), url from clicks group by url":      "EXPR$0,URL\n",
	} {
		rec := get(sql)
		if rec.Body.String() != want || rec.Header().Get("Content-Disposition") != `attachment; filename="result.csv"` || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/csv") {
			t.Errorf("%s: %q %v, want %q", sql, rec.Body.String(), rec.Header(), want)
		}
	}
	if rec := get("select wrong from clicks"); rec.Code != http.StatusInternalServerError || !strings.Contains(rec.Body.String(), `"exception"`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestRunningQueries(t *testing.T) {
	f, e := newQueryFixture(t)
	var list []map[string]any
	f.good(http.MethodGet, "/query/runningQueries", "", &list)
	if len(list) != 0 {
		t.Fatalf("%v runs, want nothing", list)
	}
	a, err := e.Query(t.Context(), query.Request{SQL: "select x from range(100000000) as r(x)", Project: "default"})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	f.good(http.MethodGet, "/query/runningQueries", "", &list)
	if len(list) != 1 || list[0]["project"] != "default" || list[0]["running"] != true {
		t.Fatalf("%v", list)
	}
	for range 2 { // the second time there is nothing left to stop
		if code, body := f.curl(http.MethodPut, "/query/"+list[0]["queryId"].(string)+"/stop", ""); code != http.StatusOK || body != "" {
			t.Fatalf("%d %s", code, body)
		}
		for err == nil {
			var rec interface{ Release() }
			if rec, err = a.Next(); err == nil {
				rec.Release()
			}
		}
	}
	if !strings.Contains(err.Error(), "ended by ADMIN") {
		t.Errorf("the statement ended with %v", err)
	}
	f.bad(http.MethodPut, "/query/x/stop", "", http.StatusInternalServerError, "runningQueries")
}

// The driver refuses keys that it does not know (K6).
func TestTablesAndColumns(t *testing.T) {
	f := newFixture(t)
	var list []map[string]any
	f.good(http.MethodGet, "/tables_and_columns?project=DEFAULT", "", &list)
	if len(list) != 1 || list[0]["table_NAME"] != "CLICKS" || list[0]["table_SCHEM"] != "DEFAULT" || list[0]["table_CAT"] != "defaultCatalog" {
		t.Fatalf("%v", list)
	}
	columns := list[0]["columns"].([]any)
	keys := func(m map[string]any) string {
		var out []string
		for k := range m {
			out = append(out, k)
		}
		return strings.Join(slices.Sorted(slices.Values(out)), " ")
	}
	if got, want := keys(list[0]), "columns ref_GENERATION remarks self_REFERENCING_COL_NAME table_CAT table_NAME table_SCHEM table_TYPE type_CAT type_NAME type_SCHEM"; got != want {
		t.Errorf("table: %s", cmp.Diff(want, got))
	}
	one := columns[0].(map[string]any)
	if got, want := keys(one), "buffer_LENGTH char_OCTET_LENGTH column_DEF column_NAME column_SIZE data_TYPE decimal_DIGITS is_AUTOINCREMENT is_NULLABLE nullable num_PREC_RADIX "+
		"ordinal_POSITION remarks scope_CATLOG scope_SCHEMA scope_TABLE source_DATA_TYPE sql_DATA_TYPE sql_DATETIME_SUB table_CAT table_NAME table_SCHEM type_NAME"; got != want {
		t.Errorf("column: %s", cmp.Diff(want, got))
	}
	var names []string
	for _, c := range columns {
		m := c.(map[string]any)
		names = append(names, m["column_NAME"].(string)+" "+m["type_NAME"].(string))
	}
	want := []string{
		"TS TIMESTAMP(0)", "URL VARCHAR(256)", "MINUTE_START TIMESTAMP(0)", "HOUR_START TIMESTAMP(0)", "DAY_START DATE", "WEEK_START DATE", "MONTH_START DATE",
		"QUARTER_START DATE", "YEAR_START DATE",
	}
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
	f.bad(http.MethodGet, "/tables_and_columns?project=nowhere", "", http.StatusInternalServerError, "Cannot find project")
}

func TestProjectsAndTables(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/projects?pageOffset=0&pageSize=1000", "/projects/readable"} {
		var list []projectJSON
		f.good(http.MethodGet, path, "", &list)
		if len(list) != 1 || list[0].Name != "default" || list[0].Tables[0] != "DEFAULT.CLICKS" || list[0].Realizations[0].Name != "clicks_cube" || list[0].Models[0] != "clicks_cube_model" {
			t.Errorf("%s: %+v", path, list)
		}
	}
	var tables []tableDesc
	f.good(http.MethodGet, "/tables?ext=True&project=default", "", &tables)
	var one tableDesc
	f.good(http.MethodGet, "/tables/default/DEFAULT.CLICKS", "", &one)
	if len(tables) != 1 || tables[0].Name != "CLICKS" || tables[0].Database != "DEFAULT" || tables[0].Columns[1] != (descColumn{"2", "URL", "varchar(256)"}) {
		t.Errorf("%+v", tables)
	}
	if d := cmp.Diff(tables[0], one); d != "" {
		t.Error(d)
	}
	f.bad(http.MethodGet, "/tables/default/nowhere", "", http.StatusNotFound, "Cannot find table nowhere")
}

// Saved queries are those of the one who asks.
func TestSavedQueries(t *testing.T) {
	f := newFixture(t)
	list := func() (out []savedQuery) {
		f.good(http.MethodGet, "/saved_queries?project=default", "", &out)
		return out
	}
	if got := list(); got == nil || len(got) != 0 {
		t.Fatalf("%v, want []", got)
	}
	for _, name := range []string{"z", "a"} {
		if code, body := f.curl(http.MethodPost, "/saved_queries", `{"name": "`+name+`", "project": "default", "sql": "select 1", "description": "one", "extra": 1}`); code != http.StatusOK || body != "" {
			t.Fatalf("%d %s", code, body)
		}
	}
	got := list()
	if len(got) != 2 || got[0].Name != "a" || got[1] != (savedQuery{got[1].ID, "z", "default", "select 1", "one"}) {
		t.Fatalf("%+v", got)
	}
	f.bad(http.MethodPost, "/saved_queries", `{"name": "no statement"}`, http.StatusBadRequest, "wants a name and sql")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/kylin/api/saved_queries", nil)
	r.SetBasicAuth("somebody else", "x")
	rec := httptest.NewRecorder()
	if f.h.ServeHTTP(rec, r); strings.TrimSpace(rec.Body.String()) != "[]" {
		t.Errorf("another user sees %s", rec.Body)
	}
	for _, id := range []string{got[0].ID, got[0].ID, "../../tables"} { // what is not there is no mistake
		if code, body := f.curl(http.MethodDelete, "/saved_queries/"+url.PathEscape(id), ""); code != http.StatusOK || body != "" {
			t.Fatalf("%d %s", code, body)
		}
	}
	if left := list(); len(left) != 1 || left[0].Name != "z" {
		t.Errorf("%+v", left)
	}
}

// An answer that was kept says so, by Kylin's name for it.
func TestStorageCacheUsed(t *testing.T) {
	f, _ := newQueryFixture(t)
	for _, want := range []bool{false, true} {
		var got map[string]any
		f.good(http.MethodPost, "/query", question(t, "select count(*) from clicks", nil), &got)
		if got["storageCacheUsed"] != want {
			t.Errorf("storageCacheUsed %v, want %t", got["storageCacheUsed"], want)
		}
	}
}
