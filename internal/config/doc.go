// Package config decides which settings are in force and who owns a data folder. A setting comes from a flag, else from
// a TIDEMARK_* variable, else from a YAML file, else it has its default. What the settings mean is decided by those
// who use them.
//
//   - C1: flag, variable and file name the same settings: one table (settings.go) holds them all. What proves who a
//     command is has no flag, since everybody on a machine sees the flags of a process.
//   - C2: an unknown key is an error, wherever it stands, and the error names the nearest key that exists.
//   - C3: all complaints are reported at once.
//   - C4: a secret is never printed: not by Dump, not in an error.
//   - C5: at most one process holds a data folder; the second is told who holds it.
package config
