package dictionary

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// openSlice opens a slice that the catalog names, and holds its footer against that.
func openSlice(ctx context.Context, st blob.Store, s catalog.DictionarySlice) (*file, error) {
	f, err := openFile(ctx, object{st, s.Key}, s.Size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Key, err)
	}
	f.name = s.Key
	if f.foot.First != 0 || f.foot.TableID != s.TableID || f.foot.Column != s.Column || f.foot.Slice != s.Slice || f.foot.FirstID != s.FirstID || f.foot.Values != s.Values {
		return nil, fmt.Errorf("%s: %w", s.Key, damaged("it is slice %d of table %s, column %s with %d values from id %d, the catalog says %d values from id %d",
			f.foot.Slice, f.foot.TableID, f.foot.Column, f.foot.Values, f.foot.FirstID, s.Values, s.FirstID))
	}
	return f, nil
}

// IsDamaged reports whether err says that a file is not as it was written, rather than that it cannot be reached.
func IsDamaged(err error) bool { return errors.Is(err, errDamaged) }

// Describe reads what a stored slice says of itself, and the slice before it. It holds no bytes but the footer's against their
// hash: see Check.
func Describe(ctx context.Context, st blob.Store, key string, size int64) (s catalog.DictionarySlice, previous string, err error) {
	k, err := ParseKey(key)
	if err != nil {
		return s, "", err
	}
	f, err := openFile(ctx, object{st, key}, size)
	if err != nil {
		return s, "", fmt.Errorf("%s: %w", key, err)
	}
	if f.foot.First != 0 || f.foot.TableID != k.TableID || f.foot.Column != k.Column || f.foot.Slice != k.Slice {
		return s, "", fmt.Errorf("%s: %w", key, damaged("it is slice %d of table %s, column %s", f.foot.Slice, f.foot.TableID, f.foot.Column))
	}
	if f.foot.Slice > 1 {
		previous = KeyInfo{TableID: k.TableID, Column: k.Column, Slice: k.Slice - 1, SHA256: f.foot.Previous}.Key()
	}
	return catalog.DictionarySlice{
		TableID: k.TableID, Column: k.Column, Slice: k.Slice, Key: key, Size: size, SHA256: k.SHA256,
		FirstID: f.foot.FirstID, Values: f.foot.Values,
	}, previous, nil
}

// Check reads a whole slice, twice: its bytes have the hash that the catalog says, its values ascend and their ids follow each
// other. Where it is not there, blob.ErrNotFound is in the chain; for what is wrong in it, see IsDamaged.
func Check(ctx context.Context, st blob.Store, s catalog.DictionarySlice) error {
	if k, err := ParseKey(s.Key); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	} else if k != (KeyInfo{TableID: s.TableID, Column: s.Column, Slice: s.Slice, SHA256: s.SHA256}) {
		return fmt.Errorf("%s: %w", s.Key, damaged("its key is not that of slice %d of table %s, column %s with SHA-256 %s", s.Slice, s.TableID, s.Column, s.SHA256))
	}
	body, err := st.Open(ctx, s.Key, 0, -1)
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(body, s.Size+1))
	if err := errors.Join(err, body.Close()); err != nil {
		return fmt.Errorf("read %s: %w", s.Key, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != s.Size || got != s.SHA256 {
		return fmt.Errorf("%s: %w", s.Key, damaged("it has not the %d bytes with SHA-256 %s that were appended", s.Size, s.SHA256))
	}
	f, err := openSlice(ctx, st, s)
	if err != nil {
		return err
	}
	for c, want := f.cursor(1<<20), s.FirstID; ; want++ {
		ok, err := c.next(ctx)
		if err == nil && ok && c.id != want {
			err = damaged("value %.80q has id %d, want %d", c.value, c.id, want)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.Key, err)
		}
		if !ok {
			return nil
		}
	}
}
