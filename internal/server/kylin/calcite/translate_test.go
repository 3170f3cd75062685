package calcite

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// The files under testdata hold statements as clients of Kylin write them. "translate" prints DuckDB's text and the names of the
// columns; params=(Class:value, ...) are of question marks, columns=(...) what DuckDB calls the columns, where there is a star.
func TestTranslate(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "translate" {
				d.Fatalf(t, "unknown command %q", d.Cmd)
			}
			var params []Param
			var columns []string
			for _, a := range d.CmdArgs {
				switch a.Key {
				case "params":
					for _, v := range a.Vals {
						class, value, ok := strings.Cut(v, ":")
						p := Param{ClassName: "java." + class}
						if ok {
							p.Value = &value
						}
						params = append(params, p)
					}
				case "columns":
					columns = a.Vals
				}
			}
			s, err := Translate(d.Input, params)
			var e *Error
			if errors.As(err, &e) {
				return fmt.Sprintf("error at %d: %v\n", e.At, e)
			}
			if err != nil {
				return err.Error()
			}
			if columns == nil {
				columns = make([]string, len(s.labels))
			}
			return fmt.Sprintf("%s\n%q\n", s.SQL, s.Labels(columns))
		})
	})
}

// Every byte of a result has its place in the text (X2): names are found where they stand.
func TestOrigin(t *testing.T) {
	const sql = "select  FLOOR(ts TO DAY), /* c */ wrong_one FROM default.clicks where timestampadd(DAY, other, ts) > ts"
	s, err := Translate(sql, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"wrong_one", "clicks", "other"} {
		at := strings.Index(s.SQL, name)
		if got, want := s.Origin(at), strings.Index(sql, name); got != want {
			t.Errorf("%s at %d of %s: origin %d, want %d", name, at, s.SQL, got, want)
		}
	}
	if got, want := s.Origin(strings.Index(s.SQL, "date_trunc")+5), strings.Index(sql, "FLOOR"); got != want {
		t.Errorf("date_trunc: origin %d, want %d", got, want)
	}
	if got := s.Origin(-1); got != -1 {
		t.Errorf("unknown place: %d, want -1", got)
	}
}

// A value is one literal, whatever is in it (X3).
func TestQuotes(t *testing.T) {
	for value, want := range map[string]string{
		"' or '1'='1": "where a = ''' or ''1''=''1' and E ''' or ''1''=''1'",
		`\' or 1 --`:  `where a = '\'' or 1 --' and E '\'' or 1 --'`,
		"? ?":         "where a = '? ?' and E '? ?'",
	} {
		p := Param{ClassName: "java.lang.String", Value: &value}
		s, err := Translate("where a = ? and E?", []Param{p, p})
		if err != nil || strings.ReplaceAll(s.SQL, "  ", " ") != want {
			t.Errorf("%q: %q, %v; want %q", value, s.SQL, err, want)
		}
	}
}

func TestNested(t *testing.T) {
	for _, c := range []struct {
		depth int
		ok    bool
	}{{maxDepth, true}, {maxDepth + 1, false}, {1 << 20, false}} {
		if _, err := Translate("select "+strings.Repeat("(", c.depth)+"1"+strings.Repeat(")", c.depth), nil); (err == nil) != c.ok {
			t.Errorf("%d brackets: %v", c.depth, err)
		}
	}
}

// FuzzTranslate wants no panic, places that are in the text, and a second translation of the result to be the result (X1).
func FuzzTranslate(f *testing.F) {
	for _, s := range []string{
		"SELECT FLOOR(ts TO DAY) AS d, count(*) FROM \"DEFAULT\".\"T\" GROUP BY 1;", "select count(distinct a, b), {fn timestampadd(sql_tsi_day, 1, x)} from t // c",
		"(select 'it''s ?', \"a\"\"b\", * from t) union all values (1.5e3)", "select intersect_count(a, b, array['x|y', 'z'])", "with x as (select 1) select * from x /*",
		"select ((((", "select ]", "explain plan for select 1",
		"select $$it's ?$$, $a$ $$ ? $b$ $a$, $1, a$b$c from t", `select E'it\'s ?', e'\\', E'a''?', E '?' from t`, "select $$ ?", "select $", `select e'?\`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		s, err := Translate(sql, nil)
		if err != nil {
			return
		}
		for i := range len(s.SQL) {
			if at := s.Origin(i); at < -1 || at > len(sql) {
				t.Fatalf("%q: byte %d of %q comes from %d", sql, i, s.SQL, at)
			}
		}
		s.Labels([]string{"a", "b"})
	})
}
