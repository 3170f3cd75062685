#!/usr/bin/env bash
# Prints the first of N consecutive TCP ports on 127.0.0.1 that nobody listens on.
#
#   ports.sh N
#
# They lie below the range that the kernel gives to outgoing connections, so that only another server can take one
# between this answer and the start of the server it is for.
set -euo pipefail

n=${1:?usage: ports.sh N}
for _ in {1..200}; do
  first=$((20000 + RANDOM % 12000))
  taken=0
  for ((p = first; p < first + n; p++)); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null; then
      taken=1
      break
    fi
  done
  if ((taken == 0)); then
    echo "$first"
    exit 0
  fi
done
echo "ports.sh: no $n free ports side by side after 200 tries" >&2
exit 1
