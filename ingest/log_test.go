package ingest_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/testkit"
)

func TestLog(t *testing.T) {
	_, brokers := testkit.FakeKafka(t, kfake.SeedTopics(2, "events"))
	cl := testkit.Client(t, brokers, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordDeliveryTimeout(0))
	base := time.UnixMilli(1_700_000_000_000)
	for i := range 5 {
		rec := &kgo.Record{Topic: "events", Timestamp: base.Add(time.Duration(i) * time.Second), Value: []byte("x")}
		if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	log, err := ingest.NewLog([]kgo.Opt{kgo.SeedBrokers(brokers...)})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for name, tt := range map[string]struct {
		got  func() (map[int32]int64, error)
		want map[int32]int64
	}{
		"ends":   {func() (map[int32]int64, error) { return log.Ends(t.Context(), "events") }, map[int32]int64{0: 5, 1: 0}},
		"starts": {func() (map[int32]int64, error) { return log.Starts(t.Context(), "events") }, map[int32]int64{0: 0, 1: 0}},
		"at":     {func() (map[int32]int64, error) { return log.At(t.Context(), "events", base.Add(2500*time.Millisecond)) }, map[int32]int64{0: 3, 1: 0}},
		"behind": {func() (map[int32]int64, error) { return log.At(t.Context(), "events", base.Add(time.Hour)) }, map[int32]int64{0: 5, 1: 0}},
	} {
		if got, err := tt.got(); err != nil || !maps.Equal(got, tt.want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, tt.want)
		}
	}
	if _, err := log.Ends(t.Context(), "nothing"); !errors.Is(err, ingest.ErrNoTopic) {
		t.Errorf("a topic that does not exist: got %v, want ErrNoTopic", err)
	}
}
