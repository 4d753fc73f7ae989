#!/bin/sh
# Starts or stops workers of a farm on hosts that ssh reaches, each with the project in the same folder:
#
#   ./ssh-workers.sh start tls://farm:8786 /opt/ascend-wheelhouse host1 host2 ...
#   ./ssh-workers.sh stop /opt/ascend-wheelhouse host1 host2 ...
#
# Ends with 1 where it failed on a host; the others are done all the same. With tls:// the certificates are those that
# Dask's configuration on each host names. The workers stay when this shell ends, and join again whenever the scheduler
# was away. For one run alone it is simpler to let the run start them: invoke wheelhouse --workers ssh --worker-hosts host1,host2
set -eu

# Runs the script that it reads on a host. The far shell splits what ssh hands on again, hence the quotes.
there() {
  host=$1 words=
  shift
  for word in "$@"; do
    words="$words '$(printf '%s' "$word" | sed "s/'/'\\\\''/g")'"
  done
  ssh -o BatchMode=yes -o ConnectTimeout=10 "$host" "sh -s -- $words"
}

case ${1:-}:$# in
start:[0-3] | stop:[0-2] | :*)
  echo "usage: $0 start SCHEDULER FOLDER HOST..., or $0 stop FOLDER HOST..." >&2
  exit 2
  ;;
esac
action=$1 status=0
shift
case $action in
start)
  scheduler=${1:?the address of the scheduler} folder=${2:?the folder of the project}
  shift 2
  for host in "$@"; do
    there "$host" "$folder" "$scheduler" <<'REMOTE' || { echo "$host: not started" >&2 && status=1; }
set -eu
cd "$1"
name=worker-$(uname -n) # hosts may share the folder
if [ -s "$name.pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$(cat "$name.pid")/cmdline" | grep -q 'invoke worker '; then
  echo "$name runs already"
  exit
fi
nohup .venv/bin/invoke worker --scheduler "$2" >"$name.log" 2>&1 </dev/null &
echo $! >"$name.pid"
until grep -qs ' builds for ' "$name.log"; do
  if ! kill -0 $! 2>/dev/null; then
    [ "$(cat "$name.pid" 2>&1)" != $! ] || rm -f "$name.pid" # else it was stopped, perhaps started again
    cat "$name.log" >&2
    exit 1
  fi
  sleep 1
done
REMOTE
  done
  ;;
stop)
  folder=${1:?the folder of the project}
  shift
  for host in "$@"; do
    there "$host" "$folder" <<'REMOTE' || { echo "$host: not stopped" >&2 && status=1; }
set -eu
cd "$1"
name=worker-$(uname -n)
[ -s "$name.pid" ] || exit 0
pid=$(cat "$name.pid") left=30
runs() { tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q 'invoke worker '; }
if runs; then
  kill "$pid"
  while runs; do
    [ "$((left -= 1))" -gt 0 ] || { echo "$name still runs after 30 s" >&2 && exit 1; }
    sleep 1
  done
fi
rm -f "$name.pid"
REMOTE
  done
  ;;
*)
  echo "start or stop, not $action" >&2
  exit 2
  ;;
esac
exit "$status"
