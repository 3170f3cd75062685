package kylin

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
	desc "github.com/tidemarkdb/tidemark/internal/cube/kylin"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// cubeRequest is the body of POST and PUT /cubes, and its answer.
type cubeRequest struct {
	UUID          *string  `json:"uuid"`
	CubeName      string   `json:"cubeName"`
	CubeDescData  string   `json:"cubeDescData"`
	StreamingData string   `json:"streamingData"`
	KafkaData     string   `json:"kafkaData"`
	StreamingCube any      `json:"streamingCube"`
	Successful    bool     `json:"successful"`
	Message       string   `json:"message"`
	Project       string   `json:"project"`
	Notes         []string `json:"notes"` // ours: what has no place here
}

// undone is Kylin's answer to what it cannot make sense of: 200, and a message.
func (q *cubeRequest) undone(err error) *cubeRequest {
	q.Successful, q.Message, q.Notes = false, strings.ReplaceAll(err.Error(), "\n", "; "), []string{}
	return q
}

func (h *Handler) makeCube(_ http.ResponseWriter, r *http.Request) (any, error) {
	return h.putCube(r, false)
}

func (h *Handler) changeCube(_ http.ResponseWriter, r *http.Request) (any, error) {
	return h.putCube(r, true)
}

func (h *Handler) putCube(r *http.Request, change bool) (any, error) {
	var q cubeRequest
	if err := readBody(r, &q); err != nil {
		return nil, err
	}
	d, err := desc.ParseCube([]byte(q.CubeDescData))
	if err != nil {
		q.CubeDescData = ""
		return q.undone(err), nil
	}
	if strings.TrimSpace(d.Name) == "" {
		return nil, failed(http.StatusBadRequest, "Cube name should not be empty.")
	}
	if change && q.CubeName != "" && !strings.EqualFold(q.CubeName, d.Name) {
		return q.undone(fmt.Errorf("cube %s cannot be renamed to %s: clone it", q.CubeName, d.Name)), nil
	}
	project := cmp.Or(strings.ToLower(q.Project), "default")
	old, err := h.o.Catalog.Cube(r.Context(), project, strings.ToLower(d.Name))
	missing := errors.Is(err, catalog.ErrNotFound)
	switch {
	case err != nil && !missing:
		return nil, err
	case change && missing:
		return q.undone(said("The cube named %s does not exist", d.Name)), nil
	case !change && !missing:
		return nil, said("The cube named %s already exists", d.Name)
	}
	def, notes, err := h.imported(r, d, project, old.Cube)
	if err != nil {
		return nil, err
	}
	made, err := h.o.Cubes.ApplyCube(r.Context(), def)
	if err != nil {
		return nil, err
	}
	id := uuid("cube", made.ID)
	q.UUID, q.Successful = &id, true
	if q.StreamingData != "" || q.KafkaData != "" {
		notes = append(notes, cube.Problem{Path: "streamingData, kafkaData", Message: "table and topic are not changed by a cube", Instead: "apply the table, with tidemark table apply"})
	}
	q.Notes = append(lines(notes), made.Changes...)
	q.Message = strings.Join(q.Notes, "; ")
	return &q, nil
}

// imported makes a definition of a descriptor, by the model that it names; old is the cube that it changes, if any.
func (h *Handler) imported(r *http.Request, d desc.CubeDesc, project string, old *cube.Cube) (*cube.Cube, []cube.Problem, error) {
	m, err := h.findModel(r.Context(), project, d.ModelName)
	if err != nil {
		return nil, nil, err
	}
	t, err := h.table(r.Context(), project, m.desc)
	if err != nil {
		return nil, nil, err
	}
	lookups, err := h.lookups(r.Context(), project)
	if err != nil {
		return nil, nil, err
	}
	if old != nil {
		return desc.Change(old, d, m.desc, t, lookups...)
	}
	return desc.Import(d, m.desc, project, t, lookups...)
}

// describedCube is a descriptor with what it does not say.
type describedCube struct {
	desc.CubeDesc
	Notes []string `json:"notes"` // ours
}

func (h *Handler) described(r *http.Request) (*describedCube, error) {
	w, err := h.find(r)
	if err != nil {
		return nil, err
	}
	t, err := h.o.Catalog.TableByID(r.Context(), w.TableID, 0)
	if err != nil {
		return nil, err
	}
	lookups, err := h.lookups(r.Context(), w.Cube.Project)
	if err != nil {
		return nil, err
	}
	d, _, notes := desc.Export(w.Cube, t, lookups...)
	d.UUID, d.LastModified = uuid("cube", w.Cube.ID), w.CreatedUs/1000
	return &describedCube{d, lines(notes)}, nil
}

func (h *Handler) cubeDesc(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, err := h.described(r)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (h *Handler) cubeDescs(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, err := h.described(r)
	if err != nil {
		return nil, err
	}
	return []*describedCube{d}, nil
}
