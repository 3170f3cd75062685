package backup

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Prefix is where backups lie in a store. docs/format/catalog-dump.md says what is in them.
const Prefix = "backup/"

// archived is the name of the dump in an archive.
const archived = "catalog.jsonl"

// Pack writes a file with a dump as a backup is stored: tar.gz.
func Pack(w io.Writer, dump string, now time.Time) error {
	f, err := os.Open(dump)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	zip := gzip.NewWriter(w)
	out := tar.NewWriter(zip)
	if err := out.WriteHeader(&tar.Header{Name: archived, Mode: 0o600, Size: info.Size(), ModTime: now}); err != nil {
		return err
	}
	if _, err := io.Copy(out, f); err != nil {
		return err
	}
	return errors.Join(out.Close(), zip.Close())
}

// Open returns the dump in an archive.
func Open(r io.Reader) (io.Reader, error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	in := tar.NewReader(zip)
	for {
		h, err := in.Next()
		if err != nil {
			return nil, fmt.Errorf("it has no %s: %w", archived, err)
		}
		if h.Name == archived {
			return in, nil
		}
	}
}

// DamagedError says that an archive is not what was written.
type DamagedError struct{ Err error }

func (e *DamagedError) Error() string { return e.Err.Error() }
func (e *DamagedError) Unwrap() error { return e.Err }

// gzipHead is what Pack begins with. No checksum covers it.
const gzipHead = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// Check reads an archive to its end: its checksum, one dump in it, whole. It returns the id of the catalog and the number of
// rows. What is wrong with it is an *DamagedError, any other error is the reader's.
func Check(r io.Reader) (id string, rows int64, err error) {
	src := &watched{r: r}
	buf := bufio.NewReader(src)
	var zip *gzip.Reader
	if head, _ := buf.Peek(len(gzipHead)); string(head) != gzipHead {
		err = errors.New("its first bytes are not those of a backup")
	} else if zip, err = gzip.NewReader(buf); err == nil {
		id, rows, err = checkTar(zip)
	}
	switch {
	case src.err != nil:
		return "", 0, src.err
	case err != nil:
		return "", 0, &DamagedError{err}
	}
	return id, rows, nil
}

func checkTar(zip io.Reader) (id string, rows int64, err error) {
	in := tar.NewReader(zip)
	h, err := in.Next()
	if err != nil {
		return "", 0, err
	}
	if h.Name != archived {
		return "", 0, fmt.Errorf("it holds %s, want %s", h.Name, archived)
	}
	if id, rows, err = checkDump(in); err != nil {
		return "", 0, err
	}
	if _, err := in.Next(); !errors.Is(err, io.EOF) {
		return "", 0, fmt.Errorf("it holds more than %s: %w", archived, err)
	}
	_, err = io.Copy(io.Discard, zip) // to the checksum
	return id, rows, err
}

// checkDump counts the rows of a dump.
func checkDump(r io.Reader) (id string, rows int64, err error) {
	dec := json.NewDecoder(r)
	var h struct {
		Format int    `json:"tidemark_catalog"`
		ID     string `json:"id"`
	}
	if err := dec.Decode(&h); err != nil {
		return "", 0, fmt.Errorf("header of the dump: %w", err)
	}
	if h.Format != 1 {
		return "", 0, fmt.Errorf("the dump has format %d, this program knows 1", h.Format)
	}
	for {
		var line json.RawMessage
		if err := dec.Decode(&line); err != nil {
			return "", 0, fmt.Errorf("after %d rows: %w", rows, err)
		}
		if line[0] == '[' {
			rows++
			continue
		}
		var d struct {
			End  bool  `json:"end"`
			Rows int64 `json:"rows"`
		}
		if err := json.Unmarshal(line, &d); err != nil {
			return "", 0, err
		}
		if !d.End {
			continue
		}
		if d.Rows != rows {
			return "", 0, fmt.Errorf("the dump says %d rows and has %d", d.Rows, rows)
		}
		return h.ID, rows, nil
	}
}

// watched keeps an error of reading, which decoders do not always pass on.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}
