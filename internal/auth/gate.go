package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ErrRefused is a proof that proves nothing. It does not say what is wrong with it (A2).
var ErrRefused = errors.New("the user name, the password or the token is wrong")

// ErrBusy says that too many passwords are being checked.
var ErrBusy = errors.New("too many passwords are being checked: try again in a moment")

// LimitedError says that there were too many failed attempts.
type LimitedError struct {
	Wait time.Duration // until one more is looked at
}

func (e *LimitedError) Error() string {
	return fmt.Sprintf("too many failed attempts: try again in %s", e.Wait.Round(time.Second)+time.Second)
}

// Options configure a Gate. The zero value of a field means its default.
type Options struct {
	File  string // of users; required
	Local string // a token whose bearer is the owner of this process; "": none

	CacheTime     time.Duration // how long a right password is remembered; default 1m
	Cached        int           // how many are; default 1024
	Verifications int           // hashes computed at once; default 2
	VerifyWait    time.Duration // how long one waits for its turn; default 5s

	UserBurst    int           // failed attempts on one name at once; default 10
	UserEvery    time.Duration // in which one more is allowed; default 30s
	AddressBurst int           // failed attempts of one address at once; default 30
	AddressEvery time.Duration // in which one more is allowed; default 6s
	Tracked      int           // names, and addresses, that are told apart; default 10000

	Registry prometheus.Registerer // default: one that nobody reads
}

func (o Options) withDefaults() Options {
	for n, v := range map[*int]int{&o.Cached: 1024, &o.Verifications: 2, &o.UserBurst: 10, &o.AddressBurst: 30, &o.Tracked: 10_000} {
		if *n == 0 {
			*n = v
		}
	}
	for d, v := range map[*time.Duration]time.Duration{
		&o.CacheTime: time.Minute, &o.VerifyWait: 5 * time.Second, &o.UserEvery: 30 * time.Second, &o.AddressEvery: 6 * time.Second,
	} {
		if *d == 0 {
			*d = v
		}
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.File == "" {
		errs = append(errs, errors.New("auth: no file of users given"))
	}
	if min(o.Cached, o.Verifications, o.UserBurst, o.AddressBurst, o.Tracked) < 1 || min(o.CacheTime, o.VerifyWait, o.UserEvery, o.AddressEvery) < 0 {
		errs = append(errs, errors.New("auth: a limit is below 1"))
	}
	return errors.Join(errs...)
}

// Gate tells who asks.
type Gate struct {
	opts      Options
	m         *metrics
	key       []byte // of what is remembered
	turns     chan struct{}
	names     *buckets
	addresses *buckets

	mu    sync.Mutex
	state state
	right map[[sha256.Size]byte]time.Time // remembered until then
}

// state is what one reading of the file has put in force.
type state struct {
	users *users
	epoch uint64
}

// Open reads the file of users.
func Open(o Options) (*Gate, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	g, err := newGate(o)
	if err != nil {
		return nil, err
	}
	return g, g.Reload()
}

func newGate(o Options) (g *Gate, err error) {
	g = &Gate{
		opts: o, key: make([]byte, sha256.Size), turns: make(chan struct{}, o.Verifications), right: map[[sha256.Size]byte]time.Time{},
		names:     &buckets{burst: float64(o.UserBurst), every: o.UserEvery, limit: o.Tracked, keys: map[string]*bucket{}},
		addresses: &buckets{burst: float64(o.AddressBurst), every: o.AddressEvery, limit: o.Tracked, keys: map[string]*bucket{}},
	}
	rand.Read(g.key)
	g.m, err = newMetrics(g)
	return g, err
}

// Reload puts the file in force as it is now (A5).
func (g *Gate) Reload() error {
	f, err := Read(g.opts.File)
	if err == nil && len(f.Users) == 0 {
		err = fmt.Errorf("users: %s names nobody: add one with tidemark user add NAME --auth-file %[1]s", g.opts.File)
	}
	var u *users
	if err == nil {
		u, err = compile(f)
	}
	if err != nil {
		g.m.reloads.WithLabelValues("failed").Inc()
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state = state{u, g.state.epoch + 1}
	clear(g.right)
	g.m.reloads.WithLabelValues("done").Inc()
	g.m.users.Set(float64(len(f.Users)))
	return nil
}

func (g *Gate) current() state {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}

// Password checks the password of a user; from is the peer's address. ErrRefused, ErrBusy, a *LimitedError, or that of ctx.
func (g *Gate) Password(ctx context.Context, from, name, password string) (Identity, error) {
	s := g.current()
	mark := g.mark(s.epoch, name, password)
	if g.remembers(mark) {
		g.m.attempts.WithLabelValues(kindPassword, "remembered").Inc()
		return Identity{User: name}, nil
	}
	err := g.check(ctx, from, name, func() bool {
		if len(password) > maxPassword {
			return false
		}
		p, known := s.users.byName[name]
		if !known {
			p.hash = s.users.nobody
		}
		return p.hash.matches(password) && known
	})
	g.count(kindPassword, err)
	if err != nil {
		return Identity{}, err
	}
	g.remember(mark)
	return Identity{User: name}, nil
}

// check waits for its turn and calls right, which takes its time (A3, A4).
func (g *Gate) check(ctx context.Context, from, name string, right func() bool) error {
	back, err := g.attempt(from, name)
	if err != nil {
		return err
	}
	wait := time.NewTimer(g.opts.VerifyWait)
	defer wait.Stop()
	select {
	case g.turns <- struct{}{}:
	case <-wait.C:
		back()
		return ErrBusy
	case <-ctx.Done():
		back()
		return context.Cause(ctx)
	}
	defer func() { <-g.turns }()
	if !right() {
		return ErrRefused
	}
	back()
	return nil
}

// Token finds whose a bearer token is. ErrRefused or a *LimitedError.
func (g *Gate) Token(from, token string) (Identity, error) {
	who, err := g.token(from, token)
	g.count(kindToken, err)
	return who, err
}

func (g *Gate) token(from, token string) (Identity, error) {
	sum := tokenSum(token)
	if local := tokenSum(g.opts.Local); g.opts.Local != "" && hmac.Equal(sum[:], local[:]) {
		return Identity{User: LocalUser}, nil
	}
	grant, ok := g.current().users.tokens[sum]
	if ok && (grant.expires.IsZero() || time.Now().Before(grant.expires)) {
		return grant.who, nil
	}
	// A token has no name to be counted by, and nobody guesses one: its address pays, so that nobody tries for ever.
	if wait := g.addresses.take(time.Now(), addressKey(from)); wait > 0 {
		return Identity{}, &LimitedError{wait}
	}
	return Identity{}, ErrRefused
}

// attempt spends one attempt of a name and of an address; back returns both (A4).
func (g *Gate) attempt(from, name string) (back func(), err error) {
	now, address := time.Now(), addressKey(from)
	name = name[:min(len(name), 64)] // no user has a longer one
	if wait := g.addresses.take(now, address); wait > 0 {
		return nil, &LimitedError{wait}
	}
	if wait := g.names.take(now, name); wait > 0 {
		g.addresses.give(address)
		return nil, &LimitedError{wait}
	}
	return func() { g.addresses.give(address); g.names.give(name) }, nil
}

// mark is what a right password is remembered by; a reading of the file makes all others.
func (g *Gate) mark(epoch uint64, name, password string) (out [sha256.Size]byte) {
	m := hmac.New(sha256.New, g.key)
	m.Write(binary.BigEndian.AppendUint64(nil, epoch))
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(name))))
	m.Write([]byte(name))
	m.Write([]byte(password))
	m.Sum(out[:0])
	return out
}

func (g *Gate) remembers(mark [sha256.Size]byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Now().Before(g.right[mark])
}

func (g *Gate) remember(mark [sha256.Size]byte) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.right) >= g.opts.Cached {
		for k, until := range g.right {
			if !now.Before(until) {
				delete(g.right, k)
			}
		}
	}
	if len(g.right) >= g.opts.Cached {
		clear(g.right)
	}
	g.right[mark] = now.Add(g.opts.CacheTime)
}
