// Package auth decides who asks: it keeps the file of users, checks passwords, bearer tokens and SCRAM exchanges against
// it, and slows down who guesses. What somebody may do once he is known is decided by those who ask it.
//
//   - A1: the file of users holds no password and no token, only what proves one: an argon2id hash, a SCRAM-SHA-256
//     verifier in PostgreSQL's form, SHA-256 of tokens. It is made readable by its owner alone and replaced whole, with
//     the owner, group and mode that it has.
//   - A2: a name that is not there costs the same work, and its exchange looks the same, as one that is. What is secret is
//     compared in constant time.
//   - A3: at most Options.Verifications hashes are computed at once, whatever is asked. A password that was right is
//     remembered for Options.CacheTime, as a keyed hash and never as text.
//   - A4: guesses cost: each takes from the bucket of its address and of its name, before it is looked at, and only a right
//     one gives back. There are at most Options.Tracked buckets of each kind; whoever comes beyond shares one.
//   - A5: Reload replaces what is in force as a whole, or leaves it and says why. What was remembered is forgotten.
//   - A6: no error, log line or metric holds a password, a token or a hash.
package auth
