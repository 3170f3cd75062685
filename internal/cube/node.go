package cube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits of a definition's source.
const (
	maxSourceBytes = 1 << 20
	maxSourceDepth = 32
)

type nodeKind int

const (
	scalarNode nodeKind = iota
	listNode
	objectNode
)

// literal says what a JSON scalar was; YAML's are text whatever they look like.
type literal int

const (
	textLit literal = iota
	numberLit
	boolLit
)

// node is a value of YAML or JSON with its line: one tree for both, since a YAML reader refuses some valid JSON.
type node struct {
	kind  nodeKind
	line  int
	text  string  // of a scalar
	lit   literal // of a JSON scalar
	null  bool    // a scalar that is null or not there
	keys  []*node // of an object, in order; duplicates are kept
	items []*node // of a list, or the values of keys
}

// parseSource reads YAML, or JSON where src is that. The error is a *Problem.
func parseSource(src []byte, name string) (*node, error) {
	if len(src) > maxSourceBytes {
		return nil, &Problem{Message: fmt.Sprintf("the definition has more than %s", formatSize(maxSourceBytes)), Instead: "one file holds one table"}
	}
	if !utf8.Valid(src) {
		return nil, &Problem{Line: invalidLine(src), Message: "the definition is not UTF-8", Instead: "save it as UTF-8"}
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	isObject := bytes.HasPrefix(bytes.TrimLeft(src, " \t\r\n"), []byte("{"))
	if strings.HasSuffix(strings.ToLower(name), ".json") || isObject && json.Valid(src) {
		return parseJSON(src, maxSourceDepth)
	}
	n, err := parseYAML(src)
	if err != nil && isObject { // more likely JSON with a slip than YAML in braces
		if _, jsonErr := parseJSON(src, maxSourceDepth); jsonErr != nil {
			return nil, jsonErr
		}
	}
	return n, err
}

func invalidLine(src []byte) int {
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			return lineAt(src, int64(i))
		}
		i += n
	}
	return 0
}

func lineAt(src []byte, offset int64) int {
	return 1 + bytes.Count(src[:min(offset, int64(len(src)))], []byte("\n"))
}

func parseYAML(src []byte) (*node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return nil, yamlProblem(err)
	}
	var second yaml.Node
	switch err := dec.Decode(&second); {
	case err == nil:
		return nil, &Problem{Line: second.Line, Message: "a second document begins here", Instead: "write one table a file"}
	case !errors.Is(err, io.EOF):
		return nil, yamlProblem(err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, emptyProblem()
	}
	return fromYAML(doc.Content[0], 0)
}

func emptyProblem() *Problem {
	return &Problem{Message: "the definition is empty", Instead: "write table, topic, event_time and columns (tidemark table sample TOPIC writes a first version)"}
}

// yamlProblem takes the line out of the parser's message.
func yamlProblem(err error) *Problem {
	if errors.Is(err, io.EOF) {
		return emptyProblem()
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	p := &Problem{Instead: "mend the indentation and the brackets near this line, and put text with : ? # , [ ] { or } in quotes"}
	if m := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1]) // digits only
		text = text[len(m[0]):]
	}
	if strings.Contains(text, "cannot start any token") {
		p.Instead = "indent with spaces, not with tabs, and put text that begins with @, %, ` or a tab in quotes"
	}
	p.Message = "not YAML: " + text
	return p
}

func fromYAML(y *yaml.Node, depth int) (*node, error) {
	n := &node{line: y.Line}
	if depth > maxSourceDepth {
		return nil, tooDeep(y.Line, maxSourceDepth)
	}
	switch y.Kind {
	case yaml.ScalarNode:
		n.text, n.null = y.Value, y.ShortTag() == "!!null"
		if y.ShortTag() == "!!binary" {
			return nil, &Problem{Line: y.Line, Message: "!!binary is not taken", Instead: "write the text itself"}
		}
		return n, nil
	case yaml.SequenceNode:
		n.kind = listNode
	case yaml.MappingNode:
		n.kind = objectNode
	default:
		return nil, &Problem{Line: y.Line, Message: fmt.Sprintf("the alias *%s is not taken", y.Value), Instead: "write the value out"}
	}
	for i, c := range y.Content {
		v, err := fromYAML(c, depth+1)
		if err != nil {
			return nil, err
		}
		if n.kind == objectNode && i%2 == 0 {
			v.null = false // "null" is a key of a column
			n.keys = append(n.keys, v)
			continue
		}
		n.items = append(n.items, v)
	}
	return n, nil
}

func tooDeep(line, limit int) *Problem {
	return &Problem{Line: line, Message: fmt.Sprintf("more than %d levels", limit), Instead: "see docs/TABLES.md for the keys"}
}

type jsonReader struct {
	src      []byte
	dec      *json.Decoder
	maxDepth int

	counted int64 // bytes of src whose lines are counted
	lines   int
}

func parseJSON(src []byte, maxDepth int) (*node, error) {
	r := &jsonReader{src: src, dec: json.NewDecoder(bytes.NewReader(src)), maxDepth: maxDepth}
	r.dec.UseNumber()
	if len(bytes.TrimSpace(src)) == 0 {
		return nil, emptyProblem()
	}
	tok, err := r.dec.Token()
	if err != nil {
		return nil, r.problem(err)
	}
	n, err := r.value(tok, 0)
	if err != nil {
		return nil, err
	}
	if _, err = r.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, &Problem{Line: r.line(), Message: "something follows the definition", Instead: "write one table a file"}
	}
	return n, nil
}

// line returns the line of the last token. Offsets only grow, so every byte is looked at once.
func (r *jsonReader) line() int {
	at := r.dec.InputOffset()
	r.lines += bytes.Count(r.src[r.counted:at], []byte("\n"))
	r.counted = at
	return r.lines + 1
}

func (r *jsonReader) problem(err error) *Problem {
	p := &Problem{Line: r.line(), Message: "not JSON: " + err.Error(), Instead: "mend the commas, brackets and quotes near this line"}
	var syn *json.SyntaxError
	if errors.As(err, &syn) {
		p.Line = lineAt(r.src, syn.Offset)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		p.Line, p.Message = lineAt(r.src, int64(len(r.src))), "not JSON: it ends too early"
	}
	return p
}

// value makes the node that begins with tok.
func (r *jsonReader) value(tok json.Token, depth int) (*node, error) {
	n := &node{line: r.line()}
	if depth > r.maxDepth {
		return nil, tooDeep(n.line, r.maxDepth)
	}
	switch v := tok.(type) {
	case nil:
		n.null = true
	case string:
		n.text = v
	case bool:
		n.text, n.lit = strconv.FormatBool(v), boolLit
	case json.Number:
		n.text, n.lit = v.String(), numberLit
	case json.Delim:
		n.kind = listNode
		if v == '{' {
			n.kind = objectNode
		}
		return n, r.members(n, depth)
	}
	return n, nil
}

func (r *jsonReader) members(n *node, depth int) error {
	for isKey := n.kind == objectNode; ; isKey = !isKey && n.kind == objectNode {
		tok, err := r.dec.Token()
		if err != nil {
			return r.problem(err)
		}
		if d, ok := tok.(json.Delim); ok && (d == ']' || d == '}') {
			return nil
		}
		v, err := r.value(tok, depth+1)
		if err != nil {
			return err
		}
		if isKey {
			n.keys = append(n.keys, v)
		} else {
			n.items = append(n.items, v)
		}
	}
}
