package auth_test

import (
	"bytes"
	"crypto/tls"
	"os"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/auth"
	"github.com/tidemarkdb/tidemark/internal/testkit"
)

// A5: a certificate is shown as it is now, or as it was where it cannot be read.
func TestCertificates(t *testing.T) {
	cert, key := testkit.Certificate(t)
	c, err := auth.OpenCertificates(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	shown := func() []byte {
		got, err := c.Config("http/1.1").GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Certificate[0]
	}
	first := shown()
	if v := c.Config("http/1.1").MinVersion; v != tls.VersionTLS12 {
		t.Errorf("the oldest TLS is %x, want 1.2", v)
	}
	newCert, newKey := testkit.Certificate(t)
	if err := os.Rename(newCert, cert); err != nil {
		t.Fatal(err)
	}
	if err := c.Reload(); err == nil || !bytes.Equal(shown(), first) {
		t.Errorf("half of a new pair: %v, the old one is shown: %t", err, bytes.Equal(shown(), first))
	}
	if err := os.Rename(newKey, key); err != nil {
		t.Fatal(err)
	}
	if err := c.Reload(); err != nil || bytes.Equal(shown(), first) {
		t.Errorf("a new pair: %v, the old one is shown: %t", err, bytes.Equal(shown(), first))
	}
}
