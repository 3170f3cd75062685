# shellcheck shell=bash disable=SC2154
# What hbase.sh, postgres.sh and s3.sh have in common: a server of one's own on 127.0.0.1. They set
#
#   name           of the server, in messages and of its folders
#
# source this, and then set or define
#
#   pidfile, log   of the server; both below $base
#   is_ours ARGS   whether a process with this command line is the server
#   answers        whether it answers
#   where          its addresses, for status
#   cmd_install, cmd_start
#
# Environment: SERVICES_DIR (what is installed), SERVICES_RUN (data and logs; default SERVICES_DIR).
set -euo pipefail

: "${SERVICES_DIR:=${XDG_CACHE_HOME:-$HOME/.cache}/tidemark-services}"
mkdir -p "$SERVICES_DIR"
mkdir -p "${SERVICES_RUN:=$SERVICES_DIR}"
installs=$(cd "$SERVICES_DIR" && pwd)/$name
base=$(cd "$SERVICES_RUN" && pwd)/$name
stop_timeout=15 # seconds until a server that does not stop is killed

say() { printf '%s: %s\n' "$name" "$*"; }
die() { say "$*" >&2; exit 1; }

# The recorded pid, when it is alive and still ours.
running_pid() {
  local pid
  pid=$(head -n 1 "$pidfile" 2>/dev/null) && [ -n "$pid" ] || return 1
  is_ours "$(ps -ww -p "$pid" -o args= 2>/dev/null)" || return 1
  echo "$pid"
}

forget_pid() { rm -f "$pidfile"; }

tcp() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A process that was killed a moment ago may still hold its ports.
free_port() {
  local n=0
  while tcp "$1"; do
    n=$((n + 1))
    if [ "$n" -gt 50 ]; then die "port $1 is taken by another process"; fi
    sleep 0.2
  done
}

# One install at a time. What is run under the lock must not inherit it: 9>&-.
lock() { # FOLDER
  mkdir -p "$1"
  exec 9>"$1/.lock"
  flock -w 900 9 || die "another ${0##*/} holds $1/.lock"
}
unlock() { exec 9>&-; }

# Starts a server that outlives this script. The inner shell records its own pid and becomes the server, so the pid is right
# whether or not setsid forks.
launch() { # COMMAND...
  # shellcheck disable=SC2016
  (
    cd "$base"
    exec setsid sh -c 'echo $$ >"$0.new" && mv "$0.new" "$0" && exec "$@"' "$pidfile" "$@"
  ) >>"$log" 2>&1 </dev/null &
  disown
  sleep 0.3
}

# Returns when the server answers.
await() { # SECONDS
  local deadline=$((SECONDS + $1))
  until answers; do
    if ! running_pid >/dev/null; then tail -n 20 "$log" >&2; die "it ended before it answered; log: $log"; fi
    if [ "$SECONDS" -ge "$deadline" ]; then die "no answer yet; log: $log"; fi
    sleep 0.2
  done
}

cmd_stop() {
  local pid deadline
  if ! pid=$(running_pid); then forget_pid; say "not running"; return; fi
  kill -TERM "$pid"
  deadline=$((SECONDS + stop_timeout))
  while running_pid >/dev/null; do
    if [ "$SECONDS" -ge "$deadline" ]; then say "slow to stop, killing"; kill -KILL "$pid" || true; deadline=$((SECONDS + 60)); fi
    sleep 0.1
  done
  forget_pid
  say "stopped"
}

cmd_crash() {
  local pid
  pid=$(running_pid) || die "not running"
  kill -KILL "$pid"
  while running_pid >/dev/null; do sleep 0.05; done
  forget_pid
  say "killed (pid $pid)"
}

cmd_status() {
  local pid
  if ! pid=$(running_pid); then say "not running"; return 3; fi
  if ! answers; then say "pid $pid runs but does not answer; log: $log"; return 4; fi
  say "running pid=$pid $(where) dir=$base"
}

service() {
  case ${1:-} in
    install | start | stop | crash | status) "cmd_$1" ;;
    *) echo "usage: ${0##*/} install|start|stop|crash|status" >&2; exit 2 ;;
  esac
}
