// Package lexer decides where the words of PostgreSQL's SQL begin and end: enough to tell statements apart, and to read those that set
// up a session. What a query means is left to query/duck.
//
//   - L1: the pieces of a text are in its order, do not overlap, and what lies between them is white space and comments.
//   - L2: any text has pieces: one that does not end, such as a string without its last quote, ends with the text.
package lexer
