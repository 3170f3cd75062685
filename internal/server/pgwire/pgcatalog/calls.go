package pgcatalog

import (
	"fmt"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/server/pgwire/lexer"
	"github.com/tidemarkdb/tidemark/query/duck"
)

// function puts in the place of a call what DuckDB has for it.
func (r *rewriter) function(x *duck.Function) duck.Node {
	x.Catalog, x.Schema = "", ""
	switch {
	case x.Name == "regexp_full_match" && len(x.Args) == 2: // what DuckDB's parser makes of ~, which in PostgreSQL matches a part
		x.Name = "regexp_matches"
		return x
	case x.Name == "~*" || x.Name == "!~*":
		match := &duck.Function{Head: duck.Head{As: x.As}, Name: "regexp_matches", Args: append(x.Args, duck.NewConstant("i"))}
		if x.Name == "~*" {
			return match
		}
		return &duck.Not{X: match}
	case x.Name == "json_build_object" || x.Name == "jsonb_build_object":
		x.Name = "json_object"
		return x
	case x.Name == "json_agg" || x.Name == "jsonb_agg":
		x.Name = "json_group_array"
		return x
	case x.Name == "current_setting" && len(x.Args) > 0:
		return r.setting(x)
	}
	e := r.w.c.functions[fmt.Sprintf("%s/%d", x.Name, len(x.Args))]
	if e == nil {
		return x
	}
	out := r.fill(e, x.Args)
	out.SetAlias(x.As)
	return out
}

// fill returns a copy of an expression with arguments in the place of $1, $2 ...
func (r *rewriter) fill(e duck.Expr, args []duck.Expr) duck.Expr {
	return duck.Rewrite(duck.Clone(e), func(n duck.Node) duck.Node {
		switch n := n.(type) {
		case *duck.Param:
			if v := r.session(n.Name); v != nil {
				return v
			}
			a := duck.Clone(args[int(n.Name[0]-'1')])
			a.SetAlias("")
			return a
		case *duck.TableRef:
			return r.table(n)
		}
		return n
	})
}

// setting is the value of a setting that is named by a constant.
func (r *rewriter) setting(x *duck.Function) duck.Node {
	name, ok := text(x.Args[0])
	if !ok && !r.bound { // a parameter, which has no value yet
		return &duck.Cast{Head: duck.Head{As: x.As}, X: duck.NewConstant(nil), To: duck.Type{Name: "VARCHAR"}}
	}
	if !ok {
		r.fail(unknown(duck.KindUnsupported, x.Pos(), "current_setting: want the name of a setting"))
		return x
	}
	v, ok := r.w.q.Setting(name)
	var out *duck.Constant
	switch {
	case ok:
		out = duck.NewConstant(v)
	case len(x.Args) > 1:
		out = duck.NewConstant(nil)
	default:
		r.fail(unknown(duck.KindCatalog, x.Pos(), "there is no type of setting %q", name))
		return x
	}
	cast := &duck.Cast{X: out, To: duck.Type{Name: "VARCHAR"}}
	cast.As = x.As
	return cast
}

// cast converts to types that DuckDB has not: a name of a table or type to its number, and a number to its name.
func (r *rewriter) cast(x *duck.Cast) duck.Node {
	to := strings.ToLower(x.To.User())
	switch to {
	case "":
		return arrayOf(x)
	case "regclass":
		return r.regclass(x)
	case "regtype":
		return r.regtype(x)
	case "regnamespace":
		if name, ok := text(x.X); ok {
			for _, n := range r.w.namespaces() {
				if n["nspname"] == name {
					return number(int64(n["oid"].(int)), x)
				}
			}
			r.fail(unknown(duck.KindCatalog, x.Pos(), "there is no table schema %q", name))
			return x
		}
		return r.named(x, "regnamespace/1", x.X)
	case "regrole":
		x.X, x.To = duck.NewConstant("tidemark"), duck.Type{Name: "VARCHAR"}
	case "xid", "xid8", "cid", "oid":
		x.To = duck.Type{Name: "BIGINT"}
	case "cardinal_number":
		x.To = duck.Type{Name: "INTEGER"}
	case "int2vector", "oidvector", "anyarray", "aclitem[]":
		return x.X
	case "regproc", "regprocedure", "regoper", "regoperator", "name", "cstring", "sql_identifier", "character_data", "yes_or_no", "pg_node_tree", "tid",
		"pg_lsn", "aclitem", "inet", "cidr", "jsonb", "unknown", "regconfig", "regdictionary", "regcollation", "citext", "money", "xml":
		x.To = duck.Type{Name: "VARCHAR"}
	default:
		r.fail(unknown(duck.KindCatalog, x.Pos(), "type %q does not exist", to))
	}
	return x
}

// arrayOf reads a string that is cast to an array as PostgreSQL does: '{a,b}'.
func arrayOf(x *duck.Cast) duck.Node {
	said, ok := text(x.X)
	if !ok || x.To.Name != "LIST" {
		return x
	}
	list, ok := lexer.Array(said)
	if !ok {
		return x
	}
	values := &duck.Function{Name: "list_value"}
	for _, v := range list {
		c := duck.NewConstant(nil)
		if v != nil {
			c = duck.NewConstant(string(v))
		}
		values.Args = append(values.Args, c)
	}
	x.X = values
	return x
}

// text is the value of a string that is said.
func text(e duck.Expr) (string, bool) {
	if c, ok := e.(*duck.Cast); ok && c.To.Name == "VARCHAR" {
		e = c.X
	}
	c, ok := e.(*duck.Constant)
	if !ok {
		return "", false
	}
	s, ok := c.Value.Go.(string)
	return s, ok
}

// number is a constant oid, with the name of what it stands for.
func number(oid int64, of *duck.Cast) duck.Expr {
	out := &duck.Cast{X: duck.NewConstant(oid), To: duck.Type{Name: "BIGINT"}}
	out.As = of.As
	return out
}

func (r *rewriter) regclass(x *duck.Cast) duck.Node {
	name, ok := text(x.X)
	if !ok {
		return r.named(x, "regclass/1", x.X)
	}
	plain := strings.ReplaceAll(name, `"`, "")
	for _, schema := range []string{"public.", "pg_catalog."} {
		plain = strings.TrimPrefix(plain, schema)
	}
	if isDigits(plain) {
		x.To = duck.Type{Name: "BIGINT"}
		return x
	}
	oid, ok := r.w.regclass(plain)
	if !ok {
		r.fail(unknown(duck.KindCatalog, x.Pos(), "relation %q does not exist", name))
		return x
	}
	return number(oid, x)
}

func (r *rewriter) regtype(x *duck.Cast) duck.Node {
	name, ok := text(x.X)
	if !ok {
		return r.named(x, "format_type/2", x.X, duck.NewConstant(int64(-1)))
	}
	if isDigits(name) {
		x.To = duck.Type{Name: "BIGINT"}
		return x
	}
	t := typeNamed(name)
	if t == nil {
		r.fail(unknown(duck.KindCatalog, x.Pos(), "type %q does not exist", name))
		return x
	}
	return number(int64(t.oid), x)
}

// named is the name of what a number stands for, by a function of the list.
func (r *rewriter) named(x *duck.Cast, function string, args ...duck.Expr) duck.Node {
	e := r.fill(r.w.c.functions[function], args)
	e.SetAlias(x.As)
	return e
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
