package auth

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	maxFile   = 4 << 20
	seedBytes = 32
	head      = "# Users of tidemark, written by tidemark user. Whoever reads it can try passwords at leisure: keep it secret.\n"
)

// File is the file of users.
type File struct {
	Seed  string `yaml:"seed"` // base64; what salts of names that are not there are made of (A2)
	Users []User `yaml:"users"`
}

// User is one who may ask.
type User struct {
	Name     string  `yaml:"name"`
	Password string  `yaml:"password"` // argon2id, in PHC form
	Scram    string  `yaml:"scram"`    // SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>
	Tokens   []Token `yaml:"tokens,omitempty"`
}

// Token is a bearer token of a user.
type Token struct {
	Name    string    `yaml:"name"`
	SHA256  string    `yaml:"sha256"`            // hex, of the whole token
	Expires time.Time `yaml:"expires,omitempty"` // zero: never
}

// validName are names that Basic credentials, start messages and logs take without quoting.
var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$`)

func checkName(what, name string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("%s %q: want up to 63 letters, digits, dots, dashes, underscores and @, a letter or digit first", what, name)
	}
	return nil
}

// Read reads the file of users. One that everybody may read is refused.
func Read(path string) (*File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("users: %w: tidemark user add NAME --auth-file %s makes it", err, path)
	}
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("users: everybody on this machine may read %s: chmod 600 %[1]s", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("users: %s is over %d bytes", path, maxFile)
	}
	var out File
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&out); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("users: %s: %w", path, err)
	}
	if _, err := compile(&out); err != nil {
		return nil, fmt.Errorf("users: %s: %w", path, err)
	}
	return &out, nil
}

// Edit changes the file of users, which is made if it is not there. Two edits at once follow each other. Nothing is
// written where change fails.
func Edit(path string, change func(*File) error) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("users: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("users: lock %s: %w", lock.Name(), err)
	}
	f, err := Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		seed := make([]byte, seedBytes)
		rand.Read(seed)
		f, err = &File{Seed: base64.StdEncoding.EncodeToString(seed)}, nil
	}
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		return err
	}
	if _, err := compile(f); err != nil {
		return fmt.Errorf("users: %w", err)
	}
	text, err := yaml.Marshal(f)
	if err != nil {
		return fmt.Errorf("users: %w", err)
	}
	return replace(path, append([]byte(head), text...))
}

// replace writes a file whole or not at all: a new one for its owner alone, one that was there for those who had it.
func replace(path string, text []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return fmt.Errorf("users: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	if err = keep(tmp, path); err == nil {
		_, err = tmp.Write(text)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return fmt.Errorf("users: %w", err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("users: %w", err)
	}
	return nil
}

// keep gives tmp the owner, the group and the mode of the file at path, if there is one: a service that reads it by its group
// must find it readable afterwards.
func keep(tmp *os.File, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	mine, err := tmp.Stat()
	if err != nil {
		return err
	}
	want, got := info.Sys().(*syscall.Stat_t), mine.Sys().(*syscall.Stat_t)
	if want.Uid != got.Uid || want.Gid != got.Gid {
		if err := tmp.Chown(int(want.Uid), int(want.Gid)); err != nil {
			return fmt.Errorf("%s belongs to user %d and group %d, which it must keep: run this as that user, or as root: %w", path, want.Uid, want.Gid, err)
		}
	}
	return tmp.Chmod(info.Mode().Perm())
}

func (f *File) find(name string) (*User, error) {
	for i := range f.Users {
		if f.Users[i].Name == name {
			return &f.Users[i], nil
		}
	}
	return nil, fmt.Errorf("there is no user %s: tidemark user list shows which there are", name)
}

// Add adds a user. One that is there keeps his tokens and gets another password with again, and is an error without.
func (f *File) Add(name, password string, again bool) error {
	if err := checkName("user", name); err != nil {
		return err
	}
	password, err := prepare(password)
	if err != nil {
		return err
	}
	u, err := f.find(name)
	switch {
	case err == nil && !again:
		return fmt.Errorf("there is a user %s already: --replace gives another password", name)
	case err != nil:
		f.Users = append(f.Users, User{Name: name})
		u = &f.Users[len(f.Users)-1]
	}
	u.Password, u.Scram = newHash(password).String(), newVerifier(password).String()
	return nil
}

// Remove removes a user with his tokens.
func (f *File) Remove(name string) error {
	if _, err := f.find(name); err != nil {
		return err
	}
	f.Users = slices.DeleteFunc(f.Users, func(u User) bool { return u.Name == name })
	return nil
}

// AddToken makes a token and returns it: it is nowhere else.
func (f *File) AddToken(user, name string, expires time.Time) (string, error) {
	u, err := f.find(user)
	if err == nil {
		err = checkName("token", name)
	}
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(u.Tokens, func(t Token) bool { return t.Name == name }) {
		return "", fmt.Errorf("user %s has a token %s already: take another --name, or remove it first with --remove", user, name)
	}
	token := NewToken()
	sum := tokenSum(token)
	u.Tokens = append(u.Tokens, Token{Name: name, SHA256: hex.EncodeToString(sum[:]), Expires: expires})
	return token, nil
}

// RemoveToken takes a token of a user away.
func (f *File) RemoveToken(user, name string) error {
	u, err := f.find(user)
	if err != nil {
		return err
	}
	n := len(u.Tokens)
	if u.Tokens = slices.DeleteFunc(u.Tokens, func(t Token) bool { return t.Name == name }); len(u.Tokens) == n {
		return fmt.Errorf("user %s has no token %s: tidemark user list shows which there are", user, name)
	}
	return nil
}
