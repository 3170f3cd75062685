package prompt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	historyEntries = 1000    // that a history keeps
	historyBytes   = 1 << 20 // that are read of its file, from its end
	longestEntry   = 16 << 10
)

// history is what was typed, the newest last; it is the History of a terminal.
type history struct {
	path    string // "": it is not kept
	entries []string
}

// openHistory reads a history. A file that is too long is made shorter.
func openHistory(path string) (*history, error) {
	h := &history{path: path}
	if path == "" {
		return h, nil
	}
	text, whole, err := tailOf(path, historyBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return h, fmt.Errorf("read the history: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			h.entries = append(h.entries, line)
		}
	}
	if whole && len(h.entries) <= historyEntries {
		return h, nil
	}
	h.bound()
	return h, h.rewrite()
}

// tailOf returns the last bytes of a file, from the beginning of a line.
func tailOf(path string, most int64) (text []byte, whole bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, false, err
	}
	from := max(0, size-most)
	text = make([]byte, size-from)
	if _, err := f.ReadAt(text, from); err != nil && err != io.EOF {
		return nil, false, err
	}
	if from > 0 {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return text, from == 0, nil
}

// rewrite replaces the file by what is kept.
func (h *history) rewrite() error {
	f, err := os.CreateTemp(filepath.Dir(h.path), ".history-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	_, err = f.WriteString(strings.Join(h.entries, "\n") + "\n")
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), h.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the history: %w", err), os.Remove(f.Name()))
	}
	return nil
}

func (h *history) bound() { h.entries = h.entries[max(0, len(h.entries)-historyEntries):] }

// keep adds an entry to the history and its file. The same one twice in a row is kept once.
func (h *history) keep(text string) error {
	text, ok := flat(text)
	if !ok || text == "" || len(text) > longestEntry || len(h.entries) > 0 && h.entries[len(h.entries)-1] == text {
		return nil
	}
	h.entries = append(h.entries, text)
	h.bound()
	if h.path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(h.path), 0o700); err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	f, err := os.OpenFile(h.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	_, err = f.WriteString(text + "\n")
	return errors.Join(err, f.Close())
}

// Add is told of every line; a statement of several is kept as a whole, by keep.
func (h *history) Add(string) {}

// Len is the number of entries.
func (h *history) Len() int { return len(h.entries) }

// At returns an entry; 0 is the newest.
func (h *history) At(i int) string { return h.entries[len(h.entries)-1-i] }
