package dictionary

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
)

// writer writes one file. Values come in ascending order, none twice. The index is kept in memory until the end.
type writer struct {
	w    *bufio.Writer
	sum  hash.Hash
	foot Footer
	off  int64
	take func(bytes int64) error // is asked before bytes are written

	frame   []byte
	scratch []byte
	last    []byte // value before the next one
	lastID  int64  // in the frame
	entry   indexEntry
	index   []byte // frames
	open    []byte // payload of the index frame under way
	err     error
}

// LimitError refuses a temporary file that would pass Options.Disk.
type LimitError struct{ Limit int64 }

func (e *LimitError) Error() string {
	return fmt.Sprintf("temporary files of a dictionary reach their limit of %d bytes: give them more (build.dictionary_disk), or build a shorter range", e.Limit)
}

func newWriter(w io.Writer, foot Footer, take func(bytes int64) error) *writer {
	foot.FormatVersion, foot.Writer = formatNumber, writerName
	out := &writer{sum: sha256.New(), foot: foot, take: take}
	out.w = bufio.NewWriterSize(io.MultiWriter(w, out.sum), 64<<10)
	out.write([]byte(magic))
	return out
}

func (w *writer) write(b []byte) {
	if w.err == nil {
		w.err = w.take(int64(len(b)))
	}
	if w.err == nil {
		_, w.err = w.w.Write(b)
		w.off += int64(len(b))
	}
}

// add appends a value. An order that is not ascending is the caller's fault.
func (w *writer) add(value []byte, id int64) error {
	if len(value) > maxValue {
		return fmt.Errorf("a value of %d bytes: a dictionary takes up to %d", len(value), maxValue)
	}
	if w.foot.Values > 0 && bytes.Compare(w.last, value) >= 0 {
		return fmt.Errorf("value %.80q comes after %.80q: want values ascending, each once", value, w.last)
	}
	previous := w.last
	if len(w.frame) == 0 {
		// The shortest text that tells this frame from the one before.
		least := value
		if w.foot.Values > 0 {
			least = value[:commonPrefix(w.last, value)+1]
		}
		w.entry = indexEntry{least: append(w.entry.least[:0], least...)}
		previous, w.lastID = nil, -1
	}
	w.frame = appendEntry(w.frame, previous, w.lastID, value, id)
	w.last, w.lastID = append(w.last[:0], value...), id
	w.entry.values++
	w.foot.Values++
	if len(w.frame) >= frameTarget {
		w.endFrame()
	}
	return w.err
}

func (w *writer) endFrame() {
	if len(w.frame) == 0 {
		return
	}
	w.scratch = appendFrame(w.scratch[:0], w.frame)
	w.write(w.scratch)
	w.entry.payload = int64(len(w.frame))
	w.open = w.entry.append(w.open)
	w.foot.Frames++
	w.frame = w.frame[:0]
	if len(w.open) >= frameTarget {
		w.endIndex()
	}
}

func (w *writer) endIndex() {
	if len(w.open) > 0 {
		w.index = appendFrame(w.index, w.open)
		w.open = w.open[:0]
	}
}

// close writes index and footer and returns the file's size and SHA-256. It does not close the file.
func (w *writer) close() (size int64, sum string, err error) {
	w.endFrame()
	w.endIndex()
	w.foot.IndexOffset = w.off
	w.write(w.index)
	text, err := w.foot.encode()
	if err != nil {
		return 0, "", err
	}
	tail := binary.LittleEndian.AppendUint64(appendFrame(nil, text), uint64(w.off))
	w.write(append(tail, magic...))
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.off, hex.EncodeToString(w.sum.Sum(nil)), w.err
}
