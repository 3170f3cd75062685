package query

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/tidemarkdb/tidemark/query/duck"
	"github.com/tidemarkdb/tidemark/query/plan"
)

// said puts what the user wrote in the place of the names that a statement's blocks and scans have for DuckDB, and says where in the
// text the mistake is.
func (x *execution) said(err error) error {
	var d *duck.Error
	if !errors.As(err, &d) {
		return err
	}
	if x.p == nil {
		return d.In(x.r.SQL)
	}
	out := *d
	ours := regexp.MustCompile(`\b_(g|a|_tm_block_|_tm_scan_|_tm_raw_)(\d+)\b`)
	name := func(s string) string {
		m := ours.FindStringSubmatch(s)
		n, err := strconv.Atoi(m[2])
		if err != nil {
			return s
		}
		what, pos := x.p.name(m[1], n)
		if what == "" {
			return s
		}
		if out.Offset < 0 {
			out.Offset = pos
		}
		return what
	}
	out.Message = ours.ReplaceAllStringFunc(out.Message, name)
	out.Hint = ours.ReplaceAllStringFunc(out.Hint, name)
	return out.In(x.r.SQL)
}

// name returns what a name of ours stands for, and where it was said; "" if that is not known.
func (p *prepared) name(kind string, n int) (what string, pos int) {
	switch {
	case kind == "_tm_block_" && n < len(p.st.Blocks):
		return p.st.Blocks[n].Relation.Name, -1
	case kind == "_tm_scan_" && n < len(p.st.Scans):
		return p.st.Scans[n].Relation.Name, -1
	case kind == "_tm_raw_":
		for _, b := range p.st.Blocks {
			if b.Raw != nil && b.Raw.Name == fmt.Sprint("__tm_raw_", n) {
				return b.Relation.Name, -1
			}
		}
		return "", -1
	case kind != "g" && kind != "a":
		return "", -1
	}
	for _, b := range p.st.Blocks {
		found := ""
		at := -1
		switch {
		case kind == "g" && n < len(b.Groups):
			found, at = groupName(&b.Groups[n].Term), b.Groups[n].Expr.Pos()
		case kind == "a" && n < len(b.Aggs):
			found = b.Aggs[n].String()
		}
		if what != "" && found != "" && found != what {
			return "", -1
		}
		if found != "" {
			what, pos = found, at
		}
	}
	return what, pos
}

// groupName writes what is grouped by: a column, or that it is an expression over one.
func groupName(t *plan.Term) string {
	if name, ok := plainColumn(t.Expr); ok {
		return name
	}
	return t.String()
}
