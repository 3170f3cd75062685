package run

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
)

const narrowDigits = 18 // decimals of more are kept in 128 bits

// TypeOf returns the Arrow type in which DuckDB gives values of a column's type: times without a zone, in UTC.
func TypeOf(t cube.Type) arrow.DataType {
	switch t.Kind {
	case cube.Bool:
		return arrow.FixedWidthTypes.Boolean
	case cube.Int64:
		return arrow.PrimitiveTypes.Int64
	case cube.Float64:
		return arrow.PrimitiveTypes.Float64
	case cube.Decimal:
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}
	case cube.Date:
		return arrow.FixedWidthTypes.Date32
	case cube.Timestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	}
	return arrow.BinaryTypes.String
}

// KindOf returns how values of an Arrow type are kept. An unsigned int64 is kept in 128 bits.
func KindOf(t arrow.DataType) (stage.Kind, error) {
	switch t.ID() {
	case arrow.BOOL:
		return stage.Bool, nil
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32,
		arrow.DATE32, arrow.DATE64, arrow.TIME32, arrow.TIME64, arrow.TIMESTAMP:
		return stage.Int64, nil
	case arrow.FLOAT32, arrow.FLOAT64:
		return stage.Float64, nil
	case arrow.STRING, arrow.LARGE_STRING, arrow.BINARY, arrow.LARGE_BINARY:
		return stage.Bytes, nil
	case arrow.UINT64:
		return stage.Decimal128, nil
	case arrow.DECIMAL128:
		if t.(*arrow.Decimal128Type).Precision <= narrowDigits {
			return stage.Int64, nil
		}
		return stage.Decimal128, nil
	}
	return 0, fmt.Errorf("values of type %s are not grouped natively", t)
}

// numeric reports whether a percentile can be given as t.
func numeric(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.INT64, arrow.FLOAT64:
		return true
	case arrow.DECIMAL128:
		return t.(*arrow.Decimal128Type).Precision <= narrowDigits
	}
	return false
}
