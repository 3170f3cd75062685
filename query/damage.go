package query

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

// damages are the segments whose cuboids cannot be read, by folder: a refresh gives a segment another one. After a while they are tried
// again, for a store may answer again: the more often in vain, the later.
type damages struct {
	any  atomic.Bool // was ever added
	kept *lru[string, damage]
}

type damage struct {
	err  error
	wait time.Duration
	till time.Time
}

const (
	firstDamage   = 30 * time.Second // of what is not there
	longestDamage = time.Hour        // and of what is there and is wrong
)

func newDamages(limit int) *damages { return &damages{kept: newLRU[string, damage](limit)} }

// get returns why a segment is not to be read now; nil: it is to be tried.
func (d *damages) get(folder string, now time.Time) error {
	if x, ok := d.kept.get(folder); ok && now.Before(x.till) {
		return x.err
	}
	return nil
}

// add notes that a segment could not be read. Who finds the same damage at the same time does not make it last.
func (d *damages) add(folder string, err error, now time.Time) {
	x, ok := d.kept.get(folder)
	if ok && now.Before(x.till) {
		return
	}
	switch {
	case !errors.Is(err, blob.ErrNotFound):
		x.wait = longestDamage
	case !ok || now.Sub(x.till) > longestDamage:
		x.wait = firstDamage
	default:
		x.wait = min(2*x.wait, longestDamage)
	}
	x.err, x.till = err, now.Add(x.wait)
	d.any.Store(true)
	d.kept.replace(folder, x)
}

// damagedSegment is one whose cuboids could not be read, where reading them again does not help.
type damagedSegment struct {
	folder  string
	segment int64
	err     error
}

// errDamaged ends a start that has met damage.
var errDamaged = errors.New("cuboids of a segment cannot be read")

// damageFound is what one start has met, each segment once.
type damageFound struct {
	mu   sync.Mutex
	list []damagedSegment
}

func (f *damageFound) add(d damagedSegment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.ContainsFunc(f.list, func(x damagedSegment) bool { return x.folder == d.folder }) {
		f.list = append(f.list, d)
	}
}

func (f *damageFound) found() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.list) > 0
}

// take returns what was found, and forgets it.
func (f *damageFound) take() []damagedSegment {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.list
	f.list = nil
	return list
}
