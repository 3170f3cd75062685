package verify_test

import (
	"os"
	"strings"
	"testing"

	"github.com/tidemarkdb/tidemark/internal/verify"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// Damage in the folder of a segment that was merged is listed and no problem, as long as clean-up has not begun with it.
func TestRetiredDamage(t *testing.T) {
	base := fullSite(t, "parquet")
	cubeID := base.applyCube()
	folder := base.segment(cubeID, build{v: segmenter.Vector{line(0, 0, 13), line(1, 0, 7)}, cuboids: true})
	base.segment(cubeID, build{v: segmenter.Vector{line(0, 13, 40), line(1, 7, 40)}, cuboids: true})
	base.segment(cubeID, build{v: segmenter.Vector{line(0, 0, 40), line(1, 0, 40)}, replaces: []int64{1, 2}, merge: true, cuboids: true})
	manifest, file := folder+"/"+segmenter.ManifestName, folder+"/cuboids-00000.parquet"
	for _, tt := range []struct {
		name, file, says string
		damage           func(t *testing.T, s *site)
	}{
		{"none", "", "", func(*testing.T, *site) {}},
		{"a byte", file, "SHA-256", func(t *testing.T, s *site) {
			data, err := os.ReadFile(s.path(file))
			must(t, err)
			data[len(data)/2] ^= 1
			must(t, os.WriteFile(s.path(file), data, 0o600))
		}},
		{"a file is gone", file, "no such object", func(t *testing.T, s *site) { must(t, os.Remove(s.path(file))) }},
		{"the manifest is cut", manifest, "", func(t *testing.T, s *site) { must(t, os.Truncate(s.path(manifest), 100)) }},
		{"another manifest", manifest, "SHA-256", func(t *testing.T, s *site) {
			data, err := os.ReadFile(s.path(manifest))
			must(t, err)
			must(t, os.WriteFile(s.path(manifest), append(data, '\n'), 0o600))
		}},
		{"clean-up has begun", "", "", func(t *testing.T, s *site) {
			must(t, os.Remove(s.path(manifest)))
			must(t, os.Remove(s.path(file)))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := base.clone(t)
			tt.damage(t, s)
			r := s.verify()
			s.clean(r)
			if tt.file == "" {
				if len(r.RetiredDamage) > 0 {
					t.Errorf("got %+v, want none", r.RetiredDamage)
				}
				return
			}
			want := verify.RetiredDamage{Cube: "default/views", Segment: 1, File: tt.file}
			if len(r.RetiredDamage) == 1 {
				want.Message = r.RetiredDamage[0].Message
			}
			if len(r.RetiredDamage) != 1 || r.RetiredDamage[0] != want || !strings.Contains(want.Message, tt.says) {
				t.Errorf("got %+v, want %+v that says %q", r.RetiredDamage, want, tt.says)
			}
		})
	}
}

// Where there are more retired segments than are looked at, the report says so.
func TestRetiredLeftOut(t *testing.T) {
	s := fullSite(t, "parquet")
	cubeID := s.applyCube()
	s.segment(cubeID, build{v: segmenter.Vector{line(0, 0, 13), line(1, 0, 7)}})
	s.segment(cubeID, build{v: segmenter.Vector{line(0, 13, 40), line(1, 7, 40)}})
	s.segment(cubeID, build{v: segmenter.Vector{line(0, 0, 40), line(1, 0, 40)}, replaces: []int64{1, 2}, merge: true})
	for limit, want := range map[int]bool{0: false, 1: true, 2: false} {
		r := s.verify(func(o *verify.Options) { o.Retired = limit })
		s.clean(r)
		if r.RetiredLeftOut != want {
			t.Errorf("of 2 retired segments at most %d are looked at: left out %t, want %t", limit, r.RetiredLeftOut, want)
		}
	}
}
