package segmenter

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Encode returns m as manifest.json holds it: the same manifest gives the same bytes. It sorts nothing and refuses what
// Validate refuses.
func (m *Manifest) Encode() ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	out := *m
	out.fill()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(&out); err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return buf.Bytes(), nil
}

// fill makes empty lists of absent ones: a reader in another language need not know null.
func (m *Manifest) fill() {
	m.Replaces = slices.Concat([]Replaced{}, m.Replaces)
	m.Inputs = slices.Concat([]Input{}, m.Inputs)
	m.Files = slices.Concat([]SegmentFile{}, m.Files)
	m.Cuboids = slices.Concat([]CuboidEntry{}, m.Cuboids)
	for i := range m.Cuboids {
		m.Cuboids[i].Pieces = slices.Concat([]CuboidPiece{}, m.Cuboids[i].Pieces)
	}
	if m.Notes == nil {
		m.Notes = Notes{}
	}
}

// DecodeManifest reads manifest.json. It refuses a higher format version, fields it does not know (but in notes), fields
// given twice or in other letters, and whatever Validate refuses: a manifest read in part would lose offsets in silence.
func DecodeManifest(data []byte) (*Manifest, error) {
	var head struct {
		FormatVersion *int `json:"format_version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	switch {
	case head.FormatVersion == nil:
		return nil, errors.New("manifest: no format_version: this is not a segment's manifest")
	case *head.FormatVersion != ManifestVersion:
		return nil, fmt.Errorf("manifest: format version %d, this program reads %d: read it with the program that wrote it, or a newer one",
			*head.FormatVersion, ManifestVersion)
	}
	if err := exactKeys(data); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	var m Manifest
	if err := decodeStrict(data, &m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, m.Definition); err != nil {
		return nil, fmt.Errorf("manifest: definition: %w", err)
	}
	m.Definition = compact.Bytes()
	for k, note := range m.Notes {
		var compact bytes.Buffer
		if err := json.Compact(&compact, note); err != nil {
			return nil, fmt.Errorf("manifest: note %s: %w", k, err)
		}
		m.Notes[k] = compact.Bytes()
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	m.fill()
	return &m, nil
}

// exactKeys refuses what encoding/json forgives: a field that is given twice, and one in other letters. What lies in a
// definition or in notes is left to those who read them.
func exactKeys(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return keysOf(dec, false)
}

func keysOf(dec *json.Decoder, free bool) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	seen := make(map[string]bool)
	for dec.More() {
		inner := free
		if open == '{' {
			t, err := dec.Token()
			if err != nil {
				return err
			}
			key, ok := t.(string)
			if !ok {
				return fmt.Errorf("object key %v is no text", t)
			}
			if seen[key] && !free {
				return fmt.Errorf("field %q is given twice", key)
			}
			if !free && strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
				return fmt.Errorf("unknown field %q", key)
			}
			seen[key] = true
			inner = free || key == "definition" || key == "notes"
		}
		if err := keysOf(dec, inner); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// Validate joins everything that is wrong with m alone: S5, S9, S10 and numbers or names that no segment can have.
func (m *Manifest) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if m.FormatVersion != ManifestVersion {
		add("format version %d, want %d", m.FormatVersion, ManifestVersion)
	}
	for _, x := range []struct{ name, value string }{
		{"writer", m.Writer},
		{"project", m.Project},
		{"cube", m.Cube},
		{"cube_id", m.CubeID},
		{"table_id", m.TableID},
	} {
		if x.value == "" {
			add("%s is missing", x.name)
		}
	}
	if m.DefinitionVersion <= 0 || m.Number <= 0 || m.Attempt < 0 {
		add("definition version %d, number %d, attempt %d: want above 0, above 0 and not below 0", m.DefinitionVersion, m.Number, m.Attempt)
	}
	if !json.Valid(m.Definition) || !bytes.HasPrefix(bytes.TrimSpace(m.Definition), []byte("{")) {
		add("definition is no JSON object")
	}
	if err := m.Range.Validate(); err != nil {
		errs = append(errs, err)
	} else if m.Range.Empty() {
		add("the range %s holds no offset", m.Range)
	}
	if sum, err := checkParts(m.Range, m.Parts); err != nil {
		errs = append(errs, err)
	} else if sum != m.Measure {
		add("the parts add up to %+v, the manifest says %+v", sum, m.Measure)
	}
	errs = append(errs, m.checkReplaces(), m.checkInputs(), m.checkFiles(), m.checkCuboids())
	for k, note := range m.Notes {
		if !json.Valid(note) {
			add("note %s is no JSON", k)
		}
	}
	if id := m.ContentID(); m.SegmentID != id {
		add("segment id %q is not the hash of what it was built from, %s (S10)", m.SegmentID, id)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("manifest of segment %d of cube %s: %w", m.Number, m.CubeID, err)
	}
	return nil
}

func (m *Manifest) checkReplaces() error {
	for i, r := range m.Replaces {
		switch {
		case r.Number <= 0 || r.Number == m.Number || !isHash(r.SegmentID):
			return fmt.Errorf("replaces %d with id %q: want another segment's number and 64 hex digits", r.Number, r.SegmentID)
		case i > 0 && m.Replaces[i-1].Number >= r.Number:
			return fmt.Errorf("replaces %d after %d: want numbers ascending", r.Number, m.Replaces[i-1].Number)
		}
	}
	return nil
}

func (m *Manifest) checkInputs() error {
	var errs []error
	kinds := []InputKind{InputStaged, InputSupplement, InputLedger, InputLookup, InputDictionary}
	for i, in := range m.Inputs {
		if !slices.Contains(kinds, in.Kind) {
			errs = append(errs, fmt.Errorf("input %s: kind %q: want one of %v", in.Key, in.Kind, kinds))
		}
		if in.Records < 0 {
			errs = append(errs, fmt.Errorf("input %s: %d records", in.Key, in.Records))
		}
		if err := checkFile(SegmentFile{Key: in.Key, Size: in.Size, SHA256: in.SHA256}); err != nil {
			errs = append(errs, fmt.Errorf("input %w", err))
		}
		if i > 0 && m.Inputs[i-1].Key >= in.Key {
			errs = append(errs, fmt.Errorf("input %s comes after %s: want keys ascending", in.Key, m.Inputs[i-1].Key))
		}
	}
	return errors.Join(errs...)
}

func (m *Manifest) checkFiles() error {
	var errs []error
	for i, f := range m.Files {
		if err := checkFile(f); err != nil {
			errs = append(errs, fmt.Errorf("file %w", err))
		} else if cube, _, attempt, _, err := ParseSegmentFolder(f.Key); err != nil || cube != m.CubeID || attempt > m.Attempt {
			errs = append(errs, fmt.Errorf("file %s is of another cube or of a later attempt", f.Key))
		}
		if i > 0 && m.Files[i-1].Key >= f.Key {
			errs = append(errs, fmt.Errorf("file %s comes after %s: want keys ascending", f.Key, m.Files[i-1].Key))
		}
	}
	return errors.Join(errs...)
}

func checkFile(f SegmentFile) error {
	if f.Key == "" || f.Size < 0 || !isHash(f.SHA256) {
		return fmt.Errorf("%q: size %d, sha256 %q: want a key, a size and 64 hex digits", f.Key, f.Size, f.SHA256)
	}
	return nil
}

func (m *Manifest) checkCuboids() error {
	var errs []error
	if m.Stored != nil && (m.Stored.Store == "" || m.Stored.Table == "" || m.Stored.Rows < 0) {
		errs = append(errs, fmt.Errorf("stored in %q, table %q, with %d rows: want names and no number below 0", m.Stored.Store, m.Stored.Table, m.Stored.Rows))
	}
	for i, c := range m.Cuboids {
		if c.Cuboid < 0 || c.Rows < 0 || c.Bytes < 0 || !isHash(c.SHA256) {
			errs = append(errs, fmt.Errorf("cuboid %d: %d rows, %d bytes, sha256 %q: want no number below 0 and 64 hex digits", c.Cuboid, c.Rows, c.Bytes, c.SHA256))
		}
		if i > 0 && cmp.Compare(m.Cuboids[i-1].Cuboid, c.Cuboid) >= 0 {
			errs = append(errs, fmt.Errorf("cuboid %d comes after %d: want them ascending", c.Cuboid, m.Cuboids[i-1].Cuboid))
		}
		if m.Stored == nil && c.Rows > 0 && len(c.Pieces) == 0 {
			errs = append(errs, fmt.Errorf("cuboid %d has %d rows, but no file holds them", c.Cuboid, c.Rows))
		}
		for _, p := range c.Pieces {
			if p.File < 0 || p.File >= len(m.Files) || p.First < 0 || p.Count <= 0 {
				errs = append(errs, fmt.Errorf("cuboid %d: piece %+v of %d files: want one of them and at least one row group", c.Cuboid, p, len(m.Files)))
			}
		}
	}
	return errors.Join(errs...)
}
