package config

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestOptsLogIn(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("pass word \r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mechanism := range []string{Plain, ScramSHA256, ScramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser(mechanism, "user", "pass word "))
			if err != nil {
				t.Fatal(err)
			}
			defer broker.Close()
			k := Kafka{
				Brokers: broker.ListenAddrs(), DialTimeout: 5 * time.Second, RequestTimeout: 5 * time.Second, ClientID: "test",
				SASL: SASL{Mechanism: mechanism, User: "user", PasswordFile: secret},
			}
			if err := ping(t, k); err != nil {
				t.Errorf("right password: %v", err)
			}
			k.SASL.PasswordFile, k.SASL.Password = "", "wrong"
			if err := ping(t, k); err == nil {
				t.Error("a wrong password was accepted")
			}
		})
	}
}

func ping(t *testing.T, k Kafka) error {
	t.Helper()
	opts, err := k.Opts()
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(append(opts, kgo.RetryTimeout(time.Second), kgo.RequestRetries(0))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	return cl.Ping(t.Context())
}

// A listener that never answers stands for a broker behind a firewall: the request ends by its own limit.
func TestOptsBoundTheWait(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	k := Kafka{Brokers: []string{l.Addr().String()}, DialTimeout: 50 * time.Millisecond, RequestTimeout: 100 * time.Millisecond}
	if err := ping(t, k); err == nil || errors.Is(err, context.DeadlineExceeded) && t.Context().Err() != nil {
		t.Errorf("got %v, want an error by the client's own limit", err)
	}
}

func TestOptsNamesTheBadFile(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, k := range map[string]Kafka{
		"kafka.tls.ca: " + junk:                              {TLS: TLS{CA: junk}},
		"kafka.tls.ca: open":                                 {TLS: TLS{CA: junk + ".gone"}},
		"kafka.tls.cert and kafka.tls.key":                   {TLS: TLS{Cert: junk, Key: junk}},
		"kafka.sasl.password_file: open":                     {SASL: SASL{Mechanism: Plain, User: "u", PasswordFile: junk + ".gone"}},
		"kafka.sasl.password_file: " + empty + " is empty":   {SASL: SASL{Mechanism: Plain, User: "u", PasswordFile: empty}},
		`kafka.sasl.mechanism "NONE" is unknown: want PLAIN`: {SASL: SASL{Mechanism: "NONE", User: "u", Password: "p"}},
	} {
		if _, err := k.Opts(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestTLSIsOnWhenAnyOfItIsSet(t *testing.T) {
	k := Kafka{Brokers: []string{"a:1"}, DialTimeout: time.Second, RequestTimeout: time.Second, TLS: TLS{ServerName: "broker"}}
	opts, err := k.Opts()
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if cl.OptValue(kgo.DialTLSConfig) == nil {
		t.Error("no TLS configuration in force")
	}
}
