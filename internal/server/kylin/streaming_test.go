package kylin

import (
	"net/http"
	"strings"
	"testing"

	desc "github.com/tidemarkdb/tidemark/internal/cube/kylin"
)

const (
	ordersTable = `{"name": "DEFAULT.ORDERS", "source_type": 1, "columns": [{"id": "1", "name": "order_time", "datatype": "timestamp"},
 {"id": "2", "name": "user_age", "datatype": "integer"}, {"id": "3", "name": "amount", "datatype": "decimal(19,4)"}, {"id": "4", "name": "HOUR_START", "datatype": "timestamp"}]}`
	ordersConfig = `{"name": "x", "type": "kafka"}`
	ordersKafka  = `{"name": "x", "topic": "orders", "timeout": 60000, "bufferSize": 65536, "parserName": "org.apache.kylin.source.kafka.TimedJsonStreamParser",
 "parserProperties": "tsColName=order_time;separator=_", "clusters": [{"brokers": [{"id": 1, "host": "k1", "port": 9092}]}]}`
)

func streaming(table, config, kafka string) string {
	return body(map[string]string{"project": "default", "tableData": table, "streamingConfig": config, "kafkaConfig": kafka})
}

// A streaming table is made, changed, read back and dropped as Kylin's clients do, and what has no place here is named.
func TestStreaming(t *testing.T) {
	f := newFixture(t)
	var out streamingRequest
	f.good(http.MethodPost, "/streaming", streaming(ordersTable, ordersConfig, ordersKafka), &out)
	if !out.Successful || out.TableData != ordersTable {
		t.Fatalf("POST /streaming: %+v", out)
	}
	for _, want := range []string{"HOUR_START is no column", "k1:9092", "user_age", "timeout"} {
		if !strings.Contains(out.Message, want) {
			t.Errorf("POST /streaming says %q, want %q in it", out.Message, want)
		}
	}
	table, err := f.c.Table(t.Context(), "default", "orders")
	if err != nil || table.Topic != "orders" || len(table.Columns) != 3 || table.EventTime.Column != "order_time" {
		t.Fatalf("table: %+v, %v", table, err)
	}
	f.bad(http.MethodPost, "/streaming", streaming(ordersTable, ordersConfig, ordersKafka), http.StatusInternalServerError, "already exists")
	more := strings.Replace(ordersTable, `{"id": "4"`, `{"id": "5", "name": "city", "datatype": "varchar(256)"}, {"id": "4"`, 1)
	f.good(http.MethodPut, "/streaming", streaming(more, ordersConfig, ordersKafka), &out)
	if table, err = f.c.Table(t.Context(), "default", "orders"); err != nil || len(table.Columns) != 4 || table.Version != 2 {
		t.Errorf("changed: %+v, %v", table, err)
	}
	var configs []desc.StreamingConfig
	f.good(http.MethodGet, "/streaming/getConfig?table=DEFAULT.ORDERS", "", &configs)
	if len(configs) != 1 || configs[0].Name != "DEFAULT.ORDERS" || configs[0].Type != "kafka" || configs[0].UUID == "" {
		t.Errorf("getConfig: %+v", configs)
	}
	var kafkas []desc.KafkaConfig
	f.good(http.MethodGet, "/streaming/getKfkConfig?kafkaConfigName=DEFAULT.ORDERS", "", &kafkas)
	if len(kafkas) != 1 || kafkas[0].Topic != "orders" || !strings.Contains(kafkas[0].ParserProperties, "tsColName=order_time") {
		t.Errorf("getKfkConfig: %+v", kafkas)
	}
	if f.good(http.MethodGet, "/streaming/getConfig", "", &configs); len(configs) != 2 {
		t.Errorf("getConfig of all: %+v, want clicks and orders", configs)
	}
	f.bad(http.MethodDelete, "/streaming/DEFAULT.CLICKS", "", http.StatusInternalServerError, "cube clicks_cube reads it")
	if code, text := f.curl(http.MethodDelete, "/streaming/default/DEFAULT.ORDERS", ""); code != http.StatusOK || text != "" {
		t.Errorf("DELETE /streaming: %d %s", code, text)
	}
	f.bad(http.MethodDelete, "/streaming/DEFAULT.ORDERS", "", http.StatusNotFound, "Cannot find")
	f.bad(http.MethodPut, "/streaming", streaming(ordersTable, ordersConfig, ordersKafka), http.StatusInternalServerError, "does not exist")
}

// What is not JSON is answered as Kylin does, what cannot be as an error with all complaints.
func TestStreamingRefused(t *testing.T) {
	f := newFixture(t)
	var out streamingRequest
	f.good(http.MethodPost, "/streaming", streaming("{", ordersConfig, ordersKafka), &out)
	if out.Successful || !strings.Contains(out.Message, "tableData: not JSON") {
		t.Errorf("broken JSON: %+v", out)
	}
	for _, tt := range []struct{ table, kafka, want string }{
		{strings.Replace(ordersTable, "integer", "map", 1), ordersKafka, `tableData.columns[1].datatype: unknown type "map"`},
		{ordersTable, strings.Replace(ordersKafka, "TimedJsonStreamParser", "AvroParser", 1), `unknown parser "org.apache.kylin.source.kafka.AvroParser"`},
		{ordersTable, strings.Replace(ordersKafka, `"topic": "orders"`, `"topic": ""`, 1), "topic: missing"},
		{ordersTable, strings.Replace(ordersKafka, "separator=_", "tsParser=my.Parser", 1), `unknown tsParser "my.Parser"`},
		{strings.Replace(ordersTable, "DEFAULT.ORDERS", "", 1), ordersKafka, "Table name"},
	} {
		code, text := f.curl(http.MethodPost, "/streaming", streaming(tt.table, ordersConfig, tt.kafka))
		if code != http.StatusInternalServerError && code != http.StatusBadRequest || !strings.Contains(strings.ReplaceAll(text, `\"`, `"`), tt.want) {
			t.Errorf("got %d %s, want %q", code, text, tt.want)
		}
	}
}
