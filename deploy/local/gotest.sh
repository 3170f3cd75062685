#!/usr/bin/env bash
# Runs the tests that stand behind a build tag or are fuzz targets. What to run is found in the sources, so a new test
# needs no entry anywhere.
#
#   gotest.sh sim [FLAGS]      tests of files with the build tag synctests
#   gotest.sh unraced [FLAGS]  tests of files that are left out under the race detector (//go:build !race)
#   gotest.sh e2e [FLAGS]      tests of files with the build tag e2e
#   gotest.sh fuzz SECONDS     new inputs, an equal share of SECONDS for each fuzz target
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

# Tests declared in files whose build constraint matches: lines "folder name".
constrained() {
  local f
  { grep -rlE --include='*_test.go' "^//go:build $1" . || true; } | grep -v '/testdata/' | while read -r f; do
    sed -nE "s|^func (Test[A-Za-z0-9_]*)\(.*|$(dirname "$f") \1|p" "$f"
  done | sort -u
}

run_constrained() { # CONSTRAINT TAG FLAGS...
  local tag=$2 folder names bad=0
  local list
  list=$(constrained "$1")
  [ -n "$list" ] || { echo "no tests of files with //go:build $1" >&2; return 1; }
  shift 2
  for folder in $(cut -d' ' -f1 <<<"$list" | uniq); do
    names=$(awk -v f="$folder" '$1 == f { print $2 }' <<<"$list" | paste -sd'|')
    go test -pgo=off -tags "$tag" -count=1 -run "^($names)\$" "$@" "$folder" || bad=1
  done
  return "$bad"
}

# Lines "folder name", as the test binaries themselves list them.
fuzz_targets() {
  local folder
  { grep -rlE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*\(' . || true; } | grep -v '/testdata/' | xargs -r -n1 dirname |
    sort -u | while read -r folder; do
    go test -pgo=off -list '^Fuzz' "$folder" | sed -nE "s|^(Fuzz.*)|$folder \1|p"
  done
}

fuzz_one() { # FOLDER NAME SECONDS
  go test -pgo=off -run '^$' -fuzz "^$2\$" -fuzztime "$3s" -fuzzminimizetime 10s -parallel 2 "$1" 2>&1 | tee "$out"
}

fuzz() {
  local seconds=$1 targets n share folder name bad=0
  targets=$(fuzz_targets)
  [ -n "$targets" ] || { echo "no fuzz targets" >&2; return 1; }
  n=$(wc -l <<<"$targets")
  share=$((seconds / n))
  ((share > 0)) || share=1
  out=$(mktemp)
  trap 'rm -f "$out"' EXIT
  echo "$n fuzz targets, $share s each"
  while read -r folder name; do
    echo "-- $folder $name"
    fuzz_one "$folder" "$name" "$share" && continue
    # The fuzzer of the Go tool at times reports its own deadline as a failure, without an input. Such a run says
    # nothing about the code: it is made once more, and must then end well.
    if grep -q 'context deadline exceeded' "$out" && ! grep -qE 'Failing input|panic:|_test\.go:' "$out"; then
      echo "-- $folder $name: stopped by its own deadline, once more"
      fuzz_one "$folder" "$name" "$share" && continue
    fi
    bad=1
  done <<<"$targets"
  return "$bad"
}

case ${1:-} in
  sim) shift && run_constrained '.*\bsynctests\b' synctests -timeout 10m "$@" ;;
  e2e) shift && run_constrained '.*\be2e\b' e2e -timeout 50m -v "$@" ;;
  unraced) shift && run_constrained '!race$' '' -timeout 10m "$@" ;;
  fuzz) fuzz "${2:?usage: gotest.sh fuzz SECONDS}" ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
