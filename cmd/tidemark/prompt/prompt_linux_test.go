package prompt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/tidemarkdb/tidemark/cmd/tidemark/prompt"
)

// screen is the other side of a terminal.
type screen struct {
	t        *testing.T
	keyboard *os.File
	tty      *os.File

	mu   sync.Mutex
	more *sync.Cond
	text bytes.Buffer
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	s := &screen{t: t}
	s.more = sync.NewCond(&s.mu)
	var err error
	if s.keyboard, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatalf("open a terminal: %v", err)
	}
	var n int
	control(t, s.keyboard, func(fd int) (err error) {
		if n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN); err == nil {
			err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
		}
		return err
	})
	if s.tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := s.keyboard.Read(b)
			s.mu.Lock()
			s.text.Write(b[:n])
			s.more.Broadcast()
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		if err := errors.Join(s.tty.Close(), s.keyboard.Close()); err != nil {
			t.Error(err)
		}
		<-done
	})
	return s
}

// control does something with the descriptor of a file that keeps its deadlines.
func control(t *testing.T, f *os.File, do func(fd int) error) {
	t.Helper()
	c, err := f.SyscallConn()
	if err == nil {
		cerr := c.Control(func(fd uintptr) { err = do(int(fd)) })
		err = errors.Join(err, cerr)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// see waits until a text was written behind what was seen before, and returns all up to it.
func (s *screen) see(want string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if i := strings.Index(s.text.String(), want); i >= 0 {
			return string(s.text.Next(i + len(want)))
		}
		s.more.Wait()
	}
}

func (s *screen) press(keys string) {
	s.t.Helper()
	if _, err := s.keyboard.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// session is a prompt on a screen, whose statements and commands are noted.
type session struct {
	*screen
	end context.CancelCauseFunc

	mu        sync.Mutex
	did       []string
	interrupt func()
	ended     chan error
}

func newSession(t *testing.T) *session {
	s := &session{screen: newScreen(t), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancelCause(t.Context())
	s.end = cancel
	note := func(text string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.did = append(s.did, text)
	}
	o := prompt.Options{
		Terminal: s.tty,
		Statement: func(ctx context.Context, sql string) error {
			note(sql)
			switch sql {
			case "wrong":
				return errors.New("it is wrong")
			case "long":
				fmt.Fprintln(s.tty, "it runs")
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		},
		Command: func(_ context.Context, line string) error {
			note(line)
			if line == `\q` {
				return prompt.ErrQuit
			}
			return nil
		},
		Report: func(err error) { fmt.Fprintln(s.tty, "reported:", err) },
		Interrupts: func(f func()) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.interrupt = f
		},
	}
	go func() { s.ended <- prompt.Run(ctx, o) }()
	t.Cleanup(func() { cancel(nil) })
	s.see("tidemark> ")
	return s
}

// quits expects the end, and what was done until then.
func (s *session) quits(want error, did ...string) {
	s.t.Helper()
	if err := <-s.ended; !errors.Is(err, want) {
		s.t.Errorf("ended with %v, want %v", err, want)
	}
	if d := cmp.Diff(did, s.did); d != "" {
		s.t.Error(d)
	}
}

func (s *session) interrupted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupt()
}

func TestPrompt(t *testing.T) {
	s := newSession(t)
	s.press("select 1\r")
	s.see("       -> ")
	s.press("+ 2; select 3;\r")
	s.see("tidemark> ")
	s.press("\\d x\r")
	s.see("tidemark> ")
	s.press("wrong; select 4;\r")
	s.see("reported: it is wrong")
	s.see("tidemark> ")
	s.press("\x1b[A\r") // arrow up: once more
	s.see("reported: it is wrong")
	s.see("tidemark> ")
	s.press("a\tb;\r")
	s.see("tidemark> ")
	s.press("\x1b[200~pasted,\rin\rlines;\x1b[201~\r")
	s.see("tidemark> ")
	s.press("quit\r")
	s.quits(nil, "select 1\n+ 2", "select 3", `\d x`, "wrong", "wrong", "a b", "pasted,\nin\nlines", `\q`)
}

// P3.
func TestInterrupt(t *testing.T) {
	s := newSession(t)
	s.press("select\r")
	s.see("       -> ")
	s.press("what\x03")
	s.see("tidemark> ")
	s.press("typed before\x03\x03select 1;\r")
	for range 3 {
		s.see("tidemark> ")
	}
	s.press("long;\r")
	s.see("it runs")
	s.interrupted()
	s.see("reported: cancelled")
	s.see("tidemark> ")
	s.press("\x04")
	s.quits(nil, "select 1", "long")
}

// P2: whoever comes behind finds the terminal as it was.
func TestTerminalIsRestored(t *testing.T) {
	s := newScreen(t)
	state := func() (st *unix.Termios) {
		control(t, s.tty, func(fd int) (err error) {
			st, err = unix.IoctlGetTermios(fd, unix.TCGETS)
			return err
		})
		return st
	}
	before := state()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	ended := make(chan error)
	go func() {
		ended <- prompt.Run(ctx, prompt.Options{Terminal: s.tty, Statement: func(context.Context, string) error {
			if d := cmp.Diff(before, state()); d != "" {
				t.Errorf("while a statement runs: %s", d)
			}
			return nil
		}, Interrupts: func(func()) {}, Report: func(err error) { t.Error(err) }})
	}()
	s.see("tidemark> ")
	if cmp.Equal(before, state()) {
		t.Error("the terminal is the same while keys are read")
	}
	s.press("select 1;\r")
	s.see("tidemark> ")
	over := errors.New("over")
	cancel(over)
	if err := <-ended; !errors.Is(err, over) {
		t.Errorf("ended with %v, want %v", err, over)
	}
	if d := cmp.Diff(before, state()); d != "" {
		t.Errorf("behind it: %s", d)
	}
}
