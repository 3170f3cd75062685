package server

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/tidemarkdb/tidemark/internal/verify"
)

// Sample is a proposed definition.
type Sample struct {
	Topic      string `json:"topic"`
	Records    int    `json:"records"`           // how many were read
	Definition string `json:"definition"`        // YAML with comments, applies as it is
	Cube       string `json:"cube,omitempty"`    // the same of a cube over the table; empty where there is a problem
	Problem    string `json:"problem,omitempty"` // why it does not: what a person has to add, and where
}

// RequeueRequest names quarantined records to try again.
type RequeueRequest struct {
	Project   string
	Table     string
	Reason    string // only those; empty: all
	Partition int32  // -1: all
	DryRun    bool
}

// RequeueResult says what became of quarantined records.
type RequeueResult struct {
	DryRun   bool             `json:"dry_run"`
	Requeued int64            `json:"requeued"`
	StillBad int64            `json:"still_bad"`
	Files    []string         `json:"files"`
	ByReason map[string]int64 `json:"by_reason"` // of those that are still bad
}

// VerifyRequest says what to prove.
type VerifyRequest struct {
	Project      string // empty: all
	Table        string // empty: all
	AgainstKafka bool
}

// VerifyProgress is how far a proof has come.
type VerifyProgress struct {
	Table       string  `json:"table"`
	Kafka       bool    `json:"kafka"` // the files are done, the topic is being read
	Files       int64   `json:"files"`
	TotalFiles  int64   `json:"total_files"`
	Events      int64   `json:"events"`
	Records     int64   `json:"records"` // read from Kafka
	Cuboids     int64   `json:"cuboids"` // of segments, that are done
	BytesPerSec float64 `json:"bytes_per_second"`
	ETASeconds  float64 `json:"eta_seconds,omitempty"` // of the files
}

// VerifyLine is one line of the stream that answers POST /api/v1/verify: exactly one field is set. The last line of a
// whole answer is a report or an error (R3).
type VerifyLine struct {
	Progress *VerifyProgress `json:"progress,omitempty"`
	Report   *verify.Report  `json:"report,omitempty"`
	Error    *Error          `json:"error,omitempty"`
}

// GCResult lists what nothing needs.
type GCResult struct {
	Scanned int64    `json:"scanned"` // objects looked at
	Young   int64    `json:"young"`   // not needed, but so new that their commit may be on its way
	Orphans []Orphan `json:"orphans"`
	Bytes   int64    `json:"bytes"` // of the orphans
	Only    []string `json:"only"`  // files of offsets that the catalog has in no other file: they are not touched

	Unknown []string `json:"unknown"` // folders of tables and cubes that the catalog does not know: they are not touched
}

// Orphan is an object, or with a slash at its end a folder, that nothing needs.
type Orphan struct {
	Key      string    `json:"key"`
	Reason   string    `json:"reason"`
	MarkedAt time.Time `json:"marked_at,omitzero"` // by the first pass of clean-up; absent: not yet
}

const maxSample = 100_000

func (s *Server) sample(r *http.Request) (any, error) {
	topic := r.URL.Query().Get("topic")
	if topic == "" {
		return nil, badRequest("topic is missing: /api/v1/sample?topic=NAME&n=1000")
	}
	n, err := integer(r, "n", 1000, 1, maxSample)
	if err != nil {
		return nil, err
	}
	return s.opts.Work.Sample(r.Context(), project(r), topic, int(n))
}

func (s *Server) requeue(r *http.Request) (any, error) {
	def, err := s.named(r)
	if err != nil {
		return nil, err
	}
	dry, err := boolean(r, "dry_run")
	if err != nil {
		return nil, err
	}
	partition, err := integer(r, "partition", -1, -1, 1<<31-1)
	if err != nil {
		return nil, err
	}
	return s.opts.Work.Requeue(r.Context(), RequeueRequest{
		Project: def.Project, Table: def.Name, Reason: r.URL.Query().Get("reason"), Partition: int32(partition), DryRun: dry,
	})
}

func (s *Server) gc(r *http.Request) (any, error) {
	dry, err := boolean(r, "dry_run")
	if err != nil {
		return nil, err
	}
	if !dry {
		return nil, badRequest("gc lists what nothing needs and removes nothing: ask with dry_run, or submit the task cleanup")
	}
	return s.opts.Work.GC(r.Context())
}

// streamed answers with lines; h writes all but the last.
func (s *Server) streamed(h func(r *http.Request, line func(VerifyLine)) (VerifyLine, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), s.opts.WorkTimeout)
		defer cancel()
		enc, rc, started := json.NewEncoder(w), http.NewResponseController(w), false
		line := func(l VerifyLine) {
			_ = rc.SetWriteDeadline(time.Now().Add(writeTime)) // ErrNotSupported in process
			if !started {
				w.Header().Set("Content-Type", "application/x-ndjson")
				started = true
			}
			if enc.Encode(l) != nil || rc.Flush() != nil {
				cancel() // nobody listens: the work may end
			}
		}
		last, err := h(r.WithContext(ctx), line)
		if err != nil {
			if !started {
				s.fail(w, r, err)
				return
			}
			last = VerifyLine{Error: asError(err)}
		}
		line(last)
	})
}

func (s *Server) verify(r *http.Request, line func(VerifyLine)) (VerifyLine, error) {
	against, err := boolean(r, "against_kafka")
	if err != nil {
		return VerifyLine{}, err
	}
	req := VerifyRequest{Project: r.URL.Query().Get("project"), Table: r.URL.Query().Get("table"), AgainstKafka: against}
	if req.Table != "" {
		req.Project = project(r)
		if _, err := s.opts.Catalog.Table(r.Context(), req.Project, req.Table); err != nil {
			return VerifyLine{}, err
		}
	}
	report, err := s.opts.Work.Verify(r.Context(), req, func(p VerifyProgress) { line(VerifyLine{Progress: &p}) })
	if err != nil {
		return VerifyLine{}, err
	}
	return VerifyLine{Report: report}, nil
}
