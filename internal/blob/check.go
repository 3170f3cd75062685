package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// probeCleanup bounds the removal of a probe after a check that failed or was cancelled.
const probeCleanup = 10 * time.Second

// creator is a way to create objects that a Store has beside Create.
type creator struct {
	name   string // as in "the store replaced an object by <name>"
	create func(ctx context.Context, key string, body io.Reader) error
}

// Check proves at start that the store can be written, read and emptied, and that it never replaces an object (B1). An S3
// store that does not know If-None-Match silently does; its user must not find out by a lost file.
func Check(ctx context.Context, st Store) (err error) {
	key := "probe-" + strings.ToLower(rand.Text())
	if err := st.Create(ctx, key, strings.NewReader("first")); err != nil {
		return fmt.Errorf("check the store: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeCleanup)
		defer cancel()
		if derr := st.Delete(ctx, key); derr != nil && err == nil {
			err = fmt.Errorf("check the store: %w", derr)
		}
	}()
	ways := []creator{{"create", st.Create}}
	if s, ok := unwrap(st).(interface{ creators() []creator }); ok {
		ways = s.creators()
	}
	for _, way := range ways {
		err := way.create(ctx, key, strings.NewReader("second"))
		if err == nil {
			return fmt.Errorf("check the store: it replaced an object by %s instead of refusing to (S3 calls this "+
				"If-None-Match: *): files could be lost in silence; use a store or a version of it that has conditional writes", way.name)
		}
		if !errors.Is(err, ErrExists) {
			return fmt.Errorf("check the store: %s of an object that exists must be refused as such: %w", way.name, err)
		}
	}
	r, err := st.Open(ctx, key, 0, -1)
	if err != nil {
		return fmt.Errorf("check the store: %w", err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("check the store: %w", err)
	}
	if string(got) != "first" {
		return fmt.Errorf("check the store: wrote %q, read %q", "first", got)
	}
	for o, err := range st.List(ctx, key) {
		if err != nil {
			return fmt.Errorf("check the store: %w", err)
		}
		if o.Key == key {
			return nil
		}
	}
	return fmt.Errorf("check the store: the object %s was written but is not listed", key)
}

// unwrap returns the store below wrappers of this package.
func unwrap(st Store) Store {
	for {
		w, ok := st.(interface{ Unwrap() Store })
		if !ok {
			return st
		}
		st = w.Unwrap()
	}
}
