package stage

import "github.com/tidemarkdb/tidemark/internal/pages"

// Kind is how a column's values lie in memory and in files.
type Kind = pages.Kind

// The kinds. A decimal of up to 18 digits is an Int64 of its unscaled value.
const (
	Bool       = pages.Bool
	Int64      = pages.Int64
	Float64    = pages.Float64
	Bytes      = pages.Bytes
	Decimal128 = pages.Decimal128
)

// Column holds the values of one column.
type Column = pages.Column
