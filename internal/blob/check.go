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

// Rights are what somebody does with a store. Each has those before it.
type Rights int

const (
	Reads   Rights = iota // lists and opens
	Writes                // creates objects
	Deletes               // removes them
)

// Check proves at start that the store lets us do what we will, and nothing beyond: who only reads needs no right to write. Who writes
// learns, too, whether the store never replaces an object (B1): an S3 store that does not know If-None-Match silently does, and its user
// must not find out by a lost file. Before Claim an error that is ErrNotFound says that writing could not be tried.
func Check(ctx context.Context, st Store, may Rights) (err error) {
	switch may {
	case Reads:
		err = checkReading(ctx, st)
	case Writes:
		err = checkWriting(ctx, st)
	default:
		err = checkDeleting(ctx, st)
	}
	if err != nil {
		return fmt.Errorf("check the store: %w", err)
	}
	return nil
}

func probeKey() string { return "probe-" + strings.ToLower(rand.Text()) }

// checkReading wants an answer to a listing, and the right one about an object that is not there: where listing is not allowed, S3 does
// not say that it is not.
func checkReading(ctx context.Context, st Store) error {
	key := probeKey()
	for _, err := range st.List(ctx, key) {
		if err != nil {
			return err
		}
	}
	r, err := st.Open(ctx, key, 0, -1)
	if err == nil {
		return errors.Join(fmt.Errorf("it has an object %s, a name that was drawn just now", key), r.Close())
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

// checkWriting tries to create the store's marker again, which must be refused. A store that replaces it has the same bytes after it.
func checkWriting(ctx context.Context, st Store) error {
	if err := checkReading(ctx, st); err != nil {
		return err
	}
	r, err := st.Open(ctx, MarkerKey, 0, maxMarkerBytes)
	if err != nil {
		return err
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return refusesToReplace(ctx, st, MarkerKey, string(body))
}

// checkDeleting goes through the life of an object.
func checkDeleting(ctx context.Context, st Store) (err error) {
	key := probeKey()
	if err := st.Create(ctx, key, strings.NewReader("first")); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeCleanup)
		defer cancel()
		if derr := st.Delete(ctx, key); err == nil {
			err = derr
		}
	}()
	if err := refusesToReplace(ctx, st, key, "second"); err != nil {
		return err
	}
	r, err := st.Open(ctx, key, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if string(got) != "first" {
		return fmt.Errorf("wrote %q, read %q", "first", got)
	}
	for o, err := range st.List(ctx, key) {
		if err != nil {
			return err
		}
		if o.Key == key {
			return nil
		}
	}
	return fmt.Errorf("the object %s was written but is not listed", key)
}

// refusesToReplace tries every way in which an object comes into being on one that is there.
func refusesToReplace(ctx context.Context, st Store, key, body string) error {
	ways := []creator{{"create", st.Create}}
	if s, ok := unwrap(st).(interface{ creators() []creator }); ok {
		ways = s.creators()
	}
	for _, way := range ways {
		err := way.create(ctx, key, strings.NewReader(body))
		if err == nil {
			return fmt.Errorf("it replaced an object by %s instead of refusing to (S3 calls this "+
				"If-None-Match: *): files could be lost in silence; use a store or a version of it that has conditional writes", way.name)
		}
		if !errors.Is(err, ErrExists) {
			return fmt.Errorf("%s of an object that exists must be refused as such: %w", way.name, err)
		}
	}
	return nil
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
