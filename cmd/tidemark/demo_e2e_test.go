//go:build e2e

package main_test

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// played is a demo that runs, and what it told people to try.
type played struct {
	*testkit.Process
	t                 *testing.T
	root              string // of the checkout
	curl, psql, query string
	verify            string
}

// demoCommand is README's own.
func demoCommand(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^go run ./cmd/tidemark demo$`).FindString(string(text))
	if line == "" {
		t.Fatal("README has no line go run ./cmd/tidemark demo")
	}
	return strings.Fields(line)
}

func play(t *testing.T, c testkit.Command) *played {
	t.Helper()
	p := &played{Process: testkit.Start(t, c), t: t, root: c.Dir}
	p.curl = p.WaitLine(`^  (curl .*)\n`)[1]
	p.psql = p.WaitLine(`^  (psql .*)\n`)[1]
	p.query = p.WaitLine(`^  (.* query --data .*)\n`)[1]
	p.verify = p.WaitLine(`^More: (.* verify --against-kafka --data [^;]*);`)[1]
	return p
}

// try runs a command as a person would paste it.
func (p *played) try(command string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "sh", "-c", command)
	cmd.Dir = p.root
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// count adds what an expression finds in a command's answer.
func (p *played) count(command, expr string) (n int64) {
	p.t.Helper()
	out := p.try(command)
	found := regexp.MustCompile(expr).FindAllStringSubmatch(out, -1)
	for _, m := range found {
		v, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			p.t.Fatalf("%s: %v in\n%s", command, err, out)
		}
		n += v
	}
	if n == 0 {
		p.t.Errorf("%s counts nothing:\n%s", command, out)
	}
	return n
}

// counts asks in all three ways, one after the other: each sees all that the one before has seen.
func (p *played) counts() (last int64) {
	p.t.Helper()
	asked := []struct{ command, expr string }{
		{p.curl, `(?m)^(\d+),\d+,\d+\r?$`},
		{p.psql, `(?m)^ \S+ +\| +(\d+) \|`},
		{p.query, `(?m)^\S+ +\S.*? +(\d+)$`},
	}
	if _, err := exec.LookPath("psql"); err != nil {
		asked = append(asked[:1], asked[2])
		p.t.Log("there is no psql")
	}
	for _, a := range asked {
		n := p.count(a.command, a.expr)
		if n < last {
			p.t.Errorf("%s counts %d events, the answer before counted %d", a.command, n, last)
		}
		last = n
	}
	return last
}

// ended waits for the summary.
func (p *played) ended() (s struct {
	Sent, Backlog, Committed, Events, Quarantined, Unsegmented, Lag int64
	OK                                                              bool
},
) {
	p.t.Helper()
	out, code := p.Output()
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != 0 {
		p.t.Fatalf("the demo ended with code %d: %v in %q", code, err, out)
	}
	return s
}

// The demo, by README's own command: what it tells people to try counts what was sent, while it runs, after it, and when it
// runs again on the same folder.
func TestDemo(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testkit.Binary(t) // before the demo runs: it is not long enough to build it meanwhile
	data := filepath.Join(t.TempDir(), "demo")
	flags := []string{"--http", "127.0.0.1:0", "--pg", "127.0.0.1:0", "--data", data, "-o", "json"}
	readme := demoCommand(t)
	p := play(t, testkit.Command{Program: readme[0], Args: append(append(readme[1:], "--duration", "30s"), flags...), Dir: root})
	if !strings.HasPrefix(p.query, "go run ./cmd/tidemark query ") {
		t.Errorf("started by %q it says to try %q", readme, p.query)
	}
	_, all, code := testkit.Run(t, testkit.Command{Args: append([]string{"demo", "--duration", "1s"}, flags...)})
	if code != 1 || !regexp.MustCompile(`is in use by process \d+`).MatchString(all) {
		t.Errorf("a second demo on the folder: exit code %d, want 1 and who holds it:\n%s", code, all)
	}
	p.WaitLine(`^cut +segment 1: \d+ offsets`)
	seen := p.counts() // before it waits for more: the demo must not end meanwhile
	p.WaitLine(`^built +segment 1: \d+ events, 61 cuboids`)
	p.WaitLine(`^fresh +an event is in answers \d+`)
	first := p.ended()
	if !first.OK || first.Sent != first.Committed || first.Committed != first.Events+first.Quarantined || first.Unsegmented != 0 || first.Lag != 0 {
		t.Errorf("the summary says %+v", first)
	}
	if seen > first.Events {
		t.Errorf("answers counted %d events, %d were sent in all", seen, first.Events)
	}
	if n := p.count(p.query, `(?m)^\S+ +\S.*? +(\d+)$`); n != first.Events { // asks the folder
		t.Errorf("after the end %d events are counted, %d were sent", n, first.Events)
	}

	// Again, until a person has seen a merge, and then Ctrl-C.
	p = play(t, testkit.Command{Args: append([]string{"demo"}, flags...), Dir: root})
	if n := p.counts(); n < first.Events {
		t.Errorf("after the second start %d events are counted, %d were there before", n, first.Events)
	}
	p.WaitLine(`^merged +segments \d+, \d+.* into \d+: \d+ events, 61 cuboids`)
	if out := p.try(p.verify); !strings.Contains(out, "every offset is accounted for") {
		t.Errorf("%s: %s", p.verify, out)
	}
	p.Signal(syscall.SIGINT)
	second := p.ended()
	if n := p.count(p.query, `(?m)^\S+ +\S.*? +(\d+)$`); n != first.Events+second.Events {
		t.Errorf("after both %d events are counted, want %d and %d", n, first.Events, second.Events)
	}
	if out, all, code := testkit.Run(t, testkit.Command{Args: []string{"verify", "--data", data}}); code != 0 {
		t.Errorf("verify: exit code %d: %s%s", code, out, all)
	}
}

// The demo on brokers that are not its own: it makes the topic, Ctrl-C ends it, it goes on where it was, and what is counted is what was
// sent in both runs, as Kafka itself has it.
func TestDemoOnBrokers(t *testing.T) {
	brokers := testkit.Kafka(t)
	adm := kadm.NewClient(testkit.Client(t, []string{brokers}))
	topic := testkit.Name("demo")
	t.Cleanup(func() {
		_, err := adm.DeleteTopic(context.WithoutCancel(t.Context()), topic)
		if err != nil {
			t.Errorf("delete topic %s: %v", topic, err)
		}
	})
	data := filepath.Join(t.TempDir(), "demo")
	args := []string{"demo", "--brokers", brokers, "--topic", topic, "--rate", "1000", "--http", "127.0.0.1:0", "--pg", "127.0.0.1:0", "--data", data, "-o", "json"}
	var sent, events, left int64
	for _, found := range []string{"was made", "was there already"} {
		p := play(t, testkit.Command{Args: args})
		p.WaitLine(`to topic ` + topic + ` of .* \(it ` + found + `, 4 partitions\)`)
		p.WaitLine(`^built +segment \d+: `)
		if events == 0 {
			p.WaitLine(`^fresh +an event is in answers \d+`)
		}
		if n := p.counts(); n < events {
			t.Errorf("%d events are counted, %d were there before", n, events)
		}
		if out := p.try(p.verify); !strings.Contains(out, "every offset is accounted for") || !strings.Contains(out, " 0 offsets are no longer there") {
			t.Errorf("%s: %s", p.verify, out)
		}
		if out, all, code := testkit.Run(t, testkit.Command{Args: []string{"statements", "--data", data, "-o", "json"}}); code != 0 || strings.Contains(out, "SELECT count(*) FROM pageviews") {
			t.Errorf("statements lists the demo's own, code %d:\n%s", code, all)
		}
		asked := time.Now()
		p.Signal(syscall.SIGINT)
		s := p.ended()
		if took := time.Since(asked); took > 3*time.Second {
			t.Errorf("Ctrl-C took %s", took)
		}
		if s.Sent == 0 || s.Backlog != left {
			t.Errorf("the summary says %+v, the run before left %d records", s, left)
		}
		sent, events, left = sent+s.Sent, events+s.Events, s.Sent+s.Backlog-s.Committed
		if n := p.count(p.query, `(?m)^\S+ +\S.*? +(\d+)$`); n != events {
			t.Errorf("after the end %d events are counted, want %d", n, events)
		}
	}
	ends, err := adm.ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var has int64
	ends.Each(func(o kadm.ListedOffset) { has += o.Offset })
	out, all, code := testkit.Run(t, testkit.Command{Args: []string{"verify", "--against-kafka", "--brokers", brokers, "--data", data}})
	if want := strconv.FormatInt(sent-left, 10) + " records of Kafka compared"; code != 0 || has != sent || !strings.Contains(out, want) {
		t.Errorf("Kafka has %d records, %d were sent and %d of them not read: verify has exit code %d, want %s: %s", has, sent, left, code, want, all)
	}
}

// Brokers that take connections and never answer are told while the demo tries them, and Ctrl-C ends it.
func TestDemoOnSilentBrokers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts: the system takes connections up
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := testkit.Start(t, testkit.Command{Args: []string{"demo", "--brokers", l.Addr().String(), "--http", "127.0.0.1:0", "--pg", "off"}})
	p.WaitLine(`^waiting +` + l.Addr().String() + `: no answer yet; the demo gives up after 30s`)
	p.Signal(syscall.SIGINT)
	p.WaitLine(`^tidemark: interrupted`)
	if code := p.Wait(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}
