// Package catalogtest makes SQLite catalogs for tests in a twentieth of the time that their migrations take. It imports the catalog alone,
// whose own tests have what it does beside them.
//
//   - L1: a catalog is what catalog.Open makes of a path where nothing is, with an id of its own.
package catalogtest
