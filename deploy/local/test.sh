#!/usr/bin/env bash
# Runs stages of the project's own checks, with real servers beside them where a stage wants them.
#
#   test.sh STAGE...        stages are targets of the Makefile: build lint race sim fuzz e2e ...
#   test.sh -- COMMAND...   one command with the servers' addresses in its environment
#
# The servers install and start in the background while the stages that need none run; HBase is only installed: the tests
# that want it start it, so that nothing else waits for it. They listen on free ports of
# 127.0.0.1, keep their data in a folder of this run, and are stopped at the end whatever happens. When a stage fails
# the folder stays, with all logs, and its path is printed.
#
# Environment: SERVICES_DIR (where installs are kept; default: the user's cache folder), TIDEMARK_TEST_LOGS (keep all
# logs there, also of a good run).
set -uo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.." || exit 1

serverless=' build lint unit sim fuzz fmt golden '
run=$(mktemp -d "${TMPDIR:-/tmp}/tidemark-test.XXXXXX") || exit 1
chmod 755 "$run" # the account that PostgreSQL runs as must reach its data
export SERVICES_RUN=$run
logs=$run/logs
mkdir -p "$logs"
kafka_pid='' pg_pid='' s3_pid='' hbase_pid='' python_pid='' kylin_pid='' pgpy_pid='' jdbc_pid=''
started=0 ready=0 summary=''

now() { date +%s; }
begin=$(now)

# Whether ports FIRST to FIRST+N-1 meet any of the runs that follow, pairs of a first port and a number.
overlaps() { # FIRST N [FIRST N]...
  local first=$1 n=$2
  shift 2
  while (($# > 0)); do
    if ((first < $1 + $2 && $1 < first + n)); then return 0; fi
    shift 2
  done
  return 1
}

start_services() {
  started=1
  KAFKA_PORT=$("$here/ports.sh" 4) || return 1
  # The draws are independent; another try costs nothing.
  while PG_PORT=$("$here/ports.sh" 1) && overlaps "$PG_PORT" 1 "$KAFKA_PORT" 4; do :; done
  while S3_PORT=$("$here/ports.sh" 1) && overlaps "$S3_PORT" 1 "$KAFKA_PORT" 4 "$PG_PORT" 1; do :; done
  while HBASE_PORT=$("$here/ports.sh" 3) && overlaps "$HBASE_PORT" 3 "$KAFKA_PORT" 4 "$PG_PORT" 1 "$S3_PORT" 1; do :; done
  export KAFKA_PORT PG_PORT S3_PORT HBASE_PORT HBASE_START_TIMEOUT=300 HBASE_HEAP=768m KAFKA_SECURE=1 KAFKA_START_TIMEOUT=300 PG_START_TIMEOUT=120 S3_START_TIMEOUT=120
  export KAFKA_USER=tidemark KAFKA_PASSWORD=tidemark-secret S3_ACCESS_KEY=tidemark S3_SECRET_KEY=tidemark-secret
  # Each in its own process group, so that an interrupt ends an install with all its children.
  set -m
  "$here/kafka.sh" start >"$logs/kafka.start" 2>&1 </dev/null & kafka_pid=$!
  "$here/postgres.sh" start >"$logs/postgres.start" 2>&1 </dev/null & pg_pid=$!
  "$here/s3.sh" start >"$logs/s3.start" 2>&1 </dev/null & s3_pid=$!
  "$here/hbase.sh" install >"$logs/hbase.start" 2>&1 </dev/null & hbase_pid=$!
  "$here/python.sh" install >"$logs/python.path" 2>"$logs/python.start" </dev/null & python_pid=$!
  "$here/python.sh" install kylin >"$logs/kylin.path" 2>"$logs/kylin.start" </dev/null & kylin_pid=$!
  "$here/python.sh" install pg >"$logs/pgpy.path" 2>"$logs/pgpy.start" </dev/null & pgpy_pid=$!
  "$here/jdbc.sh" install >"$logs/jdbc.path" 2>"$logs/jdbc.start" </dev/null & jdbc_pid=$!
  set +m
}

one_service() { # NAME PID
  if ! wait "$2"; then
    echo "== $1 did not start:" >&2
    tail -n 30 "$logs/$1.start" >&2
    return 1
  fi
}

await_services() {
  ((ready == 0)) || return 0
  ((started == 1)) || start_services || return 1
  local t0 bad=0
  t0=$(now)
  one_service kafka "$kafka_pid" || bad=1
  one_service postgres "$pg_pid" || bad=1
  one_service s3 "$s3_pid" || bad=1
  one_service python "$python_pid" || bad=1
  one_service kylin "$kylin_pid" || bad=1
  one_service pgpy "$pgpy_pid" || bad=1
  one_service jdbc "$jdbc_pid" || bad=1
  kafka_pid='' pg_pid='' s3_pid='' python_pid='' kylin_pid='' pgpy_pid='' jdbc_pid=''
  ((bad == 0)) || return 1
  ready=1
  export TIDEMARK_TEST_KAFKA=127.0.0.1:$KAFKA_PORT
  export TIDEMARK_TEST_KAFKA_SASL_SSL=127.0.0.1:$((KAFKA_PORT + 2))
  export TIDEMARK_TEST_KAFKA_SASL_PLAINTEXT=127.0.0.1:$((KAFKA_PORT + 3))
  export TIDEMARK_TEST_KAFKA_CA=$run/kafka/$KAFKA_PORT/tls/ca.pem
  export TIDEMARK_TEST_KAFKA_USER=$KAFKA_USER TIDEMARK_TEST_KAFKA_PASSWORD=$KAFKA_PASSWORD
  export TIDEMARK_TEST_POSTGRES="postgres://postgres@127.0.0.1:$PG_PORT/tidemark?sslmode=disable"
  export TIDEMARK_TEST_S3="s3://tidemark-test/run?endpoint=http://127.0.0.1:$S3_PORT&region=us-east-1&path_style=true"
  export TIDEMARK_TEST_HBASE=127.0.0.1:$HBASE_PORT TIDEMARK_TEST_HBASE_SCRIPT=$here/hbase.sh
  export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY AWS_REGION=us-east-1
  export AWS_EC2_METADATA_DISABLED=true
  TIDEMARK_PYTHON=$(cat "$logs/python.path")
  TIDEMARK_TEST_KYLIN_PYTHON=$(cat "$logs/kylin.path")
  TIDEMARK_TEST_PG_PYTHON=$(cat "$logs/pgpy.path")
  TIDEMARK_TEST_JDBC=$(cat "$logs/jdbc.path")
  export TIDEMARK_PYTHON TIDEMARK_TEST_KYLIN_PYTHON TIDEMARK_TEST_PG_PYTHON TIDEMARK_TEST_JDBC
  echo "== services ready (waited $(($(now) - t0)) s)"
}

finish() {
  local code=$? pid
  trap - EXIT INT TERM HUP
  for pid in $kafka_pid $pg_pid $s3_pid $hbase_pid $python_pid $kylin_pid $pgpy_pid $jdbc_pid; do
    kill -TERM -- "-$pid" 2>/dev/null && wait "$pid" 2>/dev/null
  done
  if ((started == 1)); then
    "$here/kafka.sh" stop >>"$logs/kafka.start" 2>&1
    "$here/s3.sh" stop >>"$logs/s3.start" 2>&1
    "$here/hbase.sh" stop >>"$logs/hbase.start" 2>&1
    "$here/postgres.sh" stop >>"$logs/postgres.start" 2>&1
    cp "$run"/kafka/*/broker.log "$logs/kafka.log" 2>/dev/null
    cp "$run"/postgres/log/postgres.log "$run"/s3/log/s3.log "$run"/hbase/log/hbase.log "$logs/" 2>/dev/null
  fi
  if [ -n "${TIDEMARK_TEST_LOGS:-}" ]; then
    mkdir -p "$TIDEMARK_TEST_LOGS" && cp -R "$logs/." "$TIDEMARK_TEST_LOGS/"
  fi
  if ((code == 0)); then
    rm -rf "$run"
  else
    # Logs say what went wrong; gigabytes of broker data do not.
    rm -rf "$run/kafka" "$run/postgres" "$run/s3" "$run/hbase"
    echo "== logs are in $logs" >&2
  fi
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ "${1:-}" = -- ]; then
  shift
  await_services || exit 1
  "$@"
  exit
fi
(($# > 0)) || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}" >&2; exit 2; }

for stage in "$@"; do
  if [[ $serverless != *" $stage "* ]]; then
    start_services || exit 1
    break
  fi
done

passed=0
for stage in "$@"; do
  t0=$(now)
  echo "== $stage"
  ok=1
  if [[ $serverless != *" $stage "* ]]; then await_services || ok=0; fi
  if ((ok == 1)); then
    make --no-print-directory -s "stage-$stage" </dev/null 2>&1 | tee "$logs/$stage.log" || ok=0
  fi
  took=$(($(now) - t0))
  if ((ok == 1)); then word=ok passed=$((passed + 1)); else word=FAILED; fi
  echo "== $stage: $word, $took s"
  summary+=$(printf '  %-8s %5d s  %s' "$stage" "$took" "$word")$'\n'
  # Later stages would only bury the failure under their own output.
  ((ok == 1)) || break
done

printf '\n%s  %-8s %5d s\n' "$summary" all $(($(now) - begin))
bad=0
[[ $word == ok ]] || bad=1
echo "stages: $passed passed, $bad failed, $(($# - passed - bad)) skipped"
exit $bad
