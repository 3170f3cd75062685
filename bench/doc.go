// Command bench loads and measures tidemark from outside, by Kafka, HTTP and the tidemark binary alone, beside its peers in
// the same run. What is measured inside the process belongs into the package that does the work.
//
//   - B1: every contender of a scenario reads the same records, in turn within each round, and the order rotates.
//   - B2: a contender that comes to another number of events than the generator gives no figure: the scenario fails.
//   - B3: CPU and memory are those of the contender's whole process, from its start to its end, by the kernel's account.
//   - B4: the scenario's own process stays small and idle while a contender runs; what is heavy runs as a child.
//   - B5: beside the seconds of a run stands how many cores anything else took: CPU seconds compare where seconds do not.
package main
