package testkit

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBinaryNamed(t *testing.T) {
	t.Setenv("TIDEMARK_TEST_BINARY", "/somewhere/tidemark")
	if got := Binary(t); got != "/somewhere/tidemark" {
		t.Errorf("got %q", got)
	}
}

// TestBinary links the whole program: it takes seconds, and it is what e2e tests stand on.
func TestBinary(t *testing.T) {
	t.Setenv("TIDEMARK_TEST_BINARY", "")
	path := Binary(t)
	if again := Binary(t); again != path {
		t.Errorf("got %q, then %q", path, again)
	}
	if _, _, code := Run(t, Command{Args: []string{"version"}}); code != 0 {
		t.Errorf("tidemark version: code %d", code)
	}
	left, err := filepath.Glob(path + "-*")
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %q, %v", left, err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
