package server

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tidemarkdb/tidemark/ingest/stage"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Quarantine is a page of quarantined records. Requeued ones are not in it.
type Quarantine struct {
	Project string   `json:"project"`
	Table   string   `json:"table"`
	Total   int64    `json:"total"` // of the table, whatever is filtered
	Records []Record `json:"records"`
	Next    string   `json:"next,omitempty"` // ask with after=next for more
}

// Record is one quarantined record. In lists its value is cut.
type Record struct {
	Partition  int32          `json:"partition"`
	Generation int32          `json:"generation"`
	Offset     int64          `json:"offset"`
	Timestamp  time.Time      `json:"timestamp"`
	Reason     string         `json:"reason"`
	Detail     string         `json:"detail"`
	Bytes      int            `json:"bytes"`
	Value      Payload        `json:"value"`
	Key        *Payload       `json:"key,omitempty"`
	Headers    []recordHeader `json:"headers,omitempty"`
}

type recordHeader struct {
	Key   string  `json:"key"`
	Value Payload `json:"value"`
}

// Payload is bytes as text where they are UTF-8, else as base64.
type Payload struct {
	Text   string `json:"text,omitempty"`
	Base64 string `json:"base64,omitempty"`
	Null   bool   `json:"null,omitempty"`
	Cut    bool   `json:"cut,omitempty"` // only the beginning
}

const (
	previewBytes  = 200
	ledgerAtOnce  = 200 // rows of the ledger that are looked at in one transaction
	ledgerInTotal = 100_000
)

func payload(b []byte, null bool, limit int) Payload {
	p := Payload{Null: null}
	if limit > 0 && len(b) > limit {
		p.Cut = true
		b = b[:limit]
		for i := 0; i < utf8.UTFMax-1 && !utf8.Valid(b); i++ { // do not cut a letter
			b = b[:len(b)-1]
		}
	}
	if utf8.Valid(b) {
		p.Text = string(b)
	} else {
		p.Base64 = base64.StdEncoding.EncodeToString(b)
	}
	return p
}

func record(r segmenter.PartitionRange, q stage.QuarantineRecord, limit int) Record {
	out := Record{
		Partition: r.Partition, Generation: r.Generation, Offset: q.Offset, Timestamp: time.UnixMilli(q.TimestampMs).UTC(),
		Reason: q.Reason, Detail: q.Detail, Bytes: len(q.Value), Value: payload(q.Value, q.Null, limit),
	}
	if q.Key != nil {
		k := payload(q.Key, false, limit)
		out.Key = &k
	}
	for _, h := range q.Headers {
		out.Headers = append(out.Headers, recordHeader{h.Key, payload(h.Value, h.Value == nil, limit)})
	}
	return out
}

func (s *Server) listQuarantine(r *http.Request) (any, error) {
	def, err := s.named(r)
	if err != nil {
		return nil, err
	}
	part, err := integer(r, "partition", -1, -1, 1<<31-1)
	if err != nil {
		return nil, err
	}
	limit, err := integer(r, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return nil, err
	}
	after, err := parseCursor(r.URL.Query().Get("after"))
	if err != nil {
		return nil, err
	}
	counts, err := s.opts.Catalog.Stats(r.Context(), def.ID)
	if err != nil {
		return nil, err
	}
	l := lister{s: s, r: r, def: def, partition: int32(part), reason: r.URL.Query().Get("reason"), after: after, limit: int(limit)}
	l.out = Quarantine{Project: def.Project, Table: def.Name, Total: counts.Quarantined, Records: []Record{}}
	if counts.Quarantined > 0 {
		err = l.fill()
	}
	return l.out, err
}

// lister collects a page of quarantined records. The ledger is read in short transactions, since files are read between
// them.
type lister struct {
	s         *Server
	r         *http.Request
	def       *cube.Table
	partition int32
	reason    string
	after     *segmenter.PartitionRange // behind this offset
	limit     int
	out       Quarantine
}

func (l *lister) fill() error {
	rows, at := 0, l.after
	for {
		var page []catalog.LedgerEntry
		q := catalog.LedgerQuery{TableID: l.def.ID, Partition: l.partition, After: at, Limit: ledgerAtOnce}
		for e, err := range l.s.opts.Catalog.Ledger(l.r.Context(), q) {
			if err != nil {
				return err
			}
			page = append(page, e)
		}
		for _, e := range page {
			rows++
			at = &e.Range
			if e.Quarantine == nil || e.Exceptions.Count(segmenter.Quarantined) == 0 {
				continue
			}
			if full, err := l.file(e); err != nil || full {
				return err
			}
		}
		if len(page) < ledgerAtOnce {
			return nil
		}
		if rows >= ledgerInTotal {
			l.out.Next = cursor(*at)
			return nil
		}
	}
}

// file adds the records of one row that are still quarantined.
func (l *lister) file(e catalog.LedgerEntry) (full bool, err error) {
	for q, err := range stage.ReadQuarantine(l.r.Context(), l.s.opts.Store, e.Quarantine.Key) {
		if err != nil {
			return false, fmt.Errorf("quarantine of %s: %w", e.Range, err)
		}
		if l.after != nil && l.after.SameLine(e.Range) && q.Offset < l.after.End {
			continue
		}
		if l.reason != "" && q.Reason != l.reason || !quarantined(e.Exceptions, q.Offset) {
			continue
		}
		if len(l.out.Records) == l.limit {
			last := l.out.Records[l.limit-1]
			l.out.Next = cursor(segmenter.PartitionRange{Partition: last.Partition, Generation: last.Generation, End: last.Offset + 1})
			return true, nil
		}
		l.out.Records = append(l.out.Records, record(e.Range, q, previewBytes))
	}
	return false, nil
}

// quarantined reports whether an offset is still quarantined: requeued ones left the exceptions.
func quarantined(e segmenter.Exceptions, offset int64) bool {
	i := sort.Search(len(e), func(i int) bool { return e[i].End > offset })
	return i < len(e) && e[i].Start <= offset && e[i].Kind == segmenter.Quarantined
}

func (s *Server) showQuarantine(r *http.Request) (any, error) {
	def, err := s.named(r)
	if err != nil {
		return nil, err
	}
	part, perr := strconv.ParseInt(r.PathValue("partition"), 10, 32)
	offset, oerr := strconv.ParseInt(r.PathValue("offset"), 10, 64)
	if perr != nil || oerr != nil || part < 0 || offset < 0 {
		return nil, badRequest("partition %q and offset %q must be numbers", r.PathValue("partition"), r.PathValue("offset"))
	}
	generation, err := integer(r, "generation", -1, -1, 1<<31-1)
	if err != nil {
		return nil, err
	}
	return s.quarantinedAt(r, def, segmenter.PartitionRange{
		Partition: int32(part), Generation: int32(generation), Start: offset, End: offset + 1,
	})
}

// quarantinedAt finds the record at the start of a range; generation -1 takes the newest that has it.
func (s *Server) quarantinedAt(r *http.Request, def *cube.Table, at segmenter.PartitionRange) (any, error) {
	var row *catalog.LedgerEntry
	q := catalog.LedgerQuery{TableID: def.ID, Partition: at.Partition, From: at.Start, To: at.End}
	for e, err := range s.opts.Catalog.Ledger(r.Context(), q) {
		if err != nil {
			return nil, err
		}
		if e.Quarantine != nil && (at.Generation < 0 || at.Generation == e.Range.Generation) {
			row = &e
		}
	}
	if row != nil {
		for q, err := range stage.ReadQuarantine(r.Context(), s.opts.Store, row.Quarantine.Key) {
			if err != nil {
				return nil, fmt.Errorf("quarantine of %s: %w", row.Range, err)
			}
			if q.Offset == at.Start {
				return record(row.Range, q, 0), nil
			}
		}
	}
	return nil, &Error{
		Status: http.StatusNotFound, Code: "not_found",
		Message: fmt.Sprintf("table %s/%s: offset %d of partition %d is not quarantined: see tidemark quarantine list %s",
			def.Project, def.Name, at.Start, at.Partition, def.Name),
	}
}
