package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/tidemarkdb/tidemark/builder/backup"
	"github.com/tidemarkdb/tidemark/builder/scheduler"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// backupFormat is the name of a backup below backup.Prefix.
const backupFormat = "catalog-20060102T150405.000000Z.tar.gz"

// Backup writes the whole catalog, of one moment, to the store and returns its key.
func (b *Builder) Backup(ctx context.Context) (key string, err error) {
	dir, err := os.MkdirTemp(b.o.TempDir, "tidemark-backup-")
	if err != nil {
		return "", fmt.Errorf("backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	dump, archive := filepath.Join(dir, "dump"), filepath.Join(dir, "backup.tar.gz")
	if err := writeFile(dump, func(w io.Writer) error { return b.o.Catalog.Dump(ctx, w) }); err != nil {
		return "", fmt.Errorf("backup: %w", err)
	}
	now := time.Now().UTC()
	if err := writeFile(archive, func(w io.Writer) error { return backup.Pack(w, dump, now) }); err != nil {
		return "", fmt.Errorf("backup: %w", err)
	}
	key = backup.Prefix + now.Format(backupFormat)
	if err := blob.CreateSameFile(ctx, b.o.Store, key, archive); err != nil {
		return "", fmt.Errorf("backup: %w", err)
	}
	return key, nil
}

func writeFile(name string, write func(w io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// Backups lists what there is, oldest first.
func (b *Builder) Backups(ctx context.Context) ([]blob.Object, error) { return backups(ctx, b.o.Store) }

func backups(ctx context.Context, st blob.Store) (list []blob.Object, err error) {
	for o, err := range st.List(ctx, backup.Prefix) {
		if err != nil {
			return nil, fmt.Errorf("list backups: %w", err)
		}
		if _, err := time.Parse(backupFormat, path.Base(o.Key)); err == nil {
			list = append(list, o)
		}
	}
	return list, nil
}

// backup writes one and removes those that are too many.
func (b *Builder) backup(ctx context.Context, _ scheduler.Task) ([]scheduler.Submission, error) {
	if _, err := b.Backup(ctx); err != nil {
		return nil, err
	}
	b.m.lastBackup.SetToCurrentTime()
	list, err := b.Backups(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range list[:max(0, len(list)-b.o.KeepBackups)] {
		if err := b.o.Store.Delete(ctx, o.Key); err != nil {
			return nil, fmt.Errorf("remove backup %s: %w", o.Key, err)
		}
	}
	return nil, nil
}

// restoreRaise is how far numbers in names of objects jump after a restore: the store may hold objects that the backup does
// not know, and none of their names may be given again.
const restoreRaise = 1 << 20

// Restore fills an empty catalog from a backup; an empty key means the newest one. A catalog that holds anything is
// refused. Markers in the store of what the backup has, and was dropped since, are removed. Nobody else may use the catalog meanwhile.
func Restore(ctx context.Context, st blob.Store, c *catalog.Catalog, key string) (string, error) {
	if key == "" {
		list, err := backups(ctx, st)
		if err != nil {
			return "", err
		}
		if len(list) == 0 {
			return "", fmt.Errorf("the store has no backup below %s: run catalog rebuild, which needs the files alone", backup.Prefix)
		}
		key = slices.MaxFunc(list, func(a, b blob.Object) int {
			if a.Key < b.Key {
				return -1
			}
			return 1
		}).Key
	}
	body, err := st.Open(ctx, key, 0, -1)
	if err != nil {
		return "", fmt.Errorf("open backup %s: %w", key, err)
	}
	defer body.Close()
	in, err := backup.Open(body)
	if err != nil {
		return "", fmt.Errorf("backup %s is damaged: %w", key, err)
	}
	if err := c.Restore(ctx, in, restoreRaise); err != nil {
		return "", fmt.Errorf("restore %s: %w", key, err)
	}
	if err := unmark(ctx, st, c); err != nil {
		return "", fmt.Errorf("restore %s: %w: what says of the store that it was dropped is still there: restore it again, into another empty catalog", key, err)
	}
	return key, nil
}
