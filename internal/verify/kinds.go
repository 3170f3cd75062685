package verify

import (
	"fmt"
	"strings"

	"github.com/tidemarkdb/tidemark/builder/backup"
	"github.com/tidemarkdb/tidemark/builder/dictionary"
	"github.com/tidemarkdb/tidemark/builder/lookup"
	"github.com/tidemarkdb/tidemark/internal/blob"
	"github.com/tidemarkdb/tidemark/segmenter"
)

// Kind names what is wrong. Beside these, the kinds of segmenter's problems name what is wrong with a ledger.
type Kind string

// The kinds of problems.
const (
	LedgerUnreadable Kind = "ledger_unreadable" // a row of the catalog that cannot be read at all
	Generations      Kind = "generations"       // the catalog's list of generations contradicts itself
	Counters         Kind = "counters"          // the catalog's counters are not the sums of its ledger
	FileUnnamed      Kind = "file_unnamed"      // a row without a file that it must have, or with wrong numbers of it
	FileMissing      Kind = "file_missing"
	FileChanged      Kind = "file_changed"      // size or SHA-256 are not what was committed
	FileUnreadable   Kind = "file_unreadable"   // as committed, but not a file of ours
	FooterMismatch   Kind = "footer_mismatch"   // the file says another thing of itself than the ledger
	RowsMismatch     Kind = "rows_mismatch"     // the rows are not the range less its exceptions, or have other times
	HashMismatch     Kind = "hash_mismatch"     // the rows have another hash than was committed
	DictionarySlices Kind = "dictionary_slices" // slices of a dictionary do not follow each other
	KafkaValue       Kind = "kafka_value"       // Kafka's record decodes to another event
	KafkaMissing     Kind = "kafka_missing"     // Kafka has no record where the ledger has one
	KafkaExtra       Kind = "kafka_extra"       // Kafka has a record where the ledger has a gap
	KafkaUnreadable  Kind = "kafka_unreadable"
	KafkaReadable    Kind = "kafka_readable" // a quarantined record can be read by the definition that refused it
	KafkaReason      Kind = "kafka_reason"   // a quarantined record is refused for another reason

	SegmentUnreadable  Kind = "segment_unreadable"  // the catalog's rows of a cube cannot be read, or say what none can
	SegmentOverlap     Kind = "segment_overlap"     // two live segments hold the same offsets
	SegmentRange       Kind = "segment_range"       // a segment holds offsets that the ledger does not
	SegmentInputs      Kind = "segment_inputs"      // it was built from other files than the ledger names, and nobody knows
	SegmentCounts      Kind = "segment_counts"      // its counts or event times are not those of its inputs
	SegmentExtra       Kind = "segment_extra"       // an object in its folder that no manifest names
	CuboidLattice      Kind = "cuboid_lattice"      // a segment's cuboids are not those of its definition
	CuboidMismatch     Kind = "cuboid_mismatch"     // the manifest says another thing of its cuboids than their files hold
	CuboidCells        Kind = "cuboid_cells"        // a cuboid does not add up to the events or to the base cuboid
	ManifestMissing    Kind = "manifest_missing"    // a ready segment's folder has none
	ManifestUnreadable Kind = "manifest_unreadable" // it breaks the format, or its id is not the hash of its content
	ManifestMismatch   Kind = "manifest_mismatch"   // it says another thing than the catalog's row
)

// Kinds that are shown and not asked for.
const (
	lookupMissing  Kind = "lookup_missing" // a cube names a lookup table that is not there
	definitionKind Kind = "definition"     // a definition's version is missing or does not compile
	secondRead     Kind = "second_reader"  // another Parquet implementation reads other values
)

const (
	doLedger  = "the catalog was changed by hand or by a fault: restore it from a backup, or rebuild it from the files"
	doRestore = "bring this object back from a backup or another copy of the store; else have its offsets read again while Kafka has them: tidemark table reread"
	doBug     = "keep the file and the catalog as they are and report it: a file that was written like this is a fault of the program"
	doSlice   = "bring this object back from a backup or another copy of the store; else rebuild the catalog without it: segments that need it are then built anew"
	doKafka   = "see whether the topic was made again or written over by a copy; if its offsets are right, have the range read again"
)

// adviceOn says what to do about a problem.
func adviceOn(p Problem) string {
	if _, ok := dictionary.ParsePack(p.File); ok {
		return "remove this object: builds read the slices, and make it again"
	}
	if p.Cube == "" && strings.HasPrefix(p.File, dictionary.Prefix) && p.Kind != DictionarySlices {
		return doSlice
	}
	if do := adviceOnObject(p.File); do != "" {
		if p.Segment > 0 && strings.HasPrefix(p.File, lookup.Prefix) {
			do += "; or " + refreshOf(p)
		}
		return do
	}
	if p.Cube == "" {
		return advice(p.Kind)
	}
	switch p.Kind {
	case lookupMissing:
		return "apply the lookup table again, or take it out of the cube's lookups"
	case SegmentUnreadable, SegmentOverlap, SegmentRange:
		return doLedger
	case SegmentExtra:
		return "no answer reads it and clean-up leaves folders of ready segments alone: find out who wrote it, then delete it"
	case ManifestMismatch:
		return "either the catalog's row was changed by hand (restore the catalog from a backup), or the manifest was (" + refreshOf(p) + ")"
	}
	return refreshOf(p)
}

// adviceOnObject is about what is of no ledger and no segment.
func adviceOnObject(key string) string {
	switch {
	case isDefinition(key):
		return "the catalog has it: delete the object if it is there, then start tidemark serve again, which writes it"
	case key == blob.MarkerKey:
		return "see whether the store is the one of this catalog; if so delete the object, and any command writes it again"
	case strings.HasSuffix(key, "/"+segmenter.DroppedName):
		return "bring this object back from a copy of the store: a catalog that is rebuilt without it brings back what was dropped"
	case strings.HasPrefix(key, lookup.Prefix):
		return "bring this object back from a copy of the store; or, if it is the newest version, delete what is left of it and apply the same file again: tidemark lookup apply"
	case strings.HasPrefix(key, backup.Prefix):
		return "delete it and make another: tidemark catalog backup"
	}
	return ""
}

func refreshOf(p Problem) string {
	project, name, _ := strings.Cut(p.Cube, "/")
	if project != "default" {
		name += " --project " + project
	}
	return fmt.Sprintf("build it again: tidemark segment refresh %s %d", name, p.Segment)
}

// advice says what to do about a problem of a table.
func advice(k Kind) string {
	switch k {
	case FileMissing, FileChanged:
		return doRestore
	case FileUnreadable, RowsMismatch, HashMismatch, secondRead:
		return doBug
	case FooterMismatch:
		return "either the catalog's row was changed by hand (restore the catalog from a backup), or the file was written wrong (report it)"
	case KafkaValue, KafkaMissing, KafkaExtra, KafkaUnreadable, KafkaReason:
		return doKafka
	case KafkaReadable:
		return "run: tidemark quarantine requeue, which turns it into an event"
	case Kind(segmenter.Hole):
		return "restore the catalog from a backup, or have these offsets read again while Kafka has them"
	}
	return doLedger
}
