package query_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tidemarkdb/tidemark/query"
	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// fixed is a world with one of everything: segments of two versions of a cube, one that was refreshed and one that was merged, with
// borders inside of files; files that no segment holds; a tail of which the first range is committed; a partition without a tail; and a
// cube in another time zone that begins later.
func fixed(t testing.TB) *oracle {
	w := newWorld(t, 1, 1300, 1000, 300)
	p, q, r := w.parts[0], w.parts[1], w.parts[2]
	for _, n := range []int64{400, 300, 300} {
		w.stage(p, n)
	}
	w.stage(q, 500)
	w.stage(q, 400)
	w.stage(r, 300)
	w.apply(cubeYAML, w.firsts())
	w.build("sales", segmenter.Vector{p.line(0, 150), q.line(0, 200), r.line(0, 100)}, false)
	second := segmenter.Vector{p.line(150, 450), q.line(200, 350), r.line(100, 200)}
	old := w.build("sales", second, false)
	w.apply(moreYAML, nil)
	w.build("sales", second, false, old)
	third := w.build("sales", segmenter.Vector{p.line(450, 650), q.line(350, 600), r.line(200, 200)}, false)
	fourth := w.build("sales", segmenter.Vector{p.line(650, 800), q.line(600, 700), r.line(200, 250)}, false)
	w.build("sales", segmenter.Vector{p.line(450, 800), q.line(350, 700), r.line(200, 250)}, true, third, fourth)
	w.apply(berlinYAML, segmenter.Vector{p.line(40, 40), q.line(0, 0), r.line(0, 0)})
	w.build("berlin", segmenter.Vector{p.line(40, 500), q.line(0, 300), r.line(0, 300)}, false)
	w.apply(townsYAML, w.firsts())
	w.build("towns", segmenter.Vector{p.line(0, 300), q.line(0, 300), r.line(0, 100)}, false)
	w.build("towns", segmenter.Vector{p.line(300, 600), q.line(300, 600), r.line(100, 300)}, false)
	w.remember(p, 700, 64, 1000, 1200)
	w.remember(q, 900, 64)
	return newOracle(w)
}

func TestFixedWorld(t *testing.T) {
	o := fixed(t)
	t.Run("parameters", o.parameters)
	t.Run("covered", o.covered)
	t.Run("at once", o.atOnce)
}

// The files under testdata hold statements. Of "query" the oracle has the same answer: as a multiset, or, with "ordered", row by row.
// What is below the line says how the native answer came about. "within" is the relative error that sketches may have, "rank" that of
// quantiles; the oracle is then asked for what is exact. "approximate" lets sketches answer what is asked exactly. The oracle
// fails too of "error", and is not asked of "refused".
func (o *oracle) statements(t *testing.T) {
	files, err := filepath.Glob("testdata/*.test")
	must(t, err)
	n := 0
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				n++
				return o.block(t, d)
			})
		})
	}
	if n < 150 {
		t.Errorf("%d statements, want at least 150", n)
	}
}

// block is one of a file.
func (o *oracle) block(t *testing.T, d *datadriven.TestData) string {
	req := query.Request{SQL: strings.TrimSpace(d.Input), Approximate: d.HasArg("approximate")}
	how := terms{ordered: d.HasArg("ordered")}
	by := func(arg string) float64 {
		var text string
		d.ScanArgs(t, arg, &text)
		return number(t, text)
	}
	switch d.Cmd {
	case "query":
		if d.HasArg("rank") {
			return o.ranked(t, req, by("rank"))
		}
		if d.HasArg("within") {
			how.within = by("within")
		}
		return o.query(t, req, how)
	case "error":
		if _, err := o.want(req.SQL); err == nil {
			t.Errorf("%s: DuckDB answers", req.SQL)
		}
		return o.refused(t, req)
	case "refused":
		return o.refused(t, req)
	}
	d.Fatalf(t, "unknown command %q", d.Cmd)
	return ""
}

func number(t *testing.T, text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	must(t, err)
	return f
}

// query compares with what the oracle says of the statement, sketches made exact.
func (o *oracle) query(t *testing.T, req query.Request, how terms) string {
	want, err := o.want(strings.ReplaceAll(req.SQL, "approx_count_distinct(", "count(DISTINCT "))
	if err != nil {
		t.Errorf("%s: DuckDB: %v", req.SQL, err)
	}
	if how.within > 0 {
		named, err := o.want(req.SQL)
		must(t, err)
		want.names, want.types = named.names, named.types
	}
	return o.compare(t, req, want, err, how)
}

// refused expects all engines to say the same.
func (o *oracle) refused(t *testing.T, req query.Request) (out string) {
	for _, e := range []*query.Engine{o.native, o.native, o.bare, o.raw} {
		r, err := o.got(e, req)
		text := fmt.Sprintf("%d rows by %s\n", len(r.rows), r.by)
		if err != nil {
			text = "error: " + err.Error() + "\n"
		}
		if wrong := new(duck.Error); errors.As(err, &wrong) {
			text = fmt.Sprintf("%s error at byte %d: %s\n", wrong.Kind, wrong.Offset, wrong)
		}
		if out != "" && out != text {
			t.Errorf("%s\ngot %swant %s", req.SQL, text, out)
		}
		out = text
	}
	return out
}

// ranked expects numbers between the quantiles beside those that are asked for.
func (o *oracle) ranked(t *testing.T, req query.Request, by float64) (out string) {
	call := regexp.MustCompile(`(approx_quantile|quantile_cont|median)\((\w+)(?:, ([0-9.]+))?\)`)
	beside := func(by float64) result {
		r, err := o.want(call.ReplaceAllStringFunc(req.SQL, func(s string) string {
			m := call.FindStringSubmatch(s)
			at := 0.5
			if m[3] != "" {
				at = number(t, m[3])
			}
			return fmt.Sprintf("quantile_disc(%s, %g)", m[2], min(max(at+by, 0), 1))
		}))
		must(t, err)
		return r
	}
	low, high := beside(-by), beside(by)
	for _, e := range []*query.Engine{o.native, o.native, o.bare, o.raw} {
		got, err := o.got(e, req)
		must(t, err)
		if len(got.rows) != len(low.rows) {
			t.Fatalf("%s\n%d rows, want %d", req.SQL, len(got.rows), len(low.rows))
		}
		for i, row := range got.rows {
			for k, c := range row {
				if c != low.rows[i][k] && (c == null || number(t, c) < number(t, low.rows[i][k]) || number(t, c) > number(t, high.rows[i][k])) {
					t.Errorf("%s\nby %s: row %d is %s, want %s to %s", req.SQL, got.by, i, line(row), line(low.rows[i]), line(high.rows[i]))
				}
			}
		}
		if out == "" {
			out = fmt.Sprintf("%d rows by %s\n", len(got.rows), got.by)
		}
	}
	return out
}
