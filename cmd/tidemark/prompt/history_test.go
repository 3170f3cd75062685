package prompt

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func opened(t *testing.T, path string) *history {
	t.Helper()
	h, err := openHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// P4.
func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "history")
	h := opened(t, path)
	for _, text := range []string{"select 1;", "select 1;", "select -- two\n  2,\n'a -- b';", "select 'a\nb';", strings.Repeat("x", longestEntry+1), `\d`} {
		if err := h.keep(text); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"select 1;", "select    2, 'a -- b';", `\d`}
	if d := cmp.Diff(want, h.entries); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want, opened(t, path).entries); d != "" {
		t.Errorf("of the file: %s", d)
	}
	if h.Len() != 3 || h.At(0) != `\d` || h.At(2) != "select 1;" {
		t.Errorf("%d entries, the newest %q", h.Len(), h.At(0))
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err = os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: mode %v, %v", info.Mode(), err)
	}
}

// P4: however long the file has become, so much of it is kept.
func TestHistoryIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	var text strings.Builder
	for i := range historyEntries + 7 {
		fmt.Fprintf(&text, "select %d;\n", i)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	h := opened(t, path)
	if h.Len() != historyEntries || h.At(h.Len()-1) != "select 7;" {
		t.Errorf("%d entries from %q", h.Len(), h.At(h.Len()-1))
	}
	again, err := os.ReadFile(path)
	if n := strings.Count(string(again), "\n"); err != nil || n != historyEntries {
		t.Errorf("the file has %d lines, %v", n, err)
	}
	long := strings.Repeat("y", longestEntry-1)
	if err := os.WriteFile(path, []byte(strings.Repeat(long+"\n", 2*historyBytes/longestEntry)), 0o600); err != nil {
		t.Fatal(err)
	}
	if h = opened(t, path); h.Len() == 0 || h.Len() > historyBytes/longestEntry || h.At(h.Len()-1) != long {
		t.Errorf("%d entries", h.Len())
	}
	if h, err := openHistory(filepath.Dir(path)); err == nil || h == nil {
		t.Errorf("a folder is a history of %d entries", h.Len())
	}
}
