package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// tables lists in sc what a FROM reads.
func (a *analyser) tables(f duck.From, sc *scope) error {
	switch f := f.(type) {
	case *duck.TableRef:
		return a.tableRef(f, sc)
	case *duck.Join:
		if err := a.tables(f.Left, sc); err != nil {
			return err
		}
		return a.tables(f.Right, sc)
	case *duck.Pivot:
		if err := a.tables(f.Source, sc); err != nil {
			return err
		}
		sc.tables = append(sc.tables, table{name: f.Alias()}) // what it makes of columns
	case *duck.Empty, nil:
	default:
		sc.tables = append(sc.tables, table{name: f.Alias()})
	}
	return nil
}

func (a *analyser) tableRef(f *duck.TableRef, sc *scope) error {
	t := table{name: f.Name, ref: f}
	if f.As != "" {
		t.name = f.As
	}
	if f.Schema != "" || f.Catalog != "" || sc.cte(f.Name) == nil {
		rel, ok := a.cat.Table(f.Schema, f.Name)
		if _, here := a.cat.Table("", f.Name); !ok && here && f.Schema != "" {
			return &Error{Pos: f.Pos(), Message: "there is no schema " + clip(f.Schema), Hint: "write " + f.Name}
		}
		if !ok {
			return unknown(f.Pos(), "table", f.Name, "", a.cat.Names())
		}
		if t.rel = rel; len(f.Columns) > 0 && rel != nil {
			t.rel = renamed(rel, f.Columns)
		}
	}
	sc.tables = append(sc.tables, t)
	return nil
}

// renamed returns the relation with the names that a FROM gives to its first columns.
func renamed(rel *Relation, names []string) *Relation {
	out := *rel
	out.Columns = slices.Clone(rel.Columns)
	at := 0
	for i := range out.Columns {
		if !out.Columns[i].Hidden && at < len(names) {
			out.Columns[i].Name = names[at]
			at++
		}
	}
	return &out
}

// unknownColumns complains about a name that no table has, where all columns are known.
func (a *analyser) unknownColumns(s *duck.Select, sc *scope) error {
	aliases := map[string]bool{}
	for _, e := range s.Items {
		aliases[strings.ToLower(e.Alias())] = true
	}
	var wrong *Error
	for _, e := range append(clauses(s), joined(s.From)...) {
		inLambda := false
		each(e, func(x duck.Expr) bool {
			if o, ok := x.(*duck.Other); ok && o.Class == "LAMBDA" {
				inLambda = true
			}
			c, ok := x.(*duck.Column)
			if !ok || wrong != nil || inLambda || len(c.Names) == 1 && (aliases[strings.ToLower(c.Names[0])] || valueWord(c.Names[0])) {
				return !inLambda
			}
			if !sc.known(c.Names) && (len(c.Names) > 1 || !sc.isTable(c.Names[0])) {
				wrong = a.unknownColumn(c, sc)
			}
			return true
		})
		if wrong != nil {
			return wrong
		}
	}
	return nil
}

func (a *analyser) unknownColumn(c *duck.Column, sc *scope) *Error {
	var known, tables []string
	for _, t := range sc.tables {
		if len(c.Names) > 1 && !strings.EqualFold(c.Names[len(c.Names)-2], t.name) {
			tables = append(tables, t.name)
			continue
		}
		if t.view != nil {
			known = append(known, t.view.names...)
		} else if t.rel != nil {
			known = append(known, t.rel.names()...)
		}
	}
	if len(known) == 0 && len(c.Names) > 1 {
		return unknown(c.Pos(), "table", c.Names[len(c.Names)-2], " in this FROM", tables)
	}
	of := ""
	if len(sc.tables) == 1 && sc.tables[0].rel != nil && sc.tables[0].view == nil {
		of = " in " + sc.tables[0].rel.Name
	}
	return unknown(c.Pos(), "column", c.Names[len(c.Names)-1], of, known)
}

// isTable reports whether a name is that of a table, whose rows it stands for.
func (s *scope) isTable(name string) bool {
	for ; s != nil; s = s.outer {
		if slices.ContainsFunc(s.tables, func(t table) bool { return strings.EqualFold(t.name, name) }) {
			return true
		}
	}
	return false
}

// joined lists the expressions in a FROM, without those of its queries.
func joined(f duck.From) (out []duck.Expr) {
	switch f := f.(type) {
	case *duck.Join:
		out = append(joined(f.Left), joined(f.Right)...)
		if f.On != nil {
			out = append(out, f.On)
		}
	case *duck.TableFunction:
		out = append(out, f.Call)
	case *duck.Values:
		for _, row := range f.Rows {
			out = append(out, row...)
		}
	case *duck.Pivot:
		out = joined(f.Source)
	}
	return out
}

// scanFrom puts scans in the place of our tables, and rewrites the queries in a FROM.
func (a *analyser) scanFrom(s *duck.Select, sc *scope, reason string) error {
	if err := a.within(joined(s.From), sc); err != nil {
		return err
	}
	where := a.pushed(s, sc)
	for i := range sc.tables {
		if t := &sc.tables[i]; t.rel != nil && t.ref != nil { // before there are scans, which speak of their columns too
			t.read, t.seen = a.needed(t, s, t.below), a.needed(t, s)
		}
	}
	return a.scanTables(&s.From, sc, func(t *table, sn *Scan) {
		sn.Reason = reason
		if t.rel.Lookup != nil {
			sn.Reason = "lookup tables are read whole"
		}
		if c, ok := where[t.ref]; ok {
			sn.Where, sn.Time = c, c.hull()
		}
	})
}

func (a *analyser) scanTables(f *duck.From, sc *scope, set func(*table, *Scan)) error {
	switch from := (*f).(type) {
	case *duck.TableRef:
		i := slices.IndexFunc(sc.tables, func(t table) bool { return t.ref == from })
		if i < 0 || sc.tables[i].rel == nil {
			return nil
		}
		t := &sc.tables[i]
		sn := &Scan{Name: fmt.Sprintf("__tm_scan_%d", len(a.st.Scans)), Relation: t.rel, Columns: t.read, Time: Always()}
		set(t, sn)
		a.st.Scans = append(a.st.Scans, sn)
		ref := duck.Clone(from)
		ref.Catalog, ref.Schema, ref.Name, ref.As, ref.Columns = "", "", sn.Name, t.name, nil
		if *f = ref; t.below != nil {
			*f = t.cover(ref)
		}
	case *duck.Join:
		if err := a.scanTables(&from.Left, sc, set); err != nil {
			return err
		}
		return a.scanTables(&from.Right, sc, set)
	case *duck.Subquery:
		return a.query(from.Query, sc)
	case *duck.Pivot:
		return a.scanTables(&from.Source, sc, set)
	}
	return nil
}

// needed lists the columns of a table that parts of a SELECT may speak of, those in the queries within it included.
func (a *analyser) needed(t *table, parts ...duck.Node) (out []Column) {
	all := false
	var names []string
	for _, n := range parts {
		duck.Walk(n, func(n duck.Node) bool {
			switch n := n.(type) {
			case *duck.Column:
				names = append(names, n.Names...)
			case *duck.Join:
				names = append(names, n.Using...)
			}
			return true
		})
		all = all || a.unnamed(t, n)
	}
	for _, c := range t.rel.Columns {
		named := slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, c.Name) })
		if named || all && !c.Hidden {
			out = append(out, c)
		}
	}
	return out
}

// unnamed reports whether part of a SELECT may speak of columns of a table without their names.
func (a *analyser) unnamed(t *table, part duck.Node) (all bool) {
	duck.Walk(part, func(n duck.Node) bool {
		switch n := n.(type) {
		case *duck.Column:
			all = all || len(n.Names) == 1 && strings.EqualFold(n.Names[0], t.name)
		case *duck.Order:
			if star, ok := n.X.(*duck.Star); ok && star.Columns && star.Pattern == nil {
				return false // ORDER BY ALL
			}
		case *duck.Star, *duck.Pivot:
			all = true
		case *duck.Other:
			all = all || n.Class == "POSITIONAL_REFERENCE"
		case *duck.Join:
			all = all || n.Ref == "NATURAL"
		}
		return !all
	})
	return all
}

// pushed returns what WHERE says of each table alone, where rows that fail it cannot matter.
func (a *analyser) pushed(s *duck.Select, sc *scope) map[*duck.TableRef]*Cond {
	out := map[*duck.TableRef]*Cond{}
	if !inner(s.From) || s.Sample != "" && s.Sample != "null" {
		return out
	}
	for i := range sc.tables {
		t := &sc.tables[i]
		if t.rel == nil || t.ref.Sample != "" && t.ref.Sample != "null" {
			continue
		}
		var conds []*Cond
		for _, e := range append(slices.Clone(conjuncts(s.Where)), conjuncts(t.below)...) {
			if b := (&builder{a: a, sc: sc, t: t}); b.own(e) {
				c := t.rel.cond(b.e)
				if slices.ContainsFunc(c.Leaves(), func(l *Cond) bool { return !l.Timed && l.Simple == nil }) {
					continue
				}
				conds = append(conds, c)
			}
		}
		if c := and(conds...); c != nil {
			out[t.ref] = c
		}
	}
	return out
}

// inner reports whether every row of a FROM has a row of each of its tables.
func inner(f duck.From) bool {
	switch f := f.(type) {
	case *duck.TableRef, *duck.Subquery, *duck.Values:
		return true
	case *duck.Join:
		return f.Type == "INNER" && (f.Ref == "REGULAR" || f.Ref == "CROSS" || f.Ref == "NATURAL") && inner(f.Left) && inner(f.Right)
	}
	return false
}
