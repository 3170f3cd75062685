package cuboid

import "github.com/tidemarkdb/tidemark/internal/pages"

// Sum is the hash of a cuboid (U4), taken in row by row.
type Sum struct {
	mask uint64
	rows int64
	sum  pages.Hash
}

// NewSum returns the sum of no rows of a cuboid.
func NewSum(mask uint64) *Sum { return &Sum{mask: mask, sum: pages.StartHash()} }

// Add takes in the hashes of the rows that come next.
func (s *Sum) Add(rows []pages.Hash) {
	s.rows += int64(len(rows))
	s.sum = foldRows(s.sum, rows)
}

// Rows returns the number of rows taken in.
func (s *Sum) Rows() int64 { return s.rows }

// SHA256 returns the hash as a manifest has it.
func (s *Sum) SHA256() string { return cuboidHash(s.mask, s.rows, s.sum) }
