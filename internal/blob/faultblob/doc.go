// Package faultblob breaks a blob.Store on purpose, for tests: Store fails one chosen call, before or after it took effect;
// Flaky is slow, fails now and then, or is cut off.
//
//   - F1: a run is repeatable: what happens to a call depends on its number and the seed, never on time or a global random
//     source.
//   - F2: a call that "took effect" did so wholly, one that did not left nothing.
package faultblob
