package cube

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// reader turns nodes into values and collects every complaint. lines says where a key was written, bad which keys are
// already complained about: one mistake gets one complaint.
type reader struct {
	problems []Problem
	lines    map[string]int
	bad      map[string]bool
}

// key is a known key of an object.
type key struct {
	name string
	read func(n *node, path string)
}

func (r *reader) complain(line int, path, message, instead string) {
	r.problems = append(r.problems, Problem{Line: line, Path: path, Message: message, Instead: instead})
	r.bad[path] = true
}

// complainAs takes message and advice from err.
func (r *reader) complainAs(n *node, path string, err error) {
	p := asProblem(err)
	r.complain(n.line, path, p.Message, p.Instead)
}

// object reads the keys of n. elsewhere gives advice on keys that people write here and that are not known.
func (r *reader) object(n *node, path string, keys []key, elsewhere map[string]string) {
	seen := map[string]int{}
	for i, k := range n.keys {
		at := join(path, k.text)
		if k.kind != scalarNode {
			r.complain(k.line, path, "a key is a list or a mapping", "write a word and a colon")
			continue
		}
		if line := seen[k.text]; line > 0 {
			r.complain(k.line, at, fmt.Sprintf("written twice (first on line %d)", line), "remove one")
			continue
		}
		seen[k.text] = k.line
		known := lookup(keys, k.text)
		if known == nil && i > 0 && r.cutAtComma(n, i, path) {
			continue
		}
		if known == nil {
			r.unknownKey(k, at, keys, elsewhere)
			continue
		}
		r.lines[at] = k.line
		if v := n.items[i]; v.null && v.kind == scalarNode {
			r.complain(k.line, at, "has no value", "write one, or remove the key to take the default")
		} else {
			known.read(v, at)
		}
	}
}

// cutAtComma reports whether key i is the rest of decimal(12,2), which YAML cuts in two inside of braces, and complains
// about that instead.
func (r *reader) cutAtComma(n *node, i int, path string) bool {
	before, rest := n.items[i-1], n.keys[i]
	if !n.items[i].null || before.kind != scalarNode || !strings.Contains(before.text, "(") || !strings.HasSuffix(rest.text, ")") {
		return false
	}
	at := join(path, n.keys[i-1].text)
	if last := len(r.problems) - 1; last >= 0 && r.problems[last].Path == at {
		r.problems = r.problems[:last]
	}
	r.complain(before.line, at, "inside of braces YAML cuts a text at its comma", "write it in quotes: "+quote(before.text+","+rest.text))
	return true
}

func lookup(keys []key, name string) *key {
	for i := range keys {
		if keys[i].name == name {
			return &keys[i]
		}
	}
	return nil
}

func (r *reader) unknownKey(k *node, at string, keys []key, elsewhere map[string]string) {
	names := make([]string, len(keys))
	for i := range keys {
		names[i] = keys[i].name
	}
	low := strings.ToLower(strings.ReplaceAll(k.text, "-", "_"))
	instead := elsewhere[low]
	if instead == "" {
		if n := Nearest(low, names); n != "" {
			instead = "write " + n
		} else {
			instead = "known here are " + strings.Join(names, ", ")
		}
	}
	r.complain(k.line, at, "unknown key", instead)
	if meant, ok := strings.CutPrefix(instead, "write "); ok && lookup(keys, meant) != nil {
		r.bad[strings.TrimSuffix(at, k.text)+meant] = true // it is not missing, it is misspelt
	}
}

func join(path, key string) string {
	if !plainText(key) || len(key) > 64 {
		key = quote(key[:min(len(key), 64)])
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// scalar returns the text of n, or complains.
func (r *reader) scalar(n *node, path, example string) (string, bool) {
	if n.kind != scalarNode {
		r.complain(n.line, path, "is "+n.what()+", but one value is wanted", "write "+example)
		return "", false
	}
	return n.text, true
}

func (n *node) what() string {
	switch n.kind {
	case listNode:
		return "a list"
	case objectNode:
		return "a mapping"
	}
	return "a single value"
}

func (r *reader) text(into *string, example string) func(*node, string) {
	return func(n *node, path string) {
		if s, ok := r.scalar(n, path, example); ok {
			*into = s
		}
	}
}

// word reads one of a closed list. Upper case is forgiven by nobody: it gets the word to write.
func word[T ~string](r *reader, into *T, what string, known ...T) func(*node, string) {
	names := make([]string, len(known))
	for i := range known {
		names[i] = string(known[i])
	}
	return func(n *node, path string) {
		s, ok := r.scalar(n, path, orList(names))
		if !ok {
			return
		}
		for _, k := range names {
			if s == k {
				*into = T(s)
				return
			}
		}
		r.complainAs(n, path, unknownWord(what, s, names))
	}
}

// parsed reads a scalar with parse, which returns a *Problem.
func parsed[T any](r *reader, into *T, example string, parse func(string) (T, error)) func(*node, string) {
	return func(n *node, path string) {
		s, ok := r.scalar(n, path, example)
		if !ok {
			return
		}
		v, err := parse(s)
		if err != nil {
			r.complainAs(n, path, err)
			return
		}
		*into = v
	}
}

// positive refuses zero as well: in a Table zero stands for the default.
func positive[T int | int64 | float64 | time.Duration](parse func(string) (T, error)) func(string) (T, error) {
	return func(s string) (T, error) {
		v, err := parse(s)
		if err == nil && v <= 0 {
			return v, &Problem{Message: fmt.Sprintf("%s is not above zero", s), Instead: "write more, or remove the key to take the default"}
		}
		return v, err
	}
}

func parseCount(s string) (int64, error) {
	plain := strings.NewReplacer("_", "", ",", "", " ", "").Replace(s)
	v, err := strconv.ParseInt(s, 10, 64)
	if err == nil {
		return v, nil
	}
	p := &Problem{Message: fmt.Sprintf("%q is no whole number", s), Instead: "write digits only, such as 1000000"}
	if v, err := strconv.ParseInt(plain, 10, 64); err == nil {
		p.Instead = fmt.Sprintf("write %d", v)
	} else if f, err := strconv.ParseFloat(plain, 64); err == nil && f == float64(int64(f)) && f < 1e15 && f > 0 {
		p.Instead = fmt.Sprintf("write %d", int64(f))
	}
	return 0, p
}

// narrow turns an int64 reader into an int reader.
func narrow(parse func(string) (int64, error)) func(string) (int, error) {
	return func(s string) (int, error) {
		v, err := parse(s)
		if err == nil && int64(int(v)) != v {
			return 0, &Problem{Message: fmt.Sprintf("%s is too large", s), Instead: "write less"}
		}
		return int(v), err
	}
}

// list calls each for every element.
func (r *reader) list(n *node, path, example string, each func(n *node, path string)) {
	if n.kind != listNode {
		r.complain(n.line, path, "is "+n.what()+", but a list is wanted", "write "+example)
		return
	}
	for i, item := range n.items {
		at := path + "[" + strconv.Itoa(i) + "]"
		r.lines[at] = item.line
		if item.kind == scalarNode && item.null {
			r.complain(item.line, at, "has no value", "write "+example)
			continue
		}
		each(item, at)
	}
}
