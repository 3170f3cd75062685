package testkit

import (
	"testing"

	"go.uber.org/goleak"
)

// NoLeaks fails the test if goroutines that it started outlive it. Call it first: what is registered with t.Cleanup
// afterwards ends before the look. It is of no use in parallel tests, which see each other's goroutines.
func NoLeaks(t testing.TB) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}
