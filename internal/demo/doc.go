// Package demo is what a first look at tidemark needs besides tidemark: a Kafka broker inside the process, with its records
// in a folder, and a producer of page views that knows what it sent. It decides how much of the disk the broker may
// take and at which pace events come; what is read and shown is left to its caller.
//
//   - D1: a broker opened again on its folder has every record that was acknowledged before Close, at the same offset.
//   - D2: the broker's files stay near BrokerOptions.MaxBytes while Run runs: the oldest records go first.
//   - D3: a producer's counts hold each record once, and as acknowledged only what the broker has.
//   - D4: one process at a time uses a folder: the caller holds a lock on it, the broker takes none.
package demo
