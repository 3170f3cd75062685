package openapi

import (
	"encoding"
	"encoding/json"
	"path"
	"reflect"
	"strings"
	"time"
)

// schemas turns types into schemas. Structs with a name are kept once, under that name.
type schemas struct {
	defs  object
	names map[reflect.Type]string
}

// of returns the schema of a type as encoding/json writes it.
func (s *schemas) of(t reflect.Type) object {
	switch {
	case t == nil:
		return object{}
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return object{"description": "any JSON value"}
	case t.Kind() == reflect.Pointer:
		return s.of(t.Elem())
	case writesItself[json.Marshaler](t):
		return object{"description": "a " + strings.ToLower(t.Name()) + " in a form of its own"}
	case writesItself[encoding.TextMarshaler](t):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return object{"type": "integer", "format": "int32"}
	case reflect.Int64, reflect.Uint, reflect.Uint64:
		return object{"type": "integer", "format": "int64"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		return s.named(t)
	}
	return object{}
}

func writesItself[M any](t reflect.Type) bool {
	m := reflect.TypeFor[M]()
	return t.Implements(m) || reflect.PointerTo(t).Implements(m)
}

func (s *schemas) named(t reflect.Type) object {
	if t.Name() == "" {
		return s.fields(t)
	}
	name, ok := s.names[t]
	if !ok {
		name = strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
		if _, taken := s.defs[name]; taken {
			name = path.Base(t.PkgPath()) + "." + name
		}
		s.names[t] = name
		s.defs[name] = object{} // it may name itself
		s.defs[name] = s.fields(t)
	}
	return object{"$ref": "#/components/schemas/" + name}
}

func (s *schemas) fields(t reflect.Type) object {
	props, required := object{}, []string{}
	s.collect(t, props, &required)
	out := object{"type": "object", "properties": props}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// collect goes through embedded structs as encoding/json does.
func (s *schemas) collect(t reflect.Type, props object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if f.Anonymous && name == "" && inner.Kind() == reflect.Struct {
			s.collect(inner, props, required)
			continue
		}
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		may := strings.Contains(options, "omit")
		props[name] = s.field(f.Type, may)
		if !may {
			*required = append(*required, name)
		}
	}
}

// field is the schema of a field: one that is written in any case may be null where its type has a nil.
func (s *schemas) field(t reflect.Type, may bool) object {
	schema := s.of(t)
	if may || (t.Kind() != reflect.Pointer && t.Kind() != reflect.Slice && t.Kind() != reflect.Map) || t == reflect.TypeFor[json.RawMessage]() {
		return schema
	}
	if len(schema) == 0 || schema["type"] == nil && schema["$ref"] == nil {
		return schema
	}
	return object{"anyOf": []object{schema, {"type": "null"}}}
}
