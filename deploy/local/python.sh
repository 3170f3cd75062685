#!/usr/bin/env bash
# A Python with packages that tests want. Prints the path of its interpreter.
#
#   python.sh install         the readers that tests compare ours with
#   python.sh install kylin   the last client of Apache Kylin, with the SQLAlchemy that its dialect works with
#   python.sh install pg      clients of PostgreSQL
#
# Environment: SERVICES_DIR (default: the user's cache folder), PYTHON (python3). Needs Python 3.11 or newer with venv.
set -euo pipefail

case "${1:-} ${2:-readers}" in
  'install readers')
    packages=(datasketches==5.2.0 duckdb==1.5.0 pyarrow==26.0.1 pandas==3.1.1) imports='datasketches, duckdb, pandas, pyarrow.parquet' pip_options=(--only-binary :all:) ;;
  'install kylin') # both are there as sources only
    packages=(kylinpy==2.8.4 SQLAlchemy==1.3.24) imports='kylinpy, sqlalchemy' pip_options=() ;;
  'install pg')
    packages=(psycopg==3.3.9 psycopg-binary==3.3.9 SQLAlchemy==2.1.9) imports='psycopg, sqlalchemy' pip_options=(--only-binary :all:) ;;
  *) echo "usage: ${0##*/} install [kylin|pg]" >&2; exit 2 ;;
esac
: "${SERVICES_DIR:=${XDG_CACHE_HOME:-$HOME/.cache}/tidemark-services}"
mkdir -p "$SERVICES_DIR"
root=$(cd "$SERVICES_DIR" && pwd)
# Another list of packages is another folder, so two checkouts never pull the rug from under each other.
venv=$root/python-$(printf '%s ' "${packages[@]}" | cksum | cut -d' ' -f1)

exec 9>"$root/python.lock"
flock -w 900 9
if [ ! -e "$venv/ok" ]; then
  rm -rf "$venv"
  "${PYTHON:-python3}" -m venv "$venv" >&2
  "$venv/bin/pip" install --quiet --disable-pip-version-check "${pip_options[@]}" "${packages[@]}" >&2 9>&-
  "$venv/bin/python" -c "import $imports" >&2
  touch "$venv/ok"
fi
echo "$venv/bin/python"
