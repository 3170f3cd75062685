package kylin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
	desc "github.com/tidemarkdb/tidemark/internal/cube/kylin"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// streamingRequest is the body of POST and PUT /streaming, and its answer.
type streamingRequest struct {
	Project         string   `json:"project"`
	TableData       string   `json:"tableData"`
	StreamingConfig string   `json:"streamingConfig"`
	KafkaConfig     string   `json:"kafkaConfig"`
	Successful      bool     `json:"successful"`
	Message         string   `json:"message"`
	Notes           []string `json:"notes"` // ours: what has no place here
}

func (h *Handler) makeStreaming(_ http.ResponseWriter, r *http.Request) (any, error) {
	return h.putStreaming(r, false)
}

func (h *Handler) changeStreaming(_ http.ResponseWriter, r *http.Request) (any, error) {
	return h.putStreaming(r, true)
}

func (h *Handler) putStreaming(r *http.Request, change bool) (any, error) {
	var q streamingRequest
	if err := readBody(r, &q); err != nil {
		return nil, err
	}
	s, err := desc.ParseStreaming([]byte(q.TableData), []byte(q.StreamingConfig), []byte(q.KafkaConfig))
	if err != nil {
		q.Message, q.Notes = strings.ReplaceAll(err.Error(), "\n", "; "), []string{}
		return &q, nil
	}
	if s.Table.TableName() == "" {
		return nil, failed(http.StatusBadRequest, "Table name should not be empty")
	}
	project := cmp.Or(strings.ToLower(q.Project), "default")
	old, err := h.o.Catalog.Table(r.Context(), project, s.Table.TableName())
	missing := errors.Is(err, catalog.ErrNotFound)
	switch {
	case err != nil && !missing:
		return nil, err
	case change && missing:
		return nil, said("The streaming table named %s does not exist", s.Table.Name)
	case !change && !missing:
		return nil, said("The streaming table named %s already exists", s.Table.Name)
	}
	def, notes, err := desc.ImportTable(s, project, old)
	if err != nil {
		return nil, err
	}
	made, err := h.o.Cubes.ApplyTable(r.Context(), def)
	if err != nil {
		return nil, err
	}
	q.Successful, q.Notes = true, append(lines(notes), made.Changes...)
	q.Message = strings.Join(q.Notes, "; ")
	return &q, nil
}

// streamingTable finds the table that a request calls TABLE or DB.TABLE.
func (h *Handler) streamingTable(ctx context.Context, project, name string) (*cube.Table, error) {
	all, err := h.o.Catalog.Tables(ctx, strings.ToLower(project))
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if t.Name == (desc.TableDesc{Name: name}).TableName() {
			return t, nil
		}
	}
	return nil, fmt.Errorf("streaming table %s: %w", name, catalog.ErrNotFound)
}

func (h *Handler) dropStreaming(_ http.ResponseWriter, r *http.Request) (any, error) {
	t, err := h.streamingTable(r.Context(), r.PathValue("project"), r.PathValue("table"))
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, failed(http.StatusNotFound, "Cannot find streaming table %s", r.PathValue("table"))
	}
	if err != nil {
		return nil, err
	}
	return nil, h.o.Catalog.DropTable(r.Context(), t.Project, t.Name)
}

// streams lists the tables as Kylin would keep them; name is one of them, DB.TABLE, or empty.
func (h *Handler) streams(r *http.Request, name string) (list []desc.Streaming, err error) {
	all, err := h.o.Catalog.Tables(r.Context(), "")
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if name != "" && t.Name != (desc.TableDesc{Name: name}).TableName() {
			continue
		}
		s, _ := desc.ExportTable(t)
		s.Table.UUID, s.Config.UUID, s.Kafka.UUID = uuid("table", t.ID), uuid("streaming", t.ID), uuid("kafka", t.ID)
		list = append(list, s)
	}
	q := r.URL.Query()
	return page(list, q.Get("offset"), q.Get("limit"), len(list)), nil
}

func (h *Handler) streamingConfigs(_ http.ResponseWriter, r *http.Request) (any, error) {
	all, err := h.streams(r, r.URL.Query().Get("table"))
	out := []desc.StreamingConfig{}
	for _, s := range all {
		out = append(out, s.Config)
	}
	return out, err
}

func (h *Handler) kafkaConfigs(_ http.ResponseWriter, r *http.Request) (any, error) {
	all, err := h.streams(r, r.URL.Query().Get("kafkaConfigName"))
	out := []desc.KafkaConfig{}
	for _, s := range all {
		out = append(out, s.Kafka)
	}
	return out, err
}
