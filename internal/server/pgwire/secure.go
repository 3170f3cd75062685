package pgwire

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"github.com/tidemarkdb/tidemark/internal/server"
)

// Codes of what may come before a start message.
const (
	codeTLS = 80877103
	codeGSS = 80877104
)

// secure answers whether a connection is to be encrypted, and encrypts it. Not a byte is read beyond: what a stranger sends
// ahead of the handshake must not be taken for a part of what comes after it.
func (s *Server) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if err := conn.SetDeadline(time.Now().Add(s.opts.StartTimeout)); err != nil {
		return nil, err
	}
	for range maxStarts {
		head := make([]byte, 8)
		if _, err := io.ReadFull(conn, head); err != nil {
			return nil, err
		}
		answer := byte('N')
		switch code := binary.BigEndian.Uint32(head[4:]); {
		case code == codeTLS && s.opts.TLS != nil:
			answer = 'S'
		case code != codeTLS && code != codeGSS:
			return &headed{Conn: conn, head: head}, conn.SetDeadline(time.Time{})
		}
		if _, err := conn.Write([]byte{answer}); err != nil {
			return nil, err
		}
		if answer == 'S' {
			over := tls.Server(conn, s.opts.TLS)
			if err := over.HandshakeContext(ctx); err != nil {
				return nil, err
			}
			return over, conn.SetDeadline(time.Time{})
		}
	}
	return nil, errors.New("no start message")
}

// headed is a connection of which the head was read.
type headed struct {
	net.Conn
	head []byte
}

func (h *headed) Read(b []byte) (int, error) {
	if len(h.head) == 0 {
		return h.Conn.Read(b)
	}
	n := copy(b, h.head)
	h.head = h.head[n:]
	return n, nil
}

// exposed reports whether somebody on the way may read a connection: a start over it is refused where TLS is to be had (W8).
func (s *Server) exposed(conn net.Conn) bool {
	if _, ok := conn.(*tls.Conn); ok || s.opts.TLS == nil {
		return false
	}
	host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	return err == nil && !server.Loopback(host)
}
