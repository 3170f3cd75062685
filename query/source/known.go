package source

import (
	"container/list"
	"context"
	"sync"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// snapshots keeps the last snapshot of each table and cube, and asks the catalog once for all who wait.
type snapshots struct {
	catalog Catalog
	limit   int
	m       *metrics

	mu    sync.Mutex // guards all below, and the entries
	known map[snapshotKey]*knownSnapshot
	used  list.List // of *knownSnapshot, the last used first
}

type snapshotKey struct{ table, cube string }

// knownSnapshot is one of a table and a cube. An answer serves those who came before its question was asked, nobody else (E2):
// whoever comes while one is under way waits for the next.
type knownSnapshot struct {
	key   snapshotKey
	place *list.Element
	turn  chan struct{} // capacity 1: one of those who wait asks for all of them
	last  *catalog.QuerySnapshot
	next  *asked // what they wait for; nil: nobody does
}

type asked struct {
	done    chan struct{}
	answer  *catalog.QuerySnapshot
	err     error
	stopped bool // whoever asked was cancelled: somebody else must ask
}

func newSnapshots(c Catalog, limit int, m *metrics) *snapshots {
	return &snapshots{catalog: c, limit: limit, m: m, known: map[snapshotKey]*knownSnapshot{}}
}

// read returns what the catalog says now.
func (s *snapshots) read(ctx context.Context, table, cube string) (*catalog.QuerySnapshot, error) {
	for {
		s.mu.Lock()
		k := s.of(snapshotKey{table, cube})
		if k.next == nil {
			k.next = &asked{done: make(chan struct{})}
		}
		mine := k.next
		s.mu.Unlock()
		select {
		case <-mine.done:
		case k.turn <- struct{}{}:
			func() {
				defer func() { <-k.turn }()
				s.ask(ctx, k) // mine, unless it is done already
			}()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if !mine.stopped || ctx.Err() != nil {
			return mine.answer, mine.err
		}
	}
}

// of returns an entry, making room for a new one.
func (s *snapshots) of(key snapshotKey) *knownSnapshot {
	if k := s.known[key]; k != nil {
		s.used.MoveToFront(k.place)
		return k
	}
	k := &knownSnapshot{key: key, turn: make(chan struct{}, 1)}
	k.place = s.used.PushFront(k)
	s.known[key] = k
	for len(s.known) > s.limit {
		s.forget(s.used.Back().Value.(*knownSnapshot))
	}
	return k
}

// forget drops an entry; whoever waits for it still gets the answer.
func (s *snapshots) forget(k *knownSnapshot) {
	if s.known[k.key] == k {
		s.used.Remove(k.place)
		delete(s.known, k.key)
	}
}

// ask serves those who wait.
func (s *snapshots) ask(ctx context.Context, k *knownSnapshot) {
	s.mu.Lock()
	mine, prev := k.next, k.last
	k.next = nil
	s.mu.Unlock()
	if mine == nil {
		return
	}
	mine.stopped = true
	defer close(mine.done) // also after a panic, for those who wait
	mine.answer, mine.err = s.catalog.QuerySnapshot(ctx, k.key.table, k.key.cube, prev)
	mine.stopped = mine.err != nil && ctx.Err() != nil
	state := "changed"
	switch {
	case mine.err != nil:
		state = "failed"
	case mine.answer == prev:
		state = "unchanged"
	}
	s.m.snapshots.WithLabelValues(state).Inc()
	s.mu.Lock()
	if mine.err == nil {
		k.last = mine.answer
	} else if k.last == nil && k.next == nil {
		s.forget(k) // a table or a cube that is not there
	}
	s.mu.Unlock()
}
