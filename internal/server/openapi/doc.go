// Package openapi writes the OpenAPI document of an HTTP interface from the table of its routes. It describes what Go
// types become in JSON, and decides nothing about them.
//
//   - O1: every operation of the table is in the document, and nothing else is.
//   - O2: what encoding/json writes of a value of an answer's type is valid by its schema.
//   - O3: the same table gives the same bytes.
package openapi
