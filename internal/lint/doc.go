// Package lint holds the rules of the house that a machine can check: who may import whom, how long a file or a
// function may be, which words and calls do not belong. Taste is left to the reader of a change.
//
// Rules are functions from a parsed tree of files to problems. They see syntax, not types, so that all of them together
// take well under a second.
//
//   - L1: every rule has an example under testdata that it complains about.
//   - L2: an exception to a rule stands in tables.go with its reason, never in the code that it excuses.
//   - L3: the import table here, and the one of docs/ARCHITECTURE.md, are the same.
package lint
