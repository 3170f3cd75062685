//go:build e2e

package main_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidemarkdb/tidemark/internal/testkit"
)

var rewriteSession = flag.Bool("rewrite", false, "write what the README's session prints into docs/SESSION.md")

const (
	readme     = "../../README.md"
	transcript = "../../docs/SESSION.md"
	sessionOf  = 5000 // events that the session makes
)

// readSession returns the lines of README's session that are for Kafka.
func readSession(t *testing.T) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## A session\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for i, block := range strings.Split(section, "```") {
		if i%2 == 1 && !strings.Contains(block, "rpk ") {
			lines = append(lines, strings.Split(strings.TrimSpace(block), "\n")...)
		}
	}
	if len(lines) < 8 {
		t.Fatalf("README's session has %d commands for Kafka: %q", len(lines), lines)
	}
	return lines
}

// session runs README's lines in a folder of its own: the program, the broker and the ports are those of the test.
type session struct {
	t       *testing.T
	dir     string
	brokers string
	out     strings.Builder // the transcript
}

// The README's session works as it is written, and docs/SESSION.md is what it prints.
func TestReadmeSession(t *testing.T) {
	s := &session{t: t, dir: t.TempDir(), brokers: testkit.Kafka(t)}
	bin := filepath.Join(s.dir, ".bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	kafka, err := filepath.Abs("../../deploy/local/kafka.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"kafka-topics.sh", "kafka-console-producer.sh"} {
		script := fmt.Sprintf("#!/bin/sh\nexec '%s' tool %s \"$@\"\n", kafka, tool)
		if err := os.WriteFile(filepath.Join(bin, tool), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	lines := readSession(t)
	cl := testkit.Client(t, []string{s.brokers})
	t.Cleanup(func() {
		if _, err := kadm.NewClient(cl).DeleteTopics(context.Background(), "clicks"); err != nil {
			t.Error(err)
		}
	})
	for _, line := range lines {
		s.command(line)
	}
	got := s.out.String()
	for _, want := range []string{"Created topic clicks", "\nDE         1875   216.2\n", "5000 events", "every offset is accounted for"} {
		if !strings.Contains(got, want) {
			t.Errorf("the session printed no %q:\n%s", want, got)
		}
	}
	if *rewriteSession {
		if err := os.WriteFile(transcript, []byte(sessionHead+got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.compare(lines)
}

const sessionHead = "# A session\n\nWhat the session of the [README](../README.md#a-session) prints, with Apache Kafka. A test runs it line by line, compares the commands here with\n" +
	"those there, and writes this file (`-run TestReadmeSession -rewrite`); it ran against the Kafka of `deploy/local`. The lines for Redpanda were not\n" +
	"run: Redpanda speaks Kafka's protocol, and all after them is the same.\n\n"

// command runs one line of the README and writes down what it prints.
func (s *session) command(line string) {
	s.t.Helper()
	fmt.Fprintf(&s.out, "```\n$ %s\n", line)
	switch {
	case strings.HasPrefix(line, "go build "):
		// What it would build is there already.
		if err := os.Symlink(testkit.Binary(s.t), filepath.Join(s.dir, "tidemark")); err != nil {
			s.t.Fatal(err)
		}
	case strings.HasPrefix(line, "./tidemark serve "):
		s.serve(strings.Fields(line)[1:])
	default:
		s.shell(line)
	}
	s.out.WriteString("```\n\n")
}

func (s *session) env() []string {
	env := []string{"PATH=" + filepath.Join(s.dir, ".bin") + ":" + os.Getenv("PATH"), "TIDEMARK_HTTP=127.0.0.1:0"}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TIDEMARK_") && !strings.HasPrefix(v, "PATH=") {
			env = append(env, v)
		}
	}
	return env
}

func (s *session) real(text string) string {
	return strings.ReplaceAll(text, "localhost:9092", s.brokers)
}

func (s *session) shell(line string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", s.real(line))
	cmd.Dir, cmd.Env = s.dir, s.env()
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	s.printed(string(out))
	if file, ok := strings.CutPrefix(line[strings.LastIndex(line, ">")+1:], " "); ok && strings.HasSuffix(file, ".yaml") {
		b, err := os.ReadFile(filepath.Join(s.dir, file))
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintf(&s.out, "$ cat %s\n", file)
		s.printed(string(b))
	}
}

func (s *session) printed(text string) {
	s.out.WriteString(strings.ReplaceAll(strings.ReplaceAll(text, s.brokers, "localhost:9092"), s.dir, "."))
}

// serve starts the server for the rest of the session and returns when it has read all.
func (s *session) serve(args []string) {
	s.t.Helper()
	for i, a := range args {
		args[i] = s.real(a)
	}
	p := testkit.Start(s.t, testkit.Command{Args: args, Dir: s.dir, Env: []string{"TIDEMARK_HTTP=127.0.0.1:0"}})
	line := p.WaitLine(`tidemark serves .*`)[0]
	for i, port := range []string{"7070", "7432"} {
		at := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindAllString(line, -1)
		line = strings.Replace(line, at[i], "127.0.0.1:"+port, 1)
	}
	fmt.Fprintln(&s.out, line)
	testkit.Until(s.t, "all clicks are read", func(ctx context.Context) error {
		cmd := exec.CommandContext(ctx, "./tidemark", "query", "-o", "csv", "SELECT count(*) FROM clicks")
		cmd.Dir, cmd.Env = s.dir, s.env()
		out, err := cmd.Output()
		if err == nil && !strings.HasSuffix(strings.TrimSpace(string(out)), fmt.Sprint(sessionOf)) {
			err = errors.New(string(out))
		}
		return err
	})
}

// compare holds the transcript's commands against README's.
func (s *session) compare(lines []string) {
	s.t.Helper()
	text, err := os.ReadFile(transcript)
	if err != nil {
		s.t.Fatal(err)
	}
	var have []string
	for _, m := range regexp.MustCompile("```\n\\$ (.*)\n").FindAllStringSubmatch(string(text), -1) {
		have = append(have, m[1])
	}
	if d := gocmp.Diff(lines, have); d != "" {
		s.t.Errorf("commands of README's session and of docs/SESSION.md (-README +transcript): run this test with -rewrite\n%s", d)
	}
}
