package server

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Node is a process that works on the catalog.
type Node struct {
	Node      string    `json:"node"`              // its name, which stays with its data folder
	Address   string    `json:"address,omitempty"` // where it is asked over HTTP
	Roles     []string  `json:"roles"`             // of ingest, schedule, build and query
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	SeenAt    time.Time `json:"seen_at"` // its last heartbeat
	Live      bool      `json:"live"`    // it was seen within the last minute
}

// Nodes lists processes by name; one that has been silent for a week and owns no partition is forgotten.
type Nodes struct {
	Nodes []Node `json:"nodes"`
}

func (s *Server) nodes(r *http.Request) (any, error) {
	all, err := s.opts.Catalog.Nodes(r.Context())
	if err != nil {
		return nil, err
	}
	out := Nodes{Nodes: []Node{}}
	now := time.Now()
	for _, n := range all {
		out.Nodes = append(out.Nodes, Node{
			Node: n.Name, Address: n.Address, Roles: list(n.Roles), Version: n.Version, StartedAt: timeOf(n.StartedUs), SeenAt: timeOf(n.SeenUs), Live: n.Live(all, now, time.Time{}),
		})
	}
	return out, nil
}

// having returns the address of a live process with a role; "" where none is known.
func having(role string, nodes []catalog.Node) string {
	now := time.Now()
	for _, n := range nodes {
		if n.Live(nodes, now, time.Time{}) && n.Address != "" && n.Has(role) {
			return n.Address
		}
	}
	return ""
}

// writes refuses in a process that may not write to the store: its catalog must not take what the store refuses.
func (s *Server) writes(ctx context.Context) error {
	if !s.opts.ReadOnly {
		return nil
	}
	to := "one with the role schedule; none is alive"
	nodes, err := s.opts.Catalog.Nodes(ctx)
	if err != nil {
		return err
	}
	if at := having("schedule", nodes); at != "" {
		to = at
	}
	return &Error{
		Status: http.StatusServiceUnavailable, Code: "unavailable",
		Message: "this process only answers statements and may not write definitions to the store: nothing was changed; send it to " + to,
	}
}

// NoQueries refuses a statement in a process without the role query, and says which process has it.
func NoQueries(ctx context.Context, c *catalog.Catalog) *Error {
	e := &Error{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "this process answers no statements, as it is without the role query: "}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		e.Message += "ask one that has it; which one is not known, as the catalog does not answer"
		return e
	}
	if at := having("query", nodes); at != "" {
		e.Message += fmt.Sprintf("ask %s, which has it", at)
		return e
	}
	e.Message += "ask one that has it; none is alive, so start one with tidemark serve --roles query"
	return e
}
