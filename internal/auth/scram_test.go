package auth

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The example of RFC 7677.
func TestScramOfRFC(t *testing.T) {
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	v := derive("pencil", salt, 4096)
	e := &Exchange{
		gate: open(t, Options{}), name: "ann", v: v, known: true, header: "n,,", clientFirst: "n=user,r=rOprNGfwEbeRWgbNEkqO",
		nonce:       "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		serverFirst: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	}
	got, _, err := e.Final([]byte("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))
	if want := "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="; err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// clientProof is what a client sends last, written from the RFC by itself.
func clientProof(password, header, clientFirst, serverFirst string) (string, error) {
	var nonce, salt64 string
	var iterations int
	for _, f := range strings.Split(serverFirst, ",") {
		switch f[:2] {
		case "r=":
			nonce = f[2:]
		case "s=":
			salt64 = f[2:]
		case "i=":
			fmt.Sscan(f[2:], &iterations)
		}
	}
	salt, err := base64.StdEncoding.DecodeString(salt64)
	if err != nil {
		return "", err
	}
	mac := func(key []byte, text string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, 32)
	if err != nil {
		return "", err
	}
	client := mac(salted, "Client Key")
	stored := sha256.Sum256(client)
	bare := "c=" + base64.StdEncoding.EncodeToString([]byte(header)) + ",r=" + nonce
	subtle.XORBytes(client, client, mac(stored[:], clientFirst+","+serverFirst+","+bare))
	return bare + ",p=" + base64.StdEncoding.EncodeToString(client), nil
}

// exchange plays one with a password.
func exchange(t *testing.T, g *Gate, header, name, password string) error {
	t.Helper()
	e := g.Scram("192.0.2.1:1", name)
	first := "n=,r=abcdef"
	answer, err := e.First([]byte(header + first))
	if err != nil {
		return err
	}
	last, err := clientProof(password, header, first, string(answer))
	if err != nil {
		t.Fatal(err)
	}
	_, who, err := e.Final([]byte(last))
	if err == nil && who != (Identity{User: name}) {
		t.Errorf("%s is taken for %+v", name, who)
	}
	return err
}

func TestScram(t *testing.T) {
	g := open(t, Options{UserBurst: 2})
	for _, c := range []struct{ header, name, password, want string }{
		{"n,,", "ann", annsPassword, ""},
		{"y,,", "ann", annsPassword, ""},
		{"n,,", "bob", annsPassword, "refused"},
		{"n,,", "ann", "wrong guess", "refused"},
		{"p=tls-unique,,", "ann", annsPassword, "SCRAM: channel binding is not offered here"},
		{"n,a=bob,", "ann", annsPassword, "SCRAM: nobody may ask in the name of another"},
		{"n,,", "ann", "wrong guess", "refused"},
		{"n,,", "ann", annsPassword, "limited"},
	} {
		wantAnswer(t, c.header+" "+c.name+" "+c.password, exchange(t, g, c.header, c.name, c.password), c.want)
	}
}

// A2: a name that is not there always has the same salt, as one that is has.
func TestScramOfNobody(t *testing.T) {
	path := fileOf(t)
	salts := func(name string) string {
		answer, err := open(t, Options{File: path}).Scram("192.0.2.1:1", name).First([]byte("n,,n=,r=abcdef"))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(answer), ",")
		return rest
	}
	for _, name := range []string{"ann", "bob", "eve"} {
		if a, b := salts(name), salts(name); a != b || len(a) != len(salts("ann")) {
			t.Errorf("A2: %s has %s, and then %s", name, a, b)
		}
	}
	if salts("bob") == salts("eve") {
		t.Error("A2: bob and eve have one salt, as no two users have")
	}
}

func TestVerifierForm(t *testing.T) {
	v := newVerifier(annsPassword)
	again, err := parseVerifier(v.String())
	if err != nil || again.String() != v.String() {
		t.Errorf("%s is read as %s, %v", v, again, err)
	}
}

// Messages of an exchange come from anybody.
func FuzzExchange(f *testing.F) {
	f.Add("n,,n=,r=abc", "c=biws,r=abc,p=AAAA")
	f.Add("y,,n=ann,r=abc,x=1", "c=eSws,r=abc,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	f.Add("p=tls-unique,,n=,r=", ",p=")
	f.Add("", "")
	seed := nobody()
	u := &users{seed: seed.salt, byName: map[string]proof{}}
	g, err := newGate(Options{File: "none"}.withDefaults())
	if err != nil {
		f.Fatal(err)
	}
	g.state.users = u
	f.Fuzz(func(t *testing.T, first, last string) {
		e := g.Scram("192.0.2.1:1", "ann")
		if _, err := e.First([]byte(first)); err != nil {
			if p := new(ProtocolError); !errors.As(err, &p) {
				t.Fatalf("first message %q: %v", first, err)
			}
		}
		if _, _, err := e.Final([]byte(last)); err == nil {
			t.Fatalf("%q and %q prove something", first, last)
		}
	})
}
