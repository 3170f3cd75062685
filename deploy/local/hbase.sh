#!/usr/bin/env bash
# A private standalone HBase (master, region server and ZooKeeper in one JVM, files on the local disk), loopback only.
#
#   hbase.sh install   jars from Maven into SERVICES_DIR (needs mvn; Java 11 to 23 to run)
#   hbase.sh start     installs if needed, starts, waits until the master is initialised; twice is fine
#   hbase.sh stop      clean stop of the process this script started
#   hbase.sh crash     SIGKILL to that process, so to the region server (data stays; 'start' recovers it)
#   hbase.sh status    exit 0 and the addresses when it answers, 3 when it does not run
#
# Environment: SERVICES_DIR (the jars), SERVICES_RUN (data and log; default SERVICES_DIR), HBASE_PORT (12181: ZooKeeper's; the
#              master and the region server have the two ports after it), HBASE_HEAP (1g), HBASE_START_TIMEOUT and
#              HBASE_STOP_TIMEOUT in seconds (180, 60), HBASE_JAVA_HOME or JAVA_HOME.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=hbase
# shellcheck source=deploy/local/service.sh
. "$here/service.sh"

zk_port=${HBASE_PORT:-12181}
master_port=$((zk_port + 1))
rs_port=$((zk_port + 2))
pom=$here/hbase-pom.xml
lib=$installs/lib-$(cksum <"$pom" | cut -d' ' -f1) # a changed pom is a new install
pidfile=$base/pid
log=$base/log/hbase.log
marker=-Dtidemark.service=$base
stop_timeout=${HBASE_STOP_TIMEOUT:-60}

is_ours() { case $1 in *"$marker"*) ;; *) return 1 ;; esac; }
where() { echo "zookeeper=127.0.0.1:$zk_port master=127.0.0.1:$master_port regionserver=127.0.0.1:$rs_port"; }

# Java 11 to 23: this HBase asks for the security manager's Subject, which later ones no longer have.
java_bin() {
  local java version
  java=${HBASE_JAVA_HOME:-${JAVA_HOME:-}}
  if [ -n "$java" ]; then java=$java/bin/java; else java=$(command -v java) || die "no java found"; fi
  version=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  if [ "${version:-0}" -lt 11 ] || [ "$version" -gt 23 ]; then
    die "$java is version ${version:-unknown}; Java 11 to 23 is needed (HBASE_JAVA_HOME)"
  fi
  echo "$java"
}

zk_ok() {
  local answer
  answer=$( (exec 3<>"/dev/tcp/127.0.0.1/$zk_port" && printf ruok >&3 && IFS= read -r -t 3 -n 4 -u 3 a; printf %s "${a:-}") 2>/dev/null) || true
  [ "$answer" = imok ]
}

answers() { zk_ok && tcp "$master_port" && tcp "$rs_port" && grep -q 'Master has completed initialization' "$log" 2>/dev/null; }

cmd_install() {
  if [ -e "$lib/ok" ]; then say "installed"; return; fi
  command -v mvn >/dev/null || die "mvn is needed"
  lock "$installs"
  if [ ! -e "$lib/ok" ]; then
    rm -rf "$lib"
    say "fetching jars"
    mvn -B -q -ntp -f "$pom" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$lib" 9>&-
    touch "$lib/ok"
  fi
  unlock
  say "installed"
}

write_conf() {
  mkdir -p "$base/conf" "$base/data" "$base/log"
  {
    echo '<?xml version="1.0"?>'
    echo '<configuration>'
    local k v
    while read -r k v; do
      [ -z "$k" ] || printf '  <property><name>%s</name><value>%s</value></property>\n' "$k" "$v"
    done <<CONF
hbase.cluster.distributed false
hbase.rootdir file://$base/data/root
hbase.tmp.dir $base/data/tmp
hbase.zookeeper.property.dataDir $base/data/zk
hbase.zookeeper.quorum 127.0.0.1
hbase.zookeeper.property.clientPort $zk_port
hbase.zookeeper.property.maxClientCnxns 1000
hbase.unsafe.stream.capability.enforce false
hbase.master.port $master_port
hbase.regionserver.port $rs_port
hbase.master.ipc.address 127.0.0.1
hbase.regionserver.ipc.address 127.0.0.1
hbase.master.hostname 127.0.0.1
hbase.unsafe.regionserver.hostname 127.0.0.1
hbase.master.info.port -1
hbase.master.wait.on.regionservers.maxtostart 1
hbase.regionserver.info.port -1
CONF
    echo '</configuration>'
  } >"$base/conf/hbase-site.xml"
  cat >"$base/conf/log4j.properties" <<'CONF'
log4j.rootLogger=INFO,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %-5p [%t] %c{2}: %m%n
log4j.logger.org.apache.zookeeper=WARN
CONF
}

cmd_start() {
  local pid java p o opens=()
  if pid=$(running_pid); then
    say "already running (pid $pid)"
  else
    cmd_install
    java=$(java_bin)
    for p in "$zk_port" "$master_port" "$rs_port"; do free_port "$p"; done
    write_conf
    if [ -s "$log" ]; then mv "$log" "$log.1"; fi
    for o in java.lang java.lang.reflect java.io java.nio java.util java.util.concurrent sun.nio.ch sun.net.dns jdk.internal.misc; do
      opens+=(--add-opens "java.base/$o=ALL-UNNAMED")
    done
    opens+=(--add-exports java.base/jdk.internal.misc=ALL-UNNAMED --add-exports java.base/sun.net.util=ALL-UNNAMED
      --add-exports java.security.jgss/sun.security.krb5=ALL-UNNAMED)
    # It is started often and does little: half of the start would be the second compiler's.
    launch "$java" "$marker" "${opens[@]}" -Dorg.apache.hbase.thirdparty.io.netty.tryReflectionSetAccessible=true \
      -Djava.net.preferIPv4Stack=true -Djava.awt.headless=true -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx"${HBASE_HEAP:-1g}" \
      -cp "$base/conf:$lib/*" org.apache.hadoop.hbase.master.HMaster start
  fi
  await "${HBASE_START_TIMEOUT:-180}"
  cmd_status
}

service "$@"
