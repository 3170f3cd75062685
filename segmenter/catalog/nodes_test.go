package catalog

import (
	"testing"
	"time"
)

// Clocks of machines may be a day apart: who lives is told by the task clock while anybody moves it, and by whoever watches.
func TestWhoLives(t *testing.T) {
	const day, long, short = 24 * time.Hour, 2 * NodeSilence, NodeSilence - 1
	now := time.Date(2026, 1, 31, 6, 0, 0, 0, time.UTC)
	node := func(clock, quiet time.Duration, roles ...string) Node {
		return Node{Roles: roles, SeenUs: now.Add(clock).UnixMicro(), SilentUs: quiet.Microseconds()}
	}
	decides, reads, dead := node(0, 0, "schedule"), node(0, 0, "ingest"), node(-long, 0)
	for name, c := range map[string]struct {
		node, other Node
		stood       time.Duration // since it was seen first; below 0: it is looked for the first time
		lives       bool
	}{
		"behind, and lives":                       {node(-day, 0, "build"), decides, -1, true},
		"behind, and is dead":                     {node(-day, long, "build"), decides, -1, false},
		"ahead, and lives":                        {node(day, 0, "build"), decides, -1, true},
		"ahead, and is dead":                      {node(day, long, "build"), decides, -1, false},
		"all are dead, the task clock stands":     {node(-long, 0), dead, -1, false},
		"only a reader lives, likewise":           {node(-long, 0), reads, -1, false},
		"two readers, one a day ahead":            {node(day, 0, "ingest"), reads, -1, true},
		"a reader, a day behind, and watched":     {node(-day, 0, "ingest"), reads, short, true},
		"a reader, watched, stands still":         {node(0, 0, "ingest"), reads, NodeSilence, false},
		"dead by the task clock, not yet watched": {node(0, NodeSilence, "ingest"), reads, 0, false},
	} {
		var since time.Time
		if c.stood >= 0 {
			since = now.Add(-c.stood)
		}
		if got := c.node.Live([]Node{c.node, c.other}, now, since); got != c.lives {
			t.Errorf("%s: lives is %t, want %t", name, got, c.lives)
		}
	}
}

func TestNodeRoles(t *testing.T) {
	if n := (Node{Roles: []string{"ingest"}}); !n.Has("ingest") || n.Has("build") {
		t.Errorf("%v: has ingest %t, build %t; want true, false", n.Roles, n.Has("ingest"), n.Has("build"))
	}
	if n := (Node{}); !n.Has("build") {
		t.Error("a process that names no role lacks build, want all")
	}
}
