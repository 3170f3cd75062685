package local

import (
	"context"

	"github.com/tidemarkdb/tidemark/builder/cells"
)

// ahead has the next cells of a merge made while those before them are framed and encoded, where a thread and memory are free:
// while a base cuboid is merged there is nothing else to do. What comes, and in which order, is the same without it (L1).
type ahead struct {
	b      *build
	src    source
	coming chan made // nil: nothing is being made
}

type made struct {
	part cells.Part
	err  error
}

func (a *ahead) next(ctx context.Context) (cells.Part, error) {
	var m made
	if a.coming != nil {
		m = a.take()
	} else {
		m.part, m.err = a.src.next(ctx)
	}
	if m.err == nil && m.part.Cells != nil {
		a.begin(ctx)
	}
	return m.part, m.err
}

// begin has the next cells made by another thread.
func (a *ahead) begin(ctx context.Context) {
	select {
	case a.b.cpu <- struct{}{}:
	default:
		return
	}
	if !a.b.e.mem.tryWork(a.room()) {
		<-a.b.cpu
		return
	}
	out := make(chan made, 1)
	a.coming = out
	go func() {
		var m made
		m.part, m.err = a.src.next(ctx)
		<-a.b.cpu
		out <- m
	}()
}

// room is about what cells take that wait to be asked for.
func (a *ahead) room() int64 { return a.b.rowBytes(a.b.e.size.stepRows) }

func (a *ahead) take() made {
	m := <-a.coming
	a.coming = nil
	a.b.e.mem.worked(a.room())
	return m
}

// stop waits for what is being made, which reads the sources.
func (a *ahead) stop() {
	if a.coming != nil {
		a.take()
	}
}
