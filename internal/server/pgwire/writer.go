package pgwire

import (
	"encoding/binary"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/prometheus/client_golang/prometheus"
)

// flushBytes is from where on what is kept is sent (W3). One row may be larger.
const flushBytes = 32 << 10

// writer keeps messages until there are enough of them, or somebody waits. Its first error stays.
type writer struct {
	conn  net.Conn
	limit time.Duration
	sent  prometheus.Counter
	buf   []byte
	err   error
}

// send appends a message.
func (w *writer) send(m pgproto3.BackendMessage) {
	if w.err != nil {
		return
	}
	if w.buf, w.err = m.Encode(w.buf); w.err == nil && len(w.buf) >= flushBytes {
		w.flush()
	}
}

// row begins a DataRow and returns where; endRow ends it.
func (w *writer) row(columns int) int {
	at := len(w.buf)
	w.buf = append(w.buf, 'D', 0, 0, 0, 0)
	w.buf = binary.BigEndian.AppendUint16(w.buf, uint16(columns))
	return at
}

func (w *writer) endRow(at int) {
	binary.BigEndian.PutUint32(w.buf[at+1:], uint32(len(w.buf)-at-1))
	if len(w.buf) >= flushBytes {
		w.flush()
	}
}

// flush sends what is kept.
func (w *writer) flush() error {
	if w.err != nil || len(w.buf) == 0 {
		return w.err
	}
	if w.err = w.conn.SetWriteDeadline(time.Now().Add(w.limit)); w.err != nil {
		return w.err
	}
	var n int
	n, w.err = w.conn.Write(w.buf)
	w.sent.Add(float64(n))
	if w.buf = w.buf[:0]; cap(w.buf) > 4*flushBytes {
		w.buf = nil
	}
	return w.err
}
