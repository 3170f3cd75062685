package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// console is standard error. On a terminal its last line may be a live one, which is written over; what is printed
// meanwhile goes above it.
type console struct {
	live bool // a terminal

	mu   sync.Mutex // guards all below
	w    io.Writer
	line string
}

func newConsole(w io.Writer) *console { return &console{w: w, live: terminal(w)} }

// Write prints above the live line.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line == "" {
		return c.w.Write(p)
	}
	fmt.Fprint(c.w, c.blank())
	n, err := c.w.Write(p)
	fmt.Fprint(c.w, c.line)
	return n, err
}

func (c *console) blank() string { return "\r" + strings.Repeat(" ", columns(c.line)) + "\r" }

// replace shows another live line; "" removes it. A line longer than the terminal is wide would stay where it wraps.
func (c *console) replace(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.w.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			line = cut(line, w-1)
		}
	}
	if c.line != "" || line != "" {
		fmt.Fprint(c.w, c.blank()+line)
	}
	c.line = line
}

// status shows how far something is: live on a terminal, elsewhere a plain line from time to time.
type status struct {
	c     *console
	every time.Duration // between two plain lines
	last  time.Time
}

const plainEvery = 5 * time.Second

func (a *app) newStatus() *status { return &status{c: a.console, every: plainEvery, last: time.Now()} }

// due reports whether say would show a line at now: the last plain one may be too new.
func (s *status) due(now time.Time) bool { return s.c.live || now.Sub(s.last) >= s.every }

// say shows a line.
func (s *status) say(now time.Time, line string) {
	if s.c.live {
		s.c.replace(line)
		return
	}
	s.last = now
	fmt.Fprintln(s.c, line)
}

// end removes the live line.
func (s *status) end() {
	if s.c.live {
		s.c.replace("")
	}
}

// bytesText is a size for people: 1.5 MB.
func bytesText(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	div, exp := int64(unit), 0
	for m := n / unit; m >= unit && exp < 5; m /= unit {
		div *= unit
		exp++
	}
	return fmt.Sprintf("%.1f %cB", float64(n)/float64(div), "kMGTPE"[exp])
}

// countText is a count for people: 12.3k.
func countText(n float64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1fG", n/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1fM", n/1e6)
	case n >= 10e3:
		return fmt.Sprintf("%.1fk", n/1e3)
	}
	return fmt.Sprintf("%.0f", n)
}
