package scheduler

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemarkdb/tidemark/internal/complaints"
)

// Options configure a Scheduler. The zero value of a field means its default.
type Options struct {
	Node          Node          // Name is required
	Interval      time.Duration // between passes, when nothing wakes the loop; default 1s
	Lease         time.Duration // default 15s; at least 8 intervals; the same for all processes
	ExclusiveWait time.Duration // default 10m
	Decisions     int           // ordered and exclusive tasks at once in this process; default 8; below 0: none, others run them
	Bodies        int           // pooled tasks at once in this process; default 2; below 0: none
	MaxAttempts   int           // of kinds that name none; default 5
	BackOff       time.Duration // after the first failed attempt, doubled with each; default 1s
	MaxBackOff    time.Duration // default 5m
	ShutdownWait  time.Duration // how long a clean stop lets running tasks go on before it stops them; default 10s
	StatsEvery    time.Duration // how often queue lengths are read; default 5s
	Periodic      []Periodic

	// OnFailed is told of each task that has ended as failed, once at most, by the process that ended it. It must not block.
	OnFailed func(ctx context.Context, t Task)

	Registry prometheus.Registerer // default: one that nobody reads
	Logger   *slog.Logger          // default: discard
}

func (o Options) withDefaults() Options {
	dur := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	num := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	dur(&o.Interval, time.Second)
	dur(&o.Lease, 15*time.Second)
	dur(&o.ExclusiveWait, 10*time.Minute)
	dur(&o.BackOff, time.Second)
	dur(&o.MaxBackOff, 5*time.Minute)
	dur(&o.ShutdownWait, 10*time.Second)
	dur(&o.StatsEvery, 5*time.Second)
	num(&o.Decisions, 8)
	num(&o.Bodies, 2)
	num(&o.MaxAttempts, 5)
	if o.OnFailed == nil {
		o.OnFailed = func(context.Context, Task) {}
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate(kinds map[string]Kind) error {
	bad := complaints.List{Package: "scheduler"}
	bad.If(o.Node.Name == "", "no node name given")
	bad.If(o.Interval < time.Millisecond, "interval %v: want at least 1ms", o.Interval)
	bad.If(o.Lease < 8*o.Interval, "lease %v: want at least 8 intervals of %v, a few lost passes must not lose a lease", o.Lease, o.Interval)
	bad.If(o.ExclusiveWait < o.Interval, "exclusive wait %v: want at least the interval of %v", o.ExclusiveWait, o.Interval)
	bad.If(o.MaxAttempts < 1, "%d attempts: want at least 1", o.MaxAttempts)
	bad.If(o.Decisions < 0 && o.Bodies < 0, "neither decisions nor bodies: there is nothing to run")
	bad.If(o.Decisions < 0 && len(o.Periodic) > 0, "%d periodic tasks without decisions: they are made by who runs them", len(o.Periodic))
	bad.If(o.BackOff < 0 || o.MaxBackOff < o.BackOff, "back-off %v up to %v: want the second not below the first", o.BackOff, o.MaxBackOff)
	bad.If(o.ShutdownWait < 0, "shutdown wait %v is negative", o.ShutdownWait)
	bad.If(len(kinds) == 0, "no kinds given")
	for name, k := range kinds {
		bad.If(name == "" || k.Run == nil, "kind %q has no name or no Run", name)
		bad.If(k.MaxAttempts < 0 || k.Timeout < 0, "kind %q: a limit is negative", name)
	}
	for _, p := range o.Periodic {
		_, known := kinds[p.Submission.Kind]
		bad.If(!known, "periodic kind %q is not among the kinds", p.Submission.Kind)
		bad.If(p.Every < o.Interval, "periodic kind %q: every %v: want at least the interval of %v", p.Submission.Kind, p.Every, o.Interval)
	}
	return bad.Err()
}
