package local

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/zeebo/xxh3"
)

// folder is where a build keeps temporary files. Files are whole or end in partSuffix.
type folder struct {
	path string
	disk *disk
}

const partSuffix = ".part"

// frame is a run of bytes of a file.
type frame struct {
	At   int64
	Size int64
	Rows int
	Hash uint64 // xxh3 of the bytes
}

// file is a temporary file: written by one goroutine, finished, then read.
type file struct {
	in     folder
	name   string
	f      *os.File
	w      *bufio.Writer
	frames []frame
	size   int64 // written or buffered
	taken  int64 // of the disk's limit
	full   bool  // finish was called
}

// spillStep is how much is taken of the disk's limit at once.
const spillStep = 1 << 20

func (d folder) create(name string) (*file, error) {
	f, err := os.OpenFile(filepath.Join(d.path, name+partSuffix), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	return &file{in: d, name: name, f: f, w: bufio.NewWriterSize(f, 256<<10)}, nil
}

// add writes one frame.
func (s *file) add(data []byte, rows int) error {
	fr := frame{At: s.size, Size: int64(len(data)), Rows: rows, Hash: xxh3.Hash(data)}
	if err := s.write(data); err != nil {
		return err
	}
	s.frames = append(s.frames, fr)
	return nil
}

func (s *file) write(data []byte) error {
	n := int64(len(data))
	for s.size+n > s.taken {
		step := max(spillStep, s.size+n-s.taken)
		if err := s.in.disk.take(step); err != nil {
			return err
		}
		s.taken += step
	}
	if _, err := s.w.Write(data); err != nil {
		return s.wrap(err)
	}
	s.size += n
	return nil
}

// wrap says what to do about a disk that is full.
func (s *file) wrap(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("temporary file %s: %w: free space below %s, or give builds more memory (build.memory)", s.name, err, s.in.path)
	}
	return fmt.Errorf("temporary file %s: %w", s.name, err)
}

// spillMagic ends a file that is whole: [frames] [count u32] [magic 8].
const spillMagic = "tmspill1"

// flush makes what was written readable, of a file that no other attempt can use.
func (s *file) flush() error {
	if err := s.w.Flush(); err != nil {
		return s.wrap(err)
	}
	s.w = nil
	return nil
}

// finish writes what is left, with the list of frames behind it, and gives the file its name.
func (s *file) finish() error {
	var tail []byte
	for _, fr := range s.frames {
		tail = binary.LittleEndian.AppendUint64(tail, uint64(fr.At))
		tail = binary.LittleEndian.AppendUint64(tail, uint64(fr.Size))
		tail = binary.LittleEndian.AppendUint64(tail, uint64(fr.Rows))
		tail = binary.LittleEndian.AppendUint64(tail, fr.Hash)
	}
	tail = binary.LittleEndian.AppendUint64(tail, xxh3.Hash(tail))
	tail = binary.LittleEndian.AppendUint32(tail, uint32(len(s.frames)))
	tail = append(tail, spillMagic...)
	if err := s.write(tail); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	path := filepath.Join(s.in.path, s.name)
	if err := os.Rename(path+partSuffix, path); err != nil {
		return s.wrap(err)
	}
	s.full = true
	return nil
}

// open opens a file that an earlier attempt finished; ok is false where there is none that is whole.
func (d folder) open(name string) (s *file, ok bool, err error) {
	f, err := os.Open(filepath.Join(d.path, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("temporary file: %w", err)
	}
	s = &file{in: d, name: name, f: f, full: true}
	if err := s.readFrames(); err != nil { // cut off by a crash of the machine: as good as absent
		f.Close()
		return nil, false, nil
	}
	if err := d.disk.take(s.size); err != nil {
		f.Close()
		return nil, false, err
	}
	s.taken = s.size
	return s, true, nil
}

func (s *file) readFrames() error {
	info, err := s.f.Stat()
	if err != nil {
		return err
	}
	const end, each = 8 + 4 + len(spillMagic), 32
	s.size = info.Size()
	tail := make([]byte, end)
	if _, err := s.f.ReadAt(tail, s.size-int64(end)); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(tail[8:]))
	start := s.size - int64(end) - n*each
	if string(tail[12:]) != spillMagic || start < 0 {
		return io.ErrUnexpectedEOF
	}
	list := make([]byte, n*each)
	if _, err := s.f.ReadAt(list, start); err != nil {
		return err
	}
	if binary.LittleEndian.Uint64(tail) != xxh3.Hash(list) {
		return io.ErrUnexpectedEOF
	}
	at := int64(0)
	for ; len(list) > 0; list = list[each:] {
		u := func(i int) uint64 { return binary.LittleEndian.Uint64(list[8*i:]) }
		fr := frame{At: int64(u(0)), Size: int64(u(1)), Rows: int(u(2)), Hash: u(3)}
		if fr.At != at || fr.Size < 0 || fr.Size > start-at || fr.Rows < 0 {
			return io.ErrUnexpectedEOF
		}
		at += fr.Size
		s.frames = append(s.frames, fr)
	}
	if at != start {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// read returns the bytes of a frame of a finished file. Several may read at once.
func (s *file) read(fr frame) ([]byte, error) {
	buf := make([]byte, fr.Size)
	if _, err := s.f.ReadAt(buf, fr.At); err != nil {
		return nil, s.wrap(err)
	}
	if xxh3.Hash(buf) != fr.Hash {
		return nil, fmt.Errorf("temporary file %s: its bytes have changed since they were written", s.name)
	}
	return buf, nil
}

// close forgets the file, which stays on disk for another attempt.
func (s *file) close() {
	s.f.Close() // what was not finished is of no use, what was finished has been flushed
	s.in.disk.give(s.taken)
	s.taken = 0
}

// remove deletes it.
func (s *file) remove() {
	s.close()
	path := filepath.Join(s.in.path, s.name)
	if !s.full {
		path += partSuffix
	}
	_ = os.Remove(path) // what stays goes with the folder
}
