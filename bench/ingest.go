package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// variant is a kind of topic.
type variant struct {
	Name       string `json:"name"`
	Partitions int    `json:"partitions"`
	Wide       bool   `json:"wide"`
}

func variants() []variant {
	return []variant{{"base", 4, false}, {"wide", 4, true}, {"p64", 64, false}}
}

type ingestFlags struct {
	runFlags
	connect, variants string
	events            int64
	brokerPID         int
	peerTimeout       time.Duration
}

func (f *ingestFlags) register(fs *flag.FlagSet) {
	f.runFlags.register(fs, 5)
	fs.StringVar(&f.connect, "connect", "", "a Redpanda Connect binary: adds it")
	fs.StringVar(&f.variants, "variants", "base", "of base, wide, p64; separated by commas")
	fs.Int64Var(&f.events, "events", 2_000_000, "events of each variant")
	fs.IntVar(&f.brokerPID, "broker-pid", 0, "process id of the broker: its CPU is reported apart")
	fs.DurationVar(&f.peerTimeout, "peer-timeout", 10*time.Minute, "for one run of Redpanda Connect")
}

func (f *ingestFlags) validate() error {
	if _, err := f.chosen(); err != nil {
		return err
	}
	if f.events < 1 {
		return wrongUse("%d events: give 1 or more", f.events)
	}
	return f.runFlags.validate()
}

func (f *ingestFlags) chosen() ([]variant, error) {
	var chosen []variant
	for _, name := range strings.Split(f.variants, ",") {
		n := len(chosen)
		for _, v := range variants() {
			if v.Name == name {
				chosen = append(chosen, v)
			}
		}
		if len(chosen) == n {
			return nil, wrongUse("variant %q: give some of base, wide, p64", name)
		}
	}
	return chosen, nil
}

func (f *ingestFlags) measure(ctx context.Context, h header, stdout io.Writer) (report, error) {
	chosen, err := f.chosen()
	if err != nil {
		return nil, err
	}
	in, skipped := f.contenders()
	for _, s := range skipped {
		fmt.Fprintln(stdout, s)
	}
	rep := &ingestReport{header: h, Events: f.events, Rounds: f.rounds, Skipped: skipped}
	for _, v := range chosen {
		runs, err := f.inTurn(ctx, v, in, stdout)
		if err != nil {
			return nil, fmt.Errorf("variant %s: %w", v.Name, err)
		}
		rep.Runs = append(rep.Runs, runs...)
	}
	rep.summarize()
	return rep, nil
}

// prepare fills the topic, and the file of the same events for those who read files.
func (f *ingestFlags) prepare(ctx context.Context, v variant) (*job, error) {
	j := &job{variant: v, topic: fmt.Sprintf("bench-ingest-%s-%d-%d", v.Name, f.events, f.seed)}
	common := []string{
		"--events", fmt.Sprint(f.events), "--seed", fmt.Sprint(f.seed), "--late", fmt.Sprint(f.late),
		"--partitions", fmt.Sprint(v.Partitions), fmt.Sprintf("--wide=%t", v.Wide),
	}
	there := false
	if f.keep {
		var err error
		if there, err = f.hasTopic(ctx, j.topic); err != nil {
			return nil, err
		}
	}
	// The file is the quicker way to the sums of a topic that is there already.
	if f.python != "" || there {
		j.ndjson = filepath.Join(f.work, v.Name+".ndjson")
		if _, err := f.self(append([]string{"file", "--out", j.ndjson}, common...)...).runJSON(ctx, &j.truth); err != nil {
			return nil, err
		}
	}
	if !there {
		var p produced
		args := append([]string{"produce", "--brokers", f.brokers, "--topic", j.topic, "--recreate", "-o", "json"}, common...)
		if _, err := f.self(args...).runJSON(ctx, &p); err != nil {
			return nil, err
		}
		j.truth = p.Sums
	}
	return j, nil
}

func (f *ingestFlags) hasTopic(ctx context.Context, topic string) (bool, error) {
	cl, err := newClient(f.brokers)
	if err != nil {
		return false, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	details, err := kadm.NewClient(cl).ListTopics(ctx)
	if err != nil {
		return false, fmt.Errorf("list topics: %w", err)
	}
	return details.Has(topic), nil
}

// inTurn runs all contenders, in another order each round (B1).
func (f *ingestFlags) inTurn(ctx context.Context, v variant, in []contender, stdout io.Writer) ([]run, error) {
	j, err := f.prepare(ctx, v)
	if err != nil {
		return nil, err
	}
	var runs []run
	for round := range f.rounds {
		for i := range in {
			c := in[(i+round)%len(in)]
			r, err := f.once(ctx, j, c, round)
			if err != nil {
				return nil, fmt.Errorf("round %d, %s: %w", round+1, c.name, err)
			}
			runs = append(runs, r)
			fmt.Fprintf(stdout, "%s round %d %-14s %8.0f events/s  %6.2f us CPU/event  %5.0f MiB\n",
				v.Name, round+1, c.name, r.perSecond(), r.cpuPerEvent()*1e6, float64(r.PeakRSSBytes)/(1<<20))
		}
	}
	return runs, f.clean(ctx, j)
}

// once runs one contender in a new folder and refuses a wrong result (B2).
func (f *ingestFlags) once(ctx context.Context, j *job, c contender, round int) (_ run, err error) {
	dir, err := os.MkdirTemp(f.work, c.name+"-")
	if err != nil {
		return run{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	before, err := f.otherCPU()
	if err != nil {
		return run{}, err
	}
	o, err := c.run(ctx, j, dir)
	if err != nil {
		return run{}, err
	}
	after, err := f.otherCPU()
	if err != nil {
		return run{}, err
	}
	if o.events != j.truth.Events {
		return run{}, fmt.Errorf("%d events, the generator made %d", o.events, j.truth.Events)
	}
	if c.name == "tidemark" && f.python != "" && round == 0 {
		if err := f.check(ctx, j, o.output); err != nil {
			return run{}, err
		}
	}
	r := run{Variant: j.variant.Name, Contender: c.name, Round: round + 1, Events: o.events, OwnSeconds: o.seconds, processUsage: o.usage}
	r.BrokerCPUSeconds = after.broker - before.broker
	r.OtherCPUSeconds = max(0, after.busy-before.busy-r.BrokerCPUSeconds-o.usage.CPUSeconds)
	r.StolenSeconds = after.stolen - before.stolen
	r.OutputFiles, r.OutputBytes, err = sizeOf(o.output)
	return r, err
}

// cpuTimes are those of the broker, of the whole machine, and what the hypervisor took from it.
type cpuTimes struct{ broker, busy, stolen float64 }

func (f *ingestFlags) otherCPU() (t cpuTimes, err error) {
	t.busy, t.stolen, _ = machineCPU()
	if f.brokerPID != 0 {
		t.broker, err = brokerCPU(f.brokerPID)
	}
	return t, err
}
