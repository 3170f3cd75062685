package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
	"github.com/tidemarkdb/tidemark/segmenter/catalog"
)

// RetiredDamage is an object of a retired segment that is not as it was written. It is no problem: only queries that began before, and
// catalog rebuild where what replaced the segment is damaged too, read it until clean-up removes it.
type RetiredDamage struct {
	Cube    string `json:"cube"` // project/cube, or the id of one that was dropped
	Segment int64  `json:"segment"`
	File    string `json:"file"`
	Message string `json:"message"`
}

// retired looks at the files of segments that are retired and not yet removed.
func (r *run) retired(ctx context.Context) error {
	list, err := r.o.Catalog.RetiredSegments(ctx, time.Now().UnixMicro(), r.o.Retired+1)
	if err != nil {
		return err
	}
	if len(list) > r.o.Retired {
		list, r.retiredLeftOut = list[:r.o.Retired], true
	}
	for i := range list {
		if s := &list[i]; s.ID != "" { // was built
			if err := r.retiredSegment(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) retiredSegment(ctx context.Context, s *catalog.SegmentEntry) error {
	key := folderOf(s) + "/" + segmenter.ManifestName
	text, err := readManifest(ctx, r.o.Store, key)
	if errors.Is(err, blob.ErrNotFound) {
		return nil // clean-up begins with it
	}
	if err != nil {
		return err
	}
	m, err := segmenter.DecodeManifest(text)
	if err != nil {
		return r.retiredDamage(ctx, s, key, err.Error())
	}
	if sum := sha256.Sum256(text); s.ManifestSHA != "" && hex.EncodeToString(sum[:]) != s.ManifestSHA {
		return r.retiredDamage(ctx, s, key, "it has not the SHA-256 "+s.ManifestSHA+" that the catalog says")
	}
	for _, f := range m.Files {
		why, err := r.fileDiffers(ctx, f)
		if errors.Is(err, blob.ErrNotFound) {
			if _, err := blob.Stat(ctx, r.o.Store, key); errors.Is(err, blob.ErrNotFound) {
				return nil
			} else if err != nil {
				return err
			}
			why, err = "the store has no such object", nil
		}
		if err != nil {
			return err
		}
		if why == "" {
			continue
		}
		if err := r.retiredDamage(ctx, s, f.Key, why); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) retiredDamage(ctx context.Context, s *catalog.SegmentEntry, key, message string) error {
	name := s.CubeID
	switch info, err := r.o.Catalog.CubeInfo(ctx, s.CubeID); {
	case err == nil:
		name = info.Cube.Project + "/" + info.Cube.Name
	case !errors.Is(err, catalog.ErrNotFound):
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retirees = append(r.retirees, RetiredDamage{Cube: name, Segment: s.Number, File: key, Message: message})
	return nil
}

// readManifest reads the bytes of one.
func readManifest(ctx context.Context, st blob.Store, key string) ([]byte, error) {
	body, err := st.Open(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, maxManifestBytes))
}
