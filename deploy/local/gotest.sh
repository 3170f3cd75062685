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

# All packages in one go, as many at once as the Go tool likes: those that must not run beside each other ask for -p 1.
run_constrained() { # CONSTRAINT TAG FLAGS...
  local tag=$2 list folders names
  list=$(constrained "$1")
  [ -n "$list" ] || { echo "no tests of files with //go:build $1" >&2; return 1; }
  shift 2
  folders=$(cut -d' ' -f1 <<<"$list" | sort -u)
  names=$(cut -d' ' -f2 <<<"$list" | sort -u | paste -sd'|')
  # shellcheck disable=SC2086 # a word for each folder
  go test -pgo=off -vet=off -tags "$tag" -count=1 -run "^($names)\$" "$@" $folders
}

fuzz_folders() {
  { grep -rlE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*\(' . || true; } | grep -v '/testdata/' | xargs -r -n1 dirname | sort -u
}

# Builds the test binary of each folder once, as $work/FOLDER/fuzz. Our own packages count coverage, and no others: of all
# that is linked it is megabytes, which are copied and compared for each input, and the rest is not what is tested.
build_fuzzers() { # FOLDER...
  local folder
  for folder in "$@"; do
    mkdir -p "$work/$folder" || return 1
    go test -c -pgo=off -gcflags="$module/...=-d=libfuzzer" -ldflags='-s -w' -o "$work/$folder/fuzz" "$folder" || return 1
  done
}

# Lists the targets of each folder in $targets, as "folder name". A folder without any is an error: it is there for the sake
# of a target that its test binary does not have.
list_fuzzers() { # FOLDER...
  local folder names name
  targets=()
  for folder in "$@"; do
    names=$(cd "$folder" && "$work/$folder/fuzz" -test.list '^Fuzz') || { echo "$folder: its fuzz targets cannot be listed" >&2; return 1; }
    [ -n "$names" ] || { echo "$folder: its test binary has no fuzz target" >&2; return 1; }
    while read -r name; do targets+=("$folder $name"); done <<<"$names"
  done
}

# The new inputs that are worth keeping are those of go test -fuzz, in its cache. An input is made smaller in a hundred tries:
# by the clock, which is 60 s if nothing is said, there would be no time left for new ones.
fuzz_one() { # FOLDER NAME SECONDS
  (cd "$1" && "$work/$1/fuzz" -test.paniconexit0 -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "$3s" -test.fuzzminimizetime 100x \
    -test.parallel 2 -test.fuzzcachedir "$cache/fuzz/$module/${1#./}") 2>&1 | tee "$work/out"
}

fuzz() {
  local seconds=$1 folders targets n share target folder name bad=0
  folders=$(fuzz_folders)
  [ -n "$folders" ] || { echo "no fuzz targets" >&2; return 1; }
  module=$(go list -m) cache=$(go env GOCACHE) work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # Before ||, -e ends nothing: each step of these two says itself that it failed.
  # shellcheck disable=SC2086 # a word for each folder
  build_fuzzers $folders || return 1
  # shellcheck disable=SC2086 # a word for each folder
  list_fuzzers $folders || return 1
  n=${#targets[@]}
  share=$((seconds / n))
  ((share > 0)) || share=1
  echo "$n fuzz targets, $share s each, built in $SECONDS s"
  for target in "${targets[@]}"; do
    read -r folder name <<<"$target"
    echo "-- $folder $name"
    fuzz_one "$folder" "$name" "$share" && continue
    # The fuzzer of the Go tool at times reports its own deadline as a failure, without an input. Such a run says
    # nothing about the code: it is made once more, and must then end well.
    if grep -q 'context deadline exceeded' "$work/out" && ! grep -qE 'Failing input|panic:|_test\.go:' "$work/out"; then
      echo "-- $folder $name: stopped by its own deadline, once more"
      fuzz_one "$folder" "$name" "$share" && continue
    fi
    bad=1
  done
  return "$bad"
}

case ${1:-} in
  sim) shift && run_constrained '.*\bsynctests\b' synctests -timeout 10m "$@" ;;
  e2e) shift && run_constrained '.*\be2e\b' e2e -p 1 -timeout "${TIDEMARK_TEST_SOAK:+2}50m" -v "$@" ;; # 250m under make soak
  unraced) shift && run_constrained '!race$' '' -timeout 10m "$@" ;;
  fuzz) fuzz "${2:?usage: gotest.sh fuzz SECONDS}" ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
