//go:build !race

package query_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/run"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// nastyOracle is a small world, and an engine over it with small limits.
func nastyOracle(t *testing.T) *oracle {
	w := newWorld(t, 7, 120)
	p := w.parts[0]
	w.stage(p, 60)
	w.apply(cubeYAML, w.firsts())
	w.build("sales", segmenter.Vector{p.line(0, 40)}, false)
	w.remember(p, 60, 32)
	t.Cleanup(func() { must(t, w.cat.Close()) })
	o := emptyOracle(w)
	o.load(p)
	o.exec("CREATE VIEW shop AS SELECT * EXCLUDE (_partition, _offset, _timestamp) FROM shop_all")
	o.native = w.limited(query.Options{
		Memory: 16 << 20, MaxRows: 100_000, Duck: duck.Options{MemoryBytes: 128 << 20, HeapBytes: 192 << 20, MaxConns: 4, Threads: 2},
	})
	return o
}

// Whatever is asked has an answer, an error that says why not, or ends at a limit; and the next statement is answered as ever.
func TestNasty(t *testing.T) {
	o := nastyOracle(t)
	file, err := os.ReadFile("testdata/nasty.txt")
	must(t, err)
	list := longStatements()
	for line := range strings.Lines(string(file)) {
		if line = strings.TrimSuffix(line, "\n"); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		want, sql, ok := strings.Cut(line, " :: ")
		if !ok {
			t.Fatalf("no :: in %s", line)
		}
		list = append(list, nasty{want, sql})
	}
	if len(list) < 60 {
		t.Errorf("%d statements, want at least 60", len(list))
	}
	for _, n := range list {
		o.ask(t, n)
		const simple = "SELECT sum(bytes) + 0 FROM shop"
		want, err := o.want(simple)
		must(t, err)
		if r, err := o.got(o.native, query.Request{SQL: simple}); err != nil || len(r.rows) != 1 || r.rows[0][0] != want.rows[0][0] {
			t.Fatalf("%s after %.200s: %v, %v, want %v", simple, n.sql, r.rows, err, want.rows)
		}
	}
}

// nasty is a statement, and what must come of it, as nasty.txt says.
type nasty struct{ want, sql string }

func (o *oracle) ask(t *testing.T, n nasty) {
	t.Helper()
	var got result
	var err error
	if n.want == "any" || n.want == "limit" {
		err = o.stopped(t, n.sql)
	} else {
		got, err = o.got(o.native, query.Request{SQL: n.sql})
	}
	switch n.want {
	case "any":
	case "limit":
		if !atLimit(err) {
			t.Errorf("%.200s: %v, want the error of a limit", n.sql, err)
		}
	case "same":
		want, wantErr := o.want(n.sql)
		if (err != nil) != (wantErr != nil) {
			t.Errorf("%.200s: got %v, want %v", n.sql, err, wantErr)
		} else if err == nil {
			if d := differ(want, got, terms{}); d != "" {
				t.Errorf("%.200s: %s", n.sql, d)
			}
		}
	default:
		if err == nil || !strings.Contains(err.Error(), n.want) || len(err.Error()) > 400 {
			t.Errorf("%.200s: %d rows, %.600v, want an error with %q", n.sql, len(got.rows), err, n.want)
		}
	}
	if wrong := new(duck.Error); errors.As(err, &wrong) && wrong.Kind == duck.KindInternal {
		t.Errorf("%.200s: %v", n.sql, err)
	}
}

// stopped asks a statement, and stops it after a while.
func (o *oracle) stopped(t *testing.T, sql string) (err error) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	a, err := o.native.Query(ctx, query.Request{SQL: sql})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	for {
		rec, err := a.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		rec.Release()
	}
}

// atLimit reports whether an error is that of a limit of rows or memory, or of having been stopped.
func atLimit(err error) bool {
	wrong := new(duck.Error)
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, new(*query.RowsError)) || errors.As(err, new(*run.MemoryError)) ||
		errors.As(err, &wrong) && wrong.Kind == duck.KindMemory
}

// longStatements are those that are best not written out.
func longStatements() []nasty {
	nest := func(open, inner, end string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
	}
	ins := make([]string, 10_000)
	columns := make([]string, 500)
	for i := range ins {
		ins[i] = fmt.Sprint(3 * i)
	}
	for i := range columns {
		columns[i] = fmt.Sprintf("bytes + %d AS c%d", i, i)
	}
	return []nasty{
		{"same", "SELECT " + nest("(", "1", ")", 90) + " AS x"},
		{"any", "SELECT " + nest("(", "1", ")", 20_000)},
		{"any", "SELECT " + strings.Repeat("(", 20_000)},
		{"same", "SELECT count(*) FROM " + nest("(SELECT * FROM ", "shop", ")", 30)},
		{"any", "SELECT count(*) FROM " + nest("(SELECT * FROM ", "shop", ")", 5000)},
		{"same", "SELECT " + nest("(SELECT ", "max(bytes) FROM shop", ")", 8) + " AS x"},
		{"nested more than 8", "SELECT " + nest("(SELECT ", "1", ")", 9)},
		{"nested more than 100", "SELECT " + nest("lower(", "country", ")", 200) + " FROM shop"},
		{"same", "SELECT 1 AS x" + strings.Repeat(" UNION ALL SELECT 2", 1000)},
		{"UNION, at most 1000", "SELECT 1" + strings.Repeat(" UNION ALL SELECT 2", 1001)},
		{"EXCEPT and INTERSECT, at most 100", "SELECT 1" + strings.Repeat(" EXCEPT SELECT 2", 101)},
		{"AND and OR, at most 4000", "SELECT count(*) FROM shop WHERE bytes = 1" + strings.Repeat(" OR bytes = 2", 4001)},
		{"more than 50 tables", "SELECT count(*) FROM shop" + strings.Repeat(", shop", 50)},
		{"comments, at most 1000", strings.Repeat("/* ", 1001) + strings.Repeat("*/", 1001) + "SELECT 1"},
		{"same", "SELECT count(*) FROM shop WHERE bytes IN (" + strings.Join(ins, ", ") + ")"},
		{"same", "SELECT count(*) FROM shop WHERE page NOT IN ('" + strings.Join(ins, "', '") + "')"},
		{"same", "SELECT " + strings.Join(columns, ", ") + " FROM shop WHERE bytes > 900"},
		{"same", "SELECT length('" + strings.Repeat("x", 1<<20) + "') AS n"},
		{"same", "SELECT count(*) AS n FROM shop WHERE page = '" + strings.Repeat("é", 1<<19) + "'"},
		{"bytes, at most 4194304; send less, or raise query.sql_bytes", "SELECT '" + strings.Repeat("x", 4<<20) + "'"},
		{"any", "SELECT " + strings.Repeat("NOT ", 20_000) + "true"},
		{"any", "SELECT 1" + strings.Repeat("::INT", 20_000)},
		{"any", "SELECT 1 ORDER BY 1" + strings.Repeat(", 1", 5000)},
		{"any", "SELECT count(*) FROM shop GROUP BY CUBE (bytes" + strings.Repeat(", bytes", 30) + ")"},
		{"any", "SELECT 1 FROM shop GROUP BY ROLLUP (ok)" + strings.Repeat(", ROLLUP (ok)", 40)},
		{"any", "WITH a0 AS (SELECT 1 AS x)" + doubling(25) + " SELECT count(*) FROM a25"},
	}
}

// doubling names queries each of which joins the one before with itself.
func doubling(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ", a%d AS (SELECT p.x FROM a%d p JOIN a%d q USING (x))", i+1, i, i)
	}
	return b.String()
}
