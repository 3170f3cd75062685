// Package kylin decides how tidemark answers those who know Apache Kylin: its calls to build, merge and refresh, its cubes,
// segments, holes and jobs, its queries and what drivers ask besides, below /kylin/api. Scripts that were written for Kylin work as they are. What is done is decided
// by package builder and kept by the catalog; here are only the words of Kylin's API.
//
//   - K1: an error has Kylin's shape, and status 500 wherever Kylin has 500: its clients tell their own errors by it.
//   - K2: offsets are whole numbers of 64 bits from the request to the catalog, and never pass through a float.
//   - K3: what a client sends more than is known, in the query or in a body, is ignored.
//   - K4: a segment's one number is the sum over its partitions; where it does not say which offsets are meant, the
//     request is refused.
//   - K5: every call but the log-in wants credentials. While there are no users any name and password will do, as the
//     interface listens on loopback only (R4 of server); with users the log-in wants them too, sets no cookie, and a cookie
//     proves nothing.
//   - K6: tables_and_columns has no key that Kylin has not, since the JDBC driver refuses what it does not know.
//   - K7: limit, offset and the driver's maximum of rows bound the rows of the answer; the text of a statement is never searched for them.
package kylin
