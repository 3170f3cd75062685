package cuboid

import "io"

const chunkBytes = 1 << 20

// chunks is bytes in memory that are written once and then read. It grows by a chunk: a slice that grows is copied to one of twice
// its size, and a file of FileBytes would for a moment hold three times as much (U5).
type chunks struct {
	list [][]byte // of chunkBytes each
	n    int64    // bytes of them that are written
}

// reset forgets what was written; its memory serves what comes next.
func (c *chunks) reset() { c.n = 0 }

func (c *chunks) Write(p []byte) (int, error) {
	all := len(p)
	for len(p) > 0 {
		i, at := int(c.n/chunkBytes), int(c.n%chunkBytes)
		if i == len(c.list) {
			c.list = append(c.list, make([]byte, chunkBytes))
		}
		k := copy(c.list[i][at:], p)
		p, c.n = p[k:], c.n+int64(k)
	}
	return all, nil
}

// ReadAt implements io.ReaderAt.
func (c *chunks) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < c.n {
		i, at := int(off/chunkBytes), off%chunkBytes
		k := copy(p[n:], c.list[i][at:min(chunkBytes, at+c.n-off)])
		n, off = n+k, off+int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
