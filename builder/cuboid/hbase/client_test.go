package hbase

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tsuna/gohbase"
	"github.com/tsuna/gohbase/hrpc"
)

// fakeClient knows whether it is closed, and reports each call that is made, or comes to its end, after that.
type fakeClient struct {
	gohbase.Client
	closed atomic.Bool
	late   *atomic.Int64
	calls  *atomic.Int64
	during func() // in the middle of each call
}

func (c *fakeClient) call() {
	c.calls.Add(1)
	if c.closed.Load() {
		c.late.Add(1)
	}
	c.during()
	if c.closed.Load() {
		c.late.Add(1)
	}
}

func (c *fakeClient) Put(*hrpc.Mutate) (*hrpc.Result, error) {
	c.call()
	return &hrpc.Result{}, nil
}

func (c *fakeClient) Scan(*hrpc.Scan) hrpc.Scanner { return fakeScanner{c} }

func (c *fakeClient) Close() {
	if c.closed.Swap(true) {
		c.late.Add(1) // closed twice
	}
}

// fakeScanner has no rows.
type fakeScanner struct{ c *fakeClient }

func (s fakeScanner) Next() (*hrpc.Result, error) {
	s.c.call()
	return nil, io.EOF
}

func (s fakeScanner) Close() error {
	s.c.call()
	return nil
}

// A client is never closed while a call is under way on it, whoever renews it, and none is left open but the last.
func TestRenewWhileUsed(t *testing.T) {
	const users, rounds = 8, 200
	var late, calls atomic.Int64
	var mu sync.Mutex
	var made []*fakeClient
	var c *cluster
	c = &cluster{puts: 2, clients: newClients(func() gohbase.Client {
		f := &fakeClient{late: &late, calls: &calls}
		f.during = func() {
			if calls.Load()%3 == 0 {
				c.clients.renew() // by another caller, in the middle of this one's call
			}
		}
		mu.Lock()
		defer mu.Unlock()
		made = append(made, f)
		return f
	})}
	var wg sync.WaitGroup
	for range users {
		wg.Go(func() {
			for range rounds {
				rest, err := c.put(t.Context(), "t", []row{{[]byte("a"), []byte("x")}, {[]byte("b"), nil}})
				_, listed := c.tables(t.Context(), "t")
				err = errors.Join(err, listed, c.scan(t.Context(), "t", []byte("a"), []byte("b"), func(row) error { return nil }))
				if err != nil || len(rest) > 0 {
					t.Errorf("%d rows are left: %v", len(rest), err)
				}
			}
		})
	}
	wg.Wait()
	open := 0
	for _, f := range made {
		if !f.closed.Load() {
			open++
		}
	}
	if late.Load() > 0 || open != 1 || len(made) < 100 {
		t.Errorf("%d calls on closed clients, %d of %d clients are open; want none, 1, and at least 100 made", late.Load(), open, len(made))
	}
	c.clients.close()
	c.clients.renew()
	if last := made[len(made)-1]; !last.closed.Load() || c.clients.now.Client != gohbase.Client(last) {
		t.Error("after close there is an open client")
	}
}
