package readers

import (
	"database/sql"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/internal/testkit/ducktest"
)

// OpenDuckDB returns an empty DuckDB with one thread, whose time zone is UTC.
func OpenDuckDB(t testing.TB) *sql.DB {
	t.Helper()
	db := ducktest.Open(t)
	if _, err := db.Exec("SET threads = 1; SET TimeZone = 'UTC'"); err != nil {
		t.Fatal(err)
	}
	return db
}

// DuckDB sums the columns of a query; number says which whole number is stored of a time in a column.
func DuckDB(t testing.TB, db *sql.DB, query string, number func(name string, at time.Time) int64) Sums {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	got, vals, ptrs := Sums{}, make([]any, len(names)), make([]any, len(names))
	for i := range vals {
		ptrs[i] = &vals[i]
	}
	for rows.Next() {
		if err := rows.Scan(ptrs...); err != nil {
			t.Fatal(err)
		}
		for i, v := range vals {
			switch x := v.(type) {
			case duckdb.Decimal:
				v = x.Value
			case time.Time:
				v = number(names[i], x)
			}
			got.Add(names[i], v)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return got
}

// PandasSums is what pandas makes of a file.
type PandasSums struct {
	Rows    int64    `json:"rows"`
	Offsets int64    `json:"offsets"`
	Columns []string `json:"columns"`
}

// PythonSums is what readers.py says of a file: of a reader that it was not given to, nothing.
type PythonSums struct {
	PyArrow Sums        `json:"pyarrow"`
	Pandas  *PandasSums `json:"pandas"`
	Rows    *int64      `json:"rows"`
}

// Python has pyarrow and pandas read files, with the script ingest/stage/testdata/readers.py.
func Python(t testing.TB, script string, paths ...string) map[string]PythonSums {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testkit.Python(t), append([]string{script}, paths...)...)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]PythonSums
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(paths) {
		t.Fatalf("sums of %d files, want %d", len(got), len(paths))
	}
	return got
}
