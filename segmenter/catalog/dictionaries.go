package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// MaxDictionaryValues is how many values a dictionary can have: ids are 32 bits.
const MaxDictionaryValues = int64(1) << 32

// ErrDictionaryMoved refuses a slice that does not follow the dictionary's last one: another was appended first. Nothing is
// changed. Read the new slices and append what they do not have.
var ErrDictionaryMoved = errors.New("another slice was appended to the dictionary first")

// DictionarySlice is a file with values of a table's column and their ids: FirstID to FirstID+Values-1.
type DictionarySlice struct {
	TableID   string
	Column    string
	Slice     int64 // counts from 1
	Key       string
	Size      int64 // bytes
	SHA256    string
	FirstID   int64
	Values    int64
	CreatedUs int64
}

func (s DictionarySlice) String() string {
	return fmt.Sprintf("slice %d of the dictionary of table %s, column %s", s.Slice, s.TableID, s.Column)
}

func (s DictionarySlice) validate() error {
	switch {
	case s.TableID == "" || s.Column == "" || s.Key == "" || s.SHA256 == "":
		return fmt.Errorf("%s: table, column, key and hash must not be empty", s)
	case s.Slice < 1 || s.FirstID < 0 || s.Values < 1 || s.Size < 1:
		return fmt.Errorf("%s: first id %d, %d values, %d bytes: want a number from 1, an id from 0, and neither without values nor bytes",
			s, s.FirstID, s.Values, s.Size)
	case s.Values > MaxDictionaryValues || s.FirstID > MaxDictionaryValues-s.Values:
		return fmt.Errorf("%s: ids %d to %d: they end at %d", s, s.FirstID, s.FirstID+s.Values-1, MaxDictionaryValues-1)
	}
	return nil
}

// AppendDictionary appends a slice if it is the one that comes next: its number and its first id follow the last slice's,
// from 1 and 0. Else it is ErrDictionaryMoved. The same slice again is a success (C3). A table that does not exist or was
// dropped is ErrNotFound.
func (c *Catalog) AppendDictionary(ctx context.Context, s DictionarySlice) error {
	if err := s.validate(); err != nil {
		return fmt.Errorf("catalog: append %w", err)
	}
	return c.write(ctx, "append "+s.String(), func(t *tx) error {
		if err := t.wantLiveTable(s.TableID); err != nil {
			return err
		}
		return t.appendSlice(s)
	})
}

func (t *tx) wantLiveTable(id string) error {
	err := t.row(`SELECT id FROM tables WHERE id = $1 AND dropped_us = 0`, id).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("table with id %s: %w", id, ErrNotFound)
	}
	return err
}

// appendSlice locks the dictionary's row first: of two that append at once the second sees what the first has done.
func (t *tx) appendSlice(s DictionarySlice) error {
	if _, err := t.exec(`INSERT INTO dictionaries (table_id, column_name, slices, value_count) VALUES ($1, $2, 0, 0)
		ON CONFLICT DO NOTHING`, s.TableID, s.Column); err != nil {
		return err
	}
	var slices, values int64
	if err := t.row(`SELECT p.slices, p.value_count FROM dictionaries p WHERE p.table_id = $1 AND p.column_name = $2`+t.c.forUpdate,
		s.TableID, s.Column).Scan(&slices, &values); err != nil {
		return err
	}
	if s.Slice <= slices {
		same, err := t.sameSlice(s)
		if err != nil || same {
			return err
		}
	}
	if s.Slice != slices+1 || s.FirstID != values {
		return fmt.Errorf("%w: it has %d slices with %d values, and slice %d begins at id %d",
			ErrDictionaryMoved, slices, values, s.Slice, s.FirstID)
	}
	if _, err := t.exec(`INSERT INTO dictionary_slices (table_id, column_name, slice, object_key, size, sha256, first_id, value_count, created_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		s.TableID, s.Column, s.Slice, s.Key, s.Size, s.SHA256, s.FirstID, s.Values, now()); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE dictionaries SET slices = $3, value_count = $4 WHERE table_id = $1 AND column_name = $2`,
		s.TableID, s.Column, s.Slice, s.FirstID+s.Values)
	return err
}

func (t *tx) sameSlice(s DictionarySlice) (bool, error) {
	var key, sum string
	err := t.row(`SELECT object_key, sha256 FROM dictionary_slices WHERE table_id = $1 AND column_name = $2 AND slice = $3`,
		s.TableID, s.Column, s.Slice).Scan(&key, &sum)
	return key == s.Key && sum == s.SHA256, err
}

// DictionarySlices lists the slices of a column's dictionary whose numbers are above after, ascending. A column that has none
// is no error.
func (c *Catalog) DictionarySlices(ctx context.Context, tableID, column string, after int64) ([]DictionarySlice, error) {
	return c.slicesWhere(ctx, `table_id = $1 AND column_name = $2 AND slice > $3 ORDER BY slice`, tableID, column, after)
}

// TableDictionaries lists the slices of all dictionaries of a table, by column and number; none of a dropped one.
func (c *Catalog) TableDictionaries(ctx context.Context, tableID string) ([]DictionarySlice, error) {
	return c.slicesWhere(ctx, `table_id = $1 AND EXISTS (SELECT 1 FROM tables t WHERE t.id = $1 AND t.dropped_us = 0)
		ORDER BY column_name, slice`, tableID)
}

func (c *Catalog) slicesWhere(ctx context.Context, where, tableID string, more ...any) (list []DictionarySlice, err error) {
	err = c.read(ctx, "list dictionary slices of table "+tableID, func(t *tx) error {
		list = nil
		return t.each(func(scan func(...any) error) error {
			var s DictionarySlice
			err := scan(&s.TableID, &s.Column, &s.Slice, &s.Key, &s.Size, &s.SHA256, &s.FirstID, &s.Values, &s.CreatedUs)
			list = append(list, s)
			return err
		}, `SELECT table_id, column_name, slice, object_key, size, sha256, first_id, value_count, created_us
			FROM dictionary_slices WHERE `+where, append([]any{tableID}, more...)...)
	})
	return list, err
}

// DictionarySlice appends a slice of a table that is there. Those of one column come in their order.
func (i *Importer) DictionarySlice(s DictionarySlice) error {
	if err := s.validate(); err != nil {
		return err
	}
	return i.t.appendSlice(s)
}
