package lint

// row is a line of the map: a folder and the folders of ours that it may import. Folders below belong to the nearest
// row above them. Pure folders do no I/O and read no clock.
type row struct {
	dir  string
	may  []string
	pure bool
}

// importMap returns the map of docs/ARCHITECTURE.md (L3).
func importMap() []row {
	below := []string{
		"segmenter", "ingest/align", "builder/scheduler", "internal/cube", "internal/cube/kylin", "internal/pageviews",
		"internal/blob", "segmenter/catalog", "internal/pages", "ingest/stage", "ingest/decode", "builder/cells", "builder/cuboid",
		"builder/cuboid/hbase", "ingest", "builder",
		"builder/backup", "builder/dictionary", "builder/lookup", "query/duck", "query/filecache", "query/plan", "query/run", "query/source", "query", "internal/verify", "internal/inspect", "internal/config", "internal/auth", "internal/doctor",
	}
	verify := []string{"ingest/decode", "ingest/stage", "builder/cells", "builder/cuboid", "builder/cuboid/hbase", "builder/backup", "builder/dictionary", "builder/lookup", "segmenter", "segmenter/catalog", "internal/cube", "internal/blob"}
	return []row{
		{dir: "segmenter", pure: true},
		{dir: "ingest/align", pure: true},
		{dir: "internal/complaints", pure: true},
		{dir: "builder/scheduler", may: []string{"internal/complaints"}},
		{dir: "internal/cube"},
		{dir: "internal/cube/kylin", may: []string{"internal/cube"}, pure: true},
		{dir: "internal/pageviews", pure: true},
		{dir: "internal/blob"},
		{dir: "segmenter/catalog", may: []string{"segmenter", "internal/cube"}},
		{dir: "internal/pages", may: []string{"internal/cube", "internal/blob"}},
		{dir: "ingest/stage", may: []string{"segmenter", "internal/cube", "internal/blob", "internal/pages"}},
		{dir: "ingest/decode", may: []string{"ingest/stage", "internal/cube"}, pure: true},
		{dir: "builder/cells", may: []string{"ingest/stage", "internal/cube"}, pure: true},
		{dir: "builder/cuboid", may: []string{"builder/cells", "segmenter", "internal/cube", "internal/blob", "internal/pages"}},
		{dir: "builder/backup"},
		{dir: "builder/lookup", may: []string{"ingest/stage", "segmenter/catalog", "internal/cube", "internal/blob"}},
		{dir: "builder/cuboid/hbase", may: []string{"builder/cells", "builder/cuboid", "ingest/stage", "segmenter", "internal/cube", "internal/blob", "internal/complaints", "internal/pages"}},
		{dir: "builder/dictionary", may: []string{"ingest/stage", "segmenter", "segmenter/catalog", "internal/blob", "internal/complaints"}},
		{dir: "ingest", may: []string{
			"ingest/align", "ingest/decode", "ingest/stage", "segmenter", "segmenter/catalog", "internal/cube", "internal/blob",
		}},
		{dir: "builder", may: []string{
			"builder/scheduler", "builder/cuboid", "builder/cuboid/hbase", "builder/backup", "builder/dictionary", "builder/lookup", "ingest/stage", "segmenter", "segmenter/catalog",
			"internal/cube", "internal/blob", "internal/complaints",
		}},
		{dir: "builder/local", may: []string{
			"builder", "builder/cells", "builder/cuboid", "builder/cuboid/hbase", "builder/dictionary", "ingest/stage", "segmenter", "segmenter/catalog",
			"internal/cube", "internal/blob", "internal/complaints",
		}},
		{dir: "query/duck"},
		{dir: "query/filecache", may: []string{"internal/blob"}},
		{dir: "query/plan", may: []string{"query/duck", "builder/cells", "segmenter", "internal/cube"}, pure: true},
		{dir: "query/run", may: []string{"builder/cells", "builder/cuboid", "builder/cuboid/hbase", "ingest/stage", "segmenter", "internal/cube", "internal/blob"}},
		{dir: "query/source", may: []string{"builder/cells", "ingest/stage", "segmenter", "segmenter/catalog", "internal/cube", "internal/blob"}},
		{dir: "query", may: []string{
			"query/duck", "query/filecache", "query/plan", "query/run", "query/source", "builder/cells", "builder/cuboid", "builder/dictionary", "builder/lookup", "ingest/stage", "segmenter", "segmenter/catalog", "internal/cube",
			"internal/blob",
		}},
		{dir: "internal/verify", may: verify},
		{dir: "internal/inspect", may: []string{"builder/cuboid", "builder/cuboid/hbase", "ingest/stage", "internal/cube", "internal/blob", "internal/pages"}},
		{dir: "internal/config"},
		{dir: "internal/auth", may: []string{"segmenter/catalog"}},
		{dir: "internal/doctor", may: append([]string{"builder/scheduler"}, verify...)},
		{dir: "internal/demo", may: []string{"internal/pageviews"}},
		{dir: "internal/server", may: below},
		{dir: "cmd/tidemark", may: append([]string{"internal/server", "internal/demo", "builder/local"}, below...)},
		{dir: "bench", may: []string{"internal/pageviews"}},
	}
}

// testOnly are folders that nothing but tests may import.
var testOnly = []string{"internal/testkit", "internal/blob/faultblob", "internal/lint"}

// fromInside are those of testOnly that tests inside a package may import too: they import little themselves.
var fromInside = []string{"internal/blob/faultblob", "internal/testkit/celltest", "internal/testkit/catalogtest"}

// topLevel are the folders that the root may hold, beside those that start with a dot and those that .gitignore names.
var topLevel = []string{"ingest", "segmenter", "builder", "query", "cmd", "bench", "deploy", "internal", "docs"}

// Limits of size.
const (
	maxSourceLines   = 500
	maxTestLines     = 800
	maxFunctionLines = 70
	maxParameters    = 5
	maxMethods       = 5  // of an interface
	maxExported      = 40 // names of a package, methods not counted; 30 is the aim
)

// manyExported are the packages that may export more, each with its limit and its reason.
var manyExported = map[string]int{
	"internal/cube":     97,  // the whole vocabulary of definitions: every kind, policy, grain and function is a name
	"segmenter/catalog": 100, // rows of every table of one database; splitting it would split its transactions
	"internal/server":   79,  // the JSON of every request and answer of /api/v1: its clients need a name for each
	"segmenter":         60,  // the types that all others speak: vectors, ledger rows, segments, manifests; plans are below it
	"ingest/stage":      55,  // columns in memory, three file formats and their names: what builder and query read with
	"query/plan":        85,  // half of them are words that query/run must tell apart: operators, aggregates, kinds of measure states
	"query/run":         45,  // what query compiles statements to: conditions, leaves, programs and answers are a name each
	"query/duck":        75,  // a name for each of 30 kinds of nodes in SQL's tree, which planning looks into
	"internal/verify":   45,  // a name for each kind of damage, which reports and exit codes speak of
}

// manyParameters are the functions that may take more, each with its number and its reason.
var manyParameters = map[string]int{
	"ingest/stage.Encode": 6, // a file is its schema, format, footer and rows; none of them belongs to another
}

// badPackages are names that say nothing.
var badPackages = []string{"util", "utils", "common", "helper", "helpers", "types", "misc", "base", "shared", "lib"}

// logKeys are the keys of log attributes, so that one question to the logs works for all packages.
var logKeys = []string{
	"cube", "topic", "partition", "start_offset", "end_offset", "segment", "job", "kind", "epoch", "err", "took_ms", "task",
	// Of HTTP requests.
	"method", "path", "status", "stack",
	// Of storage.
	"bytes",
	// Of statements: without their text a slow one cannot be found, and a fault is told to the user by its number.
	"sql", "incident",
}
