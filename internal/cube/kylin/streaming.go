package kylin

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// Streaming holds the three descriptors of a streaming table: Kylin sends and keeps them together.
type Streaming struct {
	Table  TableDesc
	Config StreamingConfig
	Kafka  KafkaConfig
}

// TableDesc is Kylin's table descriptor.
type TableDesc struct {
	UUID         string        `json:"uuid"`
	LastModified int64         `json:"last_modified"` // ms since 1970
	Version      string        `json:"version"`
	Name         string        `json:"name"`        // TABLE or DB.TABLE
	Database     string        `json:"database"`    // of a name without one
	SourceType   int           `json:"source_type"` // 1: streaming
	Columns      []TableColumn `json:"columns"`
}

// TableColumn is a column of a table.
type TableColumn struct {
	ID       string `json:"id"` // "1" ...
	Name     string `json:"name"`
	DataType string `json:"datatype"`
}

// StreamingConfig says what kind of stream a table is.
type StreamingConfig struct {
	UUID         string `json:"uuid"`
	LastModified int64  `json:"last_modified"` // ms since 1970
	Version      string `json:"version"`
	Name         string `json:"name"` // DB.TABLE
	Type         string `json:"type"` // kafka
}

// KafkaConfig says where the records of a table are, and how they are parsed.
type KafkaConfig struct {
	UUID             string         `json:"uuid"`
	LastModified     int64          `json:"last_modified"` // ms since 1970
	Version          string         `json:"version"`
	Name             string         `json:"name"` // DB.TABLE
	Topic            string         `json:"topic"`
	Timeout          int64          `json:"timeout"`    // ms
	BufferSize       int64          `json:"bufferSize"` // bytes
	ParserName       string         `json:"parserName"`
	ParserProperties string         `json:"parserProperties"` // k=v;k=v
	Margin           int64          `json:"margin"`
	Clusters         []KafkaCluster `json:"clusters"`
}

// KafkaCluster lists brokers.
type KafkaCluster struct {
	Brokers []KafkaBroker `json:"brokers"`
}

// KafkaBroker is an address.
type KafkaBroker struct {
	ID   int    `json:"id"`
	Host string `json:"host"`
	Port int    `json:"port"`
}

const (
	jsonParser      = "org.apache.kylin.source.kafka.TimedJsonStreamParser"
	millisParser    = "org.apache.kylin.source.kafka.DefaultTimeParser"
	dateTimeParser  = "org.apache.kylin.source.kafka.DateTimeParser"
	dateTimePattern = "yyyy-MM-dd HH:mm:ss"
	streamSource    = 1
)

// ParseStreaming reads the JSON of the three descriptors. The error is a *cube.DefinitionError.
func ParseStreaming(table, config, kafka []byte) (s Streaming, err error) {
	problems := decode("tableData", table, &s.Table)
	problems = append(problems, decode("streamingConfig", config, &s.Config)...)
	problems = append(problems, decode("kafkaConfig", kafka, &s.Kafka)...)
	if len(problems) > 0 {
		return s, &cube.DefinitionError{Problems: problems}
	}
	return s, nil
}

// TableName returns the name that the table has here: without its database, in lower case.
func (d TableDesc) TableName() string { return strings.ToLower(bare(d.Name)) }

// tabler collects what of a streaming table cannot be carried over.
type tabler struct {
	Streaming
	properties map[string]string
	out        *cube.Table
	problems   []cube.Problem
	notes      []cube.Problem
}

// ImportTable makes a table of project out of the descriptors of a streaming table. old is the one that it changes, or nil: what
// Kylin has no words for stays as it is. Notes name what is left out. The error is a *cube.DefinitionError.
func ImportTable(s Streaming, project string, old *cube.Table) (*cube.Table, []cube.Problem, error) {
	im := &tabler{Streaming: s, properties: map[string]string{}, out: &cube.Table{}}
	if old != nil {
		kept := *old
		im.out = &kept
		im.out.ID, im.out.Version = "", 0
	}
	im.out.Project, im.out.Name, im.out.Topic = project, s.Table.TableName(), s.Kafka.Topic
	im.parser()
	im.columns(old)
	im.ignored()
	if len(im.problems) == 0 {
		var bad *cube.DefinitionError
		if err := im.out.Validate(); errors.As(err, &bad) {
			im.problems = bad.Problems
		}
	}
	if len(im.problems) > 0 {
		return nil, im.notes, &cube.DefinitionError{Name: "table " + s.Table.Name, Problems: im.problems}
	}
	return im.out.WithDefaults(), im.notes, nil
}

func (im *tabler) problem(path, message, instead string) {
	im.problems = append(im.problems, cube.Problem{Path: path, Message: message, Instead: instead})
}

func (im *tabler) note(path, message, instead string) {
	im.notes = append(im.notes, cube.Problem{Path: path, Message: message, Instead: instead})
}

// parser reads how Kylin parses records.
func (im *tabler) parser() {
	k := im.Kafka
	if k.ParserName != "" && bare(k.ParserName) != bare(jsonParser) {
		im.problem("kafkaConfig.parserName", fmt.Sprintf("unknown parser %q: records are JSON", k.ParserName), "send "+jsonParser)
	}
	for pair := range strings.SplitSeq(k.ParserProperties, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		switch {
		case strings.TrimSpace(pair) == "":
		case !ok:
			im.problem("kafkaConfig.parserProperties", fmt.Sprintf("%q is no property", pair), `write "tsColName=ts;separator=_"`)
		default:
			im.properties[strings.TrimSpace(name)] = value
		}
	}
}

func (im *tabler) property(name, byDefault string) string {
	if v := im.properties[name]; v != "" {
		return v
	}
	return byDefault
}

// eventTime returns the type of the column of the event time.
func (im *tabler) eventTime() (t cube.Type) {
	text := "timestamp(ms)"
	switch parser := im.property("tsParser", millisParser); bare(parser) {
	case bare(millisParser):
	case bare(dateTimeParser):
		layout, err := goLayout(im.property("tsPattern", dateTimePattern))
		if err != nil {
			im.problem("kafkaConfig.parserProperties", "tsPattern: "+err.Error(), "write a pattern such as "+dateTimePattern)
			return t
		}
		text = "timestamp(" + layout + ")"
	default:
		im.problem("kafkaConfig.parserProperties", fmt.Sprintf("unknown tsParser %q", parser), "write "+millisParser+", or "+dateTimeParser+" with tsPattern")
		return t
	}
	t, err := cube.ParseType(text)
	if err != nil {
		im.problem("kafkaConfig.parserProperties", "tsPattern: "+err.Error(), "write a pattern such as "+dateTimePattern)
	}
	return t
}

// columns takes the columns in. Of one that was there its path and nulls stay.
func (im *tabler) columns(old *cube.Table) {
	im.out.Columns = nil
	separator, event, at := im.property("separator", "_"), im.property("tsColName", "timestamp"), im.eventTime()
	if old != nil {
		event = old.EventTime.Column
	}
	var flat []string
	for i, c := range im.Table.Columns {
		path := fmt.Sprintf("tableData.columns[%d]", i)
		if isTimeColumn(c.Name) {
			im.note(path, fmt.Sprintf("%s is no column of the table", c.Name), "it is a grain of the event time, which cubes know by this name")
			continue
		}
		name := im.columnName(path, c.Name)
		col := cube.Column{Name: name, Path: c.Name}
		if separator != "_" && strings.Contains(c.Name, separator) {
			col.Path = strings.ReplaceAll(c.Name, separator, ".")
		} else if strings.Contains(strings.Trim(c.Name, "_"), "_") {
			flat = append(flat, name)
		}
		if kept := oldColumn(old, name); kept != nil {
			col = *kept
		}
		t, err := columnType(c.DataType)
		switch {
		case err != nil:
			im.problem(path+".datatype", err.Error(), "send one of boolean, bigint, double, decimal(p,s), varchar(n), date or timestamp")
		case strings.EqualFold(c.Name, event):
			im.out.EventTime.Column = name
			if old == nil || col.Type.Kind != cube.Timestamp {
				col.Type = at
			}
		case col.Type.Kind != t.Kind:
			col.Type = t
		}
		im.out.Columns = append(im.out.Columns, col)
	}
	if im.out.EventTime.Column == "" || !slices.ContainsFunc(im.out.Columns, func(c cube.Column) bool { return c.Name == im.out.EventTime.Column }) {
		name := im.columnName("kafkaConfig.parserProperties", event)
		im.note("kafkaConfig.parserProperties", fmt.Sprintf("column %s is added, which holds the event time", name), "")
		im.out.EventTime.Column = name
		im.out.Columns = append([]cube.Column{{Name: name, Path: event, Type: at}}, im.out.Columns...)
	}
	if len(flat) > 0 && old == nil {
		im.note("tableData.columns", fmt.Sprintf("%s are read from keys of these names", strings.Join(flat, ", ")), "where a value lies in an object, write path: page.url at its column (tidemark table apply)")
	}
}

func oldColumn(old *cube.Table, name string) *cube.Column {
	if old != nil {
		for i := range old.Columns {
			if strings.EqualFold(old.Columns[i].Name, name) {
				return &old.Columns[i]
			}
		}
	}
	return nil
}

func isTimeColumn(name string) bool {
	return slices.ContainsFunc(timeGrains(), func(g cube.Grain) bool { return strings.EqualFold(TimeColumn(g), name) })
}

func (im *tabler) columnName(path, name string) string {
	out := plainName(name)
	if out != name {
		im.note(path+".name", fmt.Sprintf("%s is called %s", name, out), "")
	}
	return out
}

// columnType reads Kylin's name of a type.
func columnType(s string) (t cube.Type, _ error) {
	name, args, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(s, " ", "")), "(")
	switch name {
	case "boolean":
		t.Kind = cube.Bool
	case "tinyint", "smallint", "int", "int4", "integer", "bigint", "long", "long8":
		t.Kind = cube.Int64
	case "float", "double", "real":
		t.Kind = cube.Float64
	case "char", "varchar", "string", "any":
		t.Kind = cube.String
	case "date":
		return cube.ParseType("date")
	case "timestamp", "datetime":
		return cube.ParseType("timestamp(ms)")
	case "decimal", "numeric":
		if args == "" {
			args = "19,4)"
		}
		if !strings.Contains(args, ",") {
			args = strings.TrimSuffix(args, ")") + ",0)"
		}
		return cube.ParseType("decimal(" + args)
	default:
		return t, fmt.Errorf("unknown type %q", s)
	}
	return t, nil
}

// ignored names what a table has no place for.
func (im *tabler) ignored() {
	var brokers []string
	for _, c := range im.Kafka.Clusters {
		for _, b := range c.Brokers {
			brokers = append(brokers, fmt.Sprintf("%s:%d", b.Host, b.Port))
		}
	}
	if len(brokers) > 0 {
		im.note("kafkaConfig.clusters", "brokers are those of the process, not of a table: "+strings.Join(brokers, ", "), "start it with --brokers")
	}
	if im.Kafka.Timeout > 0 || im.Kafka.BufferSize > 0 {
		im.note("kafkaConfig", "timeout and bufferSize have no meaning here", "")
	}
	if im.Kafka.Margin > 0 {
		im.note("kafkaConfig.margin", "has no meaning here", "how late events may be is the table's event_time.lateness")
	}
	im.note("tableData", "a missing key is null, not an empty string", `write null: default and default: "" at the column`)
}
