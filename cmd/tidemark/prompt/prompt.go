package prompt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// ErrQuit is what a Command returns that ends the prompt.
var ErrQuit = errors.New("quit")

// ErrCancelled is the cause of the context of what Ctrl-C has ended.
var ErrCancelled = errors.New("cancelled")

// Options configure Run.
type Options struct {
	Terminal *os.File // required
	History  string   // a file; "": nothing is kept

	// Statement runs one.
	Statement func(ctx context.Context, sql string) error
	// Command does what a line asks for that begins with a backslash.
	Command func(ctx context.Context, line string) error
	// Report shows an error; the prompt goes on.
	Report func(err error)
	// Interrupts calls f on each Ctrl-C that reaches the process, until it is given nil.
	Interrupts func(f func())
}

// prompt is a Run.
type prompt struct {
	o       Options
	fd      int
	keys    *keys
	term    *term.Terminal
	history *history
	pending string // the statement that is being typed
}

const (
	first = "tidemark> "
	more  = "       -> "
)

// Run reads lines and does what they say, until Ctrl-D, a command that quits, or the end of ctx.
func Run(ctx context.Context, o Options) error {
	p := &prompt{o: o, keys: &keys{in: o.Terminal}}
	var err error
	if p.fd, err = descriptor(o.Terminal); err != nil {
		return err
	}
	if p.history, err = openHistory(o.History); err != nil {
		o.Report(err)
	}
	p.term = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{p.keys, o.Terminal}, first)
	p.term.History = p.history
	p.term.AutoCompleteCallback = blankForTab
	stop := context.AfterFunc(ctx, func() { _ = o.Terminal.SetReadDeadline(time.Now()) }) // a file without deadlines ends with the next key
	defer stop()
	for {
		line, err := p.read(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == io.EOF:
			_, err := fmt.Fprintln(o.Terminal)
			return err
		case err != nil:
			return err
		}
		if err := p.take(ctx, line); err == ErrQuit {
			return nil
		}
	}
}

// descriptor returns that of a file. Its Fd would take the deadlines away.
func descriptor(f *os.File) (fd int, err error) {
	c, err := f.SyscallConn()
	if err == nil {
		err = c.Control(func(n uintptr) { fd = int(n) })
	}
	return fd, err
}

// read returns the next line that was typed (P2).
func (p *prompt) read(ctx context.Context) (line string, err error) {
	before, err := term.MakeRaw(p.fd)
	if err != nil {
		return "", err
	}
	defer func() {
		p.term.SetBracketedPasteMode(false)
		err = errors.Join(err, term.Restore(p.fd, before))
		if errors.Is(err, io.EOF) {
			err = io.EOF
		}
	}()
	p.term.SetBracketedPasteMode(true)
	if w, h, err := term.GetSize(p.fd); err == nil && w > 0 {
		_ = p.term.SetSize(w, h) // it fails as a write does, which the next one tells of
	}
	if p.term.SetPrompt(first); p.pending != "" {
		p.term.SetPrompt(more)
	}
	for ctx.Err() == nil {
		line, err = p.term.ReadLine()
		if p.keys.interrupted {
			p.keys.interrupted = false
			p.pending = ""
			p.term.SetPrompt(first)
			continue
		}
		if errors.Is(err, term.ErrPasteIndicator) {
			err = nil
		}
		return line, err
	}
	return "", context.Cause(ctx)
}

// take does what a line asks for.
func (p *prompt) take(ctx context.Context, line string) error {
	word := strings.TrimSpace(line)
	if p.pending == "" {
		switch low := strings.ToLower(strings.TrimSuffix(word, ";")); {
		case low == "quit" || low == "exit":
			word = `\q`
		case low == "help":
			word = `\?`
		}
		if strings.HasPrefix(word, `\`) {
			p.keep(word)
			return p.run(ctx, word, p.o.Command)
		}
	}
	var complete []string
	text := p.pending + line + "\n"
	complete, p.pending = Split(text)
	for i, sql := range complete {
		p.keep(sql + ";")
		if err := p.run(ctx, sql, p.o.Statement); err != nil {
			if i+1 < len(complete) {
				p.pending = "" // what was typed behind a mistake is not run
			}
			return err
		}
	}
	return nil
}

func (p *prompt) keep(text string) {
	if err := p.history.keep(text); err != nil {
		p.o.Report(err)
		p.history.path = "" // one complaint is enough
	}
}

// run does one thing, which Ctrl-C ends (P3).
func (p *prompt) run(ctx context.Context, text string, do func(context.Context, string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.o.Interrupts(func() { cancel(ErrCancelled) })
	defer p.o.Interrupts(nil)
	err := do(ctx, text)
	if err != nil && err != ErrQuit {
		p.o.Report(err)
	}
	return err
}

// blankForTab makes a blank of a tab, which the terminal would leave out.
func blankForTab(line string, pos int, key rune) (string, int, bool) {
	if key != '\t' {
		return "", 0, false
	}
	return line[:pos] + " " + line[pos:], pos + 1, true
}

// keys are those that are pressed. Ctrl-C is an empty line, and noted: for the terminal it would be the end (P3).
type keys struct {
	in          io.Reader
	buf         [256]byte
	ahead       []byte
	interrupted bool
}

const (
	ctrlC     = 3
	emptyLine = "\x05\x15\r" // to the end of the line, delete all before it, enter
)

// Read returns keys up to the next Ctrl-C.
func (k *keys) Read(b []byte) (int, error) {
	if len(k.ahead) == 0 {
		n, err := k.in.Read(k.buf[:])
		if n == 0 {
			return 0, err
		}
		k.ahead = k.buf[:n]
	}
	if k.ahead[0] == ctrlC && len(b) >= len(emptyLine) {
		k.ahead = k.ahead[1:]
		k.interrupted = true
		return copy(b, emptyLine), nil
	}
	n := len(k.ahead)
	for i, c := range k.ahead {
		if c == ctrlC {
			n = i
			break
		}
	}
	n = copy(b, k.ahead[:n])
	k.ahead = k.ahead[n:]
	return n, nil
}
