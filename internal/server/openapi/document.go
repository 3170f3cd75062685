package openapi

import (
	"encoding/json"
	"reflect"
	"strings"
)

// Operation is one call.
type Operation struct {
	Method, Path string // {name} in the path is a parameter
	Summary      string
	Tag          string
	Query        []Parameter
	Headers      []Parameter
	Body         reflect.Type // nil: none
	BodyMedia    []string     // default: application/json
	Answer       reflect.Type
	AnswerMedia  []string // default: application/json. The first has the form of Answer
}

// Parameter is one of the query or a header.
type Parameter struct {
	Name string
	Kind string // string, boolean or integer
	Text string
}

// Info heads the document.
type Info struct {
	Title   string `json:"title"`
	Version string `json:"version"`
	License string `json:"-"`
	Error   reflect.Type
}

type object = map[string]any

// Document returns the document in OpenAPI 3.1, as JSON.
func Document(i Info, ops []Operation) ([]byte, error) {
	s := &schemas{defs: object{}, names: map[reflect.Type]string{}}
	failed := object{
		"description": "what is wrong, and what to do instead",
		"content":     object{"application/json": object{"schema": s.of(i.Error)}},
	}
	paths := object{}
	for _, op := range ops {
		path, ok := paths[op.Path].(object)
		if !ok {
			path = object{}
			paths[op.Path] = path
		}
		path[strings.ToLower(op.Method)] = s.operation(op)
	}
	return json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info":    object{"title": i.Title, "version": i.Version, "license": object{"name": i.License, "identifier": i.License}},
		"paths":   paths,
		// Asked for with --auth-file only, which the empty one says.
		"security": []object{{"basic": []string{}}, {"bearer": []string{}}, {}},
		"components": object{
			"securitySchemes": object{
				"basic":  object{"type": "http", "scheme": "basic", "description": "a user of --auth-file"},
				"bearer": object{"type": "http", "scheme": "bearer", "description": "a token of tidemark user token"},
			},
			"schemas":   s.defs,
			"responses": object{"Error": failed},
		},
	}, "", "  ")
}

func (s *schemas) operation(op Operation) object {
	params := []object{}
	for _, name := range PathParameters(op.Path) {
		params = append(params, object{"name": name, "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, p := range op.Query {
		params = append(params, p.in("query"))
	}
	for _, p := range op.Headers {
		params = append(params, p.in("header"))
	}
	answers := object{}
	for i, m := range op.AnswerMedia {
		answers[m] = object{}
		if i == 0 {
			answers[m] = object{"schema": s.of(op.Answer)}
		}
	}
	if len(answers) == 0 {
		answers[jsonMedia] = object{"schema": s.of(op.Answer)}
	}
	out := object{
		"operationId": operationID(op), "summary": op.Summary, "tags": []string{op.Tag},
		"responses": object{
			"200":     object{"description": "done", "content": answers},
			"default": object{"$ref": "#/components/responses/Error"},
		},
	}
	if len(params) > 0 {
		out["parameters"] = params
	}
	if op.Body != nil {
		content := object{}
		for _, m := range append([]string{}, op.BodyMedia...) {
			content[m] = object{"schema": s.of(op.Body)}
		}
		if len(content) == 0 {
			content[jsonMedia] = object{"schema": s.of(op.Body)}
		}
		out["requestBody"] = object{"content": content}
	}
	return out
}

const jsonMedia = "application/json"

func (p Parameter) in(place string) object {
	return object{"name": p.Name, "in": place, "description": p.Text, "schema": object{"type": p.Kind}}
}

// PathParameters lists the names in braces.
func PathParameters(path string) (names []string) {
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

// operationID is getCubesCubeSegments.
func operationID(op Operation) string {
	var b strings.Builder
	b.WriteString(strings.ToLower(op.Method))
	for part := range strings.FieldsFuncSeq(op.Path, func(r rune) bool { return strings.ContainsRune("/{}_.", r) }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}
