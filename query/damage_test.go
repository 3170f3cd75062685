package query

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

// What could not be found is tried again, the more often in vain the later; what is wrong in itself is left alone for longer.
func TestDamageIsTriedAgain(t *testing.T) {
	gone, wrong := fmt.Errorf("a: %w", blob.ErrNotFound), errors.New("wrong")
	d := newDamages(10)
	now := time.Unix(1_000_000, 0)
	if err := d.get("a", now); err != nil {
		t.Fatalf("before anything: %v, want nil", err)
	}
	for i, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute} {
		d.add("a", gone, now)
		d.add("a", gone, now.Add(want-1)) // of another statement
		if err := d.get("a", now.Add(want-1)); !errors.Is(err, gone) {
			t.Errorf("damage %d before %v: %v, want %v", i, want, err, gone)
		}
		if now = now.Add(want); d.get("a", now) != nil {
			t.Errorf("damage %d after %v: %v, want nil", i, want, d.get("a", now))
		}
	}
	now = now.Add(longestDamage + 1)
	d.add("a", gone, now)
	if err := d.get("a", now.Add(firstDamage)); err != nil {
		t.Errorf("damage a long time after the last: %v, want nil after %v", err, firstDamage)
	}
	d.add("b", wrong, now)
	if err := d.get("b", now.Add(longestDamage-1)); !errors.Is(err, wrong) {
		t.Errorf("what is wrong: %v, want %v", err, wrong)
	}
}

// What is shown of a long text is cut between characters.
func TestShownIsText(t *testing.T) {
	for n := range 4 {
		got := shown(strings.Repeat("x", n) + strings.Repeat("€", maxShown))
		if len(got) > maxShown || len(got) < maxShown-2 || got != strings.ToValidUTF8(got, "?") {
			t.Errorf("shown behind %d letters: %d bytes, ending in %q", n, len(got), got[len(got)-4:])
		}
	}
}
