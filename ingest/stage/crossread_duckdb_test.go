//go:build !race

// Much data, and no goroutines that other tests do not have: the stage race runs these without the detector.

package stage_test

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit/readers"
)

// writeFile lays a file where readers that want a path find it.
func writeFile(t *testing.T, f *testFile, suffix string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), f.name+suffix)
	if err := os.WriteFile(path, f.data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// storedTime returns the number that is stored of a time.
func storedTime(name string, at time.Time) int64 {
	switch name {
	case stage.TimestampColumn:
		return at.UnixMilli()
	case "day":
		return at.Unix() / 86400
	}
	return at.UnixMicro()
}

func TestDuckDBReadsParquet(t *testing.T) {
	db := readers.OpenDuckDB(t)
	for _, f := range testFiles(t, cube.Parquet) {
		t.Run(f.name, func(t *testing.T) {
			path := writeFile(t, &f, ".parquet")
			cols := "*"
			if _, ok := f.want["doc"]; ok {
				cols = "* REPLACE (doc::VARCHAR AS doc, _extra::VARCHAR AS _extra, _headers::VARCHAR AS _headers)"
			}
			f.want.Same(t, f.name, readers.DuckDB(t, db, fmt.Sprintf("SELECT %s FROM read_parquet('%s')", cols, path), storedTime))

			// Pruning by statistics must not lose rows.
			var n int64
			if err := db.QueryRow(fmt.Sprintf("SELECT count(*) FROM read_parquet('%s') WHERE _offset >= 0 AND ts >= TIMESTAMPTZ '1970-01-01'", path)).Scan(&n); err != nil || n != f.rows {
				t.Errorf("with a filter that all rows pass: %d rows, want %d: %v", n, f.rows, err)
			}
			if f.name == "fixture" {
				var above, negative int64
				q := "SELECT count(*) FILTER (score > 1e300), count(*) FILTER (huge < 0 AND price <= 0) FROM read_parquet('%s')"
				if err := db.QueryRow(fmt.Sprintf(q, path)).Scan(&above, &negative); err != nil {
					t.Fatal(err)
				}
				wantAbove, wantNegative := fixtureCounts()
				if above != wantAbove || negative != wantNegative {
					t.Errorf("score > 1e300: %d, want %d; negative: %d, want %d", above, wantAbove, negative, wantNegative)
				}
			}
		})
	}
}

// fixtureCounts counts what the filters of TestDuckDBReadsParquet must find. DuckDB orders NaN above all numbers.
func fixtureCounts() (above, negative int64) {
	s, c, _ := stage.Fixture()
	score, huge, price := &c.Columns[s.Field("score")], &c.Columns[s.Field("huge")], &c.Columns[s.Field("price")]
	for r := range c.Rows() {
		if v := score.Float(r); !score.IsNull(r) && (v > 1e300 || v != v) {
			above++
		}
		if !huge.IsNull(r) && !price.IsNull(r) && readers.TwosComplement(huge.Bytes(r)).Cmp(new(big.Int)) < 0 && price.Int(r) <= 0 {
			negative++
		}
	}
	return above, negative
}

// The same by DuckDB over NDJSON, told the types: the text of every value is exact.
func TestDuckDBReadsNDJSON(t *testing.T) {
	db := readers.OpenDuckDB(t)
	for _, f := range testFiles(t, cube.NDJSON) {
		t.Run(f.name, func(t *testing.T) {
			path := writeFile(t, &f, ".ndjson.zst")
			if f.name == "pageviews" {
				// As it is: DuckDB finds out names and types by itself. A time is text or a time by its extensions.
				f.want.Same(t, f.name, readers.DuckDB(t, db, fmt.Sprintf("SELECT * REPLACE (_timestamp::TIMESTAMP AS _timestamp, ts::TIMESTAMP AS ts) FROM read_ndjson_auto('%s')", path), storedTime))
				return
			}
			var types []string
			for name, typ := range map[string]string{
				"_offset": "BIGINT", "_timestamp": "TIMESTAMP", "ts": "TIMESTAMP", "id": "VARCHAR", "country": "VARCHAR", "ok": "BOOLEAN",
				"n": "BIGINT", "score": "DOUBLE", "price": "DECIMAL(12,2)", "huge": "DECIMAL(38,10)", "day": "DATE", "seen": "TIMESTAMP",
				"doc": "VARCHAR", "nothing": "VARCHAR", "empty": "BIGINT", "_extra": "VARCHAR", "_headers": "VARCHAR",
				"_raw": "VARCHAR", "_raw_base64": "VARCHAR", "_key": "VARCHAR", "_key_base64": "VARCHAR",
			} {
				types = append(types, fmt.Sprintf("%s: '%s'", name, typ))
			}
			q := "SELECT * EXCLUDE (_raw_base64, _key_base64) REPLACE (coalesce(from_base64(_raw_base64), encode(_raw)) AS _raw, " +
				"coalesce(from_base64(_key_base64), encode(_key)) AS _key) FROM read_ndjson('%s', columns = {%s})"
			f.want.Same(t, f.name, readers.DuckDB(t, db, fmt.Sprintf(q, path, strings.Join(types, ", ")), storedTime))
		})
	}
}

// Quarantine and ledger files open as they are, too.
func TestDuckDBReadsQuarantineAndLedger(t *testing.T) {
	db := readers.OpenDuckDB(t)
	seen := 0
	for key, data := range stage.GoldenFiles(t) {
		f := testFile{name: filepath.Base(key), data: data}
		switch k, err := stage.ParseKey(key); {
		case err != nil:
			t.Fatal(err)
		case k.Kind == stage.QuarantineFile:
			var n, offsets, base64 int64
			q := fmt.Sprintf("SELECT count(*), sum(_offset), count(value_base64) FROM read_ndjson_auto('%s')", writeFile(t, &f, ""))
			if err := db.QueryRow(q).Scan(&n, &offsets, &base64); err != nil || n != 4 || offsets != 1021+1043+1050+1051 || base64 != 1 {
				t.Errorf("%s: %d records, sum of offsets %d, %d in base64: %v", key, n, offsets, base64, err)
			}
			seen++
		case k.Kind == stage.LedgerFile:
			var state string
			var start int64
			q := fmt.Sprintf("SELECT row.state, row.range.start FROM read_json_auto('%s')", writeFile(t, &f, ""))
			if err := db.QueryRow(q).Scan(&state, &start); err != nil || state != string(k.State) || start != k.Range.Start {
				t.Errorf("%s: state %s from %d: %v", key, state, start, err)
			}
			seen++
		}
	}
	if seen != 3 {
		t.Errorf("read %d files, want 3", seen)
	}
}
