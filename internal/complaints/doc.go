// Package complaints decides how a package says what is wrong with its Options: all of it at once, a line each.
//
//   - P1: no complaint hides another; none is no error.
package complaints
