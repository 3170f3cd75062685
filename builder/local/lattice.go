package local

import (
	"cmp"
	"context"
	"errors"
	"math/bits"
	"slices"

	"golang.org/x/sync/errgroup"
)

// node is a cuboid of a build.
type node struct {
	mask    uint64
	place   int    // in the order of the output
	waits   int    // larger cuboids that hold all its dimensions and are not finished
	parent  *node  // the smallest finished one of them
	from    *node  // of a merge: what it is rolled up from; nil: it is merged of the segments' cells
	needed  int    // cuboids whose parent this is by now, not started
	readers int    // cuboids that are being made of it
	rows    int64  // once it is finished
	kept    *store // its cells, while somebody may need them
	above   bool   // of some other cuboid
	started bool
	done    bool
}

// order sorts cuboids so that each comes behind all that it can be made of: by dimensions, most first, then from the highest
// mask down. It is the order of the output, and depends on the definition alone (L1).
func order(masks []uint64) []*node {
	masks = slices.Clone(masks)
	slices.SortFunc(masks, func(a, b uint64) int {
		return cmp.Or(cmp.Compare(bits.OnesCount64(b), bits.OnesCount64(a)), cmp.Compare(b, a))
	})
	list := make([]*node, len(masks))
	for i, m := range masks {
		list[i] = &node{mask: m, place: i}
	}
	for i, n := range list {
		for _, above := range list[:i] {
			if n.mask&^above.mask == 0 {
				n.waits++
				above.above = true
			}
		}
	}
	return list
}

// lattice makes every cuboid from the smallest of those that feed it (ties go to the lower mask), several at once.
type lattice struct {
	nodes []*node
	limit int                       // at once
	feeds func(n, below *node) bool // whether below waits for n and can be made of it
	make  func(ctx context.Context, n, parent *node) error
	drop  func(n *node) // its cells are not needed any more
	rest  func() error  // waits for what make has left to others: it uses the context that ends with run
}

// holds reports whether n has all dimensions of below.
func holds(n, below *node) bool { return below.mask&^n.mask == 0 }

// run makes what is not finished.
func (l *lattice) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	ended := make(chan *node, len(l.nodes))
	busy, left := 0, 0
	for _, n := range l.nodes {
		if !n.done {
			left++
		}
	}
	for left > 0 {
		if n := l.ready(); n != nil && busy < l.limit {
			p := n.parent
			n.started = true
			if p != nil {
				p.needed--
				p.readers++
			}
			busy++
			g.Go(func() error {
				err := l.make(ctx, n, p)
				if err == nil {
					ended <- n
				}
				return err
			})
			continue
		}
		select {
		case n := <-ended:
			busy, left = busy-1, left-1
			l.finished(n)
			if n.parent != nil {
				n.parent.readers--
				l.free(n.parent)
			}
		case <-ctx.Done():
			return g.Wait()
		}
	}
	return errors.Join(l.rest(), g.Wait())
}

// ready returns the next node that can be made.
func (l *lattice) ready() *node {
	for _, n := range l.nodes {
		if !n.started && !n.done && n.waits == 0 {
			return n
		}
	}
	return nil
}

// finished tells the smaller ones.
func (l *lattice) finished(n *node) {
	n.done = true
	for _, below := range l.nodes[n.place+1:] {
		if !l.feeds(n, below) {
			continue
		}
		below.waits--
		if p := below.parent; p != nil {
			if cmp.Or(cmp.Compare(n.rows, p.rows), cmp.Compare(n.mask, p.mask)) >= 0 {
				continue
			}
			p.needed--
			l.free(p)
		}
		below.parent = n
		n.needed++
	}
	l.free(n)
}

func (l *lattice) free(n *node) {
	if n.done && n.needed == 0 && n.readers == 0 {
		l.drop(n)
	}
}
