package kylin

import "github.com/apache/arrow/go/v15/arrow"

// columnMeta is what Kylin says of a column of an answer.
type columnMeta struct {
	Label              string  `json:"label"`
	Name               string  `json:"name"`
	SchemaName         *string `json:"schemaName"`
	CatalogName        *string `json:"catelogName"` // so it is spelt
	TableName          *string `json:"tableName"`
	IsNullable         int     `json:"isNullable"`
	DisplaySize        int     `json:"displaySize"`
	Precision          int     `json:"precision"`
	Scale              int     `json:"scale"`
	ColumnType         int     `json:"columnType"`
	ColumnTypeName     string  `json:"columnTypeName"`
	AutoIncrement      bool    `json:"autoIncrement"`
	CaseSensitive      bool    `json:"caseSensitive"`
	Searchable         bool    `json:"searchable"`
	Currency           bool    `json:"currency"`
	Signed             bool    `json:"signed"`
	ReadOnly           bool    `json:"readOnly"`
	Writable           bool    `json:"writable"`
	DefinitelyWritable bool    `json:"definitelyWritable"`
}

// sqlType is a type by its code in java.sql.Types. Only those are used that the JDBC driver and kylinpy both read: no FLOAT, REAL,
// NUMERIC, BIT, CHAR, TIME.
type sqlType struct {
	code      int
	name      string
	precision int
	scale     int
	display   int
}

const longest = 256 // characters that a VARCHAR is said to have

var (
	varcharType   = sqlType{code: 12, name: "VARCHAR", precision: longest, display: longest}
	bigintType    = sqlType{code: -5, name: "BIGINT", precision: 19, display: 20}
	integerType   = sqlType{code: 4, name: "INTEGER", precision: 10, display: 11}
	smallintType  = sqlType{code: 5, name: "SMALLINT", precision: 5, display: 6}
	tinyintType   = sqlType{code: -6, name: "TINYINT", precision: 3, display: 4}
	doubleType    = sqlType{code: 8, name: "DOUBLE", precision: 15, display: 24}
	booleanType   = sqlType{code: 16, name: "BOOLEAN", precision: 1, display: 5}
	dateType      = sqlType{code: 91, name: "DATE", precision: 10, display: 10}
	timestampType = sqlType{code: 93, name: "TIMESTAMP", precision: 26, display: 26}
)

func decimalType(precision, scale int) sqlType {
	return sqlType{code: 3, name: "DECIMAL", precision: precision, scale: scale, display: precision + 2}
}

// typeOf is the type of a column of an answer. A sum of whole numbers has 38 digits here and is a BIGINT in Kylin: so it is called
// unless a value is wide, which no BIGINT holds.
func typeOf(t arrow.DataType, wide bool) sqlType {
	switch t.ID() {
	case arrow.BOOL:
		return booleanType
	case arrow.INT8:
		return tinyintType
	case arrow.INT16, arrow.UINT8:
		return smallintType
	case arrow.INT32, arrow.UINT16:
		return integerType
	case arrow.INT64, arrow.UINT32:
		return bigintType
	case arrow.UINT64:
		return decimalType(20, 0)
	case arrow.FLOAT32, arrow.FLOAT64:
		return doubleType
	case arrow.DATE32:
		return dateType
	case arrow.TIMESTAMP:
		return timestampType
	case arrow.DECIMAL128:
		d := t.(*arrow.Decimal128Type)
		if d.Scale == 0 && d.Precision == 38 && !wide {
			return bigintType
		}
		return decimalType(int(d.Precision), int(d.Scale))
	}
	return varcharType
}

func metaOf(label string, t arrow.DataType, wide bool) columnMeta {
	s := typeOf(t, wide)
	signed := s.code != varcharType.code && s.code != booleanType.code && s.code != dateType.code && s.code != timestampType.code
	return columnMeta{
		Label: label, Name: label, IsNullable: 1, DisplaySize: s.display, Precision: s.precision, Scale: s.scale, ColumnType: s.code, ColumnTypeName: s.name,
		CaseSensitive: s.code == varcharType.code, Searchable: true, Signed: signed, ReadOnly: true,
	}
}
