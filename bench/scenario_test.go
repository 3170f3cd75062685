package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stub is a scenario that measures nothing.
type stub struct {
	runFlags
	fails error
	work  string // as measure found it
}

type stubReport struct {
	header
	Figure int `json:"figure"`
}

func (r *stubReport) markdown() string { return r.title("Stub") }

func (s *stub) register(fs *flag.FlagSet) { s.runFlags.register(fs, 1) }

func (s *stub) measure(_ context.Context, h header, _ io.Writer) (report, error) {
	s.work = s.runFlags.work
	return &stubReport{h, 42}, s.fails
}

func TestAScenarioGoesFromFlagsToFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	var out bytes.Buffer
	s := new(stub)
	if err := runScenario(t.Context(), "stub", s, []string{"--tidemark", "/somewhere/tidemark", "--out", dir}, &out); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.work); !errors.Is(err, os.ErrNotExist) || s.work == "" {
		t.Errorf("the folder for work %q is still there (%v)", s.work, err)
	}
	text, err := filepath.Glob(filepath.Join(dir, "stub-*.md"))
	if err != nil || len(text) != 1 {
		t.Fatalf("texts in %s: %v (%v), want one", dir, text, err)
	}
	md, err := os.ReadFile(text[0])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(md), "# Stub, 2") || !strings.Contains(string(md), "`go run ./bench stub --tidemark tidemark --out new`") || !strings.HasSuffix(out.String(), string(md)) {
		t.Errorf("text:\n%s\nprinted:\n%s", md, &out)
	}
	b, err := os.ReadFile(strings.TrimSuffix(text[0], ".md") + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var rep stubReport
	if err := json.Unmarshal(b, &rep); err != nil || rep.Scenario != "stub" || rep.Figure != 42 || rep.Machine.Cores == 0 || rep.Started.IsZero() {
		t.Errorf("JSON (%v):\n%s", err, b)
	}
}

func TestAScenarioThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := &stub{fails: errors.New("no figure")}
	if err := runScenario(t.Context(), "stub", s, []string{"--tidemark", "x", "--out", dir}, io.Discard); !errors.Is(err, s.fails) {
		t.Errorf("got %v, want the scenario's own error", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("results were written: %v", files)
	}
	if _, err := os.Stat(s.work); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder for work %q is still there (%v)", s.work, err)
	}
}

// Results that are committed can be compared with new ones: their fields keep their names and order.
func TestCommittedResultsHaveTodaysFields(t *testing.T) {
	for scenario, rep := range map[string]report{"cube": new(cubeReport), "ingest": new(ingestReport)} {
		files, err := filepath.Glob(filepath.Join("results", scenario+"-*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("results of %s: %v (%v), want some", scenario, files, err)
		}
		newest := files[len(files)-1]
		b, err := os.ReadFile(newest)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, rep); err != nil {
			t.Fatalf("%s: %v", newest, err)
		}
		again, err := json.MarshalIndent(rep, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(b), string(again)+"\n"); diff != "" {
			t.Errorf("%s is written otherwise today (-committed +today):\n%s", newest, diff)
		}
	}
}

func TestWrongUseOfScenarios(t *testing.T) {
	for _, args := range []string{
		"query", "cube --tidemark x --parts none", "freshness --tidemark x --rate 0", "query --tidemark x --rounds 0",
	} {
		if code := dispatch(t.Context(), strings.Fields(args)); code != 2 {
			t.Errorf("bench %s: exit code %d, want 2", args, code)
		}
	}
}
