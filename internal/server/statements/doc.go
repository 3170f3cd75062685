// Package statements names what /api/v1 is asked about statements and what it answers besides rows: the JSON of questions, of what an
// answer covers and was made of, of explanations, and of the list of statements. Package server fills it in, clients of it read it.
//
//   - M1: a list is never null in JSON, and a field keeps its name and its meaning for as long as there is /api/v1.
package statements
