package server

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/internal/server/openapi"
)

// document writes the OpenAPI document of all routes (R6).
func document(routes []route, version string) ([]byte, error) {
	ops := make([]openapi.Operation, 0, len(routes))
	for _, r := range routes {
		op := openapi.Operation{
			Method: r.method, Path: "/api/v1" + r.path, Summary: r.summary, Answer: reflect.TypeOf(r.answer),
			Tag: strings.Split(strings.TrimPrefix(r.path, "/"), "/")[0],
		}
		for _, p := range r.query {
			op.Query = append(op.Query, openapi.Parameter{Name: p.name, Kind: p.kind, Text: p.text})
		}
		if r.creates {
			op.Headers = append(op.Headers, openapi.Parameter{
				Name: "Idempotency-Key", Kind: "string", Text: "the same request under the same key has the first one's answer",
			})
		}
		if op.AnswerMedia = r.media; r.stream != nil && r.media == nil {
			op.AnswerMedia = []string{"application/x-ndjson"}
		}
		if r.body != nil {
			op.Body = reflect.TypeOf(r.body)
		}
		switch r.body.(type) {
		case cube.Table, cube.Cube:
			op.BodyMedia = []string{"application/yaml", "application/json"}
		case json.RawMessage: // a file
			op.BodyMedia = []string{"text/csv", "application/vnd.apache.parquet"}
		}
		ops = append(ops, op)
	}
	return openapi.Document(openapi.Info{
		Title: "tidemark", Version: version, License: "Apache-2.0", Error: reflect.TypeFor[ErrorBody](),
	}, ops)
}

func (s *Server) openapi(*http.Request) (any, error) {
	return json.RawMessage(s.document), nil
}
