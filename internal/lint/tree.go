package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/tidemarkdb/tidemark"

// Problem is one complaint: where and what. Line is 0 where the whole file or folder is meant.
type Problem struct {
	Path string
	Line int
	Text string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.Path, p.Text)
	}
	return fmt.Sprintf("%s:%d: %s", p.Path, p.Line, p.Text)
}

// File is a parsed Go file.
type File struct {
	Path  string // slash-separated, from the root
	Dir   string // "." for the root
	Lines int
	Test  bool // its name ends in _test.go
	Tags  string
	AST   *ast.File
	tree  *Tree
}

// Tree is what the rules look at: the Go files of the module and the root they came from.
type Tree struct {
	Root  fs.FS
	Files []*File // ascending by path
	fset  *token.FileSet
}

// Load parses the Go files below root. Folders called testdata, folders that start with a dot and nested modules are
// left out, as the go tool does.
func Load(root fs.FS) (*Tree, error) {
	t := &Tree{Root: root, fset: token.NewFileSet()}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") || nestedModule(root, name)) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		return t.add(name)
	})
	if err != nil {
		return nil, fmt.Errorf("load sources: %w", err)
	}
	return t, nil
}

func nestedModule(root fs.FS, dir string) bool {
	_, err := fs.Stat(root, path.Join(dir, "go.mod"))
	return err == nil
}

func (t *Tree) add(name string) error {
	src, err := fs.ReadFile(t.Root, name)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(t.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	file := &File{
		Path: name, Dir: path.Dir(name), AST: f, tree: t,
		Lines: bytes.Count(src, []byte("\n")),
		Test:  strings.HasSuffix(name, "_test.go"),
	}
	for _, group := range f.Comments {
		if group.Pos() > f.Package {
			break
		}
		for _, c := range group.List {
			if tags, ok := strings.CutPrefix(c.Text, "//go:build "); ok {
				file.Tags = tags
			}
		}
	}
	t.Files = append(t.Files, file)
	return nil
}

// dirs yields the folders that hold Go files, ascending, each with its files.
func (t *Tree) dirs() (names []string, files map[string][]*File) {
	files = map[string][]*File{}
	for _, f := range t.Files {
		if files[f.Dir] == nil {
			names = append(names, f.Dir)
		}
		files[f.Dir] = append(files[f.Dir], f)
	}
	slices.Sort(names)
	return names, files
}

// at makes a problem at a node of f.
func (f *File) at(n ast.Node, format string, args ...any) Problem {
	return Problem{Path: f.Path, Line: f.line(n.Pos()), Text: fmt.Sprintf(format, args...)}
}

func (f *File) line(p token.Pos) int { return f.tree.fset.Position(p).Line }

// external reports whether f is a test that sees its package from outside.
func (f *File) external() bool { return f.Test && strings.HasSuffix(f.AST.Name.Name, "_test") }

// ours yields the folders of this module that f imports, with the import's node.
func (f *File) ours() (dirs []string, nodes []*ast.ImportSpec) {
	for _, spec := range f.AST.Imports {
		p := literal(spec.Path)
		if rest, ok := strings.CutPrefix(p, module+"/"); ok {
			dirs = append(dirs, rest)
			nodes = append(nodes, spec)
		}
	}
	return dirs, nodes
}

// imports returns the name under which f knows the package at p, or "".
func (f *File) imports(p string) string {
	for _, spec := range f.AST.Imports {
		if literal(spec.Path) != p {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(p)
	}
	return ""
}

// callee splits a call of the form x.name(...); ok is false for any other.
func callee(call *ast.CallExpr) (x, name string, ok bool) {
	sel, isSel := call.Fun.(*ast.SelectorExpr)
	if !isSel {
		return "", "", false
	}
	if id, isIdent := sel.X.(*ast.Ident); isIdent {
		x = id.Name
	}
	return x, sel.Sel.Name, true
}

// literal returns the value of a string literal, or "" where e is none.
func literal(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return s
}

// calls visits the calls in f.
func (f *File) calls(visit func(*ast.CallExpr)) {
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			visit(call)
		}
		return true
	})
}
