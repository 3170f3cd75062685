package server

import (
	"net/http"

	"github.com/tidemarkdb/tidemark/ingest"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Reread is a request to the owner of a partition: to read again from Kafka what of a range is skipped, lost, or without its
// staged file.
type Reread struct {
	ID          int64                    `json:"id"`
	Range       segmenter.PartitionRange `json:"range"`
	RequestedBy string                   `json:"requested_by"`
	Done        bool                     `json:"done"`
	Problem     string                   `json:"problem,omitempty"` // done: what stays as it was, and why; else why the last try failed
}

// Rereads are requests about a table.
type Rereads struct {
	Project string   `json:"project"`
	Table   string   `json:"table"`
	Rereads []Reread `json:"rereads"` // oldest first
	Reading bool     `json:"reading"` // some process owns a partition of the table and will see to them
}

// Lost is what was declared lost.
type Lost struct {
	Project string                   `json:"project"`
	Table   string                   `json:"table"`
	Range   segmenter.PartitionRange `json:"range"`
	Reason  string                   `json:"reason"`
}

func reread(r catalog.Reread) Reread {
	return Reread{ID: r.ID, Range: r.Range, RequestedBy: r.RequestedBy, Done: r.Done, Problem: r.Problem}
}

// listRereads answers with the requests about a table; done ones are kept for a while.
func (s *Server) listRereads(r *http.Request) (any, error) {
	def, err := s.named(r)
	if err != nil {
		return nil, err
	}
	out, _, err := s.rereads(r, def)
	if err != nil {
		return nil, err
	}
	list, err := s.opts.Catalog.TableRereads(r.Context(), def.ID)
	for _, x := range list {
		out.Rereads = append(out.Rereads, reread(x))
	}
	return out, err
}

func (s *Server) rereads(r *http.Request, def *cube.Table) (*Rereads, []catalog.PartitionInfo, error) {
	parts, err := s.opts.Catalog.Partitions(r.Context(), def.ID)
	out := &Rereads{Project: def.Project, Table: def.Name, Rereads: []Reread{}}
	for _, p := range parts {
		out.Reading = out.Reading || p.Owner != ""
	}
	return out, parts, err
}

// askReread files requests, one for each partition. The same asked for twice is one request while it is pending (R2).
func (s *Server) askReread(r *http.Request) (any, error) {
	def, err := s.named(r)
	if err != nil {
		return nil, err
	}
	out, parts, err := s.rereads(r, def)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	var ranges []segmenter.PartitionRange
	if q.Has("start") || q.Has("end") {
		one, err := givenRange(r, parts)
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, one)
	} else if ranges, err = wholeLines(r, parts); err != nil {
		return nil, err
	}
	for _, x := range ranges {
		id, err := s.opts.Catalog.RequestReread(r.Context(), catalog.Reread{TableID: def.ID, Range: x, RequestedBy: by(r)})
		if err != nil {
			return nil, err
		}
		filed, err := s.opts.Catalog.RereadByID(r.Context(), id)
		if err != nil {
			return nil, err
		}
		out.Rereads = append(out.Rereads, reread(filed))
	}
	return out, nil
}

// wholeLines are the committed ranges of the present generations.
func wholeLines(r *http.Request, parts []catalog.PartitionInfo) (list []segmenter.PartitionRange, err error) {
	only, err := integer(r, "partition", -1, -1, 1<<31-1)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if p.Begun && p.End > p.Start && (only < 0 || only == int64(p.Partition)) {
			list = append(list, segmenter.PartitionRange{Partition: p.Partition, Generation: p.Generation, Start: p.Start, End: p.End})
		}
	}
	if len(list) == 0 {
		return nil, badRequest("nothing was ever committed of what is asked for: it is read in its turn")
	}
	return list, nil
}

// givenRange reads partition, start and end; the generation is the newest where none is given.
func givenRange(r *http.Request, parts []catalog.PartitionInfo) (x segmenter.PartitionRange, err error) {
	q := r.URL.Query()
	for _, name := range []string{"partition", "start", "end"} {
		if !q.Has(name) {
			return x, badRequest("%s is missing: give partition, start and end", name)
		}
	}
	part, err := integer(r, "partition", 0, 0, 1<<31-1)
	if err != nil {
		return x, err
	}
	newest := int64(0)
	for _, p := range parts {
		if int64(p.Partition) == part {
			newest = int64(p.Generation)
		}
	}
	gen, err := integer(r, "generation", newest, 0, 1<<31-1)
	if err != nil {
		return x, err
	}
	x.Partition, x.Generation = int32(part), int32(gen)
	if x.Start, err = integer(r, "start", 0, 0, 1<<62); err != nil {
		return x, err
	}
	if x.End, err = integer(r, "end", 0, 0, 1<<62); err != nil {
		return x, err
	}
	if x.Start >= x.End {
		return x, badRequest("start %d is not below end %d", x.Start, x.End)
	}
	return x, nil
}

// declareLost has a person give up offsets whose staged files are gone, and which Kafka has no more.
func (s *Server) declareLost(r *http.Request) (any, error) {
	def, err := s.named(r)
	if err != nil {
		return nil, err
	}
	parts, err := s.opts.Catalog.Partitions(r.Context(), def.ID)
	if err != nil {
		return nil, err
	}
	x, err := givenRange(r, parts)
	if err != nil {
		return nil, err
	}
	reason := r.URL.Query().Get("reason")
	if reason == "" {
		return nil, badRequest("reason is missing: say why, for those who look")
	}
	row, err := ingest.DeclareLost(r.Context(), ingest.LossOptions{
		Catalog: s.opts.Catalog, Store: s.opts.Store, Table: def, Range: x, Reason: reason + " (declared by " + by(r) + ")",
	})
	if err != nil {
		return nil, err
	}
	return Lost{Project: def.Project, Table: def.Name, Range: row.Range, Reason: row.Reason}, nil
}
