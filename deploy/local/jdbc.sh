#!/usr/bin/env bash
# The JDBC drivers of PostgreSQL and of Apache Kylin, for tests. Prints the class path that has them.
#
#   jdbc.sh install   jars from Maven into SERVICES_DIR (needs mvn; checked by Maven's checksums)
#
# Environment: SERVICES_DIR (default: the user's cache folder). Whoever uses the drivers needs Java 11 or newer.
set -euo pipefail

[ "${1:-}" = install ] || { echo "usage: ${0##*/} install" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pom=$here/jdbc-pom.xml
: "${SERVICES_DIR:=${XDG_CACHE_HOME:-$HOME/.cache}/tidemark-services}"
mkdir -p "$SERVICES_DIR/jdbc"
root=$(cd "$SERVICES_DIR/jdbc" && pwd)
lib=$root/lib-$(cksum <"$pom" | cut -d' ' -f1) # a changed pom is a new install

exec 9>"$root/.lock"
flock -w 900 9
if [ ! -e "$lib/ok" ]; then
  rm -rf "$lib"
  command -v mvn >/dev/null || { echo "jdbc.sh: mvn is needed" >&2; exit 1; }
  mvn -B -q -ntp -C -f "$pom" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$lib" >&2 9>&-
  touch "$lib/ok"
fi
echo "$lib/*"
