package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	watchEvery = 5 * time.Second
	watchLimit = 4 * time.Second // of one look, so that silent brokers are told of within 5 s of the start
	watchAgain = time.Minute     // how often a trouble that lasts is told again
	maxWatched = 16              // brokers that are asked at once
)

// ErrNotAsked is the state before the first look.
var ErrNotAsked = errors.New("not asked yet")

// Watch looks again and again whether brokers answer, and says so when that changes. Reading does not depend on it: it tries
// again by itself. It is for people, who must not find out by events that are missing.
type Watch struct {
	admin *admin
	log   *slog.Logger

	mu  sync.Mutex
	err error
}

// NewWatch makes a watch over the brokers that a Log asks; it ends before the Log is closed.
func NewWatch(l *Log, log *slog.Logger) *Watch {
	return &Watch{admin: l.a, log: log, err: ErrNotAsked}
}

// Status returns why no broker has answered the last look; nil: one has.
func (w *Watch) Status() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Run looks until ctx is done.
func (w *Watch) Run(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var told time.Time // of the trouble that lasts; zero: there is none
	for {
		err := w.admin.answers(ctx)
		if ctx.Err() != nil {
			return nil
		}
		w.mu.Lock()
		w.err = err
		w.mu.Unlock()
		switch now := time.Now(); {
		case err != nil && now.Sub(told) >= watchAgain:
			told = now
			w.log.LogAttrs(ctx, slog.LevelWarn, "no broker answers, tried again until one does: tidemark check", slog.Any("err", err))
		case err == nil && !told.IsZero():
			told = time.Time{}
			w.log.LogAttrs(ctx, slog.LevelInfo, "brokers answer again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// answers returns nil as soon as any broker answers, those that were named and those that they told of. They are asked at
// once: one that is silent must not hide those behind it.
func (a *admin) answers(ctx context.Context) error {
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, cancel := context.WithTimeout(ctx, watchLimit)
	defer cancel()
	brokers := append(a.cl.SeedBrokers(), a.cl.DiscoveredBrokers()...)
	brokers = brokers[:min(len(brokers), maxWatched)]
	answers := make(chan error, len(brokers))
	for _, b := range brokers {
		asking.Go(func() { answers <- alive(ctx, b) })
	}
	var first error
	for range brokers {
		err := <-answers
		if err == nil {
			return nil
		}
		if first == nil || errors.Is(first, context.DeadlineExceeded) { // what a broker says tells more
			first = err
		}
	}
	seeds, _ := a.cl.OptValue(kgo.SeedBrokers).([]string)
	at := strings.Join(seeds, ",")
	if errors.Is(first, context.DeadlineExceeded) {
		return fmt.Errorf("%s: no answer within %s", at, watchLimit)
	}
	return fmt.Errorf("%s: %w", at, explain(first))
}

// alive asks a broker about no topic at all, which every user may. A connection that was good before may be dead, so a second
// try counts.
func alive(ctx context.Context, b *kgo.Broker) error {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	_, err := b.Request(ctx, req)
	var refused *kerr.Error
	if err == nil || ctx.Err() != nil || errors.As(err, &refused) {
		return err
	}
	if _, again := b.Request(ctx, req); again == nil {
		return nil
	}
	return err
}
