package duck

import (
	"reflect"
	"slices"
	"strings"
)

// children calls f for every node right below n, and puts what f returns in its place. A nil is left out of lists.
func children(n Node, f func(Node) Node) {
	for _, p := range n.parts() {
		switch to := p.to.(type) {
		case *Expr:
			swap(to, f)
		case *[]Expr:
			swapAll(to, f)
		case *[][]Expr:
			for i := range *to {
				swapAll(&(*to)[i], f)
			}
		case *From:
			swap(to, f)
		case *Query:
			swap(to, f)
		case *[]*Order:
			swapAll(to, f)
		case *[]*When:
			swapAll(to, f)
		case *[]*Named:
			swapAll(to, f)
		case one:
			swap(to.expr, f)
		case many:
			swap(to.first, f)
			swapAll(to.more, f)
		case statement:
			swap(to.query, f)
		case orders:
			swapAll(to.to, f)
		case ctes:
			swapAll(to.to, f)
		case modifiers:
			if to.to.Distinct != nil {
				children(to.to.Distinct, f)
			}
			swapAll(&to.to.Order, f)
			if to.to.Limit != nil {
				children(to.to.Limit, f)
			}
		}
	}
}

// swap replaces one node; T is an interface or a pointer to a node. What stays is not written: several may walk a tree at once.
func swap[T Node](to *T, f func(Node) Node) {
	if isNil(*to) {
		return
	}
	var none T
	switch got := f(*to); {
	case got == nil:
		*to = none
	case got != Node(*to):
		*to = got.(T)
	}
}

func swapAll[T Node](to *[]T, f func(Node) Node) {
	for i := range *to {
		swap(&(*to)[i], f)
	}
	if gone := func(n T) bool { return isNil(n) }; slices.ContainsFunc(*to, gone) {
		*to = slices.DeleteFunc(*to, gone)
	}
}

func isNil(n Node) bool {
	if n == nil {
		return true
	}
	v := reflect.ValueOf(n)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// Walk calls visit for n and all below it, parents first. Where visit returns false it goes no deeper.
func Walk(n Node, visit func(Node) bool) {
	if isNil(n) || !visit(n) {
		return
	}
	children(n, func(c Node) Node {
		Walk(c, visit)
		return c
	})
}

// Rewrite replaces n and all below it by what f makes of them, children first, and returns what f made of n. What f
// returns must fit where it goes: an Expr for an Expr, and so on; nil takes it away. The tree is changed in place.
func Rewrite[T Node](n T, f func(Node) Node) T {
	swap(&n, func(n Node) Node { return rewrite(n, f) })
	return n
}

func rewrite(n Node, f func(Node) Node) Node {
	children(n, func(c Node) Node { return rewrite(c, f) })
	return f(n)
}

// Clone returns a copy that shares nothing that a Rewrite would change.
func Clone[T Node](n T) T {
	if isNil(n) {
		return n
	}
	return clone(n).(T)
}

func clone(n Node) Node {
	was := reflect.ValueOf(n).Elem()
	now := reflect.New(was.Type())
	now.Elem().Set(was)
	out := now.Interface().(Node)
	if o, ok := out.(*Other); ok {
		o.Args = slices.Clone(o.Args) // its parts point into it
	}
	for _, p := range out.parts() {
		switch to := p.to.(type) {
		case *[]string:
			*to = slices.Clone(*to)
		case *[]Expr:
			*to = slices.Clone(*to)
		case *[][]Expr:
			*to = slices.Clone(*to)
			for i := range *to {
				(*to)[i] = slices.Clone((*to)[i])
			}
		case *[]*Order:
			*to = slices.Clone(*to)
		case *[]*When:
			*to = slices.Clone(*to)
		case *[]*Named:
			*to = slices.Clone(*to)
		case many:
			*to.more = slices.Clone(*to.more)
		case orders:
			*to.to = slices.Clone(*to.to)
		case ctes:
			*to.to = slices.Clone(*to.to)
		case modifiers:
			*to.to = to.clone()
		}
	}
	children(out, clone)
	return out
}

func (m modifiers) clone() Modifiers {
	out := Modifiers{Order: slices.Clone(m.to.Order)}
	if m.to.Distinct != nil {
		d := *m.to.Distinct
		d.On = slices.Clone(d.On)
		out.Distinct = &d
	}
	if m.to.Limit != nil {
		l := *m.to.Limit
		out.Limit = &l
	}
	return out
}

// Equal reports whether two trees say the same: positions and names given with AS to expressions count for nothing,
// and neither does the case of names.
func Equal(a, b Node) bool { return comparer{}.nodes(a, b) }

// comparer compares trees. A strict one minds all but positions.
type comparer struct{ strict bool }

func (c comparer) nodes(a, b Node) bool {
	if isNil(a) || isNil(b) {
		return isEmpty(a) && isEmpty(b)
	}
	if reflect.TypeOf(a) != reflect.TypeOf(b) {
		return c.sameOtherwise(a, b) || c.sameOtherwise(b, a)
	}
	if !c.rests(a, b) {
		return false
	}
	pa, pb := a.parts(), b.parts()
	for i := range pa {
		if _, ok := a.(Expr); ok && pa[i].name == "alias" && !c.strict {
			continue
		}
		if !c.part(pa[i], pb[i]) {
			return false
		}
	}
	return true
}

// isEmpty reports whether a node is none; an Empty stands for no FROM.
func isEmpty(n Node) bool {
	_, empty := n.(*Empty)
	return empty || isNil(n)
}

// rests compares what the nodes do not name. Of a node made by hand that is its blank.
func (c comparer) rests(a, b Node) bool {
	fa, fb := restOf(a), restOf(b)
	if len(fa) != len(fb) {
		return false
	}
	for _, f := range fa {
		i := slices.IndexFunc(fb, func(g field) bool { return g.name == f.name })
		if i < 0 {
			return false
		}
		x, y := f.value, fb[i].value
		if f.name == excludeList || f.name == excludeOfList { // sets
			x.elems, y.elems = inOrder(x.elems), inOrder(y.elems)
		}
		if !sameJSON(x, y) {
			return false
		}
	}
	return true
}

func inOrder(list []value) []value {
	return slices.SortedFunc(slices.Values(list), func(a, b value) int { return strings.Compare(a.raw, b.raw) })
}

func restOf(n Node) []field {
	if fields := n.kept().fields; fields != nil {
		return fields
	}
	v, err := parseJSON("{" + n.blank() + "}")
	if err != nil {
		panic("D2: blank of a node: " + n.blank())
	}
	return v.fields
}

// sameJSON compares JSON but for positions.
func sameJSON(a, b value) bool {
	if a.kind() != b.kind() || len(a.fields) != len(b.fields) || len(a.elems) != len(b.elems) {
		return false
	}
	for i, f := range a.fields {
		if g := b.fields[i]; f.name != g.name || f.name != "query_location" && !sameJSON(f.value, g.value) {
			return false
		}
	}
	for i := range a.elems {
		if !sameJSON(a.elems[i], b.elems[i]) {
			return false
		}
	}
	return a.kind() == '{' || a.kind() == '[' || a.raw == b.raw
}

func (c comparer) part(a, b part) bool {
	switch x := a.to.(type) {
	case offset:
		return true
	case *string:
		return c.name(*x, *b.to.(*string))
	case *[]string:
		return slices.EqualFunc(*x, *b.to.(*[]string), c.name)
	case *bool:
		return *x == *b.to.(*bool)
	case *[][]int:
		return slices.EqualFunc(*x, *b.to.(*[][]int), slices.Equal[[]int])
	case *Type:
		return x.equal(*b.to.(*Type))
	case *Literal:
		return x.equal(*b.to.(*Literal))
	case *Raw:
		va, errA := parseJSON(string(*x))
		vb, errB := parseJSON(string(*b.to.(*Raw)))
		return errA != nil && errB != nil || sameJSON(va, vb)
	case descending:
		return *x.to == *b.to.(descending).to
	case word:
		return *x.to == *b.to.(word).to
	case flag:
		return *x.to == *b.to.(flag).to
	default:
		return c.partNodes(a, b)
	}
}

// partNodes compares the nodes below a part in turn.
func (c comparer) partNodes(a, b part) bool {
	na, nb := below(a), below(b)
	return slices.EqualFunc(na, nb, c.nodes)
}

// below lists the nodes of a part; a nil stands where one may be and is not.
func below(p part) (out []Node) {
	switch to := p.to.(type) {
	case *Expr:
		return append(out, *to)
	case *From:
		return append(out, *to)
	case *Query:
		return append(out, *to)
	case statement:
		return append(out, *to.query)
	case *[][]Expr:
		for _, row := range *to {
			for _, e := range row {
				out = append(out, e)
			}
			out = append(out, nil) // where a row ends
		}
		return out
	case modifiers:
		if to.to.Distinct != nil {
			out = append(out, to.to.Distinct)
		}
		out = append(out, nil)
		for _, o := range to.to.Order {
			out = append(out, o)
		}
		out = append(out, nil)
		if to.to.Limit != nil {
			out = append(out, to.to.Limit)
		}
		return out
	}
	children(&holder{p}, func(n Node) Node {
		out = append(out, n)
		return n
	})
	return out
}

// holder is a node of one part.
type holder struct{ only part }

func (h *holder) parts() []part { return []part{h.only} }
func (h *holder) kept() *rest   { return nil }
func (h *holder) blank() string { return "" }

func (c comparer) name(a, b string) bool {
	if c.strict {
		return a == b
	}
	return strings.EqualFold(a, b)
}

// sameOtherwise reports whether b is what DuckDB writes of a where SQL has no words for a itself: a cast of a constant
// whose type the text alone does not give, NOT IN for NOT around IN, and a SELECT * around VALUES.
func (c comparer) sameOtherwise(a, b Node) bool {
	switch a := a.(type) {
	case *Constant:
		cast, ok := b.(*Cast)
		if !ok {
			return false
		}
		inner, ok := cast.X.(*Constant)
		return ok && a.Value.Type.equal(cast.To) && (a.Value.plain() == inner.Value.plain() ||
			a.Value.Go == true && inner.Value.Go == "t" || a.Value.Go == false && inner.Value.Go == "f")
	case *Not:
		in, ok := a.X.(*In)
		if !ok || in.Not {
			return false
		}
		turned := *in
		turned.Not, turned.As = true, a.As
		return c.nodes(&turned, b)
	case *Values:
		sub, ok := b.(*Subquery)
		if !ok {
			return false
		}
		all := &Select{Items: []Expr{&Star{}}, From: a, Sets: [][]int{}}
		return c.nodes(all, sub.Query)
	}
	return false
}
