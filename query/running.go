package query

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Running is a statement that runs, or has run.
type Running struct {
	ID      int64
	Project string
	SQL     string // at most maxShown bytes of it
	Started time.Time
	Took    time.Duration // so far, or in all
	State   string        // running, finished, failed, cancelled or killed
	Problem string        // of one that did not finish
	Rows    int64         // of the answer so far
	From    string        // cubes, events, both or nothing, once that is known
	Blocks  []BlockReport // once they are answered
}

// maxShown is how much of a statement is kept to be shown.
const maxShown = 4 << 10

// KilledError says that a statement was ended by somebody else.
type KilledError struct{ By string }

func (e *KilledError) Error() string { return "the statement was ended by " + e.By }

// history knows the statements that run, and the last ones that have ended.
type history struct {
	keep int

	mu      sync.Mutex
	next    int64
	running map[int64]*statement
	ended   []Running // a ring: the oldest is at first
	first   int
}

// statement is one that runs.
type statement struct {
	Running
	kill     context.CancelCauseFunc
	internal bool
}

func newHistory(keep int) *history { return &history{keep: keep, running: map[int64]*statement{}} }

// begin notes a statement and returns its number.
func (h *history) begin(r Request, kill context.CancelCauseFunc) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next++
	h.running[h.next] = &statement{Running{ID: h.next, Project: shown(r.Project), SQL: shown(r.SQL), Started: time.Now(), State: "running"}, kill, r.Internal}
	return h.next
}

// note changes what is known of a running statement.
func (h *history) note(id int64, change func(*Running)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r, ok := h.running[id]; ok {
		change(&r.Running)
	}
}

// end takes a statement to the ended ones, and returns what is known of it.
func (h *history) end(id int64, state, problem string) (Running, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.running[id]
	if !ok {
		return Running{}, false
	}
	delete(h.running, id)
	r.Took, r.State, r.Problem = time.Since(r.Started), state, problem
	switch {
	case r.internal:
	case len(h.ended) < h.keep:
		h.ended = append(h.ended, r.Running)
	default:
		h.ended[h.first] = r.Running
		h.first = (h.first + 1) % h.keep
	}
	return r.Running, true
}

// list returns what runs, then what has ended, the newest first of each.
func (h *history) list() (running, ended []Running) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for r := range maps.Values(h.running) {
		if r.internal {
			continue
		}
		x := r.Running
		x.Took = time.Since(x.Started)
		running = append(running, x)
	}
	slices.SortFunc(running, func(a, b Running) int { return cmp.Compare(b.ID, a.ID) })
	for i := range h.ended {
		ended = append(ended, h.ended[(h.first+i)%len(h.ended)])
	}
	slices.Reverse(ended)
	return running, ended
}

// Statements lists what runs, and the last ones that have ended, the newest first of each; none that are internal.
func (e *Engine) Statements() (running, ended []Running) { return e.history.list() }

// Kill ends a running statement; by is shown to whoever asked it. ErrNotRunning: none has this number.
func (e *Engine) Kill(id int64, by string) error {
	e.history.mu.Lock()
	defer e.history.mu.Unlock()
	r, ok := e.history.running[id]
	if !ok {
		return fmt.Errorf("statement %d: %w", id, ErrNotRunning)
	}
	r.kill(&KilledError{by})
	return nil
}
