// Package testkit is what tests of several packages share: where the real servers are, an in-memory Kafka, the built
// program as a process that can be killed, and the comparison of metrics with their documentation. Only tests from
// outside a package (package x_test) import it. DuckDB stands apart in ducktest, because linking it takes seconds; cells
// stand apart in celltest, which tests inside a package may import too.
//
//   - K1: a test that needs a server skips without the server's variable and names the variable.
//   - K2: names of topics, databases, buckets and prefixes are new in every test, so tests may run side by side and again.
//   - K3: what a helper makes, the end of the test removes: topics, databases, processes, folders. The built program stays
//     in .bin, the prefix on S3 with its server.
//   - K4: waiting has a condition and a limit; the limit is long enough for a busy machine, and a failure says what was
//     waited for and what was seen last.
package testkit
