package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// A live line is cut between characters to what the terminal has room for, and what removes it is as wide as it is.
func TestLiveLineIsCutBetweenCharacters(t *testing.T) {
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c := newConsole(w)
	const line = "größe 10 µs 日本"
	for width := 1; width < 20; width++ {
		if err := unix.IoctlSetWinsize(int(w.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 1, Col: uint16(width)}); err != nil {
			t.Fatal(err)
		}
		c.replace(line)
		if !utf8.ValidString(c.line) || columns(c.line) >= width && width > 1 || !strings.HasPrefix(line, strings.TrimSuffix(c.line, "…")) {
			t.Errorf("%d columns: shows %q", width, c.line)
		}
		if got := c.blank(); len(got) != columns(c.line)+2 {
			t.Errorf("%q is removed by %q", c.line, got)
		}
		if width > columns(line) && c.line != line {
			t.Errorf("%d columns: shows %q, though there is room for %q", width, c.line, line)
		}
	}
}
