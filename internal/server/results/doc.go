// Package results decides how the rows of an answer look to programs: JSON, CSV, an Arrow stream, Parquet. It writes them as they
// come and keeps none; what is said of an answer as a whole is its callers' business.
//
//   - T1: a value has one form in JSON and in CSV, and no number loses a digit: decimals, and whole numbers that no double holds, are
//     strings in JSON.
//   - T2: times are in UTC: JSON has them by RFC 3339, CSV as SQL writes them.
//   - T3: whatever ends early says so: a JSON text is closed by the caller with an error in it, the others break off.
package results
