package kylin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	desc "github.com/tidemarkdb/tidemark/internal/cube/kylin"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// modelsPrefix holds models/<id>/v<n>.json. A model says nothing that a table and its cubes do not: it is kept for the
// clients that sent it, every version, and the highest one is in force.
const modelsPrefix = "models/"

// maxModelBytes bounds what is read of one.
const maxModelBytes = 4 << 20

// model is one version of one.
type model struct {
	Project string          `json:"project"`
	Dropped bool            `json:"dropped,omitempty"`
	Text    json.RawMessage `json:"model,omitempty"` // as it was sent

	desc    desc.ModelDesc
	version int // 0: made of a cube, and kept nowhere
	us      int64
}

func modelID(project, name string) string {
	return uuid("model", strings.ToLower(project), strings.ToLower(name))
}

// storedModel returns the newest version of a model, or catalog.ErrNotFound.
func (h *Handler) storedModel(ctx context.Context, id string) (m model, err error) {
	var newest blob.Object
	for o, err := range h.o.Store.List(ctx, modelsPrefix+id+"/") {
		if err != nil {
			return m, fmt.Errorf("list models: %w", err)
		}
		var n int
		if _, err := fmt.Sscanf(strings.TrimPrefix(o.Key, modelsPrefix+id+"/"), "v%d.json", &n); err == nil && n > m.version {
			m.version, newest = n, o
		}
	}
	if m.version == 0 {
		return m, catalog.ErrNotFound
	}
	r, err := h.o.Store.Open(ctx, newest.Key, 0, -1)
	if err != nil {
		return m, fmt.Errorf("read model %s: %w", newest.Key, err)
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxModelBytes))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err == nil && !m.Dropped {
		m.desc, err = desc.ParseModel(m.Text)
	}
	if err != nil {
		return m, fmt.Errorf("read model %s: %w", newest.Key, err)
	}
	m.us = newest.ModTime.UnixMicro()
	if m.Dropped {
		err = catalog.ErrNotFound
	}
	return m, err
}

// storeModel writes the version behind the one that was read.
func (h *Handler) storeModel(ctx context.Context, id string, m model) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	err = h.o.Store.Create(ctx, fmt.Sprintf("%s%s/v%d.json", modelsPrefix, id, m.version+1), bytes.NewReader(text))
	if errors.Is(err, blob.ErrExists) {
		return said("The model was changed at the same time, send the request again")
	}
	return err
}

// models lists what was sent, and the model of each cube.
func (h *Handler) models(ctx context.Context) (list []model, err error) {
	ids := map[string]bool{}
	for o, err := range h.o.Store.List(ctx, modelsPrefix) {
		if err != nil {
			return nil, fmt.Errorf("list models: %w", err)
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(o.Key, modelsPrefix), "/")
		ids[id] = true
	}
	for id := range ids {
		m, err := h.storedModel(ctx, id)
		if errors.Is(err, catalog.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	cubes, err := h.o.Catalog.Cubes(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, i := range cubes {
		t, err := h.o.Catalog.TableByID(ctx, i.TableID, 0)
		if err != nil {
			return nil, err
		}
		lookups, err := h.lookups(ctx, i.Cube.Project)
		if err != nil {
			return nil, err
		}
		_, d, _ := desc.Export(i.Cube, t, lookups...)
		if !ids[modelID(i.Cube.Project, d.Name)] {
			list = append(list, model{Project: i.Cube.Project, desc: d})
		}
	}
	slices.SortFunc(list, func(a, b model) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.desc.Name, b.desc.Name))
	})
	return list, nil
}

// json is the descriptor as it was sent, with id and time.
func (m model) json() (any, error) {
	id := modelID(m.Project, m.desc.Name)
	if m.Text == nil {
		m.desc.UUID = id
		return m.desc, nil
	}
	var all map[string]any
	if err := json.Unmarshal(m.Text, &all); err != nil {
		return nil, err
	}
	all["uuid"], all["last_modified"], all["version"] = id, m.us/1000, kylinVersion
	if all["lookups"] == nil {
		all["lookups"] = []any{}
	}
	return all, nil
}

func (h *Handler) listModels(_ http.ResponseWriter, r *http.Request) (any, error) {
	q := r.URL.Query()
	all, err := h.models(r.Context())
	if err != nil {
		return nil, err
	}
	name, project := strings.ToLower(q.Get("modelName")), q.Get("projectName")
	all = slices.DeleteFunc(all, func(m model) bool {
		return !strings.Contains(strings.ToLower(m.desc.Name), name) || project != "" && !strings.EqualFold(m.Project, project)
	})
	out := []any{}
	for _, m := range page(all, q.Get("offset"), q.Get("limit"), len(all)) {
		v, err := m.json()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// findModel returns the model of a name, of any project where none is named.
func (h *Handler) findModel(ctx context.Context, project, name string) (model, error) {
	all, err := h.models(ctx)
	if err != nil {
		return model{}, err
	}
	for _, m := range all {
		if strings.EqualFold(m.desc.Name, name) && (project == "" || strings.EqualFold(m.Project, project)) {
			return m, nil
		}
	}
	return model{}, said("Cannot find model %s: %w", name, catalog.ErrNotFound)
}

func (h *Handler) showModel(_ http.ResponseWriter, r *http.Request) (any, error) {
	m, err := h.findModel(r.Context(), r.URL.Query().Get("project"), r.PathValue("model"))
	if err != nil {
		return nil, err
	}
	return m.json()
}

// modelRequest is the body of POST and PUT /models, and its answer.
type modelRequest struct {
	UUID          *string  `json:"uuid"`
	ModelName     string   `json:"modelName"`
	ModelDescData string   `json:"modelDescData"`
	Successful    bool     `json:"successful"`
	Message       string   `json:"message"`
	Project       string   `json:"project"`
	Notes         []string `json:"notes"` // ours: what has no place here
}

// done notes that the request was done, and what of it has no place here.
func (q *modelRequest) done(id string, notes []cube.Problem) *modelRequest {
	q.UUID, q.Successful, q.Notes = &id, true, lines(notes)
	q.Message = strings.Join(q.Notes, "; ")
	return q
}

// undone is Kylin's answer to what it cannot make sense of: 200, and a message.
func (q *modelRequest) undone(err error) *modelRequest {
	q.Successful, q.Message, q.Notes = false, strings.ReplaceAll(err.Error(), "\n", "; "), []string{}
	return q
}

func lines(notes []cube.Problem) []string {
	out := []string{}
	for i := range notes {
		out = append(out, notes[i].Error())
	}
	return out
}

func (h *Handler) makeModel(_ http.ResponseWriter, r *http.Request) (any, error) {
	return h.putModel(r, false)
}

func (h *Handler) changeModel(_ http.ResponseWriter, r *http.Request) (any, error) {
	return h.putModel(r, true)
}

func (h *Handler) putModel(r *http.Request, change bool) (any, error) {
	var q modelRequest
	if err := readBody(r, &q); err != nil {
		return nil, err
	}
	d, err := desc.ParseModel([]byte(q.ModelDescData))
	if err != nil {
		q.ModelDescData = ""
		return q.undone(err), nil
	}
	if strings.TrimSpace(d.Name) == "" {
		return nil, failed(http.StatusBadRequest, "Model name should not be empty")
	}
	project := cmp.Or(strings.ToLower(q.Project), "default")
	table, err := h.table(r.Context(), project, d)
	if err != nil {
		return nil, err
	}
	lookups, err := h.lookups(r.Context(), project)
	if err != nil {
		return nil, err
	}
	notes, err := desc.CheckModel(d, table, lookups...)
	if err != nil {
		return nil, err
	}
	id := modelID(project, d.Name)
	old, err := h.storedModel(r.Context(), id)
	missing := errors.Is(err, catalog.ErrNotFound)
	switch {
	case err != nil && !missing:
		return nil, err
	case change && missing:
		return q.undone(fmt.Errorf("model %s does not exist: POST it", d.Name)), nil
	case !change && !missing:
		return nil, said("Model %s already exists", d.Name)
	}
	err = h.storeModel(r.Context(), id, model{Project: project, Text: json.RawMessage(q.ModelDescData), version: old.version})
	if err != nil {
		return nil, err
	}
	return q.done(id, notes), nil
}

// lookups returns the lookup tables that models of a project may join.
func (h *Handler) lookups(ctx context.Context, project string) (list []*cube.Lookup, err error) {
	all, err := h.o.Catalog.Lookups(ctx, project)
	for _, v := range all {
		list = append(list, v.Lookup)
	}
	return list, err
}

// table returns the one that a model is of.
func (h *Handler) table(ctx context.Context, project string, d desc.ModelDesc) (*cube.Table, error) {
	t, err := h.o.Catalog.Table(ctx, project, d.FactTable())
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, said("Table %s of model %s is not in project %s: apply it first, with tidemark table apply", d.Fact, d.Name, project)
	}
	return t, err
}

func (h *Handler) dropModel(_ http.ResponseWriter, r *http.Request) (any, error) {
	m, err := h.findModel(r.Context(), r.URL.Query().Get("project"), r.PathValue("model"))
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, failed(http.StatusNotFound, "Cannot find model %s", r.PathValue("model"))
	}
	if err != nil {
		return nil, err
	}
	if m.version == 0 {
		return nil, said("Model %s is that of a cube: drop the cube", m.desc.Name)
	}
	return nil, h.storeModel(r.Context(), modelID(m.Project, m.desc.Name), model{Project: m.Project, Dropped: true, version: m.version})
}
