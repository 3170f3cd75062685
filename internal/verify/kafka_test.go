package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/internal/verify"
)

// What the broker still has is equal; what retention took from it (all that p1 had before its loss) is counted.
func TestKafkaEqual(t *testing.T) {
	for _, format := range []string{"parquet", "ndjson"} {
		t.Run(format, func(t *testing.T) {
			s := fullSite(t, format)
			r := s.verify(s.againstKafka)
			s.clean(r)
			// p0 has 100 + 2 + 20 records besides the aborted ones, p1 the last 20; its first 50 are gone.
			if r.Kafka == nil || r.Kafka.Records != 142 || r.Kafka.NotCheckable != 50 {
				t.Errorf("against Kafka %+v, want 142 records and 50 offsets that are not checkable", r.Kafka)
			}
		})
	}
}

// script fills one partition of a new broker: ten events of which offset 3 is no JSON, a transaction of five that is
// committed (offset 15 is its marker), one of five that is aborted, and five events.
type script struct {
	change func(offset int64, r *kgo.Record)
	first  kgo.TransactionEndTry // zero value: commit, see run
	second kgo.TransactionEndTry
}

func base() script { return script{first: kgo.TryCommit, second: kgo.TryAbort} }

func (x script) run(t *testing.T, s *site, brokers []string) {
	t.Helper()
	n, off := s.n, int64(0)
	some := func(count int) (out []*kgo.Record) {
		for range count {
			r := s.record(0)
			if off == 3 {
				r.Value = []byte(`{"ts":`)
			}
			if x.change != nil {
				x.change(off, r)
			}
			out, off = append(out, r), off+1
		}
		return out
	}
	cl := client(t, brokers)
	testkit.Produce(t, cl, some(10)...)
	transaction(t, brokers, x.first, some(5)...)
	off++
	transaction(t, brokers, x.second, some(5)...)
	off++
	testkit.Produce(t, cl, some(5)...)
	s.n = n
}

func set(offset int64, old, replacement string) func(int64, *kgo.Record) {
	return func(at int64, r *kgo.Record) {
		if at == offset {
			r.Value = []byte(strings.Replace(string(r.Value), old, replacement, 1))
		}
	}
}

// The folder was read from one broker and is compared with another one, whose log is a little different.
func TestKafkaDiffers(t *testing.T) {
	s := newSite(t, 1, "parquet")
	base().run(t, s, s.brokers)
	s.ingest()
	s.clean(s.verify(s.againstKafka))
	s.sql(`UPDATE partitions SET topic_id = '', fp_offset = -1`) // nothing tells the other topic from the one that was read
	tests := []struct {
		name   string
		script script
		want   verify.Kind // empty: equal
		says   []string
	}{
		{"equal", base(), "", nil},
		{"another value", script{set(5, `"n":6`, `"n":66`), kgo.TryCommit, kgo.TryAbort}, verify.KafkaValue, []string{"offset 5", "column n is 6 in the file and 66 in Kafka"}},
		{"null for a value", script{set(5, `"id":"e6"`, `"id":null`), kgo.TryCommit, kgo.TryAbort}, verify.KafkaValue, []string{"offset 5", `column id is "e6" in the file and null in Kafka`}},
		{"another float", script{set(9, `"ratio":0.10`, `"ratio":0.11`), kgo.TryCommit, kgo.TryAbort}, verify.KafkaValue, []string{"column ratio is 0.1 in the file and 0.11"}},
		{"another flag", script{set(2, `"ok":true`, `"ok":false`), kgo.TryCommit, kgo.TryAbort}, verify.KafkaValue, []string{"column ok is true in the file and false"}},
		{"another decimal", script{set(2, `.25`, `.26`), kgo.TryCommit, kgo.TryAbort}, verify.KafkaValue, []string{"column price"}},
		{"another time", script{set(9, `"ts":1700000010000`, `"ts":1700000010001`), kgo.TryCommit, kgo.TryAbort}, verify.KafkaValue, []string{"column ts is 2023-11-14T22:13:30Z in the file and 2023-11-14T22:13:30.001Z in Kafka"}},
		{"another key", script{func(at int64, r *kgo.Record) {
			if at >= 22 {
				r.Key = []byte("other")
			}
		}, kgo.TryCommit, kgo.TryAbort}, verify.KafkaValue, []string{"offset 22", "column _key", "first of 5"}},
		{"another timestamp", script{func(at int64, r *kgo.Record) {
			if at == 0 {
				r.Timestamp = r.Timestamp.Add(time.Millisecond)
			}
		}, kgo.TryCommit, kgo.TryAbort}, verify.KafkaValue, []string{"offset 0", "column _timestamp"}},
		{"records missing", script{nil, kgo.TryAbort, kgo.TryAbort}, verify.KafkaMissing, []string{"offset 10", "first of 5", "an event"}},
		{"records in a gap", script{nil, kgo.TryCommit, kgo.TryCommit}, verify.KafkaExtra, []string{"offset 16", "first of 5"}},
		{"event that cannot be read", script{set(22, `{`, `[`), kgo.TryCommit, kgo.TryAbort}, verify.KafkaUnreadable, []string{"offset 22", "not_json"}},
		{"quarantined and readable", script{set(3, `{"ts":`, `{"ts":1700000004000}`), kgo.TryCommit, kgo.TryAbort}, verify.KafkaReadable, []string{"offset 3", "truncated"}},
		{"quarantined for another reason", script{set(3, `{"ts":`, `[]`), kgo.TryCommit, kgo.TryAbort}, verify.KafkaReason, []string{"offset 3", "not_object"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, brokers := testkit.FakeKafka(t, kfake.SeedTopics(1, topicName))
			c := s.clone(t)
			c.brokers = brokers
			tt.script.run(t, &site{base: s.base}, brokers)
			r := c.verify(c.againstKafka)
			if tt.want == "" {
				c.clean(r)
				return
			}
			p := c.finds(r, tt.want)
			if len(r.Problems) != 1 || p.Range == nil || p.File == "" {
				t.Errorf("want one problem with range and file, got %v", r.Problems)
			}
			for _, w := range tt.says {
				if !strings.Contains(p.Message, w) {
					t.Errorf("the message is %q, want %q in it", p.Message, w)
				}
			}
		})
	}
}

// Retention took the first half of a row: the rest of it is still compared, against the file's own rows.
func TestKafkaHasOnlyPartOfARow(t *testing.T) {
	s := newSite(t, 1, "parquet")
	base().run(t, s, s.brokers)
	s.ingest()
	s.deleteBelow(0, 7)
	r := s.verify(s.againstKafka)
	s.clean(r)
	if r.Kafka.NotCheckable != 7 || r.Kafka.Records != 13 {
		t.Errorf("against Kafka %+v, want 13 records and 7 offsets that are not checkable", r.Kafka)
	}
	s.sql(`UPDATE partitions SET topic_id = '', fp_offset = -1`)
	_, brokers := testkit.FakeKafka(t, kfake.SeedTopics(1, topicName))
	script{set(8, `"n":9`, `"n":8`), kgo.TryCommit, kgo.TryAbort}.run(t, &site{base: s.base}, brokers)
	s.brokers, s.prod = brokers, client(t, brokers)
	s.deleteBelow(0, 7)
	p := s.finds(s.verify(s.againstKafka), verify.KafkaValue)
	if !strings.Contains(p.Message, "offset 8") {
		t.Errorf("message %q, want offset 8", p.Message)
	}
}

// A topic that was made again, or is gone, has none of the offsets: no problem, and nothing is called equal.
func TestKafkaHasAnotherGeneration(t *testing.T) {
	s := newSite(t, 1, "parquet")
	base().run(t, s, s.brokers)
	s.ingest()
	adm := kadm.NewClient(s.prod)
	notChecked := func(offsets int64, why string) {
		t.Helper()
		r := s.verify(s.againstKafka)
		s.clean(r)
		says := func(note string) bool { return strings.Contains(note, why) }
		if r.Kafka.NotCheckable != offsets || !slices.ContainsFunc(r.Kafka.Notes, says) {
			t.Errorf("against Kafka %+v, want %d offsets not checkable and %q", r.Kafka, offsets, why)
		}
	}
	_, err := adm.DeleteTopic(t.Context(), topicName)
	must(t, err)
	notChecked(27, "does not exist")
	_, err = adm.CreateTopic(t.Context(), 1, 1, nil, topicName)
	must(t, err)
	notChecked(27, "made again")
	fresh := client(t, s.brokers)
	for i := range 3 {
		r := s.record(0)
		r.Value = fmt.Appendf(nil, `{"ts":1700000000000,"id":"new%d","n":1}`, i)
		testkit.Produce(t, fresh, r)
	}
	s.ingest()
	notChecked(27, "earlier generation")
	if r := s.verify(); r.Tables[0].Generations != 2 {
		t.Errorf("%d generations, want 2", r.Tables[0].Generations)
	}
}

// Without topic ids the last record that was read tells a topic that was made again.
func TestKafkaWithoutTopicIDs(t *testing.T) {
	s := newSite(t, 1, "parquet")
	base().run(t, s, s.brokers)
	s.ingest()
	s.sql(`UPDATE partitions SET topic_id = ''`)
	r := s.verify(s.againstKafka)
	s.clean(r)
	if r.Kafka.Records != 20 || r.Kafka.NotCheckable != 0 {
		t.Errorf("the same topic: against Kafka %+v, want 20 records", r.Kafka)
	}
	_, brokers := testkit.FakeKafka(t, kfake.SeedTopics(1, topicName))
	s.brokers = brokers
	script{set(26, `"id":"e`, `"id":"f`), kgo.TryCommit, kgo.TryAbort}.run(t, &site{base: s.base}, brokers)
	r = s.verify(s.againstKafka)
	s.clean(r)
	if r.Kafka.Records != 0 || r.Kafka.NotCheckable != 27 {
		t.Errorf("another topic: against Kafka %+v, want 27 offsets not checkable", r.Kafka)
	}
}

// Compaction may take records from the middle: what is gone is not checkable, the rest must be equal.
func TestKafkaCompacted(t *testing.T) {
	s := newSite(t, 1, "parquet")
	base().run(t, s, s.brokers)
	s.ingest()
	s.sql(`UPDATE partitions SET topic_id = '', fp_offset = -1`)
	_, brokers := testkit.FakeKafka(t, kfake.SeedTopics(1, topicName))
	s.brokers = brokers
	cl := client(t, brokers)
	policy := "compact"
	res, err := kadm.NewClient(cl).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &policy}}, topicName)
	must(t, err)
	for _, r := range res {
		must(t, r.Err)
	}
	script{nil, kgo.TryAbort, kgo.TryAbort}.run(t, &site{base: s.base}, brokers) // five records are gone
	r := s.verify(s.againstKafka)
	s.clean(r)
	if r.Kafka.NotCheckable != 5 {
		t.Errorf("against Kafka %+v, want 5 offsets that are not checkable", r.Kafka)
	}
}
