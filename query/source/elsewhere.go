package source

import (
	"context"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Elsewhere is a partition that another process reads: what it has read and not yet staged is in its memory only.
type Elsewhere struct {
	Partition int32
	Owner     string // the process
	Address   string // host:port where it is asked; may be empty
}

// owners knows which processes live. A snapshot says who reads a partition, but whoever was killed stays named there.
type owners struct {
	catalog Catalog
	self    string // "": nobody else works on the catalog

	turn     chan struct{} // capacity 1: guards all below
	asked    time.Time
	answered time.Time        // when it last was
	known    map[string]heard // never changed, only replaced
}

// heard is when a process was last heard of by this one's clock: other machines' clocks may be wrong.
type heard struct {
	seenUs int64
	at     time.Time
	spared bool // at is when nothing had been heard for long, and not when the heartbeat moved
	dead   bool
}

// ownersEvery is how often the catalog is asked for processes at most, and only for snapshots in which others read; and how long
// a statement waits for that.
const ownersEvery = time.Second

// deafAfter is how long nothing may have been heard until a heartbeat that stood still says nothing of who lives: while the catalog
// was away nobody could leave one there.
const deafAfter = catalog.NodeSilence / 2

func newOwners(c Catalog, self string) *owners {
	return &owners{catalog: c, self: self, turn: make(chan struct{}, 1)}
}

// elsewhere lists the partitions of a snapshot that other processes read, ascending (E8).
func (o *owners) elsewhere(ctx context.Context, s *catalog.QuerySnapshot) (list []Elsewhere) {
	if o.self == "" {
		return nil
	}
	for i := range s.Partitions {
		if p := &s.Partitions[i]; p.Owner != "" && p.Owner != o.self {
			list = append(list, Elsewhere{p.Partition, p.Owner, p.Address})
		}
	}
	if len(list) == 0 {
		return nil
	}
	known := o.listen(ctx)
	return slices.DeleteFunc(list, func(e Elsewhere) bool { return known[e.Owner].dead })
}

// listen returns what is known of processes. One that the catalog does not list, and all while it does not answer, count as alive:
// a mark too many does less harm than one that is missing.
func (o *owners) listen(ctx context.Context) map[string]heard {
	select {
	case o.turn <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	defer func() { <-o.turn }()
	now := time.Now()
	if !o.asked.IsZero() && now.Sub(o.asked) < ownersEvery {
		return o.known
	}
	limited, cancel := context.WithTimeout(ctx, ownersEvery)
	defer cancel()
	if nodes, err := o.catalog.Nodes(limited); err == nil {
		o.known, o.answered = hear(o.known, nodes, now, now.Sub(o.answered) >= deafAfter), now
	}
	o.asked = time.Now() // after the call: who waits behind one that took long must not ask at once
	return o.known
}

// hear brings what is known up to date. A process lives while its heartbeat moves on; the clock of tasks says so of those that were
// never heard before.
func hear(known map[string]heard, nodes []catalog.Node, now time.Time, deaf bool) map[string]heard {
	next := make(map[string]heard, len(nodes))
	for _, n := range nodes {
		h, ok := known[n.Name]
		switch {
		case !ok || h.seenUs != n.SeenUs:
			h = heard{seenUs: n.SeenUs, at: now}
		case deaf && !h.spared: // once: where statements are rare it always is
			h.at, h.spared = now, true
		}
		h.dead = !n.Live(nodes, now, h.at) || !n.Has("ingest") // it reads no longer
		next[n.Name] = h
	}
	return next
}
