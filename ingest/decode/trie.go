package decode

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/tidemarkdb/tidemark/internal/cube"
)

// node is an object or an array on the way to columns.
type node struct {
	array  bool
	fields []field
	first  int            // guess: the field that comes first in an object
	byKey  map[string]int // set when there are too many fields to look at one by one
}

// manyFields is where a map lookup beats comparing keys one by one.
const manyFields = 12

// field is a key of an object, or an element of an array, that leads to columns.
type field struct {
	key    string
	index  int // of an array element
	column *column
	more   []*column // further columns of the same value
	child  *node

	// The key with its closing quote and colon, as two masked words, and its length; 0 when the key must not be
	// compared with raw bytes because JSON writes it differently.
	w0, m0, w1, m1 uint64
	rawLen         int

	next  int    // guess: the field that follows this one; learned from what was seen
	seen  uint64 // the stamp of the event in which the field was last seen
	extra uint64 // the same for _extra
}

// newTrie compiles columns to a trie. The guesses begin with the order of the columns.
func newTrie(columns []*column) (*node, error) {
	root := new(node)
	for _, c := range columns {
		if len(c.path) == 0 || c.path[0].Index >= 0 {
			return nil, fmt.Errorf("column %s: the path must begin with a key", c.name)
		}
		n := root
		for i, step := range c.path {
			f := n.fieldFor(step)
			if i == len(c.path)-1 {
				if f.column == nil {
					f.column = c
				} else {
					f.more = append(f.more, c)
				}
				break
			}
			array := c.path[i+1].Index >= 0
			if f.child == nil {
				f.child = &node{array: array}
			}
			if f.child.array != array {
				return nil, fmt.Errorf("column %s: path %s takes %s as %s, another column as %s: both cannot be",
					c.name, c.path, c.path[:i+1], containerName(array), containerName(!array))
			}
			n = f.child
		}
	}
	root.finish()
	return root, nil
}

func containerName(array bool) string {
	if array {
		return "an array"
	}
	return "an object"
}

// fieldFor returns the field of step in n, making it if need be.
func (n *node) fieldFor(step cube.Step) *field {
	for i := range n.fields {
		if f := &n.fields[i]; f.key == step.Key && f.index == step.Index {
			return f
		}
	}
	n.fields = append(n.fields, field{key: step.Key, index: step.Index})
	return &n.fields[len(n.fields)-1]
}

func (n *node) finish() {
	if len(n.fields) > manyFields {
		n.byKey = make(map[string]int, len(n.fields))
	}
	for i := range n.fields {
		f := &n.fields[i]
		f.next = i + 1
		f.setRaw()
		if n.byKey != nil && !n.array {
			n.byKey[f.key] = i
		}
		if f.child != nil {
			f.child.finish()
		}
	}
}

func (f *field) setRaw() {
	if strings.ContainsFunc(f.key, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
		return
	}
	raw := f.key + `":`
	f.rawLen = len(raw)
	var word, mask [16]byte
	for i := range min(len(raw), 16) {
		word[i], mask[i] = raw[i], 0xff
	}
	f.w0, f.w1 = binary.LittleEndian.Uint64(word[:]), binary.LittleEndian.Uint64(word[8:])
	f.m0, f.m1 = binary.LittleEndian.Uint64(mask[:]), binary.LittleEndian.Uint64(mask[8:])
}

// find returns the index of key in n's fields, or -1.
func (n *node) find(key []byte) int {
	if n.byKey != nil {
		if i, ok := n.byKey[string(key)]; ok {
			return i
		}
		return -1
	}
	for i := range n.fields {
		if k := n.fields[i].key; len(k) == len(key) && k == string(key) {
			return i
		}
	}
	return -1
}

// element returns the field of element i of an array, or nil.
func (n *node) element(i int) *field {
	for k := range n.fields {
		if n.fields[k].index == i {
			return &n.fields[k]
		}
	}
	return nil
}

// clone copies what changes while decoding: guesses and stamps.
func (n *node) clone() *node {
	out := *n
	out.fields = append([]field(nil), n.fields...)
	for i := range out.fields {
		if c := out.fields[i].child; c != nil {
			out.fields[i].child = c.clone()
		}
	}
	return &out
}

// each calls fn for every column at or below f.
func (f *field) each(fn func(*column)) {
	if f.column != nil {
		fn(f.column)
	}
	for _, c := range f.more {
		fn(c)
	}
	if f.child != nil {
		for i := range f.child.fields {
			f.child.fields[i].each(fn)
		}
	}
}
