package auth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestEdit(t *testing.T) {
	path := fileOf(t)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("A1: mode %v, %v; want 0600", info.Mode(), err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*File) error{
		"there is a user ann already":     func(f *File) error { return f.Add("ann", "12345678", false) },
		"fewer than 8 characters":         func(f *File) error { return f.Add("bob", "1234567", false) },
		"cannot be seen, U+00AD":          func(f *File) error { return f.Add("bob", "soft\u00adhyphen", false) },
		"write in more than one way":      func(f *File) error { return f.Add("bob", "\ufb01ligature", false) },
		"not UTF-8":                       func(f *File) error { return f.Add("bob", "12345678\xff", false) },
		"more than 1024 bytes":            func(f *File) error { return f.Add("bob", strings.Repeat("x", 1025), false) },
		`user "a:b": want up to 63`:       func(f *File) error { return f.Add("a:b", "12345678", false) },
		"there is no user bob":            func(f *File) error { return f.Remove("bob") },
		"user ann has no token ci":        func(f *File) error { return f.RemoveToken("ann", "ci") },
		"there is no user eve":            func(f *File) error { _, err := f.AddToken("eve", "ci", time.Time{}); return err },
		`token "": want up to 63 letters`: func(f *File) error { _, err := f.AddToken("ann", "", time.Time{}); return err },
		"a change that failed half way":   func(f *File) error { f.Users = nil; return errors.New("a change that failed half way") },
		"user ann is there twice":         func(f *File) error { f.Users = append(f.Users, f.Users[0]); return nil },
		"password: want an argon2id hash": func(f *File) error { f.Users[0].Password = "$2a$10$abc"; return nil },
		"at most m=262144, t=16, p=8": func(f *File) error {
			f.Users[0].Password = strings.Replace(f.Users[0].Password, "m=8,", "m=4000000,", 1)
			return nil
		},
		"scram: want a verifier":            func(f *File) error { f.Users[0].Scram = "md5abc"; return nil },
		"seed: want at least 16 bytes":      func(f *File) error { f.Seed = "AAAA"; return nil },
		"token x: sha256 is not one in hex": func(f *File) error { f.Users[0].Tokens = []Token{{Name: "x", SHA256: "ab"}}; return nil },
	} {
		err := Edit(path, change)
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("got %v, want %q", err, what)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != string(before) {
			t.Fatalf("%s changed the file, or %v", what, err)
		}
	}
	left, err := filepath.Glob(path + ".*.tmp")
	if err != nil || left != nil {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// An edit takes the place of a link's target, not of the link.
func TestEditLink(t *testing.T) {
	path := fileOf(t)
	link := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := Edit(link, func(f *File) error { return f.Add("bob", annsPassword, false) }); err != nil {
		t.Fatal(err)
	}
	f, err := Read(path)
	if err != nil || len(f.Users) != 2 {
		t.Errorf("got %d users, %v; want 2", len(f.Users), err)
	}
}

// A service that reads the file by its group must still read it after an edit.
func TestEditKeepsModeAndOwner(t *testing.T) {
	path := fileOf(t)
	before, err := os.Stat(path)
	if err != nil || before.Mode().Perm() != 0o600 {
		t.Fatalf("a new file: %v, %v, want mode 0600", before, err)
	}
	gid := int(before.Sys().(*syscall.Stat_t).Gid)
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		groups = append(groups, gid+1)
	}
	for _, g := range groups { // one that a new file would not get
		if g != gid {
			gid = g
		}
	}
	if err := errors.Join(os.Chown(path, -1, gid), os.Chmod(path, 0o640)); err != nil {
		t.Fatal(err)
	}
	if err := Edit(path, func(f *File) error { return f.Add("bob", annsPassword, false) }); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if is := after.Sys().(*syscall.Stat_t); after.Mode().Perm() != 0o640 || int(is.Gid) != gid || is.Uid != before.Sys().(*syscall.Stat_t).Uid {
		t.Errorf("got mode %s, user %d, group %d, want 0640, %d, %d", after.Mode(), is.Uid, is.Gid, before.Sys().(*syscall.Stat_t).Uid, gid)
	}
}

// A1: of edits at once none is lost.
func TestEditsAtOnce(t *testing.T) {
	path := fileOf(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := Edit(path, func(f *File) error { _, err := f.AddToken("ann", fmt.Sprint("t", i), time.Time{}); return err }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f, err := Read(path)
	if err != nil || len(f.Users[0].Tokens) != 8 {
		t.Errorf("got %d tokens, %v; want 8", len(f.Users[0].Tokens), err)
	}
}

func TestReplaceKeepsTokens(t *testing.T) {
	path := fileOf(t)
	var token string
	for _, change := range []func(*File) error{
		func(f *File) (err error) { token, err = f.AddToken("ann", "ci", time.Time{}); return err },
		func(f *File) error { return f.Add("ann", "another one", true) },
	} {
		if err := Edit(path, change); err != nil {
			t.Fatal(err)
		}
	}
	g := open(t, Options{File: path})
	if _, err := g.Token("192.0.2.1:1", token); err != nil {
		t.Errorf("the token: %v", err)
	}
	if _, err := g.Password(t.Context(), "192.0.2.1:1", "ann", "another one"); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

// A password is the same however a keyboard writes its accents.
func TestAccents(t *testing.T) {
	path := fileOf(t)
	if err := Edit(path, func(f *File) error { return f.Add("bob", "caf\u00e9 au lait", false) }); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, Options{File: path}).Password(t.Context(), "192.0.2.1:1", "bob", "cafe\u0301 au lait"); err != nil {
		t.Errorf("é in two parts: %v", err)
	}
}

func TestReadRefuses(t *testing.T) {
	path := fileOf(t)
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
		t.Errorf("a file that everybody may read: %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil { // as Kubernetes mounts a secret for a group
		t.Fatal(err)
	}
	if _, err := Read(path); err != nil {
		t.Errorf("a file that the group may read: %v", err)
	}
}

// A file may be written by hand.
func FuzzForms(f *testing.F) {
	f.Add(newHash("12345678").String())
	f.Add(newVerifier("12345678").String())
	f.Add("$argon2id$v=19$m=8,t=1,p=1$$")
	f.Add("SCRAM-SHA-256$4096:AAAA$AAAA:AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if h, err := parseHash(text); err == nil && (h.memory > maxArgonMemory || h.time > maxArgonTime || h.lanes > maxArgonLanes || len(h.key) > 64) {
			t.Fatalf("A3: %q asks for too much", text)
		}
		if v, err := parseVerifier(text); err == nil && (v.iterations > maxIterations || len(v.stored) != 32) {
			t.Fatalf("A3: %q asks for too much", text)
		}
	})
}
