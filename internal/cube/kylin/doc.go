// Package kylin translates between cubes and the descriptors of Apache Kylin: the cube's and its model's, JSON as its REST
// interface of versions 1.6 to 3.1 takes and gives it. It does no I/O. Which requests there are, and what else of Kylin a
// client needs, is left to internal/server.
//
//   - Y1: a descriptor that Import takes means the same as the cube it returns, but for what the notes say.
//   - Y2: what cannot be carried over is named, all of it at once: as an error where cells would be missing or others, as a
//     note where they are not.
//   - Y3: Export always gives descriptors; where its notes are about settings alone, Import of them gives back the cube's cells.
package kylin
