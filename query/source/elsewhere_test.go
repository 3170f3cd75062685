package source

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// nodesCatalog says which processes there are.
type nodesCatalog struct {
	Catalog
	mu    sync.Mutex
	asked int
	nodes []catalog.Node
	err   error
}

func (c *nodesCatalog) Nodes(context.Context) ([]catalog.Node, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	return c.nodes, c.err
}

func (c *nodesCatalog) set(err error, nodes ...catalog.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes, c.err = nodes, err
}

func (c *nodesCatalog) times() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, c.asked = c.asked, 0
	return n
}

func owned(by ...string) *catalog.QuerySnapshot {
	s := new(catalog.QuerySnapshot)
	for i, owner := range by {
		s.Partitions = append(s.Partitions, catalog.PartitionInfo{Partition: int32(i), Owner: owner, Address: "at-" + owner})
	}
	return s
}

// E8: partitions of others are named, those of this process and of nobody are not; and who works alone asks nothing.
func TestElsewhere(t *testing.T) {
	c := &nodesCatalog{nodes: []catalog.Node{{Name: "me"}, {Name: "a"}, {Name: "b"}}}
	for _, x := range []struct {
		self   string
		owners []string
		want   []Elsewhere
		asked  int
	}{
		{"", []string{"a", "b"}, nil, 0},
		{"me", []string{"me", "", "me"}, nil, 0},
		{"me", nil, nil, 0},
		{"me", []string{"a", "me", "", "b"}, []Elsewhere{{0, "a", "at-a"}, {3, "b", "at-b"}}, 1},
		{"me", []string{"unknown"}, []Elsewhere{{0, "unknown", "at-unknown"}}, 1},
	} {
		got := newOwners(c, x.self).elsewhere(t.Context(), owned(x.owners...))
		if d := cmp.Diff(x.want, got); d != "" {
			t.Errorf("%q of %q (-want +got):\n%s", x.self, x.owners, d)
		}
		if n := c.times(); n != x.asked {
			t.Errorf("%q of %q: the catalog was asked %d times, want %d", x.self, x.owners, n, x.asked)
		}
	}
}

// E8: a process lives while its heartbeat moves on, whatever its clock shows, and is dead a minute after the last.
func TestElsewhereOfTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &nodesCatalog{}
		o := newOwners(c, "me")
		marked := func(want bool, when string) {
			t.Helper()
			if got := len(o.elsewhere(t.Context(), owned("a"))) > 0; got != want {
				t.Errorf("%s: marked %t, want %t", when, got, want)
			}
		}
		wrong := time.Now().Add(-24 * time.Hour).UnixMicro() // its clock is a day off
		for range 10 {
			c.set(nil, catalog.Node{Name: "a", SeenUs: wrong})
			marked(true, "while it beats")
			time.Sleep(10 * time.Second)
			wrong += 10e6
		}
		for range 4 {
			time.Sleep(10 * time.Second)
			marked(true, "while it may beat yet")
		}
		time.Sleep(11 * time.Second)
		marked(false, "61s after its last beat")
		c.set(nil, catalog.Node{Name: "a", SeenUs: wrong, SilentUs: 5})
		time.Sleep(ownersEvery)
		marked(true, "back again")
		c.set(nil, catalog.Node{Name: "a", SeenUs: wrong, SilentUs: catalog.NodeSilence.Microseconds()})
		time.Sleep(ownersEvery)
		marked(false, "silent by the clock of tasks")
		c.set(errors.New("gone"), catalog.Node{})
		time.Sleep(time.Hour)
		marked(false, "known to be dead while the catalog does not answer")
		o = newOwners(c, "me")
		marked(true, "not known while the catalog does not answer")
	})
}

// E8: while the catalog is away nobody can leave a heartbeat there: who is as old as the outage when it is back may live.
func TestElsewhereAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := catalog.Node{Name: "a", SeenUs: time.Now().UnixMicro()}
		c := &nodesCatalog{nodes: []catalog.Node{a}}
		o := newOwners(c, "me")
		marked := func(want bool, when string) {
			t.Helper()
			if got := len(o.elsewhere(t.Context(), owned("a"))) > 0; got != want {
				t.Errorf("%s: marked %t, want %t", when, got, want)
			}
		}
		marked(true, "at first")
		c.set(errors.New("gone"))
		for range 61 {
			time.Sleep(ownersEvery)
			marked(true, "while the catalog is away")
		}
		c.set(nil, a)
		for range 59 {
			time.Sleep(ownersEvery)
			marked(true, "the catalog is back")
		}
		time.Sleep(2 * ownersEvery)
		marked(false, "it had a minute to beat since")
	})
}

// E8: where statements are rare, the second one that finds a heartbeat where it was a minute ago takes its process for dead.
func TestElsewhereOfRareStatements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &nodesCatalog{nodes: []catalog.Node{{Name: "a", SeenUs: time.Now().UnixMicro()}}}
		o := newOwners(c, "me")
		for i, want := range []bool{true, true, false, false} {
			if got := len(o.elsewhere(t.Context(), owned("a"))) > 0; got != want {
				t.Errorf("after %d minutes: marked %t, want %t", i, got, want)
			}
			time.Sleep(time.Minute)
		}
	})
}

// The catalog is asked once a second for all statements.
func TestElsewhereIsAskedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &nodesCatalog{nodes: []catalog.Node{{Name: "a"}}}
		o := newOwners(c, "me")
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 100 {
					if len(o.elsewhere(t.Context(), owned("a", "me"))) != 1 {
						t.Error("not marked")
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if n := c.times(); n != 10 {
			t.Errorf("asked %d times in 10s, want 10", n)
		}
	})
}
