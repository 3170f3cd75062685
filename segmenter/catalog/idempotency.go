package catalog

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Idempotency makes a request that creates something safe to repeat. The zero value asks for nothing.
type Idempotency struct {
	Key     string // the client's, made unique by whoever takes it: it holds the user and the project
	Request string // what was asked, in a form that is equal when asked again; Reserve makes one where it is empty
}

// Answer reads the answer to a request that was made before into v. ok is false when it was not. The same key with another
// request is a *ConflictError.
func (c *Catalog) Answer(ctx context.Context, i Idempotency, v any) (ok bool, err error) {
	err = c.read(ctx, "read answer", func(t *tx) error {
		ok, err = t.answer(i, v)
		return err
	})
	return ok, err
}

// KeepAnswer stores the answer to a request that no other call stores. Of two at once the second is ErrUnavailable: asked
// again it gets the first one's answer.
func (c *Catalog) KeepAnswer(ctx context.Context, i Idempotency, v any) error {
	return c.write(ctx, "keep answer", func(t *tx) error { return t.keepAnswer(i, v) })
}

func (i Idempotency) hash() string {
	sum := sha256.Sum256([]byte(i.Request))
	return hex.EncodeToString(sum[:])
}

func (t *tx) answer(i Idempotency, v any) (ok bool, err error) {
	if i.Key == "" {
		return false, nil
	}
	var request, text string
	err = t.row(`SELECT request, answer FROM answers WHERE request_key = $1`, i.Key).Scan(&request, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if request != i.hash() {
		return false, &ConflictError{What: fmt.Sprintf("idempotency key %q", i.Key), Reason: "it was used with another request: take a new key for a new request"}
	}
	return true, json.Unmarshal([]byte(text), v)
}

func (t *tx) keepAnswer(i Idempotency, v any) error {
	if i.Key == "" {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	n, err := t.exec(`INSERT INTO answers (request_key, request, answer, created_us) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		i.Key, i.hash(), string(text), now())
	if err == nil && n == 0 {
		return fmt.Errorf("%w: the same request was made at the same time: ask again for its answer", ErrUnavailable)
	}
	return err
}

// ForgetAnswers deletes up to limit answers that were given before a time, and returns how many.
func (c *Catalog) ForgetAnswers(ctx context.Context, before time.Time, limit int) (n int64, err error) {
	err = c.write(ctx, "forget answers", func(t *tx) error {
		n, err = t.exec(`DELETE FROM answers WHERE request_key IN (
			SELECT request_key FROM answers WHERE created_us < $1 ORDER BY created_us LIMIT $2)`, before.UnixMicro(), limit)
		return err
	})
	return n, err
}
