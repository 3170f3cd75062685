package stage

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/pages"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// LedgerRecord is what a ledger file holds: a whole range without events, lost or skipped.
type LedgerRecord struct {
	FormatVersion int                 `json:"format_version"` // set by Encode
	Writer        string              `json:"writer"`         // set by Encode
	Project       string              `json:"project"`
	Table         string              `json:"table"`
	TableID       string              `json:"table_id"`
	Topic         string              `json:"topic"`
	Epoch         int64               `json:"epoch"`
	Row           segmenter.LedgerRow `json:"row"`
}

// maxLedgerBytes bounds what is read of a ledger file.
const maxLedgerBytes = 1 << 20

// Encode returns the bytes of the ledger file.
func (l LedgerRecord) Encode() ([]byte, error) {
	l.FormatVersion, l.Writer = FormatVersion, WriterVersion
	if err := l.validate(); err != nil {
		return nil, fmt.Errorf("ledger file of %s: %w", l.Row.Range, err)
	}
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("ledger file of %s: %w", l.Row.Range, err)
	}
	return append(text, '\n'), nil
}

func (l *LedgerRecord) validate() error {
	if l.FormatVersion != FormatVersion {
		return fmt.Errorf("format version %d, this program reads %d: use the tidemark that wrote it (%s) or a newer one", l.FormatVersion, FormatVersion, l.Writer)
	}
	if l.Row.State != segmenter.Lost && l.Row.State != segmenter.Skipped {
		return fmt.Errorf("state %q: want lost or skipped", l.Row.State)
	}
	return l.Row.Range.Validate()
}

// ReadLedger reads a ledger file.
func ReadLedger(ctx context.Context, st blob.Store, key string) (LedgerRecord, error) {
	src := &pages.Source{Store: st, Key: key, Size: -1}
	if err := src.Stat(ctx); err != nil {
		return LedgerRecord{}, err
	}
	var l LedgerRecord
	err := pages.Guarded(key, func() error {
		if src.Size > maxLedgerBytes {
			return pages.Corrupt("%d bytes, want at most %d", src.Size, maxLedgerBytes)
		}
		text, err := src.Read(ctx, 0, src.Size)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &l); err != nil {
			return pages.Corrupt("%v", err)
		}
		if err := l.validate(); err != nil {
			return pages.Corrupt("%v", err)
		}
		return nil
	})
	return l, err
}
