// Package celltest makes cells of all types and measures for tests of what keeps cells: files and tables of cuboids.
//
//   - E1: equal seeds give equal cells, for ever: golden files are made of them.
package celltest
