package dictionary

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// SetMemory sets a limit that New would refuse.
func SetMemory(d *Dictionaries, bytes int64) { d.o.Memory = bytes }

// SetFull makes a disk of which change says, before each file that is made and each write, whether it is full. A write that does not fit
// is written by half, as disks do.
func SetFull(d *Dictionaries, change func(path string) error) {
	d.create = func(dir string) (temp, error) {
		if err := change(dir); err != nil {
			return nil, err
		}
		f, err := createTemp(dir)
		return &fullFile{f, change}, err
	}
}

type fullFile struct {
	temp
	change func(path string) error
}

func (f *fullFile) Write(b []byte) (int, error) {
	if err := f.change(f.Name()); err != nil {
		n, _ := f.temp.Write(b[:len(b)/2])
		return n, err
	}
	return f.temp.Write(b)
}

func (f *fullFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.change(f.Name()); err != nil {
		n, _ := f.temp.WriteAt(b[:len(b)/2], off)
		return n, err
	}
	return f.temp.WriteAt(b, off)
}

// Forge stores a slice whose footer says more than it holds.
func Forge(ctx context.Context, st blob.Store, s catalog.DictionarySlice, previous string) (key string, size int64, sum string, err error) {
	var b bytes.Buffer
	w := newWriter(&b, Footer{TableID: s.TableID, Column: s.Column, Slice: s.Slice, Previous: previous, FirstID: s.FirstID}, func(int64) error { return nil })
	if err := w.add([]byte("zz"), s.FirstID); err != nil {
		return "", 0, "", err
	}
	w.foot.Values = s.Values
	if size, sum, err = w.close(); err != nil {
		return "", 0, "", err
	}
	key = KeyInfo{TableID: s.TableID, Column: s.Column, Slice: s.Slice, SHA256: sum}.Key()
	return key, size, sum, st.Create(ctx, key, &b)
}

// Walk reads all of a file.
func Walk(ctx context.Context, text []byte) (values []string, err error) {
	f, err := openFile(ctx, memory(text), int64(len(text)))
	if err != nil {
		return nil, err
	}
	for c := f.cursor(0); ; {
		ok, err := c.next(ctx)
		if !ok || err != nil {
			return values, err
		}
		values = append(values, string(c.value))
	}
}

// Seek finds each of some values, which ascend.
func Seek(ctx context.Context, text []byte, values ...string) (found []bool, err error) {
	f, err := openFile(ctx, memory(text), int64(len(text)))
	if err != nil {
		return nil, err
	}
	l := &lookup{waiting: []*cursor{f.cursor(0)}}
	for _, v := range values {
		c, err := l.find(ctx, []byte(v))
		if err != nil {
			return nil, err
		}
		found = append(found, c != nil)
	}
	return found, nil
}

// Rewrite writes a file again with other values and ids.
func Rewrite(ctx context.Context, text []byte, change func(values []string, ids []int64)) ([]byte, error) {
	f, err := openFile(ctx, memory(text), int64(len(text)))
	if err != nil {
		return nil, err
	}
	var values []string
	var ids []int64
	if err := f.each(ctx, func(c *cursor) { values, ids = append(values, string(c.value)), append(ids, c.id) }); err != nil {
		return nil, err
	}
	change(values, ids)
	var b bytes.Buffer
	foot := *f.foot
	foot.Values, foot.Frames = 0, 0
	w := newWriter(&b, foot, func(int64) error { return nil })
	for i, v := range values {
		if err := w.add([]byte(v), ids[i]); err != nil {
			return nil, err
		}
	}
	_, _, err = w.close()
	return b.Bytes(), err
}

type memory []byte

func (m memory) readAt(_ context.Context, p []byte, off int64) error {
	copy(p, m[off:])
	return nil
}

// Mend makes the hashes of all frames right where their lengths allow it, so that what lies behind them is reached.
func Mend(text []byte) []byte {
	out := bytes.Clone(text)
	for at := len(magic); at+frameGuard <= len(out)-tailBytes; {
		size := int64(binary.LittleEndian.Uint32(out[at:]))
		if size > int64(len(out)-tailBytes-frameGuard-at) {
			break
		}
		end := at + 4 + int(size)
		binary.LittleEndian.PutUint64(out[end:], xxh3.Hash(out[at:end]))
		at = end + 8
	}
	return out
}
