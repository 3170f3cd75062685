package auth

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const annsPassword = "correct horse"

// fileOf makes a file of users: ann, and who else is named, with the same password, whose hashes cost little.
func fileOf(t *testing.T, names ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.yaml")
	for _, name := range append([]string{"ann"}, names...) {
		cheap := hash{memory: 8, time: 1, lanes: 1, salt: []byte("0123456789abcdef")}
		cheap.key = cheap.of(annsPassword, keyBytes)
		if err := Edit(path, func(f *File) error {
			f.Users = append(f.Users, User{Name: name, Password: cheap.String(), Scram: newVerifier(annsPassword).String()})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func open(t *testing.T, o Options) *Gate {
	t.Helper()
	if o.File == "" {
		o.File = fileOf(t)
	}
	g, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// wantAnswer compares how an attempt ended: "" is accepted.
func wantAnswer(t *testing.T, what string, err error, want string) {
	t.Helper()
	got := ""
	var limited *LimitedError
	switch {
	case errors.As(err, &limited):
		got = "limited"
	case errors.Is(err, ErrRefused):
		got = "refused"
	case err != nil:
		got = err.Error()
	}
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestPassword(t *testing.T) {
	g := open(t, Options{})
	for _, c := range []struct{ name, password, want string }{
		{"ann", annsPassword, ""},
		{"ann", annsPassword, ""}, // remembered
		{"ann", "correct horsf", "refused"},
		{"ann", "", "refused"},
		{"bob", annsPassword, "refused"},
		{"", annsPassword, "refused"},
		{"ann" + annsPassword[:1], annsPassword[1:], "refused"}, // the same bytes, cut elsewhere
		{"ann", strings.Repeat("x", maxPassword+1), "refused"},
	} {
		who, err := g.Password(t.Context(), "192.0.2.1:1", c.name, c.password)
		wantAnswer(t, "password of "+c.name, err, c.want)
		if err == nil && who != (Identity{User: c.name}) {
			t.Errorf("%s is taken for %+v", c.name, who)
		}
	}
}

// A4: a name and an address have a budget each, which comes back with time; who is right pays nothing.
func TestLimits(t *testing.T) {
	path := fileOf(t, "bob")
	synctest.Test(t, func(t *testing.T) {
		g := open(t, Options{File: path, UserBurst: 3, UserEvery: 10 * time.Second, AddressBurst: 5, AddressEvery: time.Minute, CacheTime: time.Nanosecond})
		try := func(from, name, password, want string) {
			t.Helper()
			_, err := g.Password(t.Context(), from, name, password)
			wantAnswer(t, name+" from "+from, err, want)
		}
		for range 9 {
			try("192.0.2.1:1", "ann", annsPassword, "")
			time.Sleep(time.Microsecond) // it is not remembered
		}
		for range 3 {
			try("192.0.2.1:1", "ann", "wrong guess", "refused")
		}
		try("192.0.2.1:1", "ann", annsPassword, "limited") // a guess could be right too
		try("192.0.2.2:1", "ann", annsPassword, "limited") // from everywhere
		try("192.0.2.1:2", "bob", annsPassword, "")
		for range 2 {
			try("192.0.2.1:3", "bob", "wrong guess", "refused")
		}
		time.Sleep(time.Microsecond)
		try("192.0.2.1:4", "bob", annsPassword, "limited") // the address has spent five
		try("192.0.2.2:4", "bob", annsPassword, "")
		time.Sleep(10 * time.Second)
		try("192.0.2.2:1", "ann", "wrong guess", "refused") // one came back
		try("192.0.2.2:1", "ann", annsPassword, "limited")
		time.Sleep(10*time.Second - time.Millisecond)
		try("192.0.2.2:1", "ann", annsPassword, "limited")
		time.Sleep(time.Millisecond)
		try("192.0.2.2:1", "ann", annsPassword, "")
		_, err := g.Token("192.0.2.1:1", "tdm_GUESS")
		wantAnswer(t, "token after 20s of a minute", err, "limited")
		time.Sleep(40 * time.Second)
		_, err = g.Token("192.0.2.1:1", "tdm_GUESS")
		wantAnswer(t, "token after a minute", err, "refused")
	})
}

// A3 and A5: a right password is remembered for a while, whatever others guess, and not after a reload.
func TestRemembered(t *testing.T) {
	path := fileOf(t)
	synctest.Test(t, func(t *testing.T) {
		g := open(t, Options{File: path, UserBurst: 1, UserEvery: time.Hour, CacheTime: time.Minute})
		try := func(when, password, want string) {
			t.Helper()
			_, err := g.Password(t.Context(), "192.0.2.1:1", "ann", password)
			wantAnswer(t, when, err, want)
		}
		try("first", annsPassword, "")
		try("guess", "wrong guess", "refused")
		try("remembered", annsPassword, "")
		try("second guess", "wrong guess", "limited")
		time.Sleep(time.Minute - time.Nanosecond)
		try("just remembered", annsPassword, "")
		time.Sleep(time.Nanosecond)
		try("forgotten", annsPassword, "limited")
		time.Sleep(time.Hour)
		try("again", annsPassword, "")
		if err := Edit(path, func(f *File) error { return f.Add("ann", "another one", true) }); err != nil {
			t.Fatal(err)
		}
		try("before the reload", annsPassword, "")
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		try("the old one after the reload", annsPassword, "refused")
	})
}

// A3: of many at once only so many hash, and those that wait for too long are told so.
func TestVerifications(t *testing.T) {
	path := fileOf(t)
	synctest.Test(t, func(t *testing.T) {
		g := open(t, Options{File: path, Verifications: 2, VerifyWait: 5 * time.Second, UserBurst: 100, AddressBurst: 100})
		var mu sync.Mutex
		running, most, busy := 0, 0, 0
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				err := g.check(t.Context(), "192.0.2.1:1", "ann", func() bool {
					mu.Lock()
					running++
					most = max(most, running)
					mu.Unlock()
					time.Sleep(2 * time.Second)
					mu.Lock()
					running--
					mu.Unlock()
					return true
				})
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, ErrBusy) {
					busy++
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		// Pairs begin after 0, 2 and 4 seconds.
		if most != 2 || busy != 14 {
			t.Errorf("%d at once and %d told to wait, want 2 and 14", most, busy)
		}
		if spent := g.names.left(g.names.keys["ann"], time.Now()); spent != 0 {
			t.Errorf("%v attempts are spent, want none: nobody was wrong", spent)
		}
	})
}

func TestToken(t *testing.T) {
	path := fileOf(t)
	var always, soon string
	if err := Edit(path, func(f *File) (err error) {
		if always, err = f.AddToken("ann", "ci", time.Time{}); err != nil {
			return err
		}
		soon, err = f.AddToken("ann", "soon", time.Now().Add(time.Hour))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), always) || strings.Contains(string(text), annsPassword) {
		t.Fatalf("A1: the file holds a secret, or: %v", err)
	}
	g := open(t, Options{File: path, Local: "of this process"})
	for token, want := range map[string]Identity{always: {"ann", "ci"}, soon: {"ann", "soon"}, "of this process": {User: LocalUser}} {
		if got, err := g.Token("192.0.2.1:1", token); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	for _, token := range []string{"", always + "x", always[:len(always)-1], strings.ToLower(always)} {
		_, err := g.Token("192.0.2.1:1", token)
		wantAnswer(t, "token "+token, err, "refused")
	}
	if _, err := open(t, Options{File: path}).Token("192.0.2.1:1", ""); !errors.Is(err, ErrRefused) {
		t.Errorf("no token where none is of this process: %v", err)
	}
	for _, end := range []time.Time{time.Now().Add(-time.Second)} {
		var late string
		if err := Edit(path, func(f *File) (err error) { late, err = f.AddToken("ann", "late", end); return err }); err != nil {
			t.Fatal(err)
		}
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		_, err := g.Token("192.0.2.1:1", late)
		wantAnswer(t, "expired token", err, "refused")
	}
	if err := Edit(path, func(f *File) error { return f.RemoveToken("ann", "ci") }); err != nil {
		t.Fatal(err)
	}
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	_, err = g.Token("192.0.2.1:1", always)
	wantAnswer(t, "removed token", err, "refused")
}

// A5: what cannot be read leaves what is in force.
func TestReloadBroken(t *testing.T) {
	path := fileOf(t)
	g := open(t, Options{File: path})
	for _, text := range []string{"", "seed: AAAA\nusers: []\n", "users: 7\n", "nonsense: 1\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := g.Reload(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("file %q: got %v, want a complaint that names it", text, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := g.Reload(); err == nil {
		t.Error("a file that is gone was read")
	}
	if _, err := g.Password(t.Context(), "192.0.2.1:1", "ann", annsPassword); err != nil {
		t.Errorf("ann was there before: %v", err)
	}
}

func TestAddressKey(t *testing.T) {
	for from, want := range map[string]string{
		"192.0.2.1:5000": "192.0.2.1", "[2001:db8:1:2:3::4]:5": "2001:db8:1:2::/64", "[2001:db8:1:2:ffff::4]:5": "2001:db8:1:2::/64",
		"[::ffff:192.0.2.1]:1": "192.0.2.1", "[fe80::1%eth0]:1": "fe80::/64", "": "", "@": "",
	} {
		if got := addressKey(from); got != want {
			t.Errorf("%q: got %q, want %q", from, got, want)
		}
	}
	if host, _, err := net.SplitHostPort("[::1]:1"); err != nil || addressKey(host) != "::/64" {
		t.Errorf("a host without a port: %q, %v", addressKey(host), err)
	}
}
