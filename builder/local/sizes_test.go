package local

import (
	"slices"
	"testing"
)

// L1, L3: what a merge holds of large states follows the budget; what decides about results does not.
func TestSizesFollowTheBudget(t *testing.T) {
	fixed := fixedSizes()
	for _, memory := range []int64{leastMemory, 64 << 20, defaultMemory, 1 << 40} {
		e, err := New(Options{Store: newWorld(t, 1).store, Dir: t.TempDir(), Memory: memory})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := e.size.deciding(), fixed.deciding(); !slices.Equal(got, want) {
			t.Errorf("with %d bytes the sizes that decide are %v, want %v", memory, got, want)
		}
		if e.size.stepBytes > memory/8 || e.size.frameBytes > memory/8 || e.size.stepBytes > fixed.stepBytes || e.size.frameBytes < 1 {
			t.Errorf("with %d bytes a step holds %d and a frame %d", memory, e.size.stepBytes, e.size.frameBytes)
		}
	}
}
