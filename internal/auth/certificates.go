package auth

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"
)

// Certificates are those that a server shows, read again by Reload.
type Certificates struct {
	cert, key string // files
	current   atomic.Pointer[tls.Certificate]
}

// OpenCertificates reads a certificate, with those that signed it, and its key, as PEM.
func OpenCertificates(cert, key string) (*Certificates, error) {
	c := &Certificates{cert: cert, key: key}
	return c, c.Reload()
}

// Reload reads both files again; new connections are shown what they hold. On an error they are shown what was there (A5).
func (c *Certificates) Reload() error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", c.cert, c.key, err)
	}
	c.current.Store(&pair)
	return nil
}

// Config is for listeners that speak the named protocol of ALPN.
func (c *Certificates) Config(protocol string) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{protocol},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
