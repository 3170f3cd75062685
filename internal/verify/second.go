package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/xitongsys/parquet-go/reader"
	"github.com/xitongsys/parquet-go/source"
	"github.com/zeebo/xxh3"

	"github.com/tidemarkdb/tidemark/builder/cuboid"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
)

// columnSum is what two readers of a column must agree on.
type columnSum struct {
	name   string
	values int64  // that are not null
	sum    uint64 // wrapping, of integers, bits of floats, and hashes of bytes
}

// sampleRows is how many rows of a file the second reader reads at most: it boxes every value, so that a whole row group
// would take more memory and time than all the rest of a proof.
const sampleRows = 32768

// secondReader has xitongsys/parquet-go read the first rows of a sample of files, one file at a time, and compares the
// number of rows of the file and, column by column, counts and sums. It reports whether the file was in the sample.
func (t *tableRun) secondReader(ctx context.Context, rd *stage.Reader, st blob.Store, s subject) (bool, error) {
	if i := t.seen.Add(1) - 1; t.o.SecondReader < 0 || i%t.every != 0 || i/t.every >= int64(t.o.SecondReader) {
		return false, nil
	}
	c, err := rd.Read(ctx, 0, nil)
	if err != nil {
		return false, t.broken(ctx, s.rng, s.file.Key, err)
	}
	n := min(c.Rows(), sampleRows)
	want := []columnSum{{stage.OffsetColumn, int64(n), 0}, {stage.TimestampColumn, int64(n), 0}}
	for i := range n {
		want[0].sum += uint64(c.Offsets[i])
		want[1].sum += uint64(c.Timestamps[i])
	}
	for f := range rd.Schema().Fields {
		want = append(want, sumOf(rd.Schema().Fields[f].Name, &c.Columns[f], n))
	}
	why, err := t.readSecond(&storedFile{ctx: ctx, st: st, key: s.file.Key, size: s.file.Size}, ours{n, rd.Footer().Events, want})
	if err != nil {
		return false, t.broken(ctx, s.rng, s.file.Key, err)
	}
	if why != "" {
		t.found(secondRead, s.rng, s.file.Key, "%s", why)
	}
	return true, nil
}

// second has it read a file of every so many segments of a cube.
func (r *cuboidRun) second(ctx context.Context) error {
	i := r.seen.Add(1) - 1
	if r.o.SecondReader < 0 || i%r.every != 0 || i/r.every >= int64(r.o.SecondReader) || len(r.m.Files) == 0 {
		return nil
	}
	file := r.m.Files[int(i)%len(r.m.Files)]
	f, err := cuboid.OpenFile(ctx, r.o.Store, file.Key, file.Size)
	if err != nil {
		return r.broken(ctx, err)
	}
	defer f.Close()
	if len(f.Groups) == 0 {
		return nil
	}
	cols, err := f.Read(ctx, 0)
	if err != nil {
		return r.broken(ctx, err)
	}
	o := oursOf(f, cols)
	why, err := r.readSecond(&storedFile{ctx: ctx, st: r.o.Store, key: file.Key, size: file.Size}, o)
	if err != nil {
		return r.broken(ctx, err)
	}
	if why != "" {
		r.wrong(secondRead, file.Key, "%s", why)
	}
	r.count(func(*TableReport) { r.report.SecondRead++ })
	return nil
}

// ours is what we read of a file: sums of its first n rows.
type ours struct {
	n    int
	rows int64 // of the whole file
	sums []columnSum
}

// oursOf sums the columns of the first row group of a cuboid file, which has one.
func oursOf(f *cuboid.File, cols []stage.Column) ours {
	o := ours{n: int(min(f.Groups[0].Rows, sampleRows))}
	for _, g := range f.Groups {
		o.rows += g.Rows
	}
	o.sums = []columnSum{{cuboid.MaskColumn, int64(o.n), f.Groups[0].Cuboid * uint64(o.n)}}
	for k, field := range f.Fields() {
		o.sums = append(o.sums, sumOf(field.Name, &cols[k], o.n))
	}
	return o
}

// readSecond compares what the other implementation reads; why is "" where it is the same. The error is the context's or
// the store's.
func (r *run) readSecond(f *storedFile, o ours) (why string, err error) {
	f.fault = new(fault)
	r.secondMu.Lock()
	got, rows, err := foreignSums(f, int64(o.n))
	r.secondMu.Unlock()
	switch {
	case f.ctx.Err() != nil:
		return "", f.ctx.Err()
	case err != nil && f.fault.err != nil:
		return "", f.fault.err
	case err != nil:
		return fmt.Sprintf("xitongsys/parquet-go cannot read it: %v", err), nil
	case rows != o.rows:
		return fmt.Sprintf("xitongsys/parquet-go reads %d rows, its footer says %d", rows, o.rows), nil
	case len(got) != len(o.sums):
		return fmt.Sprintf("xitongsys/parquet-go reads %d columns, want %d", len(got), len(o.sums)), nil
	}
	for i, w := range o.sums {
		if g := got[i]; g != w {
			return fmt.Sprintf("column %s: xitongsys/parquet-go reads %d values of column %s with sum %d, we read %d with sum %d",
				w.name, g.values, g.name, g.sum, w.values, w.sum), nil
		}
	}
	return "", nil
}

// sumOf sums our own reading of the first n rows of a column.
func sumOf(name string, col *stage.Column, n int) columnSum {
	x := columnSum{name: name}
	for i := range n {
		if col.IsNull(i) {
			continue
		}
		x.values++
		switch col.Kind {
		case stage.Float64:
			x.sum += math.Float64bits(col.Float(i))
		case stage.Bytes, stage.Decimal128:
			x.sum += xxh3.Hash(col.Bytes(i))
		default:
			x.sum += uint64(col.Int(i))
		}
	}
	return x
}

// foreignSums sums the first n rows as the other implementation reads them. It panics on what it does not know, which
// is caught here: a file that only we can read is what this check is to find.
func foreignSums(f source.ParquetFile, n int64) (out []columnSum, rows int64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panics: %v", p)
		}
	}()
	r, err := reader.NewParquetColumnReader(f, 1)
	if err != nil {
		return nil, 0, err
	}
	defer r.ReadStop()
	for i := range int64(len(r.SchemaHandler.ValueColumns)) {
		x := columnSum{name: r.SchemaHandler.GetExName(int(i) + 1)}
		vals, _, _, err := r.ReadColumnByIndex(i, n)
		if err != nil {
			return nil, 0, fmt.Errorf("column %s: %w", x.name, err)
		}
		if int64(len(vals)) != n {
			return nil, 0, fmt.Errorf("column %s: %d of %d rows", x.name, len(vals), n)
		}
		for _, v := range vals {
			if v == nil {
				continue
			}
			x.values++
			switch v := v.(type) {
			case bool:
				x.sum += uint64(boolInt(v))
			case int32:
				x.sum += uint64(int64(v))
			case int64:
				x.sum += uint64(v)
			case float64:
				x.sum += math.Float64bits(v)
			case string:
				x.sum += xxh3.HashString(v)
			default:
				return nil, 0, fmt.Errorf("column %s: a value of type %T", x.name, v)
			}
		}
		out = append(out, x)
	}
	return out, r.GetNumRows(), nil
}

// storedFile is an object as the other implementation wants it.
type storedFile struct {
	ctx  context.Context // for the time of one check only
	st   blob.Store
	key  string
	size int64
	at   int64
	body io.ReadCloser

	fault *fault // of all that read the object
}

// fault keeps an error of the store, which the other implementation does not pass on as it is.
type fault struct{ err error }

// Open returns a reader of the same object, at its start.
func (f *storedFile) Open(string) (source.ParquetFile, error) {
	return &storedFile{ctx: f.ctx, st: f.st, key: f.key, size: f.size, fault: f.fault}, nil
}

// Create fails: nothing is written.
func (f *storedFile) Create(string) (source.ParquetFile, error) { return nil, errHeld }

// Write fails: nothing is written.
func (f *storedFile) Write([]byte) (int, error) { return 0, errHeld }

// Seek implements io.Seeker.
func (f *storedFile) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += f.at
	case io.SeekEnd:
		off += f.size
	}
	if off < 0 {
		return 0, fmt.Errorf("seek to %d", off)
	}
	if off != f.at {
		if err := f.Close(); err != nil {
			return 0, err
		}
	}
	f.at = off
	return off, nil
}

// Read implements io.Reader.
func (f *storedFile) Read(p []byte) (int, error) {
	if f.body == nil {
		body, err := f.st.Open(f.ctx, f.key, f.at, -1)
		if err != nil {
			f.fault.err = err
			return 0, err
		}
		f.body = body
	}
	n, err := f.body.Read(p)
	f.at += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		f.fault.err = err
	}
	return n, err
}

// Close implements io.Closer.
func (f *storedFile) Close() error {
	if f.body == nil {
		return nil
	}
	err := f.body.Close()
	f.body = nil
	return err
}
