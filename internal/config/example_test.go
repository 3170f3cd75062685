package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The example applies as it is and changes nothing; with every line that has a default in force, too.
func TestExample(t *testing.T) {
	var b strings.Builder
	if err := Example(&b); err != nil {
		t.Fatal(err)
	}
	defaults, err := Load(Input{})
	if err != nil {
		t.Fatal(err)
	}
	load := func(what, text string) *Config {
		path := filepath.Join(t.TempDir(), "tidemark.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(Input{File: path})
		if err != nil {
			t.Fatalf("%s: %v\n%s", what, err, text)
		}
		if diff := cmp.Diff(defaults.Values(), c.Values()); diff != "" {
			t.Errorf("%s (-default +got):\n%s", what, diff)
		}
		return c
	}
	asItIs := load("as it is", b.String())
	var given strings.Builder
	for line := range strings.Lines(b.String()) {
		for _, s := range Settings() {
			name := s.Key[strings.LastIndexByte(s.Key, '.')+1:]
			if asItIs.Given(s.Key) {
				t.Errorf("%s is given by the example", s.Key)
			}
			if before, value, ok := strings.Cut(line, "# "+name+": "); ok && strings.TrimSpace(before) == "" && s.Default != "" && strings.TrimSpace(value) == scalar(s.Default) {
				line = before + name + ": " + value
			}
		}
		given.WriteString(line)
	}
	all := load("with all defaults", given.String())
	for _, s := range Settings() {
		if (s.Default != "") != all.Given(s.Key) {
			t.Errorf("%s with default %q: given %t by the lines in force", s.Key, s.Default, all.Given(s.Key))
		}
	}
}
