package source

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// slowCatalog answers each question when it is told to.
type slowCatalog struct {
	Catalog
	mu    sync.Mutex
	asked int
	go1   chan error
}

func (c *slowCatalog) QuerySnapshot(ctx context.Context, table, cubeID string, prev *catalog.QuerySnapshot) (*catalog.QuerySnapshot, error) {
	c.mu.Lock()
	c.asked++
	n := c.asked
	c.mu.Unlock()
	select {
	case err := <-c.go1:
		if err != nil {
			return nil, err
		}
		return &catalog.QuerySnapshot{TableID: table, CubeID: cubeID, Change: int64(n)}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// E2: one question serves all who wait for it, and nobody who came after it was asked. Whoever asks for others and is cancelled
// leaves it to them.
func TestQuestionsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &slowCatalog{go1: make(chan error)}
		s := newSnapshots(c, 2, testMetrics(t))
		var wg sync.WaitGroup
		ask := func(ctx context.Context, n int, least int64, want error) {
			for range n {
				wg.Go(func() {
					q, err := s.read(ctx, "t", "c")
					if !errors.Is(err, want) || (err == nil && q.Change < least) {
						t.Errorf("got %+v, %v; want a question from %d on, %v", q, err, least, want)
					}
				})
			}
			synctest.Wait()
		}
		first, cancel := context.WithCancel(t.Context())
		ask(first, 1, 1, context.Canceled) // asks question 1
		ask(t.Context(), 5, 2, nil)        // wait for the next
		cancel()
		synctest.Wait()
		if c.asked != 2 {
			t.Fatalf("%d questions, want 2", c.asked)
		}
		ask(t.Context(), 5, 3, nil) // came after question 2 was asked
		c.go1 <- nil
		synctest.Wait()
		c.go1 <- nil
		synctest.Wait()
		wg.Wait()
		if c.asked != 3 {
			t.Errorf("%d questions for those, want 3", c.asked)
		}
		broken := errors.New("broken")
		ask(t.Context(), 1, 0, broken)
		c.go1 <- broken
		wg.Wait()
	})
}

// E5: no more snapshots are kept than the limit, nor any of what is not there.
func TestSnapshotsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &slowCatalog{go1: make(chan error, 1)}
		s := newSnapshots(c, 3, testMetrics(t))
		for i := range 10 {
			c.go1 <- nil
			if _, err := s.read(t.Context(), fmt.Sprint(i), ""); err != nil {
				t.Fatal(err)
			}
		}
		c.go1 <- catalog.ErrNotFound
		if _, err := s.read(t.Context(), "none", ""); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
		if len(s.known) > 3 || s.used.Len() != len(s.known) || s.known[snapshotKey{"9", ""}] == nil || s.known[snapshotKey{"none", ""}] != nil {
			t.Errorf("%d are kept, %d in the list, want at most 3 with the last one", len(s.known), s.used.Len())
		}
	})
}
