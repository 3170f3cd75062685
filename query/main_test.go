package query_test

import (
	"runtime/debug"
	"testing"
)

// The heaps of the tests are small, and to collect them as often as Go does took a tenth of their time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	m.Run()
}
