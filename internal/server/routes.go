package server

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/doctor"
)

// route is one call of /api/v1: what it takes, what it answers and who does it. The document at /api/v1/openapi.json is
// made of these, and of nothing else (R6).
type route struct {
	method, path string // below /api/v1; {name} is a parameter
	summary      string // one line
	query        []param
	body         any // a value of the body's type; nil: none
	answer       any // a value of the answer's type
	creates      bool
	slow         bool  // bounded by WorkTimeout
	large        int64 // bytes of the body, where it may be over MaxBody
	handle       handler
	stream       http.Handler // instead of handle: lines of answer
	media        []string     // of the answer, where it is neither JSON nor lines of it
}

// param is a parameter of the query.
type param struct {
	name, kind string // kind: string, boolean or integer
	text       string
}

func text(name, text string) param   { return param{name, "string", text} }
func number(name, text string) param { return param{name, "integer", text} }
func toggle(name, text string) param { return param{name, "boolean", text} }

func inProject(more ...param) []param {
	return append([]param{text("project", "project of what the path names; default \"default\"")}, more...)
}

func paged(more ...param) []param {
	return append(more, number("limit", "how many to list at most; default 100, at most 10000"), text("after", "the next of the page before"))
}

// routes is the whole of /api/v1.
func (s *Server) routes() []route {
	var all []route
	for _, part := range [][]route{s.ownRoutes(), s.tableRoutes(), s.lookupRoutes(), s.cubeRoutes(), s.segmentRoutes(), s.jobRoutes(), s.taskRoutes(), s.queryRoutes()} {
		all = append(all, part...)
	}
	return all
}

func (s *Server) ownRoutes() []route {
	return []route{
		{method: "GET", path: "/version", summary: "version of the program and id of its catalog", answer: Version{}, handle: s.version},
		{method: "GET", path: "/openapi.json", summary: "this document", answer: json.RawMessage{}, handle: s.openapi},
		{
			method: "GET", path: "/doctor", summary: "why tables and cubes do not move, and which command mends it", answer: doctor.Report{}, handle: s.doctor,
			query: []param{text("project", "only of this project"), text("name", "only this table or cube")},
		},
		{method: "GET", path: "/nodes", summary: "list the processes that work on the catalog, and what each of them does", answer: Nodes{}, handle: s.nodes},
		{
			method: "GET", path: "/sources", summary: "how far this process has read each partition", answer: Sources{}, handle: s.sources,
			query: []param{text("project", "only of this project"), text("table", "only of this table")},
		},
		{
			method: "GET", path: "/sample", summary: "propose definitions of a table and of a cube over it from records of a topic", answer: Sample{}, handle: s.sample, slow: true,
			query: inProject(text("topic", "topic to read"), number("n", "how many of its newest records; default 1000")),
		},
		{
			method: "POST", path: "/verify", summary: "prove that every offset has one name", answer: VerifyLine{}, stream: s.streamed(s.verify),
			query: []param{
				text("project", "only this project"), text("table", "only this table"), toggle("against_kafka", "compare with the topics too"),
			},
		},
		{
			method: "POST", path: "/gc", summary: "list objects that nothing needs", answer: GCResult{}, handle: s.gc, slow: true,
			query: []param{toggle("dry_run", "list, remove nothing")},
		},
	}
}

func (s *Server) tableRoutes() []route {
	one := "/tables/{table}"
	apply := inProject(toggle("dry_run", "check it and say what would change"))
	partition := number("partition", "only this partition")
	offsets := []param{partition, number("start", "first offset"), number("end", "the offset behind the last"), number("generation", "default: the newest")}
	return []route{
		{
			method: "GET", path: "/tables", summary: "list tables with what was read of them", answer: Tables{}, handle: s.listTables,
			query: []param{text("project", "only of this project")},
		},
		{method: "PUT", path: "/tables", summary: "make or change a table", body: cube.Table{}, answer: Applied{}, handle: s.applyTable, query: apply},
		{method: "PUT", path: one, summary: "make or change a table", body: cube.Table{}, answer: Applied{}, handle: s.applyTable, query: apply},
		{method: "GET", path: one, summary: "a table with its definition", answer: Table{}, handle: s.showTable, query: inProject()},
		{method: "DELETE", path: one, summary: "drop a table", answer: TableState{}, handle: s.dropTable, query: inProject()},
		{
			method: "GET", path: one + "/offsets", summary: "what is committed of each partition", answer: Offsets{}, handle: s.offsets,
			query: inProject(paged(toggle("ranges", "list the rows of the ledger too"), partition)...),
		},
		{
			method: "GET", path: one + "/complete", summary: "whether all events of before a time have been read, and why not", answer: Complete{}, handle: s.complete,
			query: inProject(text("time", "by RFC 3339; of an hour, its end")),
		},
		{method: "POST", path: one + "/roll", summary: "have what was read committed at once", answer: Rolled{}, handle: s.roll, query: inProject(partition)},
		{
			method: "GET", path: one + "/rereads", summary: "what was asked to be read again from Kafka, and what became of it", answer: Rereads{},
			handle: s.listRereads, query: inProject(),
		},
		{
			method: "POST", path: one + "/rereads", summary: "have what is skipped, lost or without its file read again from Kafka", answer: Rereads{},
			handle: s.askReread, query: inProject(offsets...),
		},
		{
			method: "POST", path: one + "/lost", summary: "declare offsets lost whose files are gone", answer: Lost{}, handle: s.declareLost,
			query: inProject(append(offsets, text("reason", "why, for those who look"))...),
		},
		{
			method: "POST", path: one + "/stop", summary: "stop reading a table", answer: TableState{}, handle: s.stopTable,
			query: inProject(text("reason", "why, for those who look")),
		},
		{method: "POST", path: one + "/resume", summary: "read a stopped table again", answer: TableState{}, handle: s.resumeTable, query: inProject()},
		{
			method: "GET", path: one + "/quarantine", summary: "list quarantined records", answer: Quarantine{}, handle: s.listQuarantine,
			query: inProject(paged(partition, text("reason", "only those with this reason"))...),
		},
		{
			method: "GET", path: one + "/quarantine/{partition}/{offset}", summary: "one quarantined record, whole", answer: Record{},
			handle: s.showQuarantine, query: inProject(number("generation", "default: the newest")),
		},
		{
			method: "POST", path: one + "/quarantine/requeue", summary: "try quarantined records again", answer: RequeueResult{}, handle: s.requeue, slow: true,
			query: inProject(partition, text("reason", "only those with this reason"), toggle("dry_run", "only say what would become of them")),
		},
	}
}

// mount gives every route its time and its bounds.
func (s *Server) mount() (err error) {
	routes := s.routes()
	if s.document, err = document(routes, s.opts.Version); err != nil {
		return fmt.Errorf("openapi document: %w", err)
	}
	for _, r := range routes {
		h := r.stream
		switch {
		case h != nil:
		case r.slow:
			h = s.answer(s.opts.WorkTimeout, max(r.large, s.opts.MaxBody), r.handle)
		default:
			h = s.answer(s.opts.CallTimeout, s.opts.MaxBody, r.handle)
		}
		s.mux.Handle(r.method+" /api/v1"+r.path, h)
	}
	s.mux.Handle("/api/v1/", s.answer(s.opts.CallTimeout, s.opts.MaxBody, s.unknown))
	return nil
}
