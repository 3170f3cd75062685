package duck

import "slices"

// numbered returns q, or a copy in which the groups of grouping sets are in the order in which the sets name them: that is how
// they are numbered when the SQL is read again. A product of sets, as ROLLUP (a), CUBE (b) is one, may have another.
func numbered(q Query) Query {
	found := false
	Walk(q, func(n Node) bool {
		s, ok := n.(*Select)
		found = found || ok && !slices.IsSorted(s.setOrder())
		return !found
	})
	if !found {
		return q
	}
	q = Clone(q)
	Walk(q, func(n Node) bool {
		if s, ok := n.(*Select); ok {
			s.renumber()
		}
		return true
	})
	return q
}

// setOrder lists the groups as the sets name them, then those that none does.
func (s *Select) setOrder() (out []int) {
	all := make([]int, len(s.Groups))
	for i := range all {
		all[i] = i
	}
	for _, set := range append(slices.Clone(s.Sets), all) {
		for _, g := range slices.Sorted(slices.Values(set)) {
			if !slices.Contains(out, g) {
				out = append(out, g)
			}
		}
	}
	return out
}

func (s *Select) renumber() {
	order := s.setOrder()
	if slices.IsSorted(order) || slices.Max(order) >= len(s.Groups) {
		return
	}
	groups := make([]Expr, len(order))
	for i, g := range order {
		groups[i] = s.Groups[g]
	}
	s.Groups = groups
	sets := make([][]int, len(s.Sets))
	for i, set := range s.Sets {
		for _, g := range set {
			sets[i] = append(sets[i], slices.Index(order, g))
		}
		slices.Sort(sets[i])
	}
	s.Sets = sets
}
