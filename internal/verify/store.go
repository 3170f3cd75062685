package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemarkdb/tidemark/builder/backup"
	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/internal/cube"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// Kinds of objects in Report.Objects.
const (
	definitionObject = "definition"
	markerObject     = "marker" // whose the store is, and what was dropped
	lookupObject     = "lookup"
	backupObject     = "backup"
)

// verifyStore proves what belongs to no table: whose the store is, markers of what was dropped, snapshots of lookup tables, backups.
// Dropped is what the catalog had noted when the proof began.
func (r *run) verifyStore(ctx context.Context, dropped catalog.Tombstones) error {
	if err := r.lookups(ctx); err != nil {
		return fmt.Errorf("lookups: %w", err)
	}
	if r.o.Project != "" {
		return nil
	}
	if err := r.owner(ctx); err != nil {
		return err
	}
	if err := r.retired(ctx); err != nil {
		return fmt.Errorf("retired segments: %w", err)
	}
	for _, id := range dropped.Tables {
		if err := r.dropped(ctx, "tables/"+id, segmenter.Dropped{Kind: "table", ID: id}); err != nil {
			return err
		}
		if err := r.droppedTable(ctx, id); err != nil {
			return err
		}
	}
	for _, id := range dropped.Cubes {
		if err := r.dropped(ctx, "cubes/"+id, segmenter.Dropped{Kind: "cube", ID: id}); err != nil {
			return err
		}
		if err := r.droppedCube(ctx, id); err != nil {
			return err
		}
	}
	for _, s := range dropped.Segments {
		want := segmenter.Dropped{Kind: "segment", ID: s.ID, Number: s.Number, Reason: s.RetireReason, RetiredUs: s.RetiredUs}
		if err := r.dropped(ctx, folderOf(&s), want); err != nil {
			return err
		}
	}
	return r.backups(ctx)
}

// wrongObject adds a problem with an object that belongs to no table.
func (r *run) wrongObject(k Kind, key, format string, args ...any) {
	r.note(Problem{Kind: k, Partition: -1, File: key, Message: fmt.Sprintf(format, args...)})
}

// object1 counts an object that was proved.
func (r *run) object1(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.objects[kind]++
}

// owner proves that the store says whose it is.
func (r *run) owner(ctx context.Context) error {
	text, err := readSmall(ctx, r.o.Store, blob.MarkerKey)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		r.wrongObject(FileMissing, blob.MarkerKey, "the store does not say whose it is")
		return nil
	case err != nil:
		return err
	}
	if want := blob.Marker(r.o.Catalog.ID()); string(text) != string(want) {
		r.wrongObject(FileChanged, blob.MarkerKey, "it is %.200q, want %q", text, want)
		return nil
	}
	r.object1(markerObject)
	return nil
}

// droppedTable proves the definitions of one: clean-up knows its files by them after a rebuild.
func (r *run) droppedTable(ctx context.Context, id string) error {
	versions, err := r.o.Catalog.TableVersions(ctx, id)
	if err != nil {
		return err
	}
	var list []definition
	for _, def := range versions {
		list = append(list, tableDefinition(def))
	}
	return r.verifyDefinitions(ctx, "", list)
}

func (r *run) droppedCube(ctx context.Context, id string) error {
	versions, err := r.o.Catalog.CubeVersions(ctx, id)
	if err != nil {
		return err
	}
	var list []definition
	for _, def := range versions {
		list = append(list, cubeDefinition(def))
	}
	return r.verifyDefinitions(ctx, "", list)
}

// dropped proves the marker in a folder.
func (r *run) dropped(ctx context.Context, folder string, want segmenter.Dropped) error {
	key := folder + "/" + segmenter.DroppedName
	text, err := readSmall(ctx, r.o.Store, key)
	if errors.Is(err, blob.ErrNotFound) {
		return r.unmarked(ctx, folder, key, want)
	}
	if err != nil {
		return err
	}
	var got segmenter.Dropped
	if err := got.Decode(text); err != nil {
		r.wrongObject(FileChanged, key, "%v", err)
		return nil
	}
	d := mismatches{}
	d.text("kind", got.Kind, want.Kind)
	d.text("id", got.ID, want.ID)
	d.number("number", got.Number, want.Number)
	d.text("reason", got.Reason, want.Reason)
	d.number("time (us)", got.RetiredUs, want.RetiredUs)
	if len(d) > 0 {
		r.wrongObject(FileChanged, key, "%s", d.String())
		return nil
	}
	r.object1(markerObject)
	return nil
}

// unmarked reports a marker that is not there. That of a segment goes last when its folder is cleaned up, after the manifest.
func (r *run) unmarked(ctx context.Context, folder, key string, want segmenter.Dropped) error {
	if want.Kind == "segment" {
		body, err := r.o.Store.Open(ctx, folder+"/"+segmenter.ManifestName, 0, 1)
		if errors.Is(err, blob.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := body.Close(); err != nil {
			return err
		}
	}
	r.wrongObject(FileMissing, key, "the store does not say that %s %s was dropped", want.Kind, want.ID)
	return nil
}

// lookups proves every version of every lookup table of the project.
func (r *run) lookups(ctx context.Context) error {
	if r.o.Table != "" {
		return nil
	}
	list, err := r.o.Catalog.Lookups(ctx, r.o.Project)
	if err != nil {
		return err
	}
	for _, l := range list {
		versions, err := r.o.Catalog.LookupVersions(ctx, l.Lookup.ID)
		if err != nil {
			return err
		}
		for _, v := range versions {
			if r.isWrong(v.Key) { // a segment or a cube that needs it has said so
				continue
			}
			if err := r.lookup(ctx, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// queryOf is what a lookup table is a snapshot of, with its moment.
func queryOf(l *cube.Lookup) string {
	if l.Query == nil {
		return "none"
	}
	return fmt.Sprintf("%+v", *l.Query)
}

func (r *run) lookup(ctx context.Context, want catalog.LookupVersion) error {
	got, err := lookup.Describe(ctx, r.o.Store, want.Key)
	var damaged *lookup.DamagedError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, blob.ErrNotFound):
		r.wrongObject(FileMissing, want.Key, "the store has no such object")
		return nil
	case errors.As(err, &damaged):
		r.wrongObject(FileChanged, want.Key, "%v", damaged.Err)
		return nil
	case err != nil:
		return err
	}
	d := mismatches{}
	d.text("id", got.Lookup.ID, want.Lookup.ID)
	d.number("version", got.Lookup.Version, want.Lookup.Version)
	d.text("project", got.Lookup.Project, want.Lookup.Project)
	d.text("name", got.Lookup.Name, want.Lookup.Name)
	d.text("key", got.Lookup.Key, want.Lookup.Key)
	d.text("list of columns", fmt.Sprint(got.Lookup.Columns), fmt.Sprint(want.Lookup.Columns))
	d.text("query", queryOf(got.Lookup), queryOf(want.Lookup))
	d.number("size", got.Size, want.Size)
	d.number("number of rows", got.Rows, want.Rows)
	d.text("SHA-256", got.SHA256, want.SHA256)
	if len(d) > 0 {
		r.wrongObject(FooterMismatch, want.Key, "%s", d.String())
		return nil
	}
	r.object1(lookupObject)
	return nil
}

// backups proves that each can be read whole and is of this catalog. That one was deleted cannot be known: nothing names them.
func (r *run) backups(ctx context.Context) error {
	for o, err := range r.o.Store.List(ctx, backup.Prefix) {
		if err != nil {
			return fmt.Errorf("list backups: %w", err)
		}
		if err := r.backup(ctx, o.Key); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) backup(ctx context.Context, key string) error {
	body, err := r.o.Store.Open(ctx, key, 0, -1)
	if errors.Is(err, blob.ErrNotFound) {
		return nil // one was too many meanwhile
	}
	if err != nil {
		return err
	}
	defer body.Close()
	id, _, err := backup.Check(body)
	var damaged *backup.DamagedError
	switch {
	case errors.As(err, &damaged):
		r.wrongObject(FileChanged, key, "%v", damaged)
	case err != nil:
		return fmt.Errorf("read %s: %w", key, err)
	case id != r.o.Catalog.ID():
		r.wrongObject(FileChanged, key, "it is of catalog %s, this one is %s", id, r.o.Catalog.ID())
	default:
		r.object1(backupObject)
	}
	return nil
}
