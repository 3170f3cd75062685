package verify_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/blob/faultblob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/testkit"
	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

func TestOptionsSayWhatIsMissing(t *testing.T) {
	_, err := verify.Run(t.Context(), verify.Options{AgainstKafka: true, Workers: -1})
	for _, want := range []string{"no catalog", "no store", "--brokers", "below 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
}

func TestUnknownTable(t *testing.T) {
	s := newSite(t, 1, "parquet")
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		_, err := verify.Run(t.Context(), verify.Options{Catalog: cat, Store: st, Table: "nope"})
		if !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("error %v, want not found", err)
		}
	})
}

// A table that was never read, and no table at all, are nothing to complain of.
func TestNothingToProve(t *testing.T) {
	s := newSite(t, 1, "parquet")
	s.clean(s.verify(s.againstKafka))
	r := s.verify(func(o *verify.Options) { o.Project = "other" })
	if !r.OK || len(r.Tables) != 0 || r.Problems == nil {
		t.Errorf("report %+v", r)
	}
}

// rewrite encodes a staged file anew after change, and has the catalog name the new bytes: only the rows can tell.
func (s *site) rewrite(t *testing.T, key string, o stage.EncodeOptions, change func(*stage.Footer, *stage.Chunk)) {
	t.Helper()
	var buf bytes.Buffer
	var enc stage.Encoded
	s.with(func(_ *catalog.Catalog, st blob.Store) {
		rd, err := stage.Open(t.Context(), st, key, -1)
		must(t, err)
		defer rd.Close()
		c, err := rd.Read(t.Context(), 0, nil)
		must(t, err)
		for i := range c.Columns {
			c.Columns[i].Flatten()
		}
		foot := rd.Footer()
		change(&foot, c)
		enc, err = stage.Encode(&buf, rd.Schema(), cube.Parquet, foot, []*stage.Chunk{c}, o)
		must(t, err)
	})
	must(t, os.WriteFile(s.path(key), buf.Bytes(), 0o600))
	sum := sha256.Sum256(buf.Bytes())
	s.sql(`UPDATE partitions SET bytes = bytes + ? - (SELECT size FROM files WHERE file_key = ?) WHERE partition = 0`, enc.Size, key)
	s.sql(`UPDATE files SET size = ?, sha256 = ? WHERE file_key = ?`, enc.Size, hex.EncodeToString(sum[:]), key)
}

// Files that are whole, and named by the catalog with their size and SHA-256, but are not what was read.
func TestForgedFilesAreFound(t *testing.T) {
	s := fullSite(t, "parquet")
	key := s.keys("staged/", "/00")[0]
	tests := []struct {
		name   string
		want   verify.Kind
		o      stage.EncodeOptions
		change func(*stage.Footer, *stage.Chunk)
	}{
		{"another value under the old hash", verify.HashMismatch, stage.EncodeOptions{NoHash: true}, func(_ *stage.Footer, c *stage.Chunk) { c.Columns[2].Ints[5]++ }},
		{"another value and hash", verify.FooterMismatch, stage.EncodeOptions{}, func(_ *stage.Footer, c *stage.Chunk) { c.Columns[2].Ints[5]++ }},
		{"another Kafka timestamp", verify.HashMismatch, stage.EncodeOptions{NoHash: true}, func(_ *stage.Footer, c *stage.Chunk) { c.Timestamps[0]++ }},
		{"another table", verify.FooterMismatch, stage.EncodeOptions{}, func(f *stage.Footer, _ *stage.Chunk) { f.TableID = "other" }},
		{"another topic", verify.FooterMismatch, stage.EncodeOptions{}, func(f *stage.Footer, _ *stage.Chunk) { f.Topic = "other" }},
		{"another generation", verify.FooterMismatch, stage.EncodeOptions{}, func(f *stage.Footer, _ *stage.Chunk) { f.Range.Generation = 1 }},
		{"a later epoch", verify.FooterMismatch, stage.EncodeOptions{}, func(f *stage.Footer, _ *stage.Chunk) { f.Epoch += 9 }},
		{"the last row gone", verify.FooterMismatch, stage.EncodeOptions{}, func(f *stage.Footer, c *stage.Chunk) {
			c.Truncate(c.Rows() - 1)
			f.Events--
		}},
		{"the last row called a gap", verify.FooterMismatch, stage.EncodeOptions{NoHash: true}, func(f *stage.Footer, c *stage.Chunk) {
			last := c.Offsets[c.Rows()-1]
			c.Truncate(c.Rows() - 1)
			f.Events--
			more, err := f.Exceptions.Merge(segmenter.Exceptions{{Kind: segmenter.Gap, Start: last, End: last + 1}})
			must(t, err)
			f.Exceptions = more
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := s.clone(t)
			c.rewrite(t, key, tt.o, tt.change)
			r := c.verify()
			if p := c.finds(r, tt.want); p.File != key || len(r.Problems) != 1 {
				t.Errorf("want one problem that names %s, got %v", key, r.Problems)
			}
		})
	}
}

// V4: a store that does not answer ends the proof with an error; it is no problem of the files and no clean report.
func TestStoreFailuresAreErrors(t *testing.T) {
	s := fullSite(t, "ndjson")
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		for i := 0; ; i++ {
			faults := &faultblob.Store{Store: st, At: i, Err: blob.ErrUnavailable}
			rep, err := verify.Run(t.Context(), verify.Options{Catalog: cat, Store: faults, Workers: 1})
			if !faults.Fired() {
				must(t, err)
				s.clean(rep)
				break
			}
			if !errors.Is(err, blob.ErrUnavailable) || rep != nil {
				t.Fatalf("call %d failed: report %v, error %v", i, rep, err)
			}
		}
	})
}

// Brokers that do not answer end it too, within the time that the client is given.
func TestNoBroker(t *testing.T) {
	s := newSite(t, 1, "parquet")
	ctx, cancel := context.WithCancel(t.Context())
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		dialed := kgo.Dialer(func(context.Context, string, string) (net.Conn, error) {
			cancel()
			return nil, errors.New("connection refused")
		})
		_, err := verify.Run(ctx, verify.Options{
			Catalog: cat, Store: st, AgainstKafka: true, Kafka: []kgo.Opt{kgo.SeedBrokers("127.0.0.1:1"), dialed},
		})
		if err == nil {
			t.Error("a proof against no broker succeeded")
		}
	})
}

func TestProgressEndsWithAllFiles(t *testing.T) {
	s := fullSite(t, "parquet")
	var last verify.Progress
	calls := 0
	r := s.verify(s.againstKafka, func(o *verify.Options) {
		o.ProgressEvery = time.Nanosecond
		o.Progress = func(p verify.Progress) {
			if p.Files < last.Files || p.Events < last.Events || p.Bytes < last.Bytes {
				t.Errorf("progress went back from %+v to %+v", last, p)
			}
			last, calls = p, calls+1
		}
	})
	if calls < 2 || last.Files != r.Files || last.TotalFiles != r.Files || last.Events != r.Events || !last.Kafka || last.Table != "default/events" {
		t.Errorf("%d calls, the last %+v, want %d files and %d events", calls, last, r.Files, r.Events)
	}
}

// A proof beside a process that commits sees one moment of each partition.
func TestVerifyWhileIngestCommits(t *testing.T) {
	s := newSite(t, 2, "parquet")
	s.with(func(cat *catalog.Catalog, st blob.Store) {
		in, err := ingest.New(ingest.Options{
			Kafka: s.kafka(), Catalog: cat, Store: st, SpoolDir: filepath.Join(s.dir, "spool"), Interval: 10 * time.Millisecond,
		})
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- in.Run(ctx) }()
		events := int64(0)
		for i := 0; i < 15 || events == 0; i++ { // the first commit may come late
			s.produce(0, 60)
			s.produce(1, 60)
			r, err := verify.Run(t.Context(), verify.Options{Catalog: cat, Store: st, Kafka: s.kafka(), AgainstKafka: true})
			must(t, err)
			s.clean(r)
			events = r.Events
		}
		cancel()
		must(t, <-done)
		r, err := verify.Run(t.Context(), verify.Options{Catalog: cat, Store: st})
		must(t, err)
		s.clean(r)
	})
}

// The event time may be a date: files then hold days, and all that is said of times is in microseconds.
func TestDatesAsEventTime(t *testing.T) {
	for _, format := range []string{"parquet", "ndjson"} {
		t.Run(format, func(t *testing.T) {
			s := newSite(t, 1, format)
			s.apply(strings.Replace(tableYAML(format, "n"), "{name: ts, type: timestamp(ms)}", "{name: ts, type: date}", 1))
			for i, day := range []string{"2023-11-01", "2023-11-03", "2023-11-02"} {
				r := s.record(0)
				r.Value = fmt.Appendf(nil, `{"ts":%q,"id":"d%d","n":1}`, day, i)
				testkit.Produce(t, s.prod, r)
			}
			s.ingest()
			r := s.verify()
			s.clean(r)
			if r.Events != 3 {
				t.Errorf("%d events, want 3: %+v", r.Events, r)
			}
			s.with(func(cat *catalog.Catalog, _ blob.Store) {
				for e, err := range cat.Ledger(t.Context(), catalog.LedgerQuery{TableID: s.def.ID, Partition: -1}) {
					must(t, err)
					lo, hi := time.UnixMicro(e.MinTimeUs).UTC().Format(time.DateOnly), time.UnixMicro(e.MaxTimeUs).UTC().Format(time.DateOnly)
					if lo != "2023-11-01" || hi != "2023-11-03" {
						t.Errorf("event times %s to %s, want 2023-11-01 to 2023-11-03", lo, hi)
					}
				}
			})
		})
	}
}
