package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// command is one word after bench.
type command struct {
	name, about string
	run         func(ctx context.Context, args []string, stdout io.Writer) error
}

func commands() []command {
	return []command{
		{"produce", "fill a topic with page views and print the sums that a reader must come to", runProduce},
		{"consume", "read a topic to its present end and discard it", runConsume},
		{"file", "write the same page views as NDJSON", runFile},
		{"ingest", "measure tidemark ingest beside its peers", measuring("ingest", new(ingestFlags))},
		{"cube", "measure builds and merges of cubes beside DuckDB", measuring("cube", new(cubeFlags))},
		{"query", "measure statements of a dashboard beside DuckDB", measuring("query", new(queryFlags))},
		{"segments", "measure the same statements over few segments and many", measuring("segments", new(segmentFlags))},
		{"freshness", "measure how long events take from being produced to being seen in an answer", measuring("freshness", new(freshFlags))},
		{"table", "print the table definition of a topic of page views", runTable},
	}
}

// measuring runs a scenario; commands are listed once a process.
func measuring(name string, s scenario) func(context.Context, []string, io.Writer) error {
	return func(ctx context.Context, args []string, stdout io.Writer) error {
		return runScenario(ctx, name, s, args, stdout)
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(dispatch(ctx, os.Args[1:]))
}

// dispatch returns the exit code: 0 done, 1 failed, 2 wrong use.
func dispatch(ctx context.Context, args []string) int {
	if len(args) == 0 {
		usage(os.Stderr)
		return 2
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, args[1:], os.Stdout)
		var wrong *useError
		switch {
		case err == nil, errors.Is(err, flag.ErrHelp):
			return 0
		case errors.As(err, &wrong):
			fmt.Fprintf(os.Stderr, "bench %s: %v\n", c.name, err)
			return 2
		}
		fmt.Fprintf(os.Stderr, "bench %s: %v\n", c.name, err)
		return 1
	}
	fmt.Fprintf(os.Stderr, "bench: no command %q\n", args[0])
	usage(os.Stderr)
	return 2
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: go run ./bench COMMAND [flags]   (COMMAND -h lists the flags)")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.about)
	}
}

// useError is a mistake in the flags.
type useError struct{ msg string }

func (e *useError) Error() string { return e.msg }

func wrongUse(format string, args ...any) error {
	return &useError{msg: fmt.Sprintf(format, args...)}
}

// parse reads the flags; arguments that are none are a mistake.
func parse(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return wrongUse("%v", err)
	}
	if fs.NArg() > 0 {
		return wrongUse("unexpected argument %q: every setting is a flag", fs.Arg(0))
	}
	return nil
}
