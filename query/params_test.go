package query_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// Parameters have the same answers as constants, wherever they stand.
func (o *oracle) parameters(t *testing.T) {
	for _, tt := range []struct {
		sql    string
		params []any
		want   string
	}{
		{"SELECT country, count(*) FROM shop WHERE country = ? GROUP BY country", []any{"de"}, "SELECT country, count(*) FROM shop WHERE country = 'de' GROUP BY country"},
		{"SELECT count(*) FROM shop WHERE status > $2 AND country <> $1", []any{"de", int64(200)}, "SELECT count(*) FROM shop WHERE status > 200 AND country <> 'de'"},
		{"SELECT count(*) FROM shop WHERE status = $1 OR bytes = $1", []any{int64(200)}, "SELECT count(*) FROM shop WHERE status = 200 OR bytes = 200"},
		{
			"SELECT country, sum(bytes) FROM shop WHERE ts >= ? AND ts < ? AND ok = ? GROUP BY country HAVING count(*) > ?",
			[]any{time.Date(2026, 3, 27, 6, 10, 0, 500_000_000, time.UTC), "2026-03-29", true, 1.5},
			"SELECT country, sum(bytes) FROM shop WHERE ts >= '2026-03-27 06:10:00.5' AND ts < '2026-03-29' AND ok GROUP BY country HAVING count(*) > 1.5",
		},
		{"SELECT count(*), ? AS x FROM shop WHERE price = ?", []any{nil, duck.Decimal{Unscaled: big.NewInt(-100), Scale: 2}}, "SELECT count(*), NULL AS x FROM shop WHERE price = -1.00"},
		{"SELECT page, bytes FROM shop WHERE big = ? AND page LIKE ?", []any{new(big.Int).SetUint64(1<<63 - 1), "/p/1%"}, "SELECT page, bytes FROM shop WHERE big = 9223372036854775807 AND page LIKE '/p/1%'"},
		{"SELECT n + ? AS n FROM (SELECT count(*) AS n FROM shop WHERE device = ?) LIMIT ?", []any{int64(1), "phone", int64(5)}, "SELECT n + 1 AS n FROM (SELECT count(*) AS n FROM shop WHERE device = 'phone') LIMIT 5"},
	} {
		want, err := o.want(tt.want)
		must(t, err)
		o.compare(t, query.Request{SQL: tt.sql, Params: tt.params}, want, nil, terms{})
	}
	for bad, says := range map[any]string{
		"a\x00b": "parameter $1: a zero byte at byte 1", "é\xff": "parameter $1: bytes that are not UTF-8 at byte 2",
		query.Typed{Text: "\x00", Type: "VARCHAR"}: "a zero byte at byte 0", query.Typed{Text: "\xc3", Type: "DATE"}: "not UTF-8 at byte 0",
	} {
		for _, params := range [][]any{{bad}, {[]any{"x", bad}}} {
			wrong := new(duck.Error)
			if _, err := o.got(o.native, query.Request{SQL: "SELECT ? AS x", Params: params}); !errors.As(err, &wrong) || wrong.Kind != duck.KindParameter || !strings.Contains(wrong.Message, says) {
				t.Errorf("parameters %q: got %v, want %s", params, err, says)
			}
		}
	}
	got, err := o.got(o.native, query.Request{SQL: "SELECT ? AS x", Params: []any{[]byte("\x00\xff")}})
	if must(t, err); len(got.rows) != 1 || got.rows[0][0] != `\x00\xFF` {
		t.Errorf("bytes: got %q", got.rows)
	}
	for _, params := range [][]any{nil, {"de", "fr"}, {struct{}{}}} {
		_, err := o.got(o.native, query.Request{SQL: "SELECT count(*) FROM shop WHERE country = ?", Params: params})
		if wrong := new(duck.Error); err == nil || len(params) != 1 && !errors.As(err, &wrong) {
			t.Errorf("parameters %v: %v", params, err)
		}
	}
}
