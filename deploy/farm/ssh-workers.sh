#!/bin/sh
# Starts or stops workers of a farm on hosts that ssh reaches, each with the project in the same folder:
#
#   ./ssh-workers.sh start tls://farm:8786 /opt/ascend-wheelhouse host1 host2 ...
#   ./ssh-workers.sh stop /opt/ascend-wheelhouse host1 host2 ...
#
# They stay when this shell ends, and join again whenever the scheduler was away. For one run alone it is simpler to let
# the run start them: invoke wheelhouse --workers ssh --worker-hosts host1,host2
set -eu

action=${1:?start or stop}
shift
case $action in
start)
  scheduler=${1:?the address of the scheduler} folder=${2:?the folder of the project}
  shift 2
  for host in "$@"; do
    ssh -o BatchMode=yes "$host" sh -s -- "$folder" "$scheduler" <<'REMOTE' || echo "$host: not started" >&2
set -eu
cd "$1"
nohup .venv/bin/invoke worker --scheduler "$2" >worker.log 2>&1 </dev/null &
echo $! >worker.pid
REMOTE
  done
  ;;
stop)
  folder=${1:?the folder of the project}
  shift
  for host in "$@"; do
    # shellcheck disable=SC2029 # the folder's name is meant to be filled in here
    ssh -o BatchMode=yes "$host" "kill \"\$(cat '$folder/worker.pid')\" && rm '$folder/worker.pid'" ||
      echo "$host: not stopped" >&2
  done
  ;;
*)
  echo "start or stop, not $action" >&2
  exit 2
  ;;
esac
