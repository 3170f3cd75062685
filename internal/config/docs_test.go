package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemarkdb/tidemark/internal/config"
)

var rewrite = flag.Bool("rewrite", false, "write the table of settings into docs/OPERATING.md")

// TestOperating compares the table of settings in docs/OPERATING.md with the settings.
func TestOperating(t *testing.T) {
	const begin, end = "<!-- settings -->\n", "<!-- /settings -->\n"
	file := filepath.Join("..", "..", "docs", "OPERATING.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %s... %s", file, begin, end)
	}
	var want strings.Builder
	want.WriteString("| flag | variable | key in the file | default | what |\n| --- | --- | --- | --- | --- |\n")
	for _, s := range config.Settings() {
		value := "-"
		if s.Default != "" {
			value = "`" + s.Default + "`"
		}
		name := "-"
		if s.Flag != "" {
			name = "`" + strings.TrimSpace("--"+s.Flag+" "+s.Value) + "`"
		}
		want.WriteString("| " + name + " | `" + s.Env() + "` | `" + s.Key + "` | " + value + " | " + s.Usage + " |\n")
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(before+begin+want.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("settings in docs/OPERATING.md (-want +got), rewrite it with go test ./internal/config -run Operating -rewrite:\n%s", diff)
	}
}
