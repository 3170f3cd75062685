package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// maxGroups is how many groups a block may have: each has a bit in SetColumn.
const maxGroups = 63

// builder makes a block of a SELECT over one table, or finds why it is none.
type builder struct {
	a  *analyser
	s  *duck.Select
	sc *scope
	t  *table
	b  *Block

	e    duck.Expr    // WHERE, or what own has read, with the relation's names
	at   []int        // items whose names are being resolved
	subs []duck.Query // within the rest
}

// no is why a SELECT is no block.
type no string

func (n no) Error() string { return string(n) }

func noBlock(format string, args ...any) error { return no(fmt.Sprintf(format, args...)) }

// block rewrites s to a read of a block. Without one it returns nil and leaves the reason in why.
func (a *analyser) block(s *duck.Select, sc *scope) (*Block, error) {
	t := &sc.tables[0]
	b := &builder{a: a, s: s, sc: sc, t: t, b: a.newBlock(t)}
	next, err := b.build()
	var reason no
	if errors.As(err, &reason) {
		a.why = string(reason)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b.b.Name = fmt.Sprintf("__tm_block_%d", len(a.st.Blocks))
	a.st.Blocks = append(a.st.Blocks, b.b)
	next.From = &duck.TableRef{Name: b.b.Name}
	*s = *next
	for _, q := range b.subs {
		if err := a.query(q, sc.outer); err != nil {
			return nil, err
		}
	}
	return b.b, a.within(tail(&duck.Modifiers{Limit: s.Modifiers.Limit}), sc.outer)
}

func (a *analyser) newBlock(t *table) *Block {
	return &Block{Relation: t.rel, Time: Always(), approximate: a.opts.Approximate}
}

// build returns the rest of the SELECT: a copy that reads columns of the block.
func (b *builder) build() (*duck.Select, error) {
	s := b.s
	switch {
	case b.t.rel.Lookup != nil:
		return nil, noBlock("lookup tables are read whole")
	case b.t.ref != nil && len(b.t.ref.Columns) > 0:
		return nil, noBlock("FROM gives the columns other names")
	case sampled(s.Sample) || b.t.ref != nil && sampled(b.t.ref.Sample):
		return nil, noBlock("it takes a sample")
	}
	if err := b.where(); err != nil {
		return nil, err
	}
	if wide(b.b.Where) {
		return nil, noBlock("WHERE compares columns with each other")
	}
	distinct, err := b.grouping()
	if err != nil {
		return nil, err
	}
	next := duck.Clone(s)
	if distinct {
		next.Modifiers.Distinct = nil
	}
	next.Where, next.Having, next.Groups, next.Sets, next.GroupAll = nil, nil, nil, nil, false
	for i := range next.Items {
		if err := b.item(next, i); err != nil {
			return nil, err
		}
	}
	if s.Having != nil {
		if next.Where, err = b.rewritten(s.Having, havingNames); err != nil {
			return nil, err
		}
	}
	if s.Qualify != nil {
		if next.Qualify, err = b.rewritten(s.Qualify, otherNames); err != nil {
			return nil, err
		}
	}
	if err := b.tail(next, distinct); err != nil {
		return nil, err
	}
	if len(b.b.Groups) > maxGroups {
		return nil, noBlock("it has %d groups, and blocks at most %d", len(b.b.Groups), maxGroups)
	}
	if len(b.b.Groups) == 0 && len(b.b.Aggs) == 0 { // the row of GROUP BY () has some column
		b.addAgg(Agg{Func: CountAll, Type: "BIGINT", Call: &duck.Function{Name: "count_star"}})
	}
	b.original()
	return next, nil
}

func sampled(r duck.Raw) bool { return r != "" && r != "null" }

// where reads WHERE.
func (b *builder) where() error {
	if b.t.view != nil && b.t.view.where != nil {
		b.e = duck.Clone(b.t.view.where)
	}
	if b.s.Where != nil {
		e, err := b.canon(duck.Clone(b.s.Where), otherNames)
		if err != nil {
			return err
		}
		if err := b.plain(e, "WHERE"); err != nil {
			return err
		}
		b.e = conj(b.e, e)
	}
	b.b.Where = b.t.rel.cond(b.e)
	b.b.Time = b.b.Where.hull()
	return nil
}

// item rewrites a column of the answer, which keeps its name.
func (b *builder) item(next *duck.Select, i int) (err error) {
	e := b.s.Items[i]
	name := e.Alias()
	if name == "" {
		if name, err = b.name(e); err != nil {
			return err
		}
	}
	if ours(name) {
		return noBlock("%s is the name of a column of blocks", name)
	}
	canon, err := b.itemExpr(i)
	if err != nil {
		return err
	}
	if next.Items[i], err = b.replace(canon); err != nil {
		return err
	}
	next.Items[i].SetAlias(name)
	return nil
}

// name returns what DuckDB calls a column without a name.
func (b *builder) name(e duck.Expr) (string, error) {
	if c, ok := e.(*duck.Column); ok {
		if at, col, _ := b.sc.find(c.Names); at == b.t {
			return col.Name, nil
		}
	}
	return b.a.nameOf(e)
}

// nameOf returns an expression as DuckDB writes it.
func (a *analyser) nameOf(e duck.Expr) (string, error) {
	if f, ok := e.(*duck.Function); ok && f.Name == "count_star" && f.Filter == nil {
		return "count_star()", nil
	}
	if a.opts.Text == nil {
		return "", errors.New("plan: Options.Text is needed for columns without a name")
	}
	sql, err := a.opts.Text(&duck.Select{Items: []duck.Expr{duck.Clone(e)}, From: new(duck.Empty)})
	return strings.TrimPrefix(sql, "SELECT "), err
}

// rewritten returns an expression over the columns of the block.
func (b *builder) rewritten(e duck.Expr, names nameRule) (duck.Expr, error) {
	e, err := b.canon(duck.Clone(e), names)
	if err != nil {
		return nil, err
	}
	return b.replace(e)
}

// tail rewrites DISTINCT ON and ORDER BY. A name of the answer stays: it means the same in the rest.
func (b *builder) tail(next *duck.Select, distinct bool) (err error) {
	m := &next.Modifiers
	if m.Distinct != nil {
		for i, e := range m.Distinct.On {
			if m.Distinct.On[i], err = b.key(e); err != nil {
				return err
			}
		}
	}
	for _, o := range m.Order {
		if o.X, err = b.key(o.X); err != nil {
			return err
		}
	}
	if m.Limit != nil && len(m.Order) > 0 && !distinct && m.Distinct == nil && next.Qualify == nil {
		b.top(next)
	}
	return nil
}

// key rewrites what is sorted by, or told apart by.
func (b *builder) key(e duck.Expr) (duck.Expr, error) {
	switch x := e.(type) {
	case *duck.Constant:
		return e, nil // the number of a column
	case *duck.Star:
		if x.Columns && x.Pattern == nil {
			return e, nil // ORDER BY ALL
		}
	case *duck.Column:
		if len(x.Names) == 1 && b.alias(x.Names[0]) >= 0 {
			return e, nil
		}
	}
	return b.rewritten(e, otherNames)
}

// alias returns the first item with a name given by AS, -1 if there is none.
func (b *builder) alias(name string) int {
	return slices.IndexFunc(b.s.Items, func(e duck.Expr) bool { return strings.EqualFold(e.Alias(), name) && name != "" })
}

// top notes that only the largest groups are wanted.
func (b *builder) top(next *duck.Select) {
	m := next.Modifiers
	key := m.Order[0]
	limit, ok := fold(m.Limit.Limit)
	if !ok || m.Limit.Percent || limit.kind != constInt || limit.n < 0 || !key.Desc || key.Nulls == "FIRST" || next.Where != nil || len(m.Order) > 1 {
		return
	}
	n := limit.n
	if m.Limit.Offset != nil {
		off, ok := fold(m.Limit.Offset)
		if !ok || off.kind != constInt || off.n < 0 || off.n > 1<<40 || n > 1<<40 {
			return
		}
		n += off.n
	}
	if i := keyItem(next, key.X); i >= 0 {
		key = &duck.Order{X: next.Items[i]}
	}
	if i, isAgg := outputOf(key.X); isAgg {
		b.b.Top = &Top{Agg: i, N: n}
	}
}

// keyItem returns the item that a key of ORDER BY names or counts, -1 if it is an expression of its own.
func keyItem(s *duck.Select, x duck.Expr) int {
	switch x := x.(type) {
	case *duck.Constant:
		if n, ok := x.Value.Go.(int64); ok && n >= 1 && n <= int64(len(s.Items)) {
			return int(n) - 1
		}
	case *duck.Column:
		if len(x.Names) == 1 {
			return slices.IndexFunc(s.Items, func(e duck.Expr) bool { return strings.EqualFold(e.Alias(), x.Names[0]) })
		}
	}
	return -1
}

// own reports whether e speaks of columns of the table alone, and leaves it in e with their names.
func (b *builder) own(e duck.Expr) bool {
	if has(e, func(x duck.Expr) bool {
		c, ok := x.(*duck.Column)
		if !ok {
			return false
		}
		at, _, _ := b.sc.find(c.Names)
		return at != b.t
	}) {
		return false
	}
	b.s = &duck.Select{}
	canon, err := b.canon(duck.Clone(e), otherNames)
	if err != nil || b.plain(canon, "WHERE") != nil {
		return false
	}
	b.e = canon
	return true
}
