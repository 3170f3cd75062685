package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Identity is somebody who has proved who he is.
type Identity struct {
	User  string
	Token string // its name, where a token was the proof
}

// users are those of one reading of the file. Nothing changes them.
type users struct {
	seed   []byte
	byName map[string]proof
	tokens map[[sha256.Size]byte]grant
	nobody hash // what passwords of names that are not there are compared with (A2)
}

// proof is what a user must match.
type proof struct {
	hash  hash
	scram verifier
}

// grant is what a token gives.
type grant struct {
	who     Identity
	expires time.Time
}

// compile checks a file and prepares it. All complaints are reported.
func compile(f *File) (*users, error) {
	u := &users{byName: map[string]proof{}, tokens: map[[sha256.Size]byte]grant{}, nobody: nobody()}
	var errs []error
	var err error
	if u.seed, err = base64.StdEncoding.DecodeString(f.Seed); err != nil || len(u.seed) < 16 {
		errs = append(errs, errors.New("seed: want at least 16 bytes in base64: let tidemark user write the file"))
	}
	for _, x := range f.Users {
		p, err := x.compile(u.tokens)
		if err == nil {
			if _, twice := u.byName[x.Name]; twice {
				err = fmt.Errorf("user %s is there twice", x.Name)
			}
		}
		errs = append(errs, err)
		u.byName[x.Name] = p
	}
	return u, errors.Join(errs...)
}

func (x User) compile(tokens map[[sha256.Size]byte]grant) (p proof, err error) {
	if err := checkName("user", x.Name); err != nil {
		return p, err
	}
	if p.hash, err = parseHash(x.Password); err != nil {
		return p, fmt.Errorf("user %s: password: %w", x.Name, err)
	}
	if p.scram, err = parseVerifier(x.Scram); err != nil {
		return p, fmt.Errorf("user %s: scram: %w", x.Name, err)
	}
	for _, t := range x.Tokens {
		if err := checkName("token", t.Name); err != nil {
			return p, fmt.Errorf("user %s: %w", x.Name, err)
		}
		sum, err := hex.DecodeString(t.SHA256)
		if err != nil || len(sum) != sha256.Size {
			return p, fmt.Errorf("user %s: token %s: sha256 is not one in hex", x.Name, t.Name)
		}
		tokens[[sha256.Size]byte(sum)] = grant{Identity{User: x.Name, Token: t.Name}, t.Expires}
	}
	return p, nil
}

// scram returns what a name must match, and the same for every question about a name that is not there (A2).
func (u *users) scram(name string) (v verifier, known bool) {
	if p, ok := u.byName[name]; ok {
		return p.scram, true
	}
	m := hmac.New(sha256.New, u.seed)
	m.Write([]byte(name))
	salt := m.Sum(nil)
	return verifier{iterations: scramIterations, salt: salt[:saltBytes], stored: salt, server: salt}, false
}

// NewToken returns a token that nobody guesses.
func NewToken() string { return "tdm_" + rand.Text() + rand.Text() }

// tokenSum is what a token is found by. A token has more than 128 bits of chance, so that neither a salt nor a slow hash is
// needed, and the time of a look-up by its sum tells nothing of it.
func tokenSum(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

// nobody is a hash that no password has.
func nobody() hash {
	h := hash{memory: argonMemory, time: argonTime, lanes: argonLanes, salt: make([]byte, saltBytes), key: make([]byte, keyBytes)}
	rand.Read(h.salt)
	rand.Read(h.key)
	return h
}
