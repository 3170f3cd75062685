package local

import (
	"context"
	"errors"
	"testing"

	"github.com/tidemarkdb/tidemark/builder/cells"
)

// steps gives a number of parts, then err or the end, and notes which goroutine's turn it is.
type steps struct {
	left   int
	err    error
	inside chan struct{} // holds one while next runs
	asked  int
}

func (s *steps) next(context.Context) (cells.Part, error) {
	select {
	case s.inside <- struct{}{}:
		defer func() { <-s.inside }()
	default:
		return cells.Part{}, errors.New("two were in the source at once")
	}
	s.asked++
	if s.left == 0 {
		return cells.Part{}, s.err
	}
	s.left--
	return cells.Part{Cells: new(cells.Cells), To: s.asked}, nil
}

// L1, L3: with a thread and memory free or not, the same parts come in the same order, an error after those before it; what was
// made for nobody is given up, and threads and memory with it.
func TestAhead(t *testing.T) {
	w := newWorld(t, 1)
	for name, c := range map[string]struct {
		threads int
		taken   int64
	}{"a thread free": {2, 0}, "no thread": {1, 0}, "no memory": {2, 1 << 29}} {
		t.Run(name, func(t *testing.T) {
			e := w.engine(func(o *Options, _ *sizes) { o.Threads = c.threads })
			b := &build{e: e, cpu: make(chan struct{}, c.threads)}
			b.layout, _ = cells.NewLayout(w.cube, w.table)
			if c.taken > 0 && !e.mem.tryWork(c.taken) {
				t.Fatalf("no room for %d bytes", c.taken)
			}
			b.cpu <- struct{}{} // the caller's
			want := errors.New("broken")
			src := &steps{left: 5, err: want, inside: make(chan struct{}, 1)}
			a := &ahead{b: b, src: src}
			for i := 1; i <= 5; i++ {
				p, err := a.next(t.Context())
				if err != nil || p.To != i {
					t.Fatalf("part %d: got %d, %v", i, p.To, err)
				}
				if beside := a.coming != nil; beside != (name == "a thread free") {
					t.Errorf("part %d: the next one is made beside: %t", i, beside)
				}
			}
			if _, err := a.next(t.Context()); !errors.Is(err, want) {
				t.Errorf("after the last part: got %v, want %v", err, want)
			}
			src.left = 2
			if _, err := a.next(t.Context()); err != nil {
				t.Fatal(err)
			}
			a.stop()
			if now, _ := e.mem.used(); now != c.taken {
				t.Errorf("%d bytes are in use after the end, want %d", now, c.taken)
			}
		})
	}
}
