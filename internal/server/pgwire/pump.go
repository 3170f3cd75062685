package pgwire

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pump reads ahead of the session, so that it is seen at once when the client is gone: while a statement runs nobody else reads.
// It holds at most pumpChunks pieces of pumpBytes; what is beyond stays with the client.
type pump struct {
	conn   net.Conn
	chunks chan []byte
	rest   []byte
	stop   chan struct{}
	once   sync.Once
	err    error // why it ended; read after chunks is closed
}

const (
	pumpChunks = 4
	pumpBytes  = 16 << 10
)

func newPump(conn net.Conn) *pump {
	return &pump{conn: conn, chunks: make(chan []byte, pumpChunks), stop: make(chan struct{})}
}

// run reads until that ends. gone is called then, unless interrupt was.
func (p *pump) run(gone func(error)) {
	defer close(p.chunks)
	for {
		b := make([]byte, pumpBytes)
		n, err := p.conn.Read(b)
		if n > 0 {
			select {
			case p.chunks <- b[:n]:
			case <-p.stop:
				p.err = io.EOF
				return
			}
		}
		if err != nil {
			if p.err = err; !errors.Is(err, os.ErrDeadlineExceeded) {
				gone(err)
			}
			return
		}
	}
}

// interrupt has the next Read of more than is here fail. A statement that runs goes on.
func (p *pump) interrupt() { _ = p.conn.SetReadDeadline(time.Now()) } // it is closed: then it fails too

// Read returns what was read.
func (p *pump) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		chunk, ok := <-p.chunks
		if !ok {
			return 0, p.err
		}
		p.rest = chunk
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// close has run end once its reader returns; the connection is closed before.
func (p *pump) close() { p.once.Do(func() { close(p.stop) }) }
