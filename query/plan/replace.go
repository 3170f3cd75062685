package plan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidemarkdb/tidemark/query/duck"
)

// replace puts columns of the block in the place of groups and aggregates. e is changed.
func (b *builder) replace(e duck.Expr) (_ duck.Expr, err error) {
	for i := range b.b.Groups {
		if duck.Equal(b.b.Groups[i].Expr, e) {
			return groupColumn(i), nil
		}
	}
	switch x := e.(type) {
	case *duck.Column:
		return nil, noBlock("%s is neither grouped by nor aggregated", x.Names[0])
	case *duck.SubqueryExpr:
		b.subs = append(b.subs, x.Query)
	case *duck.Operator:
		if x.Op == "GROUPING_FUNCTION" {
			return b.groupingCall(x)
		}
	case *duck.Function:
		switch b.a.opts.Functions.Kind(x.Name) {
		case duck.Aggregate:
			return b.aggregate(x)
		case duck.Scalar, duck.WindowOnly:
		default:
			return nil, noBlock("%s is no function of columns alone", x.Name)
		}
	}
	kids(e, func(x duck.Expr) duck.Expr {
		if err != nil {
			return x
		}
		alias := x.Alias()
		y, kidErr := b.replace(x)
		if err = kidErr; err != nil {
			return x
		}
		y.SetAlias(alias)
		return y
	})
	return e, err
}

// SetColumn is the column of a block that says of which of several grouping sets a row is.
const SetColumn = "_s"

// GroupColumn returns the name of the column of Groups[i].
func GroupColumn(i int) string { return fmt.Sprintf("_g%d", i) }

// AggColumn returns the name of the column of Aggs[i].
func AggColumn(i int) string { return fmt.Sprintf("_a%d", i) }

// ours reports whether a name may be that of a column of a block. An item of that name would hide the column from ORDER BY.
func ours(name string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(name), "_")
	return ok && rest != "" && strings.ContainsRune("ags", rune(rest[0])) && strings.Trim(rest[1:], "0123456789") == ""
}

func groupColumn(i int) *duck.Column { return &duck.Column{Names: []string{GroupColumn(i)}} }
func aggColumn(i int) *duck.Column   { return &duck.Column{Names: []string{AggColumn(i)}} }

// outputOf returns which aggregate, or else which group, an expression of the rest is; -1 if it is none.
func outputOf(e duck.Expr) (i int, isAgg bool) {
	c, ok := e.(*duck.Column)
	if !ok || len(c.Names) != 1 || len(c.Names[0]) < 3 {
		return -1, false
	}
	i, err := strconv.Atoi(c.Names[0][2:])
	if err != nil || !strings.HasPrefix(c.Names[0], "_a") && !strings.HasPrefix(c.Names[0], "_g") {
		return -1, false
	}
	return i, c.Names[0][1] == 'a'
}

// groupingCall answers GROUPING out of the set column, in which the first group weighs most.
func (b *builder) groupingCall(x *duck.Operator) (duck.Expr, error) {
	at := make([]int, len(x.Args))
	for i, arg := range x.Args {
		at[i] = -1
		for k := range b.b.Groups {
			if duck.Equal(b.b.Groups[k].Expr, arg) {
				at[i] = k
			}
		}
		if at[i] < 0 {
			return nil, noBlock("GROUPING of what is not grouped by")
		}
	}
	sets := b.b.Sets
	if sets == nil {
		return bigint(0), nil
	}
	out := &duck.Case{Else: bigint(0)}
	seen := map[int64]bool{}
	for _, set := range sets {
		n := b.b.missing(set, nil)
		if seen[n] {
			continue
		}
		seen[n] = true
		is := &duck.Comparison{Op: "=", Left: &duck.Column{Names: []string{SetColumn}}, Right: duck.NewConstant(n)}
		out.Whens = append(out.Whens, &duck.When{If: is, Then: bigint(b.b.missing(set, at))})
	}
	return out, nil
}

func bigint(n int64) duck.Expr {
	return &duck.Cast{X: duck.NewConstant(n), To: duck.Type{Name: "BIGINT"}}
}

// missing returns GROUPING of some groups for the rows of a set: a bit for each that the set lacks, the first one
// weighing most. nil: of all groups.
func (b *Block) missing(set, of []int) (n int64) {
	if of == nil {
		for i := range b.Groups {
			of = append(of, i)
		}
	}
	for _, g := range of {
		n <<= 1
		if !containsInt(set, g) {
			n |= 1
		}
	}
	return n
}

// SetMask returns what SetColumn is in the rows of Sets[i].
func (b *Block) SetMask(i int) int64 { return b.missing(b.Sets[i], nil) }

func containsInt(list []int, n int) bool {
	for _, v := range list {
		if v == n {
			return true
		}
	}
	return false
}

// original makes the SELECT that computes the block's rows out of events.
func (b *builder) original() {
	out := b.b
	q := &duck.Select{}
	named := func(e duck.Expr, name string) {
		e = duck.Clone(e)
		e.SetAlias(name)
		q.Items = append(q.Items, e)
	}
	for i, g := range out.Groups {
		named(g.Expr, GroupColumn(i))
		q.Groups = append(q.Groups, duck.Clone(g.Expr))
	}
	for i, a := range out.Aggs {
		named(a.Call, AggColumn(i))
	}
	q.Sets = out.Sets
	if q.Sets != nil && len(out.Groups) == 0 { // GROUPING of nothing cannot be said
		named(bigint(0), SetColumn)
	} else if q.Sets != nil {
		all := &duck.Operator{Op: "GROUPING_FUNCTION"}
		for _, g := range out.Groups {
			all.Args = append(all.Args, duck.Clone(g.Expr))
		}
		named(all, SetColumn)
	} else if len(q.Groups) > 0 {
		all := make([]int, len(q.Groups))
		for i := range all {
			all[i] = i
		}
		q.Sets = [][]int{all}
	}
	t := b.t
	if b.e != nil {
		q.Where = duck.Clone(b.e)
	}
	out.Raw = &Scan{Name: fmt.Sprintf("__tm_raw_%d", b.a.raws), Relation: t.rel, Time: out.Time}
	b.a.raws++
	if pushable(out.Where) {
		out.Raw.Where = out.Where
	}
	q.From = &duck.TableRef{Name: out.Raw.Name}
	out.Raw.Columns = b.a.needed(&table{name: out.Raw.Name, rel: t.rel}, q)
	out.Original = q
}

// pushable reports whether whoever reads rows can decide a condition by itself.
func pushable(c *Cond) bool {
	for _, l := range c.Leaves() {
		if !l.Timed && l.Simple == nil {
			return false
		}
	}
	return true
}
