package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

const (
	saltBytes = 16
	keyBytes  = 32

	minPassword = 8    // characters
	maxPassword = 1024 // bytes

	// Costs of a hash of ours; one takes about 25 ms and 19 MiB.
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonLanes  = 1

	// What a file may ask for, so that no file makes a process end (A3).
	maxArgonMemory = 256 << 10 // KiB
	maxArgonTime   = 16
	maxArgonLanes  = 8
)

// prepare checks a new password and brings it into the form in which it is hashed. What clients of PostgreSQL write in
// different ways, each by its own reading of the standard, is refused: it would be right for one and wrong for another.
func prepare(password string) (string, error) {
	switch {
	case !utf8.ValidString(password):
		return "", errors.New("the password is not UTF-8")
	case utf8.RuneCountInString(password) < minPassword:
		return "", fmt.Errorf("the password has fewer than %d characters", minPassword)
	case len(password) > maxPassword:
		return "", fmt.Errorf("the password has more than %d bytes", maxPassword)
	}
	password = normal(password)
	for _, r := range password {
		if !unicode.IsPrint(r) {
			return "", fmt.Errorf("the password has a character that cannot be seen, %U: take another", r)
		}
	}
	if norm.NFKC.String(password) != password {
		return "", errors.New("the password has characters that clients write in more than one way, as ligatures and full-width letters: take others")
	}
	return password, nil
}

// normal is the form in which a password is hashed: keyboards differ in how they write an accent.
func normal(password string) string { return norm.NFC.String(password) }

// hash is argon2id of a password.
type hash struct {
	memory, time uint32 // KiB, passes
	lanes        uint8
	salt, key    []byte
}

func newHash(password string) hash {
	h := hash{memory: argonMemory, time: argonTime, lanes: argonLanes, salt: make([]byte, saltBytes)}
	rand.Read(h.salt)
	h.key = h.of(password, keyBytes)
	return h
}

func (h hash) of(password string, n int) []byte {
	return argon2.IDKey([]byte(normal(password)), h.salt, h.time, h.memory, h.lanes, uint32(n))
}

// matches computes the hash again, which takes its time.
func (h hash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.of(password, len(h.key)), h.key) == 1
}

// String is the PHC form.
func (h hash) String() string {
	b := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.lanes, b(h.salt), b(h.key))
}

// parseHash reads the PHC form. The error does not hold it (A6).
func parseHash(text string) (h hash, err error) {
	wrong := errors.New("want an argon2id hash, $argon2id$v=19$m=...,t=...,p=...$salt$hash")
	f := strings.Split(text, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, wrong
	}
	if n, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.lanes); n != 3 || err != nil || fmt.Sprintf("m=%d,t=%d,p=%d", h.memory, h.time, h.lanes) != f[3] {
		return h, wrong
	}
	if h.memory < 8 || h.memory > maxArgonMemory || h.time < 1 || h.time > maxArgonTime || h.lanes < 1 || h.lanes > maxArgonLanes {
		return h, fmt.Errorf("its costs are out of bounds: at most m=%d, t=%d, p=%d", maxArgonMemory, maxArgonTime, maxArgonLanes)
	}
	salt, err := base64.RawStdEncoding.DecodeString(f[4])
	key, err2 := base64.RawStdEncoding.DecodeString(f[5])
	if err != nil || err2 != nil || len(salt) < 8 || len(key) < 16 || len(key) > 64 {
		return h, wrong
	}
	h.salt, h.key = salt, key
	return h, nil
}
