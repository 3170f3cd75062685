package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/server"
)

// X1: what the handler writes can be read before it has ended, and leaving ends the handler.
func TestMemoryStreams(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	more, ended := make(chan struct{}), make(chan error, 1)
	m := &memory{handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Test", "yes")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintln(w, "first")
		<-more
		var err error
		for err == nil {
			_, err = fmt.Fprintln(w, "more")
		}
		ended <- err
	})}
	resp, err := (&http.Client{Transport: m}).Get("http://localhost/x")
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 6)
	if _, err := io.ReadFull(resp.Body, line); err != nil || string(line) != "first\n" || resp.StatusCode != http.StatusTeapot || resp.Header.Get("X-Test") != "yes" {
		t.Errorf("got %q, %v, %d, %v", line, err, resp.StatusCode, resp.Header)
	}
	close(more)
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the handler ended with %v", err)
	}
	m.wait()
}

func TestMemoryGivesUpWithItsContext(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithCancel(t.Context())
	m := &memory{handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
		fmt.Fprintln(w, "too late")
	})}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: m}).Do(r)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	m.wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestMemoryAnswersWithoutABody(t *testing.T) {
	m := &memory{handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	resp, err := (&http.Client{Transport: m}).Get("http://localhost/x")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v", resp, err)
	}
	if b, err := io.ReadAll(resp.Body); len(b) != 0 || err != nil {
		t.Errorf("body %q, %v", b, err)
	}
	resp.Body.Close()
	m.wait()
}

// signalled runs interruptible with signals that come at once, and returns what was printed and the exit code asked for.
func signalled(t *testing.T, n int) (printed string, code int, ctx context.Context) {
	t.Helper()
	signals, exited := make(chan os.Signal, n), make(chan int, 1)
	for range n {
		signals <- syscall.SIGINT
	}
	var out bytes.Buffer
	a := &app{process: process{stderr: &out, signals: signals, exit: func(c int) { exited <- c }}}
	ctx, stop := a.interruptible(t.Context())
	<-ctx.Done()
	code = -1
	if n > 1 {
		code = <-exited
	}
	stop()
	return out.String(), code, ctx
}

func TestFirstSignalStopsCleanTheSecondAtOnce(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	out, code, ctx := signalled(t, 1)
	if !strings.Contains(out, "stopping") || code != -1 || !errors.Is(context.Cause(ctx), errInterrupted) {
		t.Errorf("one signal: %q, code %d, %v", out, code, context.Cause(ctx))
	}
	out, code, _ = signalled(t, 2)
	if !strings.Contains(out, "nothing is lost") || code != exitInterrupted {
		t.Errorf("two signals: %q, code %d, want %d (X2)", out, code, exitInterrupted)
	}
}

func TestReportChoosesTheExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{usage("x"), 2},
		{fmt.Errorf("outer: %w", usage("x")), 2},
		{&server.Error{Code: "bad_request", Message: "x"}, 2},
		{&server.Error{Code: "not_found", Message: "x"}, 1},
	} {
		for _, output := range []string{"text", "json"} {
			var out bytes.Buffer
			a := &app{process: process{stderr: &out}, output: output}
			if got := a.report(c.err); got != c.want {
				t.Errorf("%v: code %d, want %d", c.err, got, c.want)
			}
			var e server.ErrorBody
			if output == "json" && c.err != nil && (json.Unmarshal(out.Bytes(), &e) != nil || e.Error.Code == "") {
				t.Errorf("%v: printed %q, want an error in JSON", c.err, out.String())
			}
		}
	}
}

func TestMeterShowsTheRateOfTheLastSpan(t *testing.T) {
	at := time.Unix(1000, 0)
	var m meter
	m.line(at, ingest.Progress{Events: 1000, Bytes: 1e6, EventsPerSec: 500})
	got := m.line(at.Add(2*time.Second), ingest.Progress{Events: 3000, Bytes: 3e6, Lag: 5000, Files: 3, FileBytes: 2e6, Bad: 7, EventsPerSec: 600})
	want := "1000 events/s  1.0 MB/s  lag 5000  events 3000  files 3 (2.0 MB)  quarantined 7  ETA 5s"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got = m.line(at.Add(3*time.Second), ingest.Progress{Events: 3000, Bytes: 3e6, Lag: 5000}); strings.Contains(got, "ETA") || !strings.HasPrefix(got, "0 events/s") {
		t.Errorf("a stall: %s", got)
	}
}

func TestRemaining(t *testing.T) {
	for _, c := range []struct {
		lag  int64
		rate float64
		want time.Duration
	}{{0, 10, 0}, {10, 0, 0}, {10, 10, time.Second}, {1, 1e9, time.Second}, {90, 1, 90 * time.Second}, {1 << 62, 1e-9, 0}} {
		if got := remaining(c.lag, c.rate); got != c.want {
			t.Errorf("remaining(%d, %v) = %s, want %s", c.lag, c.rate, got, c.want)
		}
	}
}

func TestConsoleKeepsTheLiveLineBelow(t *testing.T) {
	var out bytes.Buffer
	c := &console{w: &out, live: true}
	c.replace("12 files")
	fmt.Fprintln(c, "a log line")
	c.replace("")
	want := "\r\r12 files" + "\r        \r" + "a log line\n" + "12 files" + "\r        \r"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestPlainStatusIsNotShownTooOften(t *testing.T) {
	var out bytes.Buffer
	at := time.Unix(0, 0)
	s := &status{c: &console{w: &out}, every: 5 * time.Second, last: at}
	for i := range 12 {
		if now := at.Add(time.Duration(i) * time.Second); s.due(now) {
			s.say(now, fmt.Sprint(i))
		}
	}
	s.end()
	if out.String() != "5\n10\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestTextForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1_500_000: "1.5 MB", 1 << 62: "4.6 EB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %s, want %s", n, got, want)
		}
	}
	for n, want := range map[float64]string{0: "0", 9999: "9999", 12_345: "12.3k", 2e6: "2.0M", 3e9: "3.0G"} {
		if got := countText(n); got != want {
			t.Errorf("countText(%v) = %s, want %s", n, got, want)
		}
	}
	for in, want := range map[string]string{"plain": "plain", "a\nb\x1b[31m": `a\nb\x1b[31m`, `say "x"`: `say "x"`, "é": "é"} {
		if got := oneLine(in); got != want {
			t.Errorf("oneLine(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestUsedSoFarIsPlausible(t *testing.T) {
	u, err := usedSoFar()
	if err != nil || u.CPUSeconds <= 0 || u.PeakRSSBytes < 1<<20 {
		t.Errorf("got %+v, %v", u, err)
	}
}
