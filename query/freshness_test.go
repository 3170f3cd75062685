package query

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Only an answer that brings a newer record is counted, with that record's age.
func TestFreshness(t *testing.T) {
	f := newFreshness()
	at := time.UnixMilli(1_774_483_200_000)
	for _, ms := range []int64{-900, -600, -600, -700, -200, 100} { // the first, newer, the same, older, newer, by a clock that is ahead
		f.see("a", at.UnixMilli()+ms, at)
	}
	f.see("b", 0, at)
	reg := prometheus.NewRegistry()
	reg.MustRegister(f.seconds)
	got, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	h := got[0].GetMetric()[0].GetHistogram()
	if n, sum := h.GetSampleCount(), h.GetSampleSum(); n != 3 || sum < .799 || sum > .801 {
		t.Errorf("%d ages of together %g s, want 3 of 0.8", n, sum)
	}
}
