package kylin

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// ExportTable writes the descriptors that Kylin would have of a table. Notes name what they do not say. Ids, times and brokers
// are for the caller to fill in.
func ExportTable(t *cube.Table) (s Streaming, notes []cube.Problem) {
	note := func(path, message string) {
		notes = append(notes, cube.Problem{Path: path, Message: message, Instead: "Kylin's clients do not see it"})
	}
	t = t.WithDefaults()
	name := database + "." + strings.ToUpper(t.Name)
	s.Table = TableDesc{Version: descVersion, Name: name, Database: database, SourceType: streamSource, Columns: []TableColumn{}}
	s.Config = StreamingConfig{Version: descVersion, Name: name, Type: "kafka"}
	s.Kafka = KafkaConfig{
		Version: descVersion, Name: name, Topic: t.Topic, Timeout: 60_000, BufferSize: 65_536, ParserName: jsonParser, Clusters: []KafkaCluster{{Brokers: []KafkaBroker{}}},
	}
	add := func(name, datatype string) {
		s.Table.Columns = append(s.Table.Columns, TableColumn{ID: strconv.Itoa(len(s.Table.Columns) + 1), Name: name, DataType: datatype})
	}
	properties := []string{"tsColName=" + t.EventTime.Column}
	for i, c := range t.Columns {
		add(c.Name, DataType(c.Type))
		at := fmt.Sprintf("columns[%d]", i)
		if c.Path != c.Name && strings.ReplaceAll(c.Path, ".", "_") != c.Name {
			note(at, fmt.Sprintf("%s is read from %s; Kylin reads by the column's name", c.Name, c.Path))
		}
		if c.Name != t.EventTime.Column {
			continue
		}
		switch pattern := javaPattern(c.Type.Format); {
		case c.Type.Unit() != "" && c.Type.Format == "ms":
			properties = append(properties, "tsParser="+millisParser)
		case c.Type.Unit() != "" || pattern == "":
			note(at, fmt.Sprintf("%s is %s; Kylin reads milliseconds, or a pattern", c.Name, c.Type))
		default:
			properties = append(properties, "tsParser="+dateTimeParser, "tsPattern="+pattern)
		}
	}
	s.Kafka.ParserProperties = strings.Join(append(properties, "separator=_"), ";")
	for _, g := range timeGrains() {
		if (&exporter{table: t}).hasColumn(TimeColumn(g)) {
			continue
		}
		datatype := "date"
		if g == cube.Minute || g == cube.Hour {
			datatype = "timestamp"
		}
		add(strings.ToLower(TimeColumn(g)), datatype)
	}
	return s, notes
}
