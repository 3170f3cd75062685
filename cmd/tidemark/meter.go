package main

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/tidemarkdb/tidemark/ingest"
)

// meter turns counts into rates: those of the time since it was last asked, since a mean over hours shows no stall.
type meter struct {
	at   time.Time
	last ingest.Progress
}

// line says how far reading is. files are counted by the caller, who may know of more than this run's.
func (m *meter) line(now time.Time, p ingest.Progress) string {
	events, bytes := p.EventsPerSec, p.BytesPerSec
	if dt := now.Sub(m.at).Seconds(); !m.at.IsZero() && dt > 0 {
		events, bytes = float64(p.Events-m.last.Events)/dt, float64(p.Bytes-m.last.Bytes)/dt
	}
	m.at, m.last = now, p
	parts := []string{
		countText(events) + " events/s", bytesText(int64(bytes)) + "/s", "lag " + countText(float64(p.Lag)),
		"events " + countText(float64(p.Events)), fmt.Sprintf("files %d (%s)", p.Files, bytesText(p.FileBytes)),
	}
	if p.Bad > 0 {
		parts = append(parts, "quarantined "+countText(float64(p.Bad)))
	}
	if eta := remaining(p.Lag, events); eta > 0 {
		parts = append(parts, "ETA "+eta.String())
	}
	return strings.Join(parts, "  ")
}

// remaining is how long a lag takes at a rate; 0: unknown, or nothing is left.
func remaining(lag int64, perSec float64) time.Duration {
	const most = 1000 * time.Hour
	if lag <= 0 || perSec <= 0 {
		return 0
	}
	s := float64(lag) / perSec
	if s > most.Seconds() {
		return 0
	}
	return max(time.Second, time.Duration(s*float64(time.Second)).Round(time.Second))
}

// used is what this process has taken of the machine.
type used struct {
	CPUSeconds   float64 `json:"cpu_seconds"` // user and system
	PeakRSSBytes int64   `json:"peak_rss_bytes"`
}

func usedSoFar() (used, error) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return used{}, fmt.Errorf("resource usage: %w", err)
	}
	cpu := time.Duration(r.Utime.Nano() + r.Stime.Nano())
	return used{CPUSeconds: cpu.Seconds(), PeakRSSBytes: int64(r.Maxrss) * rssUnit}, nil
}
