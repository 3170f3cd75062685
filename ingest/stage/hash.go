package stage

import "github.com/tidemarkdb/tidemark/internal/pages"

// Hash is the sum, modulo 2^128, of one 128-bit hash a row (F4). The zero value is the hash of no rows. It tells
// accidents, not attackers.
type Hash = pages.Hash

// ParseHash reads 32 hexadecimal digits.
func ParseHash(s string) (Hash, error) { return pages.ParseHash(s) }

// HashChunk returns the hash of all rows of c: of offset, timestamp and every value, nulls distinct.
func HashChunk(c *Chunk) Hash { return HashRows(c, 0, c.Rows()) }

// HashRows returns the hash of rows [from, to) of c.
//
// A row's hash chains one step a word over offset, timestamp and one word a column, and a last one with the number of
// columns. The steps and words are part of the format: docs/format/staged-parquet.md.
func HashRows(c *Chunk, from, to int) Hash {
	var sum Hash
	var rows [pages.HashBlock]Hash
	for start := from; start < to; start += pages.HashBlock {
		h := rows[:min(pages.HashBlock, to-start)]
		for r := range h {
			h[r] = pages.StartHash()
		}
		pages.HashInts(h, c.Offsets[start:])
		pages.HashInts(h, c.Timestamps[start:])
		for i := range c.Columns {
			pages.HashColumn(h, &c.Columns[i], start)
		}
		for r := range h {
			sum = sum.Add(h[r].Step(uint64(len(c.Columns))))
		}
	}
	return sum
}
