package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// scenario is a command that measures. The others of its flags come by runFlags.
type scenario interface {
	register(fs *flag.FlagSet)
	validate() error // of the flags
	shared() *runFlags
	// measure prints what comes meanwhile. A scenario without figures is an error.
	measure(ctx context.Context, h header, stdout io.Writer) (report, error)
}

// report is what a scenario leaves: itself as JSON, with a header in it, and a text to read.
type report interface {
	head() *header
	markdown() string
}

// header is what every report begins with.
type header struct {
	Scenario string    `json:"scenario"`
	Command  string    `json:"command"`
	Commit   string    `json:"commit"`
	Started  time.Time `json:"started"`
	Machine  machine   `json:"machine"`
}

func (h *header) head() *header { return h }

// title is the first lines of a text to read.
func (h *header) title(of string) string {
	m := h.Machine
	return fmt.Sprintf("# %s, %s, commit %s\n\n`%s`\n\n%d x %s, %.0f GiB, %s, %s, load %.1f before the first run.\n\n",
		of, h.Started.Format("2006-01-02 15:04Z"), h.Commit, h.Command, m.Cores, m.CPU, float64(m.MemoryBytes)/(1<<30), m.System, m.Go, m.Load)
}

// runScenario takes a scenario from its flags to the files of its results.
func runScenario(ctx context.Context, name string, s scenario, args []string, stdout io.Writer) (err error) {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	s.register(fs)
	if err := parse(fs, args); err != nil {
		return err
	}
	if err := s.validate(); err != nil {
		return err
	}
	f := s.shared()
	f.log = os.Stderr
	leave, err := f.enter()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, leave()) }()
	rep, err := s.measure(ctx, header{
		Scenario: name, Command: shownCommand(name, args), Commit: commit(ctx),
		Started: time.Now().UTC().Truncate(time.Second), Machine: describeMachine(),
	}, stdout)
	if err != nil {
		return err
	}
	text := rep.markdown()
	if _, err := io.WriteString(stdout, "\n"+text); err != nil || f.out == "" {
		return err
	}
	return write(f.out, rep, text)
}

// write leaves JSON with every run, the text, and what benchstat reads where the scenario has that.
func write(dir string, rep report, text string) error {
	whole, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return err
	}
	files := map[string]string{".json": string(whole) + "\n", ".md": text}
	if r, ok := rep.(interface{ benchstat() string }); ok {
		files[".txt"] = r.benchstat()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	h := rep.head()
	name := filepath.Join(dir, fmt.Sprintf("%s-%s-%s", h.Scenario, h.Started.Format("20060102-1504"), strings.TrimSuffix(h.Commit, "+")))
	for ext, text := range files {
		if err := os.WriteFile(name+ext, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
