package plan

import (
	"strings"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// valueWord reports whether a name without brackets is a function in SQL.
func valueWord(name string) bool {
	switch strings.ToLower(name) {
	case "current_date", "current_timestamp", "current_time", "localtime", "localtimestamp", "current_catalog", "current_schema",
		"current_role", "current_user", "session_user", "user":
		return true
	}
	return false
}

func isQuery(e duck.Expr) bool {
	_, ok := e.(*duck.SubqueryExpr)
	return ok
}

// fixNow puts the time of the statement in the place of now() and its like in a SELECT. Columns without a name keep the one
// that they had.
func (a *analyser) fixNow(s *duck.Select, sc *scope) error {
	fix := func(e duck.Expr) duck.Expr { return a.fixedNow(e, sc) }
	for i, e := range s.Items {
		if e.Alias() == "" && has(e, func(x duck.Expr) bool { return isQuery(x) || a.nowOf(x, sc) != nil }) {
			name, err := a.nameOf(e)
			if err != nil {
				return err
			}
			e.SetAlias(name)
		}
		s.Items[i] = fix(e)
	}
	for _, of := range []*duck.Expr{&s.Where, &s.Having, &s.Qualify} {
		if *of != nil {
			*of = fix(*of)
		}
	}
	for i, g := range s.Groups {
		s.Groups[i] = fix(g)
	}
	for _, o := range s.Modifiers.Order {
		o.X = fix(o.X)
	}
	fixJoins(s.From, fix)
	return nil
}

func fixJoins(f duck.From, fix func(duck.Expr) duck.Expr) {
	switch f := f.(type) {
	case *duck.Join:
		if f.On != nil {
			f.On = fix(f.On)
		}
		fixJoins(f.Left, fix)
		fixJoins(f.Right, fix)
	case *duck.TableFunction:
		kids(f.Call, fix)
	case *duck.Values:
		for _, row := range f.Rows {
			for i := range row {
				row[i] = fix(row[i])
			}
		}
	}
}

func (a *analyser) fixedNow(e duck.Expr, sc *scope) duck.Expr {
	if now := a.nowOf(e, sc); now != nil {
		a.st.Timely = true
		now.SetAlias(e.Alias())
		return now
	}
	kids(e, func(x duck.Expr) duck.Expr { return a.fixedNow(x, sc) })
	return e
}

// nowOf returns the constant that an expression stands for, nil if it is none of these functions.
func (a *analyser) nowOf(e duck.Expr, sc *scope) duck.Expr {
	name := ""
	switch e := e.(type) {
	case *duck.Function:
		if len(e.Args) > 0 {
			return nil
		}
		name = e.Name
	case *duck.Column:
		if len(e.Names) != 1 || !valueWord(e.Names[0]) || sc.known(e.Names) && sc.surely(e.Names) {
			return nil
		}
		name = strings.ToLower(e.Names[0])
	default:
		return nil
	}
	now := a.opts.Now.UTC()
	typ, layout := "TIMESTAMP WITH TIME ZONE", "2006-01-02 15:04:05.000000-07:00"
	switch name {
	case "now", "get_current_timestamp", "transaction_timestamp", "current_timestamp":
	case "today", "current_date":
		typ, layout = "DATE", "2006-01-02"
	case "localtimestamp", "current_localtimestamp":
		typ, layout = "TIMESTAMP", "2006-01-02 15:04:05.000000"
	case "localtime", "current_localtime":
		typ, layout = "TIME", "15:04:05.000000"
	case "current_time", "get_current_time":
		typ, layout = "TIME WITH TIME ZONE", "15:04:05.000000-07"
	default:
		return nil
	}
	return &duck.Cast{X: duck.NewConstant(now.Format(layout)), To: duck.Type{Name: typ}}
}

// surely reports whether a table whose columns are known has the column.
func (s *scope) surely(names []string) bool {
	for ; s != nil; s = s.outer {
		if at, _, _ := s.find(names); at != nil {
			return true
		}
	}
	return false
}
