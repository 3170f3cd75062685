package auth

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Mechanism is what PostgreSQL calls the exchange. Binding it to a TLS channel, -PLUS, is not offered.
const Mechanism = "SCRAM-SHA-256"

const (
	scramIterations = 4096 // as PostgreSQL has it
	maxIterations   = 1_000_000
	maxNonce        = 1024 // bytes of a client's
)

// verifier proves a password without holding it (RFC 5802).
type verifier struct {
	iterations           int
	salt, stored, server []byte
}

func newVerifier(password string) verifier {
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	return derive(password, salt, scramIterations)
}

func derive(password string, salt []byte, iterations int) verifier {
	salted, err := pbkdf2.Key(sha256.New, normal(password), salt, iterations, sha256.Size)
	if err != nil {
		panic("A1: " + err.Error()) // only a length that is none
	}
	stored := sha256.Sum256(sum(salted, "Client Key"))
	return verifier{iterations: iterations, salt: salt, stored: stored[:], server: sum(salted, "Server Key")}
}

func sum(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// String is PostgreSQL's form.
func (v verifier) String() string {
	b := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s$%d:%s$%s:%s", Mechanism, v.iterations, b(v.salt), b(v.stored), b(v.server))
}

// parseVerifier reads PostgreSQL's form. The error does not hold it (A6).
func parseVerifier(text string) (v verifier, err error) {
	wrong := errors.New("want a verifier, SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey")
	f := strings.Split(text, "$")
	if len(f) != 3 || f[0] != Mechanism {
		return v, wrong
	}
	count, salt, ok := strings.Cut(f[1], ":")
	stored, server, ok2 := strings.Cut(f[2], ":")
	if _, err := fmt.Sscanf(count, "%d", &v.iterations); err != nil || !ok || !ok2 || v.iterations < 1 || v.iterations > maxIterations {
		return v, wrong
	}
	for _, x := range []struct {
		to   *[]byte
		text string
	}{{&v.salt, salt}, {&v.stored, stored}, {&v.server, server}} {
		if *x.to, err = base64.StdEncoding.DecodeString(x.text); err != nil {
			return v, wrong
		}
	}
	if len(v.salt) < 8 || len(v.stored) != sha256.Size || len(v.server) != sha256.Size {
		return v, wrong
	}
	return v, nil
}

// ProtocolError says which message of an exchange is not understood.
type ProtocolError struct{ What string }

func (e *ProtocolError) Error() string { return "SCRAM: " + e.What }

// Exchange is one proof of a password over messages (RFC 5802). It is for one goroutine.
type Exchange struct {
	gate       *Gate
	from, name string
	v          verifier
	known      bool

	header, clientFirst, serverFirst, nonce string
}

// Scram begins an exchange with whoever says that he is name.
func (g *Gate) Scram(from, name string) *Exchange {
	v, known := g.current().users.scram(name)
	return &Exchange{gate: g, from: from, name: name, v: v, known: known}
}

// First answers the client's first message. A *ProtocolError says what is wrong with it.
func (e *Exchange) First(message []byte) ([]byte, error) {
	f := strings.SplitN(string(message), ",", 3)
	switch {
	case len(f) != 3:
		return nil, &ProtocolError{"the first message is cut off"}
	case strings.HasPrefix(f[0], "p="):
		return nil, &ProtocolError{"channel binding is not offered here"}
	case f[0] != "n" && f[0] != "y":
		return nil, &ProtocolError{"the first message does not begin with n or y"}
	case f[1] != "":
		return nil, &ProtocolError{"nobody may ask in the name of another"}
	}
	name, rest, ok := strings.Cut(f[2], ",")
	nonce, ok2 := strings.CutPrefix(rest, "r=")
	nonce, _, _ = strings.Cut(nonce, ",") // extensions are left out
	if !ok || !ok2 || !strings.HasPrefix(name, "n=") || nonce == "" || len(nonce) > maxNonce {
		return nil, &ProtocolError{"the first message has no name or nonce"}
	}
	e.header, e.clientFirst, e.nonce = f[0]+","+f[1]+",", f[2], nonce+rand.Text()
	e.serverFirst = fmt.Sprintf("r=%s,s=%s,i=%d", e.nonce, base64.StdEncoding.EncodeToString(e.v.salt), e.v.iterations)
	return []byte(e.serverFirst), nil
}

// Final checks the client's last message and returns the answer to it. ErrRefused is a wrong name or password, a
// *LimitedError one of too many, a *ProtocolError a message that is none.
func (e *Exchange) Final(message []byte) ([]byte, Identity, error) {
	answer, err := e.final(message)
	e.gate.count(kindScram, err)
	if err != nil {
		return nil, Identity{}, err
	}
	return answer, Identity{User: e.name}, nil
}

func (e *Exchange) final(message []byte) ([]byte, error) {
	text := string(message)
	at := strings.LastIndex(text, ",p=")
	if at < 0 || e.nonce == "" {
		return nil, &ProtocolError{"the last message has no proof"}
	}
	bare := text[:at]
	proof, err := base64.StdEncoding.DecodeString(text[at+3:])
	if err != nil || len(proof) != sha256.Size {
		return nil, &ProtocolError{"the proof is none"}
	}
	want := "c=" + base64.StdEncoding.EncodeToString([]byte(e.header)) + ",r=" + e.nonce
	if bare != want && !strings.HasPrefix(bare, want+",") {
		return nil, &ProtocolError{"the last message is of another exchange"}
	}
	back, err := e.gate.attempt(e.from, e.name)
	if err != nil {
		return nil, err
	}
	signed := e.clientFirst + "," + e.serverFirst + "," + bare
	client := make([]byte, sha256.Size)
	subtle.XORBytes(client, proof, sum(e.v.stored, signed))
	stored := sha256.Sum256(client)
	if right := subtle.ConstantTimeCompare(stored[:], e.v.stored) == 1; !right || !e.known {
		return nil, ErrRefused
	}
	back()
	return []byte("v=" + base64.StdEncoding.EncodeToString(sum(e.v.server, signed))), nil
}
