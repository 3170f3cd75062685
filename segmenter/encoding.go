package segmenter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Validate reports the first thing that breaks S3 within the list itself; whether it lies inside its row is the row's check.
func (e Exceptions) Validate() error {
	for i, x := range e {
		switch {
		case x.Kind != Gap && x.Kind != Quarantined:
			return fmt.Errorf("exception %d: kind %q: want gap or quarantined", i, x.Kind)
		case x.Start < 0 || x.End <= x.Start:
			return fmt.Errorf("exception %d: run [%d,%d): want 0 <= start < end", i, x.Start, x.End)
		case i > 0 && x.Start < e[i-1].End:
			return fmt.Errorf("exception %d: run [%d,%d) starts before the end %d of the one before", i, x.Start, x.End, e[i-1].End)
		case i > 0 && x.Start == e[i-1].End && x.Kind == e[i-1].Kind:
			return fmt.Errorf("exception %d: run [%d,%d) touches one of the same kind: want one run", i, x.Start, x.End)
		}
	}
	return nil
}

// UnmarshalJSON reads a list and refuses one that breaks S3: lists come from footers and databases, and a wrong one must
// not be found out by a wrong count much later.
func (e *Exceptions) UnmarshalJSON(data []byte) error {
	var list []Exception
	if err := decodeStrict(data, &list); err != nil {
		return fmt.Errorf("exceptions: %w", err)
	}
	if err := Exceptions(list).Validate(); err != nil {
		return err
	}
	*e = list
	return nil
}

// DecodeLedgerRow reads a row from JSON and refuses one that breaks S3 or S4.
func DecodeLedgerRow(data []byte) (LedgerRow, error) {
	var r LedgerRow
	if err := decodeStrict(data, &r); err != nil {
		return LedgerRow{}, fmt.Errorf("ledger row: %w", err)
	}
	if err := r.Validate(); err != nil {
		return LedgerRow{}, fmt.Errorf("ledger row: %w", err)
	}
	return r, nil
}

// decodeStrict takes one JSON value and nothing behind it. A field nobody knows is refused: it was written by a newer
// version and dropping it in silence would change the meaning.
func decodeStrict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("more than one value")
	}
	return nil
}
