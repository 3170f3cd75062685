package complaints_test

import (
	"testing"

	"github.com/tidemarkdb/tidemark/internal/complaints"
)

// P1: all complaints come, in their order, and none is nil.
func TestList(t *testing.T) {
	bad := complaints.List{Package: "x"}
	bad.If(false, "never %d", 1)
	if err := bad.Err(); err != nil {
		t.Errorf("without a complaint: %v", err)
	}
	bad.If(true, "size %d: want %d", 1, 2)
	bad.If(true, "no name given")
	if got, want := bad.Err().Error(), "x: size 1: want 2\nx: no name given"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
