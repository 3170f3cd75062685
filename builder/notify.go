package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// failure is what a cube's owner is told.
type failure struct {
	def *cube.Cube

	Event    string `json:"event"`
	Project  string `json:"project"`
	Cube     string `json:"cube"`
	Owner    string `json:"owner,omitempty"`
	Kind     string `json:"kind"`
	Job      int64  `json:"job,omitempty"`
	Task     int64  `json:"task,omitempty"`
	Segment  int64  `json:"segment,omitempty"`
	Attempts int    `json:"attempts"`
	Problem  string `json:"problem"`
	TimeUs   int64  `json:"time_us"`

	final bool
}

// forGood marks a failure that ends what it is about: the owner is told of it though an attempt before was told of too.
func (f failure) forGood() failure {
	f.final = true
	return f
}

// told remembers which failures a webhook was told of lately: an owner who is told each second reads none of it.
type told struct {
	mu sync.Mutex // guards at
	at map[toldKey]time.Time
}

// toldKey is what makes a failure the same as one before. Tasks of one kind are one: each pass of the timer makes another.
type toldKey struct {
	url, cube, kind string
	job, segment    int64
	final           bool
}

const (
	toldFor = time.Hour
	maxTold = 10_000 // then all is forgotten, and some is told again
)

// first reports whether a webhook is to be told of a failure.
func (t *told) first(url string, f failure, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := toldKey{url, f.def.ID, f.Kind, f.Job, f.Segment, f.final}
	if at, ok := t.at[key]; ok && now.Sub(at) < toldFor {
		return false
	}
	maps.DeleteFunc(t.at, func(_ toldKey, at time.Time) bool { return now.Sub(at) >= toldFor })
	if t.at == nil || len(t.at) >= maxTold {
		t.at = map[toldKey]time.Time{}
	}
	t.at[key] = now
	return true
}

// forget lets a failure be told of again: its notice did not arrive.
func (t *told) forget(url string, f failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.at, toldKey{url, f.def.ID, f.Kind, f.Job, f.Segment, f.final})
}

func (r *jobRun) failure(problem string) failure {
	def := r.def
	if def == nil {
		def = &cube.Cube{ID: r.job.CubeID}
	}
	return failure{def: def, Kind: r.job.Kind, Job: r.job.ID, Segment: r.job.Segment, Attempts: r.job.Attempts + r.job.Stalls, Problem: problem}
}

// maxNotices bounds how many webhooks are under way at once; over it a notice is dropped and counted (I10).
const maxNotices = 16

// notify tells the webhooks of a cube, each in its own time: what builds must not wait for them. One that cannot be
// reached is logged and counted, and one that was told of the same within an hour is not told again; the failure itself is in the job and in the metrics.
func (b *Builder) notify(ctx context.Context, f failure) {
	f.Event, f.Project, f.Cube, f.Owner, f.TimeUs = "failed", f.def.Project, f.def.Name, f.def.Owner, time.Now().UnixMicro()
	for _, url := range f.def.Notify {
		if !b.told.first(url, f, time.Now()) {
			b.m.notices.WithLabelValues("repeated").Inc()
			continue
		}
		select {
		case b.notices <- struct{}{}:
		default:
			b.told.forget(url, f)
			b.m.notices.WithLabelValues("dropped").Inc()
			continue
		}
		b.wg.Go(func() {
			defer func() { <-b.notices }()
			err := b.post(context.WithoutCancel(ctx), url, f)
			if err != nil {
				b.told.forget(url, f)
				b.m.notices.WithLabelValues("failed").Inc()
				b.o.Logger.LogAttrs(ctx, slog.LevelWarn, "owner could not be told", slog.String("cube", f.Cube), slog.Any("err", err))
				return
			}
			b.m.notices.WithLabelValues("sent").Inc()
		})
	}
}

func (b *Builder) post(ctx context.Context, url string, f failure) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := b.o.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.CopyN(io.Discard, resp.Body, 64<<10); err != nil && err != io.EOF {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("webhook answered %s", resp.Status)
	}
	return nil
}
