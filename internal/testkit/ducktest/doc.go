// Package ducktest opens files that we wrote with DuckDB, which did not write them.
//
//   - Q1: a database lives in memory and ends with its test.
package ducktest
