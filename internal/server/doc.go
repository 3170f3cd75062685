// Package server decides how tidemark is asked from outside: the REST interface /api/v1, the metrics and the health
// pages. It translates requests into calls of the catalog, the store and the work it is given, and their answers into
// stable JSON; it decides nothing else.
//
//   - R1: every answer of /api/v1 is JSON. An error is {"error": {"code", "message", "problems"}} with the right status,
//     never a stack trace, and what the caller did wrong says what to do instead (I12).
//   - R2: a request that changes something may be sent again: it has the same effect and the same answer, or says that
//     nothing was left to do.
//   - R3: bodies, answers and times have limits with names (I10). A long answer is streamed, its last line says whether
//     it is whole.
//   - R4: without users the interface is open, so it listens on loopback only. What a web page of another origin sends is
//     refused.
//   - R5: a definition is in the store (tables/<id>/v<n>.json, cubes/<id>/v<n>.json) before an apply is answered.
//   - R6: /api/v1/openapi.json is made of the table of routes that is served, and every answer is valid by it.
//   - R7: with users every request says who asks, in Basic credentials or by a bearer token, before anything else of it is
//     looked at; but /healthz, which tells nothing, and /readyz, which gives nobody reasons.
package server
