package dictionary

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// temp is a temporary file. *os.File is one.
type temp interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.WriterAt
	io.Closer
	Name() string
}

func createTemp(dir string) (temp, error) { return os.CreateTemp(dir, "dictionary-*") }

// scratch is a temporary file that says what to do about a full disk.
type scratch struct {
	temp
	dir string
}

func (s *scratch) Write(b []byte) (int, error) {
	n, err := s.temp.Write(b)
	return n, asDiskFull(s.dir, err)
}

func (s *scratch) WriteAt(b []byte, off int64) (int, error) {
	n, err := s.temp.WriteAt(b, off)
	return n, asDiskFull(s.dir, err)
}

// DiskFullError says that temporary files did not fit on their disk, whatever the limit. What a Gather had there is removed when it is closed.
type DiskFullError struct {
	Dir string // of temporary files
	Err error
}

func (e *DiskFullError) Error() string {
	return fmt.Sprintf("temporary files of a dictionary: %v: free space below %s, move the data folder (data) to a larger disk, or give dictionaries more memory (build.dictionary_memory)",
		e.Err, e.Dir)
}

func (e *DiskFullError) Unwrap() error { return e.Err }

// asDiskFull returns err as it is where it has another reason.
func asDiskFull(dir string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &DiskFullError{Dir: dir, Err: err}
	}
	return err
}

// disk accounts for the temporary files of one Gather. They are read back by this process only and carry no hashes.
type disk struct {
	dir    string
	create func(dir string) (temp, error)
	limit  int64
	used   int64
	files  []*scratch
	m      *metrics
}

// file makes a temporary file.
func (d *disk) file() (*scratch, error) {
	f, err := d.create(d.dir)
	if err != nil {
		return nil, asDiskFull(d.dir, err)
	}
	s := &scratch{f, d.dir}
	d.files = append(d.files, s)
	return s, nil
}

// take counts bytes before they are written.
func (d *disk) take(n int64) error {
	if d.used+n > d.limit {
		return &LimitError{d.limit}
	}
	d.used += n
	d.m.spilled.Add(float64(n))
	return nil
}

// drop removes a file of size bytes.
func (d *disk) drop(f *scratch, size int64) error {
	for i, have := range d.files {
		if have == f {
			d.files = append(d.files[:i], d.files[i+1:]...)
			break
		}
	}
	d.used -= size
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func (d *disk) close() error { return d.undo(mark{}) }

// mark is what a disk has at some time.
type mark struct {
	files int
	used  int64
}

func (d *disk) mark() mark { return mark{len(d.files), d.used} }

// undo removes the files that were made since, of which none was dropped. What was written to others is written over.
func (d *disk) undo(m mark) error {
	var errs []error
	for _, f := range d.files[m.files:] {
		errs = append(errs, f.Close(), os.Remove(f.Name()))
	}
	d.files, d.used = d.files[:m.files], m.used
	return errors.Join(errs...)
}

// run is a temporary file of values in order, each with the blocks that have it.
type run struct {
	f    *scratch
	size int64
}

// writeRun writes what a stream has.
func (d *disk) writeRun(ctx context.Context, from stream) (*run, error) {
	f, err := d.file()
	if err != nil {
		return nil, err
	}
	r := &run{f: f}
	out := bufio.NewWriterSize(f, 64<<10)
	var entry, last []byte
	for {
		ok, err := from.next(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			return r, out.Flush()
		}
		v := from.current()
		shared := commonPrefix(last, v)
		entry = binary.AppendUvarint(entry[:0], uint64(shared))
		entry = binary.AppendUvarint(entry, uint64(len(v)-shared))
		entry = append(entry, v[shared:]...)
		blocks := from.blocks()
		entry = binary.AppendUvarint(entry, uint64(len(blocks)))
		for _, b := range blocks {
			entry = binary.AppendUvarint(entry, uint64(b))
		}
		last = append(last[:0], v...)
		if err := d.take(int64(len(entry))); err != nil {
			return nil, err
		}
		r.size += int64(len(entry))
		if _, err := out.Write(entry); err != nil {
			return nil, err
		}
	}
}

// runReader streams a run.
type runReader struct {
	in    *bufio.Reader
	value []byte
	list  []uint32
}

func (r *run) stream(memory int64) stream {
	return &runReader{in: bufio.NewReaderSize(io.NewSectionReader(r.f, 0, r.size), int(min(max(memory, 4<<10), 1<<20)))}
}

func (r *runReader) current() []byte  { return r.value }
func (r *runReader) blocks() []uint32 { return r.list }

func (r *runReader) next(ctx context.Context) (bool, error) {
	if _, err := r.in.Peek(1); errors.Is(err, io.EOF) {
		return false, nil
	}
	shared, err1 := binary.ReadUvarint(r.in)
	size, err2 := binary.ReadUvarint(r.in)
	if err := errors.Join(err1, err2, ctx.Err()); err != nil {
		return false, err
	}
	n := int(shared + size)
	if cap(r.value) < n {
		r.value = append(make([]byte, 0, 2*n), r.value...)
	}
	r.value = r.value[:n]
	if _, err := io.ReadFull(r.in, r.value[shared:]); err != nil {
		return false, err
	}
	count, err := binary.ReadUvarint(r.in)
	r.list = r.list[:0]
	for ; count > 0 && err == nil; count-- {
		var b uint64
		b, err = binary.ReadUvarint(r.in)
		r.list = append(r.list, uint32(b))
	}
	return err == nil, err
}

// numbers is a temporary file of 32-bit numbers, which are put wherever they belong and written in pieces.
type numbers struct {
	d    *disk
	f    *scratch
	most int64 // numbers that are held before they are written
	buf  []byte
	at   int64 // of the first one held
}

func (n *numbers) put(i int64, v uint32) error {
	if held := int64(len(n.buf) / 4); i != n.at+held || held >= n.most {
		if err := n.flush(); err != nil {
			return err
		}
		n.at = i
	}
	n.buf = binary.LittleEndian.AppendUint32(n.buf, v)
	return nil
}

func (n *numbers) flush() error {
	if len(n.buf) == 0 {
		return nil
	}
	if err := n.d.take(int64(len(n.buf))); err != nil {
		return err
	}
	_, err := n.f.WriteAt(n.buf, 4*n.at)
	n.buf = n.buf[:0]
	return err
}

// readNumbers reads count numbers from place i on.
func readNumbers(f *scratch, i, count int64) ([]uint32, error) {
	raw := make([]byte, 4*count)
	if _, err := f.ReadAt(raw, 4*i); err != nil {
		return nil, err
	}
	out := make([]uint32, count)
	for k := range out {
		out[k] = binary.LittleEndian.Uint32(raw[4*k:])
	}
	return out, nil
}
