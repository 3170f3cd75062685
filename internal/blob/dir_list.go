package blob

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
)

// List implements Store. It holds the names of one folder a level, never all keys.
func (d *Dir) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := validatePrefix(prefix); err != nil {
			yield(Object{}, err)
			return
		}
		folder := "" // the deepest folder that all the keys lie in; with its slash
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			folder = prefix[:i+1]
		}
		d.walk(ctx, folder, prefix, yield)
	}
}

// walk yields the objects below folder whose keys begin with prefix; false means stop.
func (d *Dir) walk(ctx context.Context, folder, prefix string, yield func(Object, error) bool) bool {
	entries, err := os.ReadDir(d.path(folder))
	if absent(err) {
		return true // deleted meanwhile, or never there
	}
	if err != nil {
		return yield(Object{}, fmt.Errorf("list %s: %w", prefix, d.explain(err))) && false
	}
	// Keys are ordered as whole strings: "a-b" < "a/c" < "a0", so a folder sorts as if its slash were part of its name.
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(sortName(a), sortName(b)) })
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return yield(Object{}, fmt.Errorf("list %s: %w", prefix, err)) && false
		}
		if e.Name()[0] == '.' {
			continue // temporary files, and what network file systems leave
		}
		key := folder + sortName(e)
		switch {
		case e.IsDir():
			if strings.HasPrefix(key, prefix) || strings.HasPrefix(prefix, key) {
				if !d.walk(ctx, key, prefix, yield) {
					return false
				}
			}
		case !strings.HasPrefix(key, prefix):
		default:
			fi, err := e.Info()
			if absent(err) || err == nil && !fi.Mode().IsRegular() {
				continue
			}
			if err != nil {
				return yield(Object{}, fmt.Errorf("list %s: %w", prefix, d.explain(err))) && false
			}
			if !yield(Object{Key: path.Clean(key), Size: fi.Size(), ModTime: fi.ModTime()}, nil) {
				return false
			}
		}
	}
	return true
}

func sortName(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}
