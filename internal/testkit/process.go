package testkit

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the built binary of this test process; tests share it because linking takes seconds.
var program struct {
	once sync.Once
	path string
	err  error
}

// Binary returns the path of the tidemark program built from this checkout, or what TIDEMARK_TEST_BINARY names. It is
// built once in a test process, into the folder .bin of the checkout, where the next build replaces it.
func Binary(t testing.TB) string {
	t.Helper()
	if p := os.Getenv("TIDEMARK_TEST_BINARY"); p != "" {
		return p
	}
	program.once.Do(func() { program.path, program.err = build() })
	if program.err != nil {
		t.Fatal(program.err)
	}
	return program.path
}

func build() (string, error) {
	module, err := moduleRoot()
	if err != nil {
		return "", err
	}
	path := filepath.Join(module, ".bin", "tidemark-test")
	// Built aside: a process that runs the last one keeps it, and nobody sees half of one.
	fresh := path + "-" + strconv.Itoa(os.Getpid())
	cmd := exec.Command("go", "build", "-o", fresh, "./cmd/tidemark")
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/tidemark: %w\n%s", err, out)
	}
	return path, os.Rename(fresh, path)
}

// Command is a call of the program.
type Command struct {
	Program string // default: the built program. Of another one the processes that it has started end with it
	Args    []string
	Env     []string // beside the environment of the test, from which TIDEMARK_ variables are taken out
	Dir     string   // working folder; default: a new one
	Log     string   // file that the call and its output are added to, line by line; default: none
}

// Process is the running program. Its output is kept.
type Process struct {
	t    testing.TB
	cmd  *exec.Cmd
	name string

	mu     sync.Mutex
	log    *os.File // nil: none
	stdout []string
	lines  []string      // of both outputs, in the order they came
	more   chan struct{} // closed when a line is added or the process ends

	done chan struct{}
	code int // valid when done is closed
}

// Start starts the program. If it still runs at the end of the test it is killed; if the test failed its last lines are
// logged.
func Start(t testing.TB, c Command) *Process {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	name := c.Program
	if name == "" {
		name = Binary(t)
	}
	cmd := exec.Command(name, c.Args...)
	cmd.Dir = c.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: c.Program != ""}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TIDEMARK_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, c.Env...)
	p := &Process{
		t: t, cmd: cmd, name: cmp.Or(c.Program, "tidemark") + " " + strings.Join(c.Args, " "),
		more: make(chan struct{}), done: make(chan struct{}),
	}
	if c.Log != "" {
		f, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		p.log = f
		p.write("$ " + p.name + "\n")
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	var readers sync.WaitGroup
	readers.Go(func() { p.read(stdout, true) })
	readers.Go(func() { p.read(stderr, false) })
	go func() {
		readers.Wait() // before Wait, which closes the pipes
		err := cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			p.add("wait: "+err.Error(), false)
		}
		p.code = cmd.ProcessState.ExitCode()
		p.end()
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() && (c.Log == "" || p.code != 0) { // what ended well stands in the log
			t.Logf("%s, last lines:\n%s", p.name, p.tail(60))
		}
	})
	return p
}

// Run starts the program and waits for its end. It returns what stood on standard output, both outputs, and the exit
// code.
func Run(t testing.TB, c Command) (stdout, all string, code int) {
	t.Helper()
	p := Start(t, c)
	stdout, code = p.Output()
	p.mu.Lock()
	defer p.mu.Unlock()
	return stdout, strings.Join(p.lines, ""), code
}

// Output waits for the end and returns what stood on standard output, and the exit code.
func (p *Process) Output() (stdout string, code int) {
	p.t.Helper()
	code = p.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.stdout, ""), code
}

func (p *Process) read(r io.Reader, stdout bool) {
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadString('\n')
		if line != "" {
			p.add(line, stdout)
		}
		if err != nil {
			return
		}
	}
}

func (p *Process) add(line string, stdout bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if line != "" {
		p.lines = append(p.lines, line)
		p.write(line)
	}
	if stdout {
		p.stdout = append(p.stdout, line)
	}
	close(p.more)
	p.more = make(chan struct{})
}

// write adds to the log. It goes with each line, as a test binary that is out of time runs no clean-up.
func (p *Process) write(text string) {
	if p.log == nil {
		return
	}
	if _, err := p.log.WriteString(text); err != nil {
		p.t.Errorf("log of %s: %v", p.name, err)
		p.log = nil
	}
}

// end tells those who wait that the process has ended and all its output is read.
func (p *Process) end() {
	p.mu.Lock()
	if p.log != nil {
		p.write(fmt.Sprintf("exit code %d\n\n", p.code))
		_ = p.log.Close() // nothing was buffered
		p.log = nil
	}
	p.mu.Unlock()
	close(p.done)
	p.add("", false)
}

func (p *Process) tail(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines[max(0, len(p.lines)-n):], "")
}

// WaitLine waits for a line of either output that matches the expression, from the first line on, and returns the match
// and its groups.
func (p *Process) WaitLine(expr string) []string {
	p.t.Helper()
	re := regexp.MustCompile(expr)
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for seen := 0; ; {
		ended := p.Ended() // asked before the lines are: no line comes after it
		p.mu.Lock()
		lines, more := p.lines[seen:], p.more
		seen = len(p.lines)
		p.mu.Unlock()
		for _, line := range lines {
			if m := re.FindStringSubmatch(line); m != nil {
				return m
			}
		}
		if ended {
			p.t.Fatalf("%s ended with code %d before a line matched %q", p.name, p.code, expr)
		}
		select {
		case <-more:
		case <-limit.C:
			p.t.Fatalf("%s: no line matched %q in %s", p.name, expr, patience)
		}
	}
}

// Ended reports whether the process has ended and all its output is read.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Wait waits for the end and returns the exit code, -1 after a signal.
func (p *Process) Wait() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.code
	case <-time.After(5 * patience):
		p.t.Fatalf("%s does not end", p.name)
		return -1
	}
}

// Kill ends the process as kill -9 does and waits until it is gone. Killing a process that has ended does nothing.
func (p *Process) Kill() {
	if p.cmd.SysProcAttr.Setpgid {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // all of its group may have ended
	}
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// Signal sends a signal, such as os.Interrupt.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("signal %s to %s: %v", s, p.name, err)
	}
}

// Until asks again and again until ask returns nil. Between two questions a moment passes; the whole has a limit, and
// the last answer is printed when it is reached.
func Until(t testing.TB, what string, ask func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			t.Fatalf("%s: not in %s; last: %v", what, patience, err)
		}
	}
}

// WaitHTTP waits until a GET of url answers 200 and returns the body.
func WaitHTTP(t testing.TB, url string) string {
	t.Helper()
	var body string
	Until(t, "GET "+url, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", resp.Status, b)
		}
		body = string(b)
		return nil
	})
	return body
}
