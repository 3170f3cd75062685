//go:build e2e

package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// soakBatch page views are sent every soakEvery: 2,000 a second.
const (
	soakBatch = 400
	soakEvery = 200 * time.Millisecond
)

// covers is what an answer counts: the end of each partition's offsets, and the events below.
type covers struct {
	ends   []int64
	events int64
}

// soak asks statements of a process that is killed now and then.
type soak struct {
	*cubed
	last    covers // of the process that lives
	best    covers // the furthest of all
	answers int
	kills   int
}

// Real Kafka, S3 and PostgreSQL; page views come in all the while, statements are asked all the while, and the process is
// killed at random times. No answer counts an offset twice or not at all, none goes back while the process lives, and in the
// end everything that was sent is there once.
func TestE2ESoak(t *testing.T) {
	load, kills := time.Duration(testkit.Rounds(60, 600))*time.Second, testkit.Rounds(3, 10)
	flags := []string{"--store", testkit.S3(t), "--catalog", testkit.Postgres(t)}
	s := &soak{cubed: newCubed(t, place{flags: flags, staging: "{roll: {rows: 20000, age: 2s}}"},
		"cut: {age: 3s, rows: 20000}\nmerge: {budget: [{segments: 5}]}\nmax_jobs: 2\n")}
	ctx, stop := context.WithCancel(t.Context())
	sent, send := make(chan struct{}), s.sender(s.random.Uint64())
	go func() {
		defer close(sent)
		produceSteadily(ctx, send)
	}()
	at := make([]time.Duration, kills) // of the load's time
	for i := range at {
		at[i] = time.Duration(s.random.Int64N(int64(load)))
	}
	slices.Sort(at)
	began := time.Duration(0)
	for _, end := range at {
		s.live(end-began, true)
		began = end
	}
	s.live(load-began, false)
	stop()
	<-sent
	s.quiet()
	s.merged()
	s.quiet()
	for _, sql := range []string{byCountry, byCountry} { // made, and kept
		out, err := s.query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		s.right(out)
	}
	if s.best.events > s.sums.Events {
		t.Errorf("an answer counted %d events, %d were sent", s.best.events, s.sums.Events)
	}
	list := s.tiled()
	t.Logf("killed %d times at %v while %d records came in; %d answers, %d segments", s.kills, at, s.sent.Load(), s.answers, len(list))
	s.end()
	s.verify()
	s.proved(len(list), 0)
}

// produceSteadily sends until ctx ends.
func produceSteadily(ctx context.Context, send func(int)) {
	tick := time.NewTicker(soakEvery)
	defer tick.Stop()
	for {
		send(soakBatch)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// live starts a process and asks it statements for a time; then it is killed, in the middle of a statement or not.
func (s *soak) live(life time.Duration, kill bool) {
	s.t.Helper()
	s.start()
	s.last = covers{}
	over, ctx, cancel := new(atomic.Bool), s.t.Context(), func() {}
	if kill {
		timer := time.AfterFunc(life, func() {
			over.Store(true)
			s.p.Kill()
		})
		defer timer.Stop()
	} else {
		ctx, cancel = context.WithTimeout(ctx, life)
	}
	defer cancel()
	for !s.t.Failed() {
		err := s.statements(ctx)
		switch {
		case over.Load():
			s.p.Wait()
			s.kills++
			return
		case ctx.Err() != nil:
			return
		case err != nil:
			s.t.Errorf("a statement, while the process lives: %v", err)
		}
	}
}

// statements asks for counts in two ways, and compares them with the offsets that they cover.
func (s *soak) statements(ctx context.Context) error {
	for _, sql := range []string{"SELECT count(*) FROM pageviews", "SELECT count(*), count(DISTINCT visitor_id) FROM pageviews"} {
		out, err := s.query(ctx, sql)
		if err != nil {
			return err
		}
		if err := s.counted(out); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

func (s *soak) counted(out queried) error {
	if len(out.Rows) != 1 || len(out.Tables) != 1 {
		return fmt.Errorf("the answer has %d rows of %d tables", len(out.Rows), len(out.Tables))
	}
	n, t := int64(out.Rows[0][0].(float64)), out.Tables[0]
	now, offsets := covers{events: n}, int64(0)
	for _, o := range t.Offsets {
		now.ends = append(now.ends, o.End)
		offsets += o.End - o.Start
	}
	s.answers++
	switch {
	case n != t.Events || n+t.Quarantined != offsets || t.Partial:
		return fmt.Errorf("%d events and %d quarantined of %d offsets; the answer says that it covers %d events, partial: %t", n, t.Quarantined, offsets, t.Events, t.Partial)
	case n < s.last.events:
		return fmt.Errorf("%d events up to %v, after %d up to %v", n, now.ends, s.last.events, s.last.ends)
	case behind(s.best, now) && n < s.best.events:
		return fmt.Errorf("%d events up to %v; before a kill there were %d up to %v", n, now.ends, s.best.events, s.best.ends)
	case slices.Equal(s.best.ends, now.ends) && n != s.best.events:
		return errors.New("two answers over the same offsets differ")
	}
	s.last = now
	if n > s.best.events {
		s.best = now
	}
	return nil
}

// behind reports whether b covers all that a covers.
func behind(a, b covers) bool {
	if len(a.ends) > len(b.ends) {
		return false
	}
	for p, end := range a.ends {
		if b.ends[p] < end {
			return false
		}
	}
	return true
}

// The demo at 5,000 page views a second for ten minutes stays below 512 MiB; the peak is logged.
func TestE2ESoakDemo(t *testing.T) {
	if !testkit.Soak() {
		t.Skip("TIDEMARK_TEST_SOAK is not set (make soak sets it): ten minutes")
	}
	const limit = 512 // MiB
	c := &cubed{site: &site{t: t, data: filepath.Join(t.TempDir(), "demo")}}
	p := testkit.Start(t, testkit.Command{Args: c.args("demo", "--rate", "5000", "--duration", "10m", "--http", "127.0.0.1:0", "-o", "json")})
	p.WaitLine(`tidemark demo: `)
	var done struct {
		Sent, Committed int64
		OK              bool
		PeakRSSBytes    int64 `json:"peak_rss_bytes"`
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for !p.Ended() { // longer than Output waits
		<-tick.C
	}
	out, code := p.Output()
	if err := json.Unmarshal([]byte(out), &done); err != nil {
		t.Fatalf("exit code %d, %v in %q", code, err, out)
	}
	peak := done.PeakRSSBytes >> 20
	if code != 0 || !done.OK || peak == 0 || peak > limit {
		t.Errorf("exit code %d, peak memory %d MiB; want 0 and at most %d MiB", code, peak, limit)
	}
	t.Logf("peak memory %d MiB, sent %d, committed %d", peak, done.Sent, done.Committed)
}
