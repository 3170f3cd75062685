package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(run(process{
		name: os.Args[0], args: os.Args[1:], env: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		signals: signals, exit: os.Exit,
	}))
}

// process is what a run takes from the operating system.
type process struct {
	name           string // as it was started; "": by its own
	args           []string
	env            []string
	stdin          io.Reader
	stdout, stderr io.Writer
	signals        <-chan os.Signal
	exit           func(code int)
}

// run executes one command line and returns its exit code (X2).
func run(p process) int {
	a := &app{process: p, console: newConsole(p.stderr)}
	a.stderr = a.console
	ctx, stop := a.interruptible(context.Background())
	defer stop()
	return a.report(a.root().ExecuteContext(ctx))
}
