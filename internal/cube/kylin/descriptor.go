package kylin

// CubeDesc is Kylin's cube descriptor. Keys that are not here are ignored when read: clients send extras.
type CubeDesc struct {
	UUID               string             `json:"uuid"`
	LastModified       int64              `json:"last_modified"` // ms since 1970
	Version            string             `json:"version"`
	Name               string             `json:"name"`
	ModelName          string             `json:"model_name"`
	Description        string             `json:"description"`
	NullString         []string           `json:"null_string"`
	Dimensions         []Dimension        `json:"dimensions"`
	Measures           []Measure          `json:"measures"`
	Dictionaries       []Dictionary       `json:"dictionaries"`
	RowKey             RowKey             `json:"rowkey"`
	HBaseMapping       *HBaseMapping      `json:"hbase_mapping,omitempty"`
	Groups             []AggregationGroup `json:"aggregation_groups"`
	NotifyList         []string           `json:"notify_list"`
	StatusNeedNotify   []string           `json:"status_need_notify"`
	PartitionDateStart int64              `json:"partition_date_start"`
	PartitionDateEnd   int64              `json:"partition_date_end"`
	AutoMerge          []int64            `json:"auto_merge_time_ranges"` // ms
	RetentionRange     int64              `json:"retention_range"`        // ms; 0: never
	VolatileRange      int64              `json:"volatile_range,omitempty"`
	EngineType         int                `json:"engine_type"`
	StorageType        int                `json:"storage_type"`
	Overrides          map[string]string  `json:"override_kylin_properties"`
	PartitionOffsets   map[string]int64   `json:"partition_offset_start,omitempty"`
	MandatorySets      [][]string         `json:"mandatory_dimension_set_list,omitempty"`
	BlackList          []int64            `json:"cuboid_black_list,omitempty"`
	Draft              bool               `json:"is_draft,omitempty"`
}

// Dimension is a column of the fact table, or of a lookup table with the columns derived from its key.
type Dimension struct {
	Name    string   `json:"name"`
	Table   string   `json:"table"` // alias: the fact table's bare name; 1.6 writes DB.TABLE
	Column  string   `json:"column"`
	Derived []string `json:"derived"` // null or a list: clients want the key
}

// Measure is a function over columns.
type Measure struct {
	Name      string   `json:"name"`
	Function  Function `json:"function"`
	Dependent *string  `json:"dependent_measure_ref,omitempty"`
}

// Function is an expression such as SUM, its parameters and the type of its result, which holds its precision too.
type Function struct {
	Expression    string            `json:"expression"`
	Parameter     *Parameter        `json:"parameter"`
	ReturnType    string            `json:"returntype"`
	Configuration map[string]string `json:"configuration,omitempty"`
}

// Parameter is a column or the constant 1, in a chain.
type Parameter struct {
	Type  string     `json:"type"` // "column" or "constant"
	Value string     `json:"value"`
	Next  *Parameter `json:"next_parameter"`
}

// Dictionary says how a column's dictionary is built.
type Dictionary struct {
	Column  string `json:"column"`
	Builder string `json:"builder,omitempty"`
	Reuse   string `json:"reuse,omitempty"`
}

// RowKey holds the columns of the key in the order of storage.
type RowKey struct {
	Columns []RowKeyColumn `json:"rowkey_columns"`
}

// RowKeyColumn is a dimension in the row key.
type RowKeyColumn struct {
	Column   string `json:"column"`
	Encoding string `json:"encoding"`
	ShardBy  bool   `json:"isShardBy"`
}

// HBaseMapping says in which column family a measure is kept.
type HBaseMapping struct {
	Families []ColumnFamily `json:"column_family"`
}

// ColumnFamily is one family and its columns.
type ColumnFamily struct {
	Name    string         `json:"name"`
	Columns []FamilyColumn `json:"columns"`
}

// FamilyColumn is one column and its measures.
type FamilyColumn struct {
	Qualifier string   `json:"qualifier"`
	Measures  []string `json:"measure_refs"`
}

// AggregationGroup is an aggregation group; its lists name columns.
type AggregationGroup struct {
	Includes []string   `json:"includes"`
	Rule     SelectRule `json:"select_rule"`
}

// SelectRule holds the rules of a group.
type SelectRule struct {
	Hierarchy [][]string `json:"hierarchy_dims"`
	Mandatory []string   `json:"mandatory_dims"`
	Joint     [][]string `json:"joint_dims"`
	DimCap    int        `json:"dim_cap,omitempty"`
}

// ModelDesc is Kylin's model descriptor.
type ModelDesc struct {
	UUID         string           `json:"uuid"`
	LastModified int64            `json:"last_modified"` // ms since 1970
	Version      string           `json:"version"`
	Name         string           `json:"name"`
	Owner        string           `json:"owner"`
	Description  string           `json:"description"`
	Fact         string           `json:"fact_table"` // DB.TABLE
	Lookups      []Lookup         `json:"lookups"`    // never null: clients walk it
	Dimensions   []ModelDimension `json:"dimensions"`
	Metrics      []string         `json:"metrics"`
	Filter       string           `json:"filter_condition"`
	Partition    PartitionDesc    `json:"partition_desc"`
	Capacity     string           `json:"capacity"`
}

// Lookup is a lookup table of a model.
type Lookup struct {
	Table string `json:"table"`
	Alias string `json:"alias,omitempty"`
	Kind  string `json:"kind,omitempty"` // LOOKUP
	Join  Join   `json:"join"`
}

// Join says by which columns a lookup table is joined, and whether facts without a row in it stay.
type Join struct {
	Type       string   `json:"type"` // inner or left
	PrimaryKey []string `json:"primary_key"`
	ForeignKey []string `json:"foreign_key"`
}

// ModelDimension lists the columns of a table that may be dimensions.
type ModelDimension struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
}

// PartitionDesc names the column of time.
type PartitionDesc struct {
	DateColumn string `json:"partition_date_column"` // DB.TABLE.COL or TABLE.COL
	TimeColumn string `json:"partition_time_column,omitempty"`
	DateStart  int64  `json:"partition_date_start"`
	DateFormat string `json:"partition_date_format"`
	Type       string `json:"partition_type"`
}
