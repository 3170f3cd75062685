package kylin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/blob"
)

// savedPrefix holds saved_queries/<user>/<id>.json: statements that somebody wants to find again.
const savedPrefix = "saved_queries/"

// maxSaved is how many one user may save.
const maxSaved = 1000

// savedQuery is a statement with a name, with Kylin's keys.
type savedQuery struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Project     string `json:"project"`
	SQL         string `json:"sql"`
	Description string `json:"description"`
}

// savedOf is where those of a user are.
func savedOf(r *http.Request) string { return savedPrefix + uuid("user", by(r)) + "/" }

// savedIDs lists what a user has saved.
func (h *Handler) savedIDs(ctx context.Context, prefix string) (ids []string, err error) {
	for o, err := range h.o.Store.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list saved queries: %w", err)
		}
		if id, ok := strings.CutSuffix(strings.TrimPrefix(o.Key, prefix), ".json"); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (h *Handler) savedQueries(_ http.ResponseWriter, r *http.Request) (any, error) {
	prefix := savedOf(r)
	ids, err := h.savedIDs(r.Context(), prefix)
	if err != nil {
		return nil, err
	}
	out := []savedQuery{}
	for _, id := range ids {
		q, err := h.savedQuery(r.Context(), prefix+id+".json")
		if errors.Is(err, blob.ErrNotFound) { // removed since
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, q)
	}
	slices.SortFunc(out, func(a, b savedQuery) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	q := r.URL.Query()
	return page(out, q.Get("offset"), q.Get("limit"), len(out)), nil
}

func (h *Handler) savedQuery(ctx context.Context, key string) (q savedQuery, err error) {
	in, err := h.o.Store.Open(ctx, key, 0, -1)
	if err != nil {
		return q, fmt.Errorf("read saved query %s: %w", key, err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, h.o.MaxBody))
	if err == nil {
		err = json.Unmarshal(text, &q)
	}
	if err != nil {
		return q, fmt.Errorf("read saved query %s: %w", key, err)
	}
	return q, nil
}

func (h *Handler) saveQuery(_ http.ResponseWriter, r *http.Request) (any, error) {
	var q savedQuery
	if err := readBody(r, &q); err != nil {
		return nil, err
	}
	if strings.TrimSpace(q.Name) == "" || strings.TrimSpace(q.SQL) == "" {
		return nil, failed(http.StatusBadRequest, "a saved query wants a name and sql")
	}
	prefix := savedOf(r)
	ids, err := h.savedIDs(r.Context(), prefix)
	if err != nil {
		return nil, err
	}
	if len(ids) >= maxSaved {
		return nil, said("%s has saved %d queries, which is the limit: remove some", by(r), len(ids))
	}
	q.ID = uuid("saved query", rand.Text())
	text, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	if err := h.o.Store.Create(r.Context(), prefix+q.ID+".json", bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("save query %s: %w", q.Name, err)
	}
	return nil, nil
}

// removeSavedQuery removes one. As in Kylin, one that is not there is no mistake.
func (h *Handler) removeSavedQuery(_ http.ResponseWriter, r *http.Request) (any, error) {
	prefix := savedOf(r)
	ids, err := h.savedIDs(r.Context(), prefix)
	if err != nil {
		return nil, err
	}
	if id := r.PathValue("query"); slices.Contains(ids, id) {
		return nil, h.o.Store.Delete(r.Context(), prefix+id+".json")
	}
	return nil, nil
}
