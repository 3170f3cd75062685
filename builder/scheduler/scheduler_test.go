package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/internal/testkit"
)

type attemptsCase struct {
	name     string
	run      func(ctx context.Context, t scheduler.Task) ([]scheduler.Submission, error)
	state    string
	problem  string
	attempts int
	after    time.Duration // give or take a few passes
}

func attemptsCases() []attemptsCase {
	return []attemptsCase{
		{"fails for ever", func(context.Context, scheduler.Task) ([]scheduler.Submission, error) {
			return nil, errors.New("disk full")
		}, scheduler.Failed, "disk full", 4, 7 * time.Second}, // 1 + 2 + 4
		{"final", func(context.Context, scheduler.Task) ([]scheduler.Submission, error) {
			return nil, fmt.Errorf("build: %w", &scheduler.FinalError{Err: errors.New("no such cube")})
		}, scheduler.Failed, "build: no such cube", 1, 0},
		{"panics", func(context.Context, scheduler.Task) ([]scheduler.Submission, error) {
			panic("S1: ranges overlap")
		}, scheduler.Failed, "panic: S1: ranges overlap", 4, 7 * time.Second},
		{"hangs", func(ctx context.Context, _ scheduler.Task) ([]scheduler.Submission, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, scheduler.Failed, "the attempt took longer than its kind allows: context deadline exceeded", 4, 47 * time.Second},
		{"later", func(_ context.Context, t scheduler.Task) ([]scheduler.Submission, error) {
			if t.Epoch < 10 {
				return nil, &scheduler.LaterError{After: time.Second, Reason: "waits for staging"}
			}
			return nil, nil
		}, scheduler.Finished, "", 1, 9 * time.Second},
		{"spawns nonsense", func(context.Context, scheduler.Task) ([]scheduler.Submission, error) {
			return []scheduler.Submission{{Kind: "nonsense"}}, nil
		}, scheduler.Failed, `unknown kind of task "nonsense": want one of ["x"]`, 1, 0},
	}
}

// Attempts, back-off, final errors, panics and time limits: what the task says in the end, and when it was tried.
func TestAttempts(t *testing.T) {
	for _, tt := range attemptsCases() {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				var failed []scheduler.Task
				s, err := scheduler.New(f, map[string]scheduler.Kind{"x": {Run: tt.run, MaxAttempts: 4, Timeout: 10 * time.Second}}, scheduler.Options{
					Node: scheduler.Node{Name: "n1"}, Interval: 10 * time.Millisecond,
					OnFailed: func(_ context.Context, t scheduler.Task) { failed = append(failed, t) },
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(context.Background())
				done := make(chan error)
				go func() { done <- s.Run(ctx) }()
				got, err := s.Submit(ctx, scheduler.Submission{Kind: "x", Key: "a"})
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				for f.live() > 0 && time.Since(began) < time.Hour {
					time.Sleep(10 * time.Millisecond)
				}
				took := time.Since(began)
				stop()
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				task := f.find(got[0].ID).Task
				if task.State != tt.state || task.Error != tt.problem || task.Attempts != tt.attempts {
					t.Errorf("got %s, %q after %d attempts, want %s, %q after %d", task.State, task.Error, task.Attempts, tt.state, tt.problem, tt.attempts)
				}
				if took < tt.after-100*time.Millisecond || took > tt.after+time.Second {
					t.Errorf("it took %v, want %v", took, tt.after)
				}
				if want := tt.state == scheduler.Failed; (len(failed) == 1) != want || want && failed[0].Error != tt.problem {
					t.Errorf("OnFailed was told %+v, want once: %t", failed, want)
				}
			})
		})
	}
}

// Every complaint about the options comes at once.
func TestOptionsAreChecked(t *testing.T) {
	kinds := map[string]scheduler.Kind{"x": {}}
	_, err := scheduler.New(newFake(), kinds, scheduler.Options{
		Interval: time.Second, Lease: time.Second, Decisions: -1, Bodies: -1, MaxAttempts: -1, BackOff: time.Hour,
		Periodic: []scheduler.Periodic{{Every: time.Second, Submission: scheduler.Submission{Kind: "y"}}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		"scheduler: no node name given",
		"scheduler: lease 1s: want at least 8 intervals of 1s, a few lost passes must not lose a lease",
		"scheduler: -1 attempts: want at least 1",
		"scheduler: neither decisions nor bodies: there is nothing to run",
		"scheduler: 1 periodic tasks without decisions: they are made by who runs them",
		"scheduler: back-off 1h0m0s up to 5m0s: want the second not below the first",
		`scheduler: kind "x" has no name or no Run`,
		`scheduler: periodic kind "y" is not among the kinds`,
	}
	if d := cmp.Diff(want, strings.Split(err.Error(), "\n")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What cannot be queued says why.
func TestSubmissionsAreChecked(t *testing.T) {
	s, err := scheduler.New(newFake(), map[string]scheduler.Kind{"x": {Run: (&process{}).run}}, scheduler.Options{Node: scheduler.Node{Name: "n"}})
	if err != nil {
		t.Fatal(err)
	}
	for want, sub := range map[string]scheduler.Submission{
		`unknown kind of task "y": want one of ["x"]`:                                     {Kind: "y", Key: "k"},
		"task of kind x: 2 slots without a key: an exclusive task runs alone":             {Kind: "x", Slots: 2},
		"task of kind x: slots 0, yield -1s, delay 0s, max attempts 0: want none below 0": {Kind: "x", Key: "k", Yield: -time.Second},
	} {
		if _, err := s.Submit(context.Background(), sub); err == nil || err.Error() != want {
			t.Errorf("submit %+v: got %v, want %s", sub, err, want)
		}
	}
	got, err := s.Submit(context.Background(), scheduler.Submission{Kind: "x", Key: "k"})
	if err != nil || got[0].MaxAttempts != 5 || string(got[0].Spec) != "null" {
		t.Errorf("submit: %+v, %v; want 5 attempts and a spec of null", got, err)
	}
}

func TestMetricsAreDocumented(t *testing.T) {
	reg := prometheus.NewRegistry()
	_, err := scheduler.New(newFake(), map[string]scheduler.Kind{"x": {Run: (&process{}).run}}, scheduler.Options{Node: scheduler.Node{Name: "n"}, Registry: reg})
	if err != nil {
		t.Fatal(err)
	}
	testkit.CheckMetrics(t, reg, "tidemark_builder_task_")
}
