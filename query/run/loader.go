package run

import (
	"context"
	"fmt"
)

// loader reads the batches of a query ahead: a few at once, in the order in which each thread comes to them. Without one
// every batch is there.
type loader struct {
	q      *Query
	inputs []Input
	order  []int
	slots  chan struct{} // one for each batch that is read, or has been and is not folded
	ready  []chan *Batch // by input; nil: it was there
}

func newLoader(q *Query, inputs []Input, bounds []int) *loader {
	threads := len(bounds) - 1
	l := &loader{q: q, inputs: inputs, slots: make(chan struct{}, max(q.r.o.Loads, threads)), ready: make([]chan *Batch, len(inputs))}
	for step, left := 0, len(inputs); left > 0; step++ { // the first of each thread, then the second
		for t := range threads {
			i := bounds[t] + step
			if i >= bounds[t+1] {
				continue
			}
			left--
			if inputs[i].Batch == nil {
				l.ready[i] = make(chan *Batch, 1)
				l.order = append(l.order, i)
			}
		}
	}
	return l
}

// run ends when all batches are read, or with the first error.
func (l *loader) run(ctx context.Context) error {
	g, ctx := newGroup(ctx)
	for _, i := range l.order {
		select {
		case l.slots <- struct{}{}:
		case <-ctx.Done():
			return g.Wait()
		}
		g.Go(func() error {
			b, err := l.inputs[i].Load(ctx)
			if err != nil {
				return err
			}
			if b == nil {
				return fmt.Errorf("input %d: nothing was loaded", i)
			}
			if !b.kept {
				if err := l.q.mem.add(b.MemBytes()); err != nil {
					return err
				}
			}
			l.ready[i] <- b
			return nil
		})
	}
	return g.Wait()
}

// take waits for the batch of an input.
func (l *loader) take(ctx context.Context, i int, there *Batch) (*Batch, error) {
	if there != nil {
		return there, nil
	}
	select {
	case b := <-l.ready[i]:
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// folded gives way to the next batch.
func (l *loader) folded(i int, b *Batch) error {
	if l == nil || l.ready[i] == nil {
		return nil
	}
	<-l.slots
	if b.kept {
		return nil
	}
	return l.q.mem.add(-b.MemBytes())
}
