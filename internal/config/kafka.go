package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// The SASL mechanisms.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
)

// Kafka says how to reach the brokers.
type Kafka struct {
	Brokers        []string
	TLS            TLS
	SASL           SASL
	ClientID       string
	DialTimeout    time.Duration
	RequestTimeout time.Duration // added to each request's own limit
}

// TLS says how connections to the brokers are secured. Any field but Enabled switches it on too.
type TLS struct {
	Enabled            bool
	CA, Cert, Key      string // PEM files
	ServerName         string
	InsecureSkipVerify bool
}

// SASL says who we are to the brokers.
type SASL struct {
	Mechanism    string // Plain, ScramSHA256, ScramSHA512; "" = none
	User         string
	Password     string
	PasswordFile string // read instead of Password; one trailing line end is dropped
}

func (t TLS) on() bool { return t != TLS{} }

func (k *Kafka) validate() error {
	var errs []error
	if len(k.Brokers) == 0 {
		errs = append(errs, errors.New("kafka.brokers is empty: name at least one host:port with --brokers"))
	}
	for _, b := range k.Brokers {
		_, port, err := net.SplitHostPort(b)
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 {
			errs = append(errs, fmt.Errorf("kafka.brokers: %q is no host:port, as in broker-1:9092", b))
		}
	}
	if (k.TLS.Cert == "") != (k.TLS.Key == "") {
		errs = append(errs, errors.New("kafka.tls.cert and kafka.tls.key belong together: give both or none"))
	}
	// The client's own bounds: outside them it would refuse with a message that names no setting.
	if k.RequestTimeout < 100*time.Millisecond || k.RequestTimeout > 15*time.Minute {
		errs = append(errs, fmt.Errorf("kafka.request_timeout is %s: want between 100ms and 15m", k.RequestTimeout))
	}
	return errors.Join(append(errs, k.SASL.validate())...)
}

func (s *SASL) validate() error {
	var errs []error
	if s.Mechanism == "" {
		if s.User != "" || s.Password != "" || s.PasswordFile != "" {
			errs = append(errs, errors.New("kafka.sasl has a user or a password but no mechanism: add kafka.sasl.mechanism (PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512)"))
		}
		return errors.Join(errs...)
	}
	if s.User == "" {
		errs = append(errs, errors.New("kafka.sasl.user is missing: the mechanism "+s.Mechanism+" needs one"))
	}
	if s.Password == "" && s.PasswordFile == "" {
		errs = append(errs, errors.New("kafka.sasl.password is missing: give it or kafka.sasl.password_file"))
	}
	if s.Password != "" && s.PasswordFile != "" {
		errs = append(errs, errors.New("kafka.sasl.password and kafka.sasl.password_file exclude each other"))
	}
	return errors.Join(errs...)
}

// Opts returns the options of every client that talks to the brokers. It reads the certificate and password files, so
// that a bad one is named at start and not by a broker that hangs up.
func (k *Kafka) Opts() ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(k.Brokers...),
		kgo.DialTimeout(k.DialTimeout),
		kgo.RequestTimeoutOverhead(k.RequestTimeout),
	}
	if k.ClientID != "" {
		opts = append(opts, kgo.ClientID(k.ClientID))
	}
	if k.TLS.on() {
		c, err := k.TLS.config()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(c))
	}
	if k.SASL.Mechanism != "" {
		m, err := k.SASL.mechanism()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(m))
	}
	return opts, nil
}

func (t TLS) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("kafka.tls.ca: %s holds no PEM certificate", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.cert and kafka.tls.key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func (s SASL) mechanism() (sasl.Mechanism, error) {
	password := s.Password
	if s.PasswordFile != "" {
		b, err := os.ReadFile(s.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("kafka.sasl.password_file: %w", err)
		}
		password = strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
		if password == "" {
			return nil, fmt.Errorf("kafka.sasl.password_file: %s is empty", s.PasswordFile)
		}
	}
	switch s.Mechanism {
	case Plain:
		return plain.Auth{User: s.User, Pass: password}.AsMechanism(), nil
	case ScramSHA256:
		return scram.Auth{User: s.User, Pass: password}.AsSha256Mechanism(), nil
	case ScramSHA512:
		return scram.Auth{User: s.User, Pass: password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("kafka.sasl.mechanism %q is unknown: want %s, %s or %s", s.Mechanism, Plain, ScramSHA256, ScramSHA512)
}
