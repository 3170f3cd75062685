package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/builder/cells"
)

// Truth is what a condition says of a value.
type Truth uint8

// The truths, in the order in which And takes the least and Or the greatest.
const (
	False Truth = iota
	Null
	True
)

// CondKind says what a Cond is.
type CondKind uint8

// The kinds. And and Or have any number of conditions, Not has one; Is has a Leaf.
const (
	Is CondKind = iota
	And
	Or
	Not
)

// Cond is a condition on the values of dimensions. nil is true of every row.
type Cond struct {
	Kind CondKind
	Of   []*Cond
	Leaf *Leaf
}

// Leaf is a condition on the value of one dimension. In, Range, IsNull and HasPrefix make those that need nobody's help.
type Leaf struct {
	Dim int    // of the layout
	Key string // equal keys say the same of equal values; "": what the leaf says is not kept

	// Truths returns the truth of each code of a dictionary: of null, then of its values.
	Truths func(ctx context.Context, d *cells.Dict) ([]Truth, error)

	// May reports whether a value between the two of bounds, or null where nulls, can be true. nil: any can.
	May func(bounds *cells.Dict, nulls bool) bool

	bytes int64 // of the values that its functions hold

	run func(d *cells.Dict) (low, high uint32) // true are exactly the codes of [low, high), all others but null false; nil: ask Truths
}

// node is a condition without Not: a row passes an all if it passes every part of it, and any other if it passes one.
type node struct {
	all  bool
	of   []*node
	leaf *Leaf
	want Truth  // of leaf: True, or False below a Not
	dim  int    // the only one it depends on, or several
	key  string // of what it picks; "": not to be kept
}

const several = -1

// compile turns c, or its opposite, into nodes (N3): that a And b is not true of a row is that one of them is false or null,
// so Not goes down to the leaves, where it asks for false in place of true, and nothing above them has to tell false from null.
func compile(c *Cond, opposite bool) *node {
	switch {
	case c == nil:
		return &node{all: !opposite, dim: several}
	case c.Kind == Not:
		return compile(c.Of[0], !opposite)
	case c.Kind == Is:
		n := &node{leaf: c.Leaf, want: True, dim: c.Leaf.Dim}
		if opposite {
			n.want = False
		}
		if c.Leaf.Key != "" {
			n.key = fmt.Sprintf("%d=%s", n.want, c.Leaf.Key)
		}
		return n
	}
	n := &node{all: (c.Kind == And) != opposite, dim: several}
	for _, o := range c.Of {
		if part := compile(o, opposite); part.leaf == nil && part.all == n.all {
			n.of = append(n.of, part.of...)
		} else {
			n.of = append(n.of, part)
		}
	}
	return n.gathered()
}

// gathered makes one part of the parts that depend on the same dimension.
func (n *node) gathered() *node {
	out := &node{all: n.all, dim: several}
	byDim := map[int]*node{}
	for _, part := range n.of {
		if part.dim == several {
			out.of = append(out.of, part)
			continue
		}
		same, ok := byDim[part.dim]
		if !ok {
			same = &node{all: n.all, dim: part.dim}
			byDim[part.dim] = same
			out.of = append(out.of, same)
		}
		same.of = append(same.of, part)
	}
	for i, part := range out.of {
		switch {
		case part.dim == several || part.leaf != nil:
		case len(part.of) == 1:
			out.of[i] = part.of[0]
		default:
			part.key = part.join()
		}
	}
	if len(out.of) == 1 {
		return out.of[0]
	}
	return out
}

func (n *node) join() string {
	op, keys := "|", make([]string, len(n.of))
	if n.all {
		op = "&"
	}
	for i, part := range n.of {
		if part.key == "" {
			return ""
		}
		keys[i] = fmt.Sprintf("%d:%s", len(part.key), part.key)
	}
	return op + strings.Join(keys, "")
}

// dims lists the dimensions that n depends on.
func (n *node) dims(out []int) []int {
	if n.leaf != nil || n.dim != several {
		return append(out, n.dim)
	}
	for _, part := range n.of {
		out = part.dims(out)
	}
	return out
}

// may reports whether a row whose values lie within bounds can pass.
func (n *node) may(bounds []*cells.Dict, nulls []int64) bool {
	if n.leaf != nil {
		d := n.leaf.Dim
		return n.want != True || n.leaf.May == nil || bounds[d] == nil || n.leaf.May(bounds[d], nulls[d] > 0)
	}
	if n.all {
		return !slices.ContainsFunc(n.of, func(part *node) bool { return !part.may(bounds, nulls) })
	}
	return slices.ContainsFunc(n.of, func(part *node) bool { return part.may(bounds, nulls) })
}
