package lookup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Columns reads columns of a stored snapshot, without dictionaries; rows ascend by the key (K2), as Compare has it. What is wrong
// with the object is a *DamagedError, one that is gone blob.ErrNotFound.
func Columns(ctx context.Context, st blob.Store, v catalog.LookupVersion, names []string) (list []*stage.Column, err error) {
	text, err := readWhole(ctx, st, v.Key, v.SHA256)
	if err != nil {
		return nil, err
	}
	// The library panics on some damaged files.
	defer func() {
		if p := recover(); p != nil {
			list, err = nil, &DamagedError{v.Key, fmt.Errorf("%v", p)}
		}
	}()
	f, err := parquet.OpenFile(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return nil, &DamagedError{v.Key, err}
	}
	for _, name := range names {
		c, ok := v.Lookup.Column(name)
		leaf, there := f.Schema().Lookup(name)
		if !ok || !there {
			return nil, &DamagedError{v.Key, fmt.Errorf("it has no column %s", name)}
		}
		t, err := cube.ParseType(c.Type)
		if err != nil {
			return nil, &DamagedError{v.Key, fmt.Errorf("column %s: %w", name, err)}
		}
		col := &stage.Column{Kind: stageKind(t)}
		for _, g := range f.RowGroups() {
			if err := appendChunk(ctx, col, g.ColumnChunks()[leaf.ColumnIndex]); err != nil {
				return nil, &DamagedError{v.Key, fmt.Errorf("column %s: %w", name, err)}
			}
		}
		if int64(col.Len()) != v.Rows {
			return nil, &DamagedError{v.Key, fmt.Errorf("column %s has %d values, want %d", name, col.Len(), v.Rows)}
		}
		list = append(list, col)
	}
	return list, nil
}

// readWhole reads an object whose bytes have this hash.
func readWhole(ctx context.Context, st blob.Store, key, want string) ([]byte, error) {
	body, err := st.Open(ctx, key, 0, -1)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != want {
		return nil, &DamagedError{key, errors.New("it has not the SHA-256 that its name says")}
	}
	return text, nil
}

// stageKind returns how values of a type lie in memory.
func stageKind(t cube.Type) stage.Kind {
	switch kindOf(t) {
	case parquet.Boolean:
		return stage.Bool
	case parquet.Double:
		return stage.Float64
	case parquet.ByteArray:
		return stage.Bytes
	case parquet.FixedLenByteArray:
		return stage.Decimal128
	}
	return stage.Int64
}

func appendChunk(ctx context.Context, out *stage.Column, chunk parquet.ColumnChunk) (err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	buf := make([]parquet.Value, 1024)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		values := p.Values()
		for {
			n, err := values.ReadValues(buf)
			for _, v := range buf[:n] {
				appendValue(out, v)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
		parquet.Release(p)
	}
}

func appendValue(out *stage.Column, v parquet.Value) {
	switch {
	case v.IsNull():
		out.AppendNull()
	case out.Kind == stage.Float64:
		out.AppendFloat(v.Double() + 0) // -0 is 0, as in dimensions
	case out.Kind == stage.Bytes, out.Kind == stage.Decimal128:
		out.AppendBytes(v.ByteArray())
	case v.Kind() == parquet.Boolean:
		n := int64(0)
		if v.Boolean() {
			n = 1
		}
		out.AppendInt(n)
	case v.Kind() == parquet.Int32:
		out.AppendInt(int64(v.Int32()))
	default:
		out.AppendInt(v.Int64())
	}
}
