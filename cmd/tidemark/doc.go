// Command tidemark reads JSON events from Kafka into columnar files, each Kafka offset exactly once, and proves it.
//
// This package holds flags, wiring and what people see on a terminal; every decision is made elsewhere.
//
//   - X1: a command is a client of /api/v1: of --server, else of the process that holds the data folder, else of the same
//     handlers in this process, which then holds the folder.
//   - X2: exit codes: 0 done, 1 failed, 2 wrong use, 3 doctor found nothing but warnings, 130 ended by a second Ctrl-C.
//   - X3: standard output carries the answer alone, in text or with -o json in JSON; progress and errors go to standard
//     error.
package main
