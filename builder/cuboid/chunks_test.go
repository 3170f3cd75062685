package cuboid

import (
	"bytes"
	"io"
	"testing"

	"pgregory.net/rapid"
)

// What is written in pieces of any size is read at any place, also after a reset.
func TestChunks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var c chunks
		for range 2 {
			c.reset()
			var want []byte
			for _, n := range rapid.SliceOfN(rapid.IntRange(0, chunkBytes+9), 1, 6).Draw(rt, "writes") {
				piece := bytes.Repeat([]byte{byte(len(want)), byte(n), 3}, n/3+1)[:n]
				if k, err := c.Write(piece); k != n || err != nil {
					rt.Fatalf("wrote %d of %d: %v", k, n, err)
				}
				want = append(want, piece...)
			}
			got, err := io.ReadAll(io.NewSectionReader(&c, 0, c.n))
			if err != nil || !bytes.Equal(got, want) {
				rt.Fatalf("%d bytes were written, %d others read: %v", len(want), len(got), err)
			}
			off := rapid.IntRange(0, len(want)+5).Draw(rt, "from")
			p := make([]byte, rapid.IntRange(0, len(want)+5).Draw(rt, "bytes"))
			n, err := c.ReadAt(p, int64(off))
			rest := want[min(off, len(want)):]
			if k := min(len(p), len(rest)); n != k || !bytes.Equal(p[:n], rest[:k]) || (err == nil) != (n == len(p)) {
				rt.Fatalf("%d bytes at %d of %d: got %d, %v", len(p), off, len(want), n, err)
			}
		}
	})
}
