package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processUsage is what a process took, by the kernel's account.
type processUsage struct {
	Seconds      float64 `json:"seconds"` // wall
	CPUSeconds   float64 `json:"cpu_seconds"`
	PeakRSSBytes int64   `json:"peak_rss_bytes"`
}

func ownUsage() processUsage {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return processUsage{} // cannot happen with these arguments
	}
	return fromRusage(&r)
}

func fromRusage(r *syscall.Rusage) processUsage {
	rss := r.Maxrss
	if runtime.GOOS == "linux" {
		rss *= 1024
	}
	return processUsage{
		CPUSeconds:   time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds(),
		PeakRSSBytes: rss,
	}
}

// child is a process to run and measure.
type child struct {
	path   string
	args   []string
	env    []string
	stderr io.Writer
	// done, if not nil, is called once the process runs; when it returns the process is interrupted. For programs that
	// never end by themselves. The wall time then ends when done returns.
	done func(context.Context) error
}

// run returns the last line of the process's standard output and what the process took. The peak of memory that Linux
// gives for a child is never below that of this process at the time, hence B4.
func (c child) run(ctx context.Context) (line []byte, u processUsage, err error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = &out, c.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, u, fmt.Errorf("start %s: %w", c.path, err)
	}
	took := time.Duration(0)
	if c.done == nil {
		err = cmd.Wait()
		took = time.Since(begin)
	} else {
		took, err = c.untilDone(ctx, cmd, begin)
	}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u = fromRusage(r)
	}
	u.Seconds = took.Seconds()
	if err != nil {
		return nil, u, fmt.Errorf("%s %s: %w", c.path, strings.Join(c.args, " "), err)
	}
	return lastLine(out.Bytes()), u, nil
}

// untilDone returns when the process has ended: interrupted once done returned, or too early by itself.
func (c child) untilDone(ctx context.Context, cmd *exec.Cmd, begin time.Time) (took time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended, done := make(chan error, 1), make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	go func() { done <- c.done(ctx) }()
	select {
	case err = <-done:
		took = time.Since(begin)
		// How it ends after the interrupt does not matter, only that it does.
		if e := cmd.Process.Signal(os.Interrupt); e == nil || errors.Is(e, os.ErrProcessDone) {
			<-ended
			return took, err
		}
		return took, errors.Join(err, cmd.Process.Kill(), <-ended)
	case e := <-ended:
		cancel(fmt.Errorf("ended before its work was done (%v)", e))
		return time.Since(begin), errors.Join(context.Cause(ctx), <-done)
	}
}

// runJSON decodes the process's last line into v.
func (c child) runJSON(ctx context.Context, v any) (processUsage, error) {
	line, u, err := c.run(ctx)
	if err != nil {
		return u, err
	}
	if err := json.Unmarshal(line, v); err != nil {
		return u, fmt.Errorf("last line of %s is not the JSON that is expected: %w: %.200q", c.path, err, line)
	}
	return u, nil
}

func lastLine(b []byte) []byte {
	b = bytes.TrimSpace(b)
	return b[bytes.LastIndexByte(b, '\n')+1:]
}

// brokerCPU reads the CPU seconds of another process, user and system. Linux counts them in hundredths.
func brokerCPU(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("CPU of the broker: %w", err)
	}
	// The name in brackets may hold blanks: count from its end. Fields 14 and 15 are the 12th and 13th after it.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("CPU of the broker: /proc/%d/stat has %d fields", pid, len(f))
	}
	var sum float64
	for _, s := range f[11:13] {
		ticks, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return 0, fmt.Errorf("CPU of the broker: %w", err)
		}
		sum += ticks / 100
	}
	return sum, nil
}
