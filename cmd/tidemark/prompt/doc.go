// Package prompt decides how statements are typed into a terminal: where one ends, which lines are commands of the prompt, what is
// remembered of them, and what Ctrl-C and Ctrl-D do. What a statement or a command does is its caller's.
//
//   - P1: a statement ends with a semicolon outside of quotes and comments, and nothing of it runs before.
//   - P2: the terminal is as it was found while a statement runs and after Run, whatever happens in between.
//   - P3: Ctrl-C throws away what is being typed, or ends what runs; it never ends the prompt. Ctrl-D on an empty line does.
//   - P4: the history is in a file that only its owner reads, and has at most as many entries as Options say.
package prompt
