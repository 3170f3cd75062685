package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// machine is what figures depend on. It says nothing that tells one machine from another of its kind.
type machine struct {
	CPU         string  `json:"cpu"`
	Cores       int     `json:"cores"`
	MemoryBytes int64   `json:"memory_bytes"`
	System      string  `json:"system"`
	Go          string  `json:"go"`
	Load        float64 `json:"load_before"` // one minute's load average before the first run; -1 unknown
}

func describeMachine() machine {
	m := machine{Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Load: -1}
	m.CPU = lineOf("/proc/cpuinfo", "model name")
	if f := strings.Fields(lineOf("/proc/meminfo", "MemTotal")); len(f) > 0 {
		if kb, err := strconv.ParseInt(f[0], 10, 64); err == nil {
			m.MemoryBytes = kb * 1024
		}
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		if f := strings.Fields(string(b)); len(f) > 0 {
			if load, err := strconv.ParseFloat(f[0], 64); err == nil {
				m.Load = load
			}
		}
	}
	return m
}

// lineOf returns what follows "name:" in a file of /proc, or nothing on a system without it.
func lineOf(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for _, line := range strings.Split(string(b), "\n") {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// machineCPU is the CPU time of all processes since the start, in seconds, and what the hypervisor took; ok is false on a
// system without /proc.
func machineCPU() (busy, stolen float64, ok bool) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, false
	}
	first, _, _ := bytes.Cut(b, []byte("\n"))
	f := strings.Fields(string(first)) // cpu user nice system idle iowait irq softirq steal
	if len(f) < 9 {
		return 0, 0, false
	}
	for i, s := range f[1:9] {
		ticks, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return 0, 0, false
		}
		switch i {
		case 3, 4: // idle, waiting for a disk
		case 7:
			stolen = ticks / 100
		default:
			busy += ticks / 100
		}
	}
	return busy, stolen, true
}

// commit names the source that is measured, with "+" when files differ from it.
func commit(ctx context.Context) string {
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=10", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	if changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output(); err != nil || len(changed) > 0 {
		name += "+"
	}
	return name
}
