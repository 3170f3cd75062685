//go:build e2e

package main_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// slowLine passes bytes to a server, until they are held: then nothing comes back.
type slowLine struct {
	ln     net.Listener
	target string

	mu    sync.Mutex
	open  map[net.Conn]bool
	held  chan struct{} // not nil: answers wait until it is closed
	ended bool
}

// newSlowLine returns a line to a store, and the store's address through it.
func newSlowLine(t *testing.T, store string) (*slowLine, string) {
	t.Helper()
	u, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	end, err := url.Parse(q.Get("endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &slowLine{ln: ln, target: end.Host, open: map[net.Conn]bool{}}
	end.Host = ln.Addr().String()
	q.Set("endpoint", end.String())
	u.RawQuery = q.Encode()
	var all sync.WaitGroup
	all.Go(func() { l.accept(&all) })
	t.Cleanup(func() {
		l.close()
		all.Wait()
	})
	return l, u.String()
}

func (l *slowLine) accept(all *sync.WaitGroup) {
	for {
		client, err := l.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", l.target)
		if err != nil {
			client.Close()
			continue
		}
		l.mu.Lock()
		if l.ended {
			client.Close()
			server.Close()
		}
		l.open[client], l.open[server] = true, true
		l.mu.Unlock()
		pass := func(to, from net.Conn, held bool) {
			_, _ = io.Copy(to, pipe{from, l, held}) // it ends with either of them
			to.Close()
			from.Close()
		}
		all.Go(func() { pass(server, client, false) })
		all.Go(func() { pass(client, server, true) })
	}
}

// pipe is a connection whose bytes wait while the line is held.
type pipe struct {
	net.Conn
	l    *slowLine
	held bool
}

func (c pipe) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.held {
		c.l.mu.Lock()
		held := c.l.held
		c.l.mu.Unlock()
		if held != nil {
			<-held
		}
	}
	return n, err
}

func (l *slowLine) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = make(chan struct{})
}

// goOn lets the bytes pass again.
func (l *slowLine) goOn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held != nil {
		close(l.held)
		l.held = nil
	}
}

// cut breaks all connections.
func (l *slowLine) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		c.Close()
	}
	clear(l.open)
}

func (l *slowLine) close() {
	l.ln.Close()
	l.goOn()
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.cut()
}

// The store does not answer: a statement ends with its time-out and says so. Its connections break in mid-answer: it is tried
// again. The next statement is right.
func TestE2EQuerySlowStore(t *testing.T) {
	l, store := newSlowLine(t, testkit.S3(t))
	const limit = 3 * time.Second
	c := newCubed(t, place{flags: []string{"--store", store}, staging: "{roll: {rows: 5000, age: 1s}}"}, byHand)
	serve := func() {
		t.Helper()
		c.p = testkit.Start(t, testkit.Command{Args: c.args("serve", "--brokers", c.brokers, "--http", "127.0.0.1:0", "--query-timeout", limit.String()), Env: c.env})
		c.url = c.p.WaitLine(`tidemark serves (http://\S+),`)[1]
		testkit.WaitHTTP(t, c.url+"/healthz")
	}
	serve()
	c.built(3)
	c.end()
	serve() // nothing is kept of what was read
	l.hold()
	for _, sql := range []string{byCountry, "SELECT page_url, count(*) FROM pageviews WHERE latency_ms > 3 GROUP BY page_url"} {
		began := time.Now()
		_, err := c.query(t.Context(), sql)
		if err == nil || !strings.Contains(err.Error(), "took longer than 3s") {
			t.Errorf("%s, while the store does not answer: %v, want that it took longer than 3s", sql, err)
		}
		if took := time.Since(began); took > 20*limit {
			t.Errorf("%s: an error after %s, want one after %s", sql, took, limit)
		}
	}
	l.goOn()
	ask := func(ctx context.Context) error {
		out, err := c.query(ctx, byCountry)
		if err == nil {
			c.right(out)
		}
		return err
	}
	testkit.Until(t, "statements are answered again", ask)
	c.end()
	serve()
	done := make(chan error, 1)
	go func() { done <- ask(t.Context()) }()
	for range 20 {
		l.cut()
	}
	if err := <-done; err != nil {
		t.Error(fmt.Errorf("while connections break: %w", err))
	}
	testkit.Until(t, "statements are answered again", ask)
	c.end()
}
