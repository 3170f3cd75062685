package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// Options are what an analysis needs besides the statement.
type Options struct {
	Now         time.Time                        // of the statement: what now() is
	Functions   *duck.Functions                  // default: duck.NewFunctions()
	Approximate bool                             // exact functions may be answered by sketches, and named so in Need.Approximate
	Text        func(duck.Query) (string, error) // SQL of a query; it gives columns without a name theirs
}

// maxNodes bounds the expressions that names of columns stand for, all together: each name may stand for one that says
// others twice. What is larger is left to DuckDB.
const maxNodes = 100_000

// Analyse finds what cubes may answer in a query, and rewrites the rest; the query itself stays as it is. The error is an
// *Error, or what Text returned. What comes back does not change any more: many may read it at once.
func Analyse(root duck.Query, cat Catalog, opts Options) (*Statement, error) {
	root = duck.Clone(root)
	if opts.Functions == nil {
		opts.Functions = duck.NewFunctions()
	}
	a := &analyser{cat: cat, opts: opts, st: &Statement{Root: root}}
	top, _ := root.(*duck.Select)
	if err := a.methods(root); err != nil {
		return nil, err
	}
	if err := a.query(root, nil); err != nil {
		return nil, err
	}
	if top != nil {
		a.st.Whole = whole(a.st, top)
	}
	return a.st, nil
}

// analyser walks a statement once.
type analyser struct {
	cat   Catalog
	opts  Options
	st    *Statement
	raws  int    // scans of blocks
	why   string // the SELECT at hand is no block
	nodes int    // of expressions that names stand for
	depth int    // of views within views
}

// query rewrites a query and those within it. Those of its WITH come last, as blocks may have taken what they pick.
func (a *analyser) query(q duck.Query, outer *scope) error {
	sc := &scope{outer: outer}
	for _, c := range *q.Withs() {
		sc.add(c)
	}
	if err := a.body(q, sc); err != nil {
		return err
	}
	with := q.Withs()
	for i := len(*with) - 1; i >= 0; i-- {
		c := (*with)[i]
		if !reads(q, c, (*with)[i+1:]) {
			*with = slices.Delete(*with, i, i+1)
		} else if err := a.query(c.Query, sc.ctes[i].in); err != nil {
			return err
		}
	}
	return nil
}

// reads reports whether a query, or one that it names after c, still reads what c names.
func reads(q duck.Query, c *duck.CTE, after []*duck.CTE) bool {
	found := false
	see := func(n duck.Node) bool {
		if ref, ok := n.(*duck.TableRef); ok && strings.EqualFold(ref.Name, c.Name) {
			found = true
		}
		return !found
	}
	duck.Walk(q, func(n duck.Node) bool {
		if w, ok := n.(*duck.CTE); ok && w != c && !slices.Contains(after, w) && slices.Contains(*q.Withs(), w) {
			return false // named before c
		}
		if n == duck.Node(c) {
			return false
		}
		return see(n)
	})
	return found
}

// body rewrites a query in the scope of its WITH.
func (a *analyser) body(q duck.Query, sc *scope) error {
	switch q := q.(type) {
	case *duck.Select:
		return a.selected(q, sc)
	case *duck.SetOperation:
		for _, side := range []duck.Query{q.Left, q.Right} {
			if err := a.query(side, sc); err != nil {
				return err
			}
		}
	case *duck.RecursiveCTE:
		if err := a.query(q.Left, sc); err != nil {
			return err
		}
		sc.ctes = append(sc.ctes, cte{name: q.Name})
		if err := a.query(q.Right, sc); err != nil {
			return err
		}
	}
	return a.within(tail(q.Tail()), sc)
}

// groups reports whether a SELECT makes one row of several.
func (a *analyser) groups(s *duck.Select) bool {
	return s.GroupAll || len(s.Groups) > 0 || len(s.Sets) > 0 || s.Modifiers.Distinct != nil || a.aggregates(s)
}

// aggregates reports whether there is an aggregate anywhere in a SELECT.
func (a *analyser) aggregates(s *duck.Select) bool {
	return slices.ContainsFunc(clauses(s), func(e duck.Expr) bool { return has(e, a.isAggregate) })
}

// isAggregate reports whether e is a call of an aggregate.
func (a *analyser) isAggregate(e duck.Expr) bool {
	f, ok := e.(*duck.Function)
	return ok && a.opts.Functions.Kind(f.Name) == duck.Aggregate
}

// spend counts the nodes of an expression that stands for a name.
func (a *analyser) spend(e duck.Expr) error {
	each(e, func(duck.Expr) bool {
		a.nodes++
		return true
	})
	if a.nodes > maxNodes {
		return noBlock("its names stand for expressions of more than %d parts", maxNodes)
	}
	return nil
}

// within rewrites the queries in expressions.
func (a *analyser) within(es []duck.Expr, sc *scope) (err error) {
	for _, e := range es {
		each(e, func(x duck.Expr) bool {
			if sub, ok := x.(*duck.SubqueryExpr); ok && err == nil {
				err = a.query(sub.Query, sc)
			}
			return err == nil
		})
	}
	return err
}

// selected rewrites a SELECT: to a read of a block, or of scans.
func (a *analyser) selected(s *duck.Select, sc *scope) error {
	if err := a.tables(s.From, sc); err != nil {
		return err
	}
	if err := a.fixNow(s, sc); err != nil {
		return err
	}
	reason := "it reads more than one table"
	if len(sc.tables) == 1 {
		done, err := a.single(s, sc)
		if done || err != nil {
			return err
		}
		reason = a.why
	}
	if err := a.unknownColumns(s, sc); err != nil {
		return err
	}
	if len(sc.tables) > 1 {
		if done, err := a.overStar(s, sc); done || err != nil {
			return err
		}
		if done, err := a.regroup(s, sc); done || err != nil {
			return err
		}
	}
	if err := a.hide(s, sc); err != nil {
		return err
	}
	if err := a.scanFrom(s, sc, reason); err != nil {
		return err
	}
	return a.within(clauses(s), sc)
}

// overStar rewrites a SELECT over a star to a read of a block.
func (a *analyser) overStar(s *duck.Select, sc *scope) (done bool, err error) {
	over, in, err := a.star(s, sc)
	if over == nil || err != nil {
		return false, err
	}
	if done, err = a.single(over, in); done {
		*s = *over
	}
	return done, err
}

// single rewrites a SELECT that reads one table, or a query that picks from one, to a read of a block; done is false where
// it is none.
func (a *analyser) single(s *duck.Select, sc *scope) (done bool, err error) {
	at := *sc
	if t := sc.tables[0]; t.rel == nil {
		if a.why = "it neither groups nor aggregates"; !a.groups(s) {
			return false, nil
		}
		picked, err := a.inline(s.From, sc)
		if picked == nil || err != nil {
			return false, err
		}
		at.tables = []table{*picked}
	} else if ref, ok := s.From.(*duck.TableRef); !ok || ref != t.ref {
		return false, nil
	}
	b, err := a.block(s, &at)
	if b != nil || err != nil {
		return b != nil, err
	}
	if err := a.unknownColumns(s, &at); err != nil {
		return false, err
	}
	why := a.why
	done, err = a.regroup(s, &at)
	a.why = why
	return done, err
}
