// Package pgwire decides how tidemark answers clients of PostgreSQL: it speaks protocol 3.0, keeps what a session has set and
// prepared, and turns values, errors and what an answer covers into PostgreSQL's. What a statement means is package query's
// business; what clients ask of the catalog is answered by package pgcatalog.
//
//   - W1: a message that is wrong ends its statement, or the session with a reason; no message ends the process.
//   - W2: after an error within the extended protocol nothing is answered until Sync; each Sync and each simple query is answered by
//     exactly one ReadyForQuery.
//   - W3: rows are sent as they come, through a buffer with a limit; who does not read, or is gone, ends his statement.
//   - W4: a statement that is cancelled, or takes longer than statement_timeout, is interrupted, not only left.
//   - W5: a value is sent as the type that was described, or the statement fails: a client never reads one type as another.
//   - W6: sessions, connections that are no session yet, statements and portals of a session, and the bytes of both, have limits
//     with names. A machine without room for another connection is waited for.
//   - W7: nothing can be changed: what would write is refused with 25006, and what a driver sets up is answered as a server
//     does that only reads.
//   - W8: without users the port is open, so it listens on loopback only (R4 of server). With users each session proves who
//     it is before anything else is said to it, and no password crosses the wire; from another machine over TLS alone.
package pgwire
