package duck

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOut tries to get out (D3): each statement is refused before it runs, and the message names what it tried.
func TestOut(t *testing.T) {
	db := open(t)
	file := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(file, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/refused.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		line = strings.ReplaceAll(line, "FILE", file)
		i := strings.LastIndex(line, "=>")
		if i < 0 {
			t.Fatalf("no => in %s", line)
		}
		sql, names := strings.TrimSpace(line[:i]), strings.TrimSpace(line[i+2:])
		got, err := answer(t, db, sql, []Table{small(t)})
		if err == nil {
			t.Errorf("%s: got out, with %s", sql, got)
			continue
		}
		e := asError(t, err)
		if e.Kind != KindRefused && e.Kind != KindCatalog && (e.Kind != KindParser || names != "") {
			t.Errorf("%s: refused as %s: %v", sql, e.Kind, err)
		}
		if !strings.Contains(e.Message, names) {
			t.Errorf("%s: %q does not name %s", sql, e.Message, names)
		}
	}
}

// TestLocked: DuckDB itself refuses, should a statement ever pass us by (D3).
func TestLocked(t *testing.T) {
	db := open(t)
	c, err := db.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.release(c, false)
	file := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(file, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"SELECT a FROM read_csv('FILE')", "SELECT content FROM read_text('FILE')", "SELECT content FROM read_blob('FILE')", "FROM 'FILE'",
		"FROM sniff_csv('FILE')", "FROM glob('/*')", "COPY (SELECT 1) TO 'FILE.out'", "ATTACH 'FILE.db' AS x", "EXPORT DATABASE 'FILE.d'",
		"FROM read_csv('https://example.com/x')", "INSTALL httpfs", "LOAD httpfs", "LOAD 'FILE'", "SET threads = 1", "SET GLOBAL threads = 1", "RESET threads",
		"SET enable_external_access = true", "SET lock_configuration = false", "SET TimeZone = 'Asia/Tokyo'", "SET temp_directory = '/tmp'", "SET memory_limit = '1TB'",
		"PRAGMA threads = 1", "PRAGMA memory_limit = '1TB'", "CREATE PERSISTENT SECRET x (TYPE s3)",
	} {
		sql = strings.ReplaceAll(sql, "FILE", file)
		if got, err := c.column(sql); err == nil {
			t.Errorf("%s: DuckDB does it: %q", sql, got)
		}
	}
	left, err := filepath.Glob(filepath.Dir(file) + "/*")
	if err != nil || len(left) != 1 {
		t.Errorf("files after that: %q, %v, want 1", left, err)
	}
}

// TestSettings: what was set is in force, for every connection.
func TestSettings(t *testing.T) {
	db := open(t)
	for range 2 {
		c, err := db.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer db.release(c, false)
		for _, s := range db.opts.settings() {
			got, err := c.column("SELECT current_setting('" + s[0] + "')::VARCHAR")
			if err != nil || len(got) != 1 {
				t.Errorf("%s: %q, %v", s[0], got, err)
				continue
			}
			want := s[1]
			switch s[0] {
			case "memory_limit":
				want = "256.0 MiB"
			case "default_order":
				want = "ASC"
			case "max_temp_directory_size":
				want = "4.0 GiB"
			}
			if !strings.EqualFold(got[0], want) {
				t.Errorf("%s is %s, want %s", s[0], got[0], want)
			}
		}
	}
}

// TestFunctions (D4): each function of the DuckDB that is built in is allowed or refused by name, and those with side
// effects or that change within a statement are of the kind that says so.
func TestFunctions(t *testing.T) {
	db := open(t)
	c, err := db.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.release(c, false)
	f := db.functions
	all, err := c.column("SELECT DISTINCT concat_ws(' ', function_type, coalesce(stability, '-'), coalesce(has_side_effects, false), lower(function_name)) FROM duckdb_functions() WHERE function_type <> 'pragma'")
	if err != nil || len(all) < 500 {
		t.Fatalf("%d functions, %v", len(all), err)
	}
	have := map[string]bool{}
	for _, line := range all {
		w := strings.SplitN(line, " ", 4)
		kind, stability, effects, name := w[0], w[1], w[2] == "true", w[3]
		if name == scanFunction {
			continue
		}
		if kind == "table" || kind == "table_macro" {
			have["table "+name] = true
			if _, refused := f.reasons["table "+name]; refused == f.tables[name] {
				t.Errorf("table function %s: say in functions.txt whether it may be called", name)
			}
			continue
		}
		have[name] = true
		k, ok := f.kinds[name]
		switch {
		case !ok:
			t.Errorf("%s %s: say in functions.txt what it is", kind, name)
		case k == refusedKind:
		case (effects || stability == "VOLATILE") && k != Volatile && name != "error":
			t.Errorf("%s has side effects or is volatile, functions.txt has it as %s", name, k)
		case stability == "CONSISTENT_WITHIN_QUERY" && k != PerStatement:
			t.Errorf("%s is the same within a statement only, functions.txt has it as %s", name, k)
		case kind == "aggregate" && k != Aggregate && k != WindowOnly:
			t.Errorf("aggregate %s: functions.txt has it as %s", name, k)
		case kind == "scalar" && k == Aggregate:
			t.Errorf("scalar %s: functions.txt has it as %s", name, k)
		}
	}
	for name, k := range f.kinds {
		if !have[name] && k != refusedKind && name != "unnest" && name != "unlist" {
			t.Errorf("functions.txt has %s, DuckDB does not", name)
		}
	}
	for name := range f.tables {
		if !have["table "+name] {
			t.Errorf("functions.txt has the table function %s, DuckDB does not", name)
		}
	}
}

// TestBroken: after a fault of DuckDB the next statement runs on another one, and what ran before goes on.
func TestBroken(t *testing.T) {
	db := open(t)
	before, err := db.Query(t.Context(), parse(t, db, "SELECT range FROM range(100000)"), nil)
	if err != nil {
		t.Fatal(err)
	}
	was := db.engine
	db.broke(t.Context(), was, &Error{Kind: KindInternal, Message: "a test", breaks: true})
	for range db.opts.MaxConns + 1 {
		if got, err := answer(t, db, "SELECT a FROM t WHERE a = 3", []Table{small(t)}); err != nil || got != "int64\n3" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if db.engine == was || len(was.idle) != 0 || was.used != 1 {
		t.Errorf("the old engine has %d connections, %d idle", was.used, len(was.idle))
	}
	rec, err := before.all()
	if err != nil || rec.NumRows() != 100_000 {
		t.Errorf("the statement that ran: %v", err)
	}
	if err := before.Close(); err != nil {
		t.Error(err)
	}
	if was.duck.Ptr != nil {
		t.Error("the old engine is still open")
	}
	if _, err := answer(t, db, "SELECT $$pragma locked$$, * FROM read_text('x')", nil); err == nil {
		t.Error("the new engine reads files")
	}
}

func TestFunctionKinds(t *testing.T) {
	f := NewFunctions()
	got := map[string]Kind{}
	for _, name := range []string{"SUM", "lower", "row_number", "now", "random", "unnest", "getenv", "nothing", "+", "!~~", "count_star"} {
		got[name] = f.Kind(name)
	}
	want := map[string]Kind{
		"SUM": Aggregate, "lower": Scalar, "row_number": WindowOnly, "now": PerStatement, "random": Volatile, "unnest": ManyRows, "getenv": "",
		"nothing": "", "+": Scalar, "!~~": Scalar, "count_star": Aggregate,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(f.kinds) < 700 || !slices.Contains(slices.Collect(maps.Keys(f.tables)), "range") {
		t.Errorf("%d functions, %d table functions", len(f.kinds), len(f.tables))
	}
}
