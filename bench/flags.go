package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
)

// runFlags are those of every scenario, which runs tidemark beside its peers.
type runFlags struct {
	brokers, tidemark, tidemarkArgs, python, out, work string
	seed                                               uint64
	late                                               float64
	rounds                                             int
	keep                                               bool
	log                                                io.Writer // what contenders write to standard error
}

func (f *runFlags) register(fs *flag.FlagSet, rounds int) {
	fs.StringVar(&f.brokers, "brokers", "127.0.0.1:9092", "addresses of the brokers")
	fs.StringVar(&f.tidemark, "tidemark", "", "the tidemark binary (required)")
	fs.StringVar(&f.tidemarkArgs, "tidemark-args", "", "more flags for the tidemark that is measured")
	fs.StringVar(&f.python, "python", "", "a Python that has the duckdb package: adds DuckDB, which of ingest checks the sums too")
	fs.StringVar(&f.out, "out", "bench/results", "folder for the results; empty: print only")
	fs.StringVar(&f.work, "work", "", "folder for topics as files and for staged files (default: a temporary one)")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of the events")
	fs.Float64Var(&f.late, "late", 0.01, "share of late events")
	fs.IntVar(&f.rounds, "rounds", rounds, "how often each contender runs")
	fs.BoolVar(&f.keep, "keep", false, "leave topics, and staged files of cubes in --work, and take what is there (same flags only)")
}

func (f *runFlags) shared() *runFlags { return f }

func (f *runFlags) validate() error {
	if f.tidemark == "" {
		return wrongUse("give --tidemark PATH, a binary made by go build ./cmd/tidemark")
	}
	if f.rounds < 1 {
		return wrongUse("%d rounds: give 1 or more", f.rounds)
	}
	return nil
}

// enter makes the folder for work where none was given, which leave removes.
func (f *runFlags) enter() (leave func() error, err error) {
	if f.work != "" {
		return func() error { return nil }, nil
	}
	if f.work, err = os.MkdirTemp("", "tidemark-bench-"); err != nil {
		return nil, err
	}
	return func() error { return os.RemoveAll(f.work) }, nil
}

// shownCommand leaves out the folders of paths: they say nothing to others.
func shownCommand(scenario string, args []string) string {
	shown := make([]string, len(args))
	for i, a := range args {
		name, value, isSet := strings.Cut(a, "=")
		switch {
		case isSet && strings.HasPrefix(value, "/"):
			shown[i] = name + "=" + filepath.Base(value)
		case strings.HasPrefix(a, "/"):
			shown[i] = filepath.Base(a)
		default:
			shown[i] = a
		}
	}
	return "go run ./bench " + scenario + " " + strings.Join(shown, " ")
}

func (f *runFlags) self(args ...string) child {
	path, err := os.Executable()
	if err != nil {
		path = os.Args[0]
	}
	return child{path: path, args: args, stderr: f.log}
}

// clean removes a job's file and, unless it is to be kept, its topic.
func (f *runFlags) clean(ctx context.Context, j *job) error {
	if j.ndjson != "" {
		if err := os.Remove(j.ndjson); err != nil {
			return err
		}
	}
	if f.keep {
		return nil
	}
	cl, err := newClient(f.brokers)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	if _, err := kadm.NewClient(cl).DeleteTopic(ctx, j.topic); err != nil {
		return fmt.Errorf("delete topic %s: %w", j.topic, err)
	}
	return nil
}
