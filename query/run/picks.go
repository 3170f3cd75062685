package run

import (
	"context"
	"fmt"

	"github.com/tidemarkdb/tidemark/builder/cells"
)

// picks are the codes of a dictionary that pass a condition on one dimension.
type picks struct {
	of        []uint8 // 1: passes, by code; nil: those of [low, high) and no others
	n         int     // how many pass
	low, high uint32  // none passes outside
}

func (p *picks) bytes() int64 { return int64(64 + len(p.of)) }

// run returns the codes of [low, high).
func run(low, high uint32) *picks { return &picks{n: int(high - low), low: low, high: high} }

// table returns p with a byte for each of size codes.
func (p *picks) table(size int) []uint8 {
	if p.of != nil {
		return p.of
	}
	of := make([]uint8, size)
	for c := p.low; c < p.high; c++ {
		of[c] = 1
	}
	return of
}

// newPicks counts what passes.
func newPicks(of []uint8) *picks {
	p := &picks{of: of}
	for c, v := range of {
		if v == 0 {
			continue
		}
		if p.n == 0 {
			p.low = uint32(c)
		}
		p.n++
		p.high = uint32(c + 1)
	}
	if p.n == int(p.high-p.low) {
		p.of = nil
	}
	return p
}

// join2 returns what passes both, or one of them where n is no all.
func (n *node) join2(a, b *picks, size int) *picks {
	if n.all && a.of == nil && b.of == nil {
		low := max(a.low, b.low)
		return run(low, max(low, min(a.high, b.high)))
	}
	x, y := a.table(size), b.table(size)
	of := make([]uint8, size)
	for c := range of {
		if n.all {
			of[c] = x[c] & y[c]
		} else {
			of[c] = x[c] | y[c]
		}
	}
	return newPicks(of)
}

// pick returns the codes of which the leaf says want.
func (l *Leaf) pick(ctx context.Context, d *cells.Dict, want Truth) (*picks, error) {
	if l.run != nil {
		low, high := l.run(d)
		n := uint32(d.Len())
		switch {
		case want == True:
			return run(low, high), nil
		case low <= 1:
			return run(high, n), nil
		case high == n:
			return run(1, low), nil
		}
	}
	truths, err := l.Truths(ctx, d)
	if err != nil {
		return nil, err
	}
	if len(truths) != d.Len() {
		return nil, fmt.Errorf("N2: condition %q says %d truths of %d codes", l.Key, len(truths), d.Len())
	}
	of := make([]uint8, len(truths))
	for c, t := range truths {
		if t == want {
			of[c] = 1
		}
	}
	return newPicks(of), nil
}
