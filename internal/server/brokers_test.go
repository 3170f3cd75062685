package server

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/doctor"
)

// Brokers that do not answer are told, and are no reason not to be ready: statements are answered without them.
func TestReadyzTellsOfBrokers(t *testing.T) {
	var kafka error
	w := newWorld(t, func(o *Options) { o.Store, o.Kafka = new(blob.Mem), func() error { return kafka } })
	for _, c := range []struct {
		err  error
		want string
	}{{nil, "ok"}, {errors.New("broker-1:9092: connection refused"), "broker-1:9092: connection refused"}} {
		kafka = c.err
		var got Readiness
		if w.get(http.MethodGet, "/readyz", "", &got); !got.Ready || got.Kafka != c.want {
			t.Errorf("%v: got %+v", c.err, got)
		}
		var report doctor.Report
		w.get(http.MethodGet, "/api/v1/doctor", "", &report)
		blocked := slices.ContainsFunc(report.Findings, func(f doctor.Finding) bool { return f.Kind == "kafka" && strings.HasSuffix(f.Says, c.want) })
		if blocked != (c.err != nil) {
			t.Errorf("%v: doctor says %+v", c.err, report.Findings)
		}
	}
}
