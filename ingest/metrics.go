package ingest

import (
	"errors"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
)

// metrics of the package. Labels are topics, partitions, tables and reasons from closed lists.
type metrics struct {
	records, bytes, events, bad    *prometheus.CounterVec
	files, fileBytes, rolls        *prometheus.CounterVec
	retries, fetchErrors           prometheus.Counter
	lost, generations, pinsLost    prometheus.Counter
	reread                         prometheus.Counter
	rereads                        *prometheus.CounterVec
	pauses                         prometheus.Histogram
	encodeSeconds, uploadSeconds   prometheus.Histogram
	commitSeconds                  prometheus.Histogram
	sum                            struct{ events, bytes, bad, files, fileBytes atomic.Int64 }
	lag, watermark, uncommitted    *prometheus.Desc
	memory, memoryLimit, queued    *prometheus.Desc
	spooled, spoolLimit, stoppedBy *prometheus.Desc
	in                             *Ingester
}

func newMetrics(reg prometheus.Registerer, in *Ingester) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tidemark_ingest_" + name, Help: help}, labels)
	}
	one := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "tidemark_ingest_" + name, Help: help})
	}
	seconds := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tidemark_ingest_" + name, Help: help, Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		})
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("tidemark_ingest_"+name, help, labels, nil)
	}
	m := &metrics{
		in:            in,
		records:       counter("records_total", "Records fetched, control records not counted.", "topic", "partition"),
		bytes:         counter("bytes_total", "Bytes of record values fetched.", "topic", "partition"),
		events:        counter("events_total", "Events decoded.", "table"),
		bad:           counter("bad_records_total", "Unreadable records, by reason.", "table", "reason"),
		files:         counter("files_total", "Staged files committed.", "table"),
		fileBytes:     counter("file_bytes_total", "Bytes of staged files committed.", "table"),
		rolls:         counter("rolls_total", "Ranges sealed, by reason.", "reason"),
		retries:       one("retries_total", "Storage, catalog and broker calls tried again."),
		fetchErrors:   one("fetch_errors_total", "Errors the brokers reported for fetches."),
		lost:          one("lost_offsets_total", "Offsets that retention removed before they were read."),
		generations:   one("generations_total", "Topics found to be made again or truncated."),
		reread:        one("reread_offsets_total", "Offsets read again by request and committed."),
		rereads:       counter("rereads_total", "Requests to read offsets again that ended, by outcome.", "outcome"),
		pinsLost:      one("pins_lost_total", "Readers of the tail that held it for longer than the limit."),
		pauses:        seconds("fetch_pause_seconds", "How long fetching waited for memory, per wait."),
		encodeSeconds: seconds("encode_duration_seconds", "Time to encode one staged file."),
		uploadSeconds: seconds("upload_duration_seconds", "Time to bring one staged file to the store."),
		commitSeconds: seconds("commit_duration_seconds", "Time of one catalog commit."),
		lag:           desc("lag_records", "Records between the next offset and the end of the log.", "topic", "partition"),
		watermark:     desc("watermark_timestamp_seconds", "Highest event time seen less the allowed lateness.", "topic", "partition"),
		uncommitted:   desc("uncommitted_ranges", "Sealed ranges that wait for their commit."),
		memory:        desc("memory_bytes", "Bytes of events in memory, tail included."),
		memoryLimit:   desc("memory_limit_bytes", "The memory budget."),
		queued:        desc("queued_bytes", "Bytes of fetched records that wait for a decoder."),
		spooled:       desc("spool_bytes", "Bytes of files on their way to the store."),
		spoolLimit:    desc("spool_limit_bytes", "The limit of the spool."),
		stoppedBy:     desc("stopped_tables", "Tables stopped by a policy or a person."),
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.records, m.bytes, m.events, m.bad, m.files, m.fileBytes, m.rolls, m.retries, m.fetchErrors, m.lost, m.generations, m.pinsLost, m.reread, m.rereads,
		m.pauses, m.encodeSeconds, m.uploadSeconds, m.commitSeconds,
		gauges{m},
	} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *metrics) fetched(tp topicPartition, recs []*kgo.Record) {
	var n, bytes int
	for _, r := range recs {
		if !r.Attrs.IsControl() {
			n++
			bytes += len(r.Value)
		}
	}
	part := strconv.Itoa(int(tp.partition))
	m.records.WithLabelValues(tp.topic, part).Add(float64(n))
	m.bytes.WithLabelValues(tp.topic, part).Add(float64(bytes))
}

func (m *metrics) decoded(p *partition, r decodedRun) {
	table := p.table.def.Name
	m.events.WithLabelValues(table).Add(float64(r.chunk.Rows()))
	for _, b := range r.bad {
		m.bad.WithLabelValues(table, b.Reason).Inc()
	}
	m.sum.events.Add(int64(r.chunk.Rows()))
	m.sum.bytes.Add(r.bytes)
	m.sum.bad.Add(int64(len(r.bad)))
}

func (m *metrics) committed(t *tailRange, fileBytes int64) {
	if t.lost != nil {
		return
	}
	m.files.WithLabelValues(t.table.def.Name).Inc()
	m.fileBytes.WithLabelValues(t.table.def.Name).Add(float64(fileBytes))
	m.sum.files.Add(1)
	m.sum.fileBytes.Add(fileBytes)
}

// gauges reads what the ingester holds when it is asked.
type gauges struct{ m *metrics }

func (g gauges) Describe(ch chan<- *prometheus.Desc) {
	m := g.m
	for _, d := range []*prometheus.Desc{m.lag, m.watermark, m.uncommitted, m.memory, m.memoryLimit, m.queued, m.spooled, m.spoolLimit, m.stoppedBy} {
		ch <- d
	}
}

func (g gauges) Collect(ch chan<- prometheus.Metric) {
	m := g.m
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	uncommitted := 0
	lag, mark := map[topicPartition]int64{}, map[topicPartition]float64{}
	for _, p := range m.in.partitions() {
		s := p.status()
		lag[p.tp] = max(lag[p.tp], s.Lag)
		if !s.Watermark.IsZero() {
			at := float64(s.Watermark.UnixMilli()) / 1000
			if old, ok := mark[p.tp]; !ok || at < old {
				mark[p.tp] = at
			}
		}
		p.mu.Lock()
		uncommitted += len(p.sealed)
		p.mu.Unlock()
	}
	for tp, n := range lag {
		gauge(m.lag, float64(n), tp.topic, strconv.Itoa(int(tp.partition)))
	}
	for tp, at := range mark {
		gauge(m.watermark, at, tp.topic, strconv.Itoa(int(tp.partition)))
	}
	used, queued := m.in.budget.load()
	m.in.mu.Lock()
	spooled, stopped := m.in.spoolUse, len(m.in.stopped)
	m.in.mu.Unlock()
	gauge(m.uncommitted, float64(uncommitted))
	gauge(m.memory, float64(used))
	gauge(m.memoryLimit, float64(m.in.o.MemoryBudget))
	gauge(m.queued, float64(queued))
	gauge(m.spooled, float64(spooled))
	gauge(m.spoolLimit, float64(m.in.o.SpoolBytes))
	gauge(m.stoppedBy, float64(stopped))
}
