//go:build synctests

package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/tidemarkdb/tidemark/ingest"
)

// told keeps what is logged.
type told struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *told) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// since returns what was logged since the last call.
func (l *told) since() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.String()
	l.text.Reset()
	return text
}

// watched runs a watch over the given brokers until stop is called.
func watched(t *testing.T, net *kfake.VirtualNetwork, brokers []string, opts ...kgo.Opt) (w *ingest.Watch, lines *told, stop func()) {
	t.Helper()
	log, err := ingest.NewLog(append(opts, kgo.SeedBrokers(brokers...), kgo.Dialer(net.DialContext)))
	if err != nil {
		t.Fatal(err)
	}
	lines = new(told)
	w = ingest.NewWatch(log, slog.New(slog.NewTextHandler(lines, nil)))
	if err := w.Status(); !errors.Is(err, ingest.ErrNotAsked) {
		t.Errorf("before the first look: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	return w, lines, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
		log.Close()
	}
}

// Brokers that say nothing are told of within 5 s of the start, and again each minute; the one that comes later is seen by
// itself, though the first of those that were named stays silent.
func TestSimWatchTellsOfSilentBrokersAndOfTheirReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := new(kfake.VirtualNetwork)
		silent, err := net.Listen("tcp", "127.0.0.1:1") // nobody accepts
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		second, err := net.Listen("tcp", "127.0.0.1:2")
		if err != nil {
			t.Fatal(err)
		}
		w, lines, stop := watched(t, net, []string{"127.0.0.1:1", "127.0.0.1:2"})
		defer stop()
		time.Sleep(5 * time.Second)
		const want = "no answer within 4s"
		if got := lines.since(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "127.0.0.1:1,127.0.0.1:2") || !strings.Contains(got, want) {
			t.Errorf("told after 5s: %q", got)
		}
		if err := w.Status(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("status %v", err)
		}
		time.Sleep(50 * time.Second)
		if got := lines.since(); got != "" {
			t.Errorf("told again within a minute: %q", got)
		}
		time.Sleep(20 * time.Second)
		if got := lines.since(); strings.Count(got, want) != 1 {
			t.Errorf("told after another minute: %q, want once", got)
		}
		second.Close()
		broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(2), kfake.ListenFn(net.Listen))
		if err != nil {
			t.Fatal(err)
		}
		defer broker.Close()
		time.Sleep(10 * time.Second)
		if got := lines.since(); strings.Count(got, "brokers answer again") != 1 || strings.Contains(got, "WARN") {
			t.Errorf("told once one answers: %q", got)
		}
		time.Sleep(5 * time.Minute)
		if got := lines.since(); got != "" {
			t.Errorf("told while one answers: %q", got)
		}
		if err := w.Status(); err != nil {
			t.Errorf("one answers: %v", err)
		}
	})
}

// What one broker does tells more than the silence of another: here it hangs up on a wrong password.
func TestSimWatchTellsOfTheBrokerThatAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := new(kfake.VirtualNetwork)
		silent, err := net.Listen("tcp", "127.0.0.1:1")
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(2), kfake.ListenFn(net.Listen),
			kfake.EnableSASL(), kfake.Superuser("PLAIN", "user", "password"))
		if err != nil {
			t.Fatal(err)
		}
		defer broker.Close()
		_, lines, stop := watched(t, net, []string{"127.0.0.1:1", "127.0.0.1:2"}, kgo.SASL(plain.Auth{User: "user", Pass: "wrong"}.AsMechanism()))
		defer stop()
		time.Sleep(5 * time.Second)
		if got := lines.since(); !strings.Contains(got, "EOF") || strings.Contains(got, "no answer") {
			t.Errorf("told %q", got)
		}
	})
}
