package server

import (
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// The time left of a step goes by its pace; nothing is said of one that has ended, has not begun, or says no total.
func TestLeft(t *testing.T) {
	now := time.UnixMicro(100_000_000)
	for _, tt := range []struct {
		name  string
		state catalog.JobState
		step  catalog.JobStep
		want  int64
	}{
		{"a quarter in 10 s", catalog.JobRunning, catalog.JobStep{StartedUs: 90_000_000, Done: 25, Total: 100}, 30_000},
		{"nothing done", catalog.JobRunning, catalog.JobStep{StartedUs: 90_000_000, Total: 100}, 0},
		{"no total", catalog.JobRunning, catalog.JobStep{StartedUs: 90_000_000, Done: 25}, 0},
		{"ended", catalog.JobRunning, catalog.JobStep{StartedUs: 90_000_000, EndedUs: 95_000_000, Done: 25, Total: 100}, 0},
		{"of a job that waits", catalog.JobPending, catalog.JobStep{StartedUs: 90_000_000, Done: 25, Total: 100}, 0},
	} {
		if got := leftMs(catalog.Job{State: tt.state}, tt.step, now); got != tt.want {
			t.Errorf("%s: %d ms left, want %d", tt.name, got, tt.want)
		}
	}
}
