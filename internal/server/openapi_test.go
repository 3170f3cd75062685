package server

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemarkdb/tidemark/internal/server/openapi"
)

// apiDocument is as much of the document as tests read.
type apiDocument struct {
	Paths map[string]map[string]struct {
		Parameters []struct{ Name, In string }
		Responses  map[string]struct {
			Content map[string]struct{ Schema map[string]any }
		}
	}
	Components struct{ Schemas map[string]map[string]any }
}

func readDocument(t testing.TB, text []byte) *apiDocument {
	t.Helper()
	d := new(apiDocument)
	if err := json.Unmarshal(text, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// valid holds a good answer of /api/v1 against the schema of its route (R6).
func (w *world) valid(method, path string, rec *httptest.ResponseRecorder) {
	w.t.Helper()
	path, _, _ = strings.Cut(path, "?")
	_, pattern := w.server.mux.Handler(httptest.NewRequest(method, path, nil))
	_, route, ok := strings.Cut(pattern, " ")
	if !ok || !strings.HasPrefix(route, "/api/v1/") || rec.Code != http.StatusOK {
		return
	}
	d := readDocument(w.t, w.server.document)
	op, ok := d.Paths[route][strings.ToLower(method)]
	if !ok {
		w.t.Errorf("R6: %s %s is not in the document", method, route)
		return
	}
	content, ok := op.Responses["200"].Content[rec.Header().Get("Content-Type")]
	if !ok {
		w.t.Errorf("R6: %s %s answers %s, which the document does not say", method, route, rec.Header().Get("Content-Type"))
		return
	}
	whole := rec.Body.String()
	dec := json.NewDecoder(strings.NewReader(whole))
	dec.UseNumber()
	for dec.More() {
		var v any
		if err := dec.Decode(&v); err != nil {
			w.t.Errorf("%s %s: %v in %s", method, path, err, whole)
			return
		}
		for _, problem := range d.check(content.Schema, v, "") {
			w.t.Errorf("R6: %s %s: %s\n%s", method, route, problem, whole)
		}
	}
}

// check is a validator of as much of JSON Schema as the document uses. A property that no schema names is a problem: the
// document must tell all.
func (d *apiDocument) check(schema map[string]any, v any, at string) (problems []string) {
	if ref, ok := schema["$ref"].(string); ok {
		return d.check(d.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")], v, at)
	}
	if either, ok := schema["anyOf"].([]any); ok {
		for _, s := range either {
			problems = d.check(s.(map[string]any), v, at)
			if len(problems) == 0 {
				return nil
			}
			if v != nil {
				return problems // the other one is null
			}
		}
		return problems
	}
	bad := func(format string, args ...any) []string { return []string{at + ": " + fmt.Sprintf(format, args...)} }
	switch schema["type"] {
	case nil:
		return nil
	case "null":
		if v != nil {
			return bad("want null, got %v", v)
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			return bad("want a boolean, got %v", v)
		}
	case "string":
		s, ok := v.(string)
		if !ok {
			return bad("want a string, got %v", v)
		}
		if _, err := time.Parse(time.RFC3339Nano, s); schema["format"] == "date-time" && err != nil {
			return bad("%v", err)
		}
	case "integer", "number":
		n, ok := v.(json.Number)
		if !ok {
			return bad("want a number, got %v", v)
		}
		i, err := n.Int64()
		if schema["type"] == "integer" && err != nil || schema["format"] == "int32" && (i > math.MaxUint32 || i < math.MinInt32) {
			return bad("%v is out of the range of %v", n, schema["format"])
		}
	case "array":
		list, ok := v.([]any)
		if !ok {
			return bad("want an array, got %v", v)
		}
		for i, e := range list {
			problems = append(problems, d.check(schema["items"].(map[string]any), e, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case "object":
		return d.checkObject(schema, v, at)
	default:
		return bad("the schema has type %v", schema["type"])
	}
	return problems
}

func (d *apiDocument) checkObject(schema map[string]any, v any, at string) (problems []string) {
	o, ok := v.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s: want an object, got %v", at, v)}
	}
	props, _ := schema["properties"].(map[string]any)
	more, _ := schema["additionalProperties"].(map[string]any)
	for name, value := range o {
		s, ok := props[name].(map[string]any)
		switch {
		case ok:
			problems = append(problems, d.check(s, value, at+"."+name)...)
		case more != nil:
			problems = append(problems, d.check(more, value, at+"."+name)...)
		default:
			problems = append(problems, fmt.Sprintf("%s.%s is not in the schema", at, name))
		}
	}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := o[name.(string)]; !ok {
			problems = append(problems, fmt.Sprintf("%s.%s is missing", at, name))
		}
	}
	return problems
}

// R6: the document has every route of the table with all its parameters, and nothing else; every reference leads somewhere.
func TestDocumentHasEveryRoute(t *testing.T) {
	w := newWorld(t)
	code, text := w.call(http.MethodGet, "/api/v1/openapi.json", "")
	if code != http.StatusOK {
		t.Fatalf("status %d: %s", code, text)
	}
	d := readDocument(t, []byte(text))
	documented := 0
	for _, ops := range d.Paths {
		documented += len(ops)
	}
	routes := w.server.routes()
	if documented != len(routes) {
		t.Errorf("%d operations in the document, %d routes", documented, len(routes))
	}
	for _, r := range routes {
		op, ok := d.Paths["/api/v1"+r.path][strings.ToLower(r.method)]
		if !ok {
			t.Errorf("%s %s is not in the document", r.method, r.path)
			continue
		}
		names := openapi.PathParameters(r.path)
		for _, p := range r.query {
			names = append(names, p.name)
		}
		if r.creates {
			names = append(names, "Idempotency-Key")
		}
		for _, p := range op.Parameters {
			if !slices.Contains(names, p.Name) {
				t.Errorf("%s %s: parameter %s is in the document only", r.method, r.path, p.Name)
			}
		}
		if len(names) != len(op.Parameters) {
			t.Errorf("%s %s: document has %v, want %v", r.method, r.path, op.Parameters, names)
		}
		if r.summary == "" || r.answer == nil || (r.handle == nil) == (r.stream == nil) {
			t.Errorf("%s %s is not complete", r.method, r.path)
		}
	}
	for rest := text; ; {
		_, after, ok := strings.Cut(rest, `"$ref": "#/components/`)
		if !ok {
			break
		}
		ref, tail, _ := strings.Cut(after, `"`)
		if name, ok := strings.CutPrefix(ref, "schemas/"); ok && d.Components.Schemas[name] == nil {
			t.Errorf("reference to %s leads nowhere", ref)
		}
		rest = tail
	}
	if again, err := document(routes, "v1"); err != nil || string(again) != string(w.server.document) {
		t.Errorf("the document is another one the second time (O3): %v", err)
	}
}

// The validator of these tests can say no.
func TestSchemasAreStrict(t *testing.T) {
	w := newWorld(t)
	d := readDocument(t, w.server.document)
	for name, c := range map[string]struct {
		schema, value string
		good          bool
	}{
		"right":    {"CubeState", `{"project":"p","cube":"c","state":"s","changed":true}`, true},
		"missing":  {"CubeState", `{"project":"p","cube":"c","state":"s"}`, false},
		"unknown":  {"CubeState", `{"project":"p","cube":"c","state":"s","changed":true,"x":1}`, false},
		"wrong":    {"CubeState", `{"project":"p","cube":"c","state":"s","changed":"yes"}`, false},
		"too wide": {"Partition", `{"partition":99999999999}`, false},
	} {
		dec := json.NewDecoder(strings.NewReader(c.value))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Fatal(err)
		}
		if problems := d.check(d.Components.Schemas[c.schema], v, ""); (len(problems) == 0) != c.good {
			t.Errorf("%s: %v", name, problems)
		}
	}
}
