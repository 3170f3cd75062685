package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/auth"
	"github.com/tidemarkdb/tidemark/internal/config"
	"github.com/tidemarkdb/tidemark/internal/server"
)

// access is what a process shows to those who ask it, and what it wants of them.
type access struct {
	gate  *auth.Gate         // nil: nobody need say who he is
	certs *auth.Certificates // nil: no TLS
	local string             // token of the owner of the data folder
}

func openAccess(c config.Auth, n *node) (a access, err error) {
	if c.Cert != "" {
		if a.certs, err = auth.OpenCertificates(c.Cert, c.Key); err != nil {
			return a, err
		}
	}
	if c.File == "" {
		return a, nil
	}
	a.local = auth.NewToken()
	a.gate, err = auth.Open(auth.Options{File: c.File, Local: a.local, Registry: n.registry})
	return a, err
}

// asks reports whether ports may be open to the world.
func (a access) asks() bool { return a.gate != nil && a.certs != nil }

// over makes a listener one of TLS, if there are certificates.
func (a access) over(ln net.Listener) net.Listener {
	if a.certs == nil {
		return ln
	}
	return tls.NewListener(ln, a.certs.Config("http/1.1"))
}

// forPG is the TLS of the PostgreSQL port; nil: none.
func (a access) forPG() *tls.Config {
	if a.certs == nil {
		return nil
	}
	return a.certs.Config("postgresql")
}

func (a access) scheme() string {
	if a.certs == nil {
		return "http://"
	}
	return "https://"
}

// besideTLS opens a port for commands on the data folder, which cannot know by what name the certificate is good; they bring
// the token that lies there. nil: there is no TLS, and they use the port of all.
func (a access) besideTLS(ctx context.Context) (net.Listener, error) {
	if a.certs == nil {
		return nil, nil
	}
	return server.Listen(ctx, "127.0.0.1:0", false)
}

// reload reads users and certificates again. What cannot be read stays as it was.
func (a access) reload() error {
	var errs []error
	if a.gate != nil {
		errs = append(errs, a.gate.Reload())
	}
	if a.certs != nil {
		errs = append(errs, a.certs.Reload())
	}
	return errors.Join(errs...)
}

// holder connects to the process that holds a data folder, by the token that it has left there.
func holder(cfg *config.Config, address string) (*client, error) {
	who := cfg.Client
	if who.User == "" && who.Token == "" {
		var err error
		switch who.Token, err = config.Token(cfg.Data); {
		case errors.Is(err, fs.ErrPermission):
			return nil, fmt.Errorf("%w: only whoever started the tidemark there may use its token; give yours in TIDEMARK_TOKEN, or --user and TIDEMARK_PASSWORD", err)
		case err != nil:
			return nil, err
		}
	}
	return remote(address, who)
}

// remote connects to an address as somebody.
func remote(address string, who config.Client) (*client, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, usage("--server is no address: want http://host:port or https://host:port, and the user in --user")
	}
	switch proven := who.Token != "" || who.User != ""; {
	case (who.User == "") != (who.Password == ""):
		return nil, usage("--user and TIDEMARK_PASSWORD belong together: give both, or a token in TIDEMARK_TOKEN")
	case proven && u.Scheme == "http" && !server.Loopback(u.Hostname()):
		return nil, usage("--server %s is not asked: a password or token would cross the network for all to read. Ask by https://", u.Redacted())
	}
	c := &client{base: strings.TrimSuffix(u.String(), "/"), http: &http.Client{}, who: who}
	if who.CA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(who.CA)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, usage("--ca %s holds no certificate in PEM", who.CA)
	}
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	c.http.Transport = tr
	return c, nil
}

// sign says who asks.
func (c *client) sign(r *http.Request) {
	switch {
	case c.who.Token != "":
		r.Header.Set("Authorization", "Bearer "+c.who.Token)
	case c.who.User != "":
		r.SetBasicAuth(c.who.User, c.who.Password)
	}
}

// explained adds what to do to an error of a connection.
func explained(err error) error {
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) {
		return fmt.Errorf("%w: name the file of whoever signed it with --ca FILE", err)
	}
	return err
}
