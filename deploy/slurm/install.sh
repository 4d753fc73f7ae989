#!/bin/sh
# Installs a bundle on every node of a Slurm allocation:
#
#   salloc -N 8 ./install.sh BUNDLE.tar /opt/sglang-npu SHA256:... DIGEST
#
# sbcast hands the file on in a tree; srun runs the bundle's own installer once on each node, if its sha256 is DIGEST:
# what `invoke bundle` printed and somebody wrote down. The copy in TMPDIR (or /tmp) is removed afterwards. The answers go
# to the folder ./receipts: NODE.json has one JSON object, NODE.log what else was said. A second run changes nothing.
# ASCEND_ROOT names the folder of CANN where it is not the usual one.
#
# Afterwards a job starts its commands with the environment's own variables: srun /opt/sglang-npu/run python -m ...
set -eu

if [ $# -ne 4 ]; then
  echo "usage: $0 BUNDLE.tar PREFIX SHA256:... DIGEST" >&2
  exit 2
fi
bundle=$1 prefix=$2 key=$3 installer=$4
# A name of its own: where the bundle itself lies in that folder of a node, its copy must not be taken for it.
node_file=${TMPDIR:-/tmp}/sglang-npu-${SLURM_JOB_ID:-$$}-${bundle##*/}
mkdir -p receipts
sbcast --force "$bundle" "$node_file"
srun --ntasks-per-node=1 --kill-on-bad-exit=0 --output="$PWD/receipts/%N.json" --error="$PWD/receipts/%N.log" sh -c '
set -eu
refuse() { # the exit code, the class of docs/json.md, what happened, what to do
  what=$(printf %s "$3" | tr -d "\"\\\\")
  printf "{\"error\": \"%s\", \"exit_code\": %s, \"what\": \"%s\", \"why\": \"\", \"next\": \"%s\"}\n" "$2" "$1" "$what" "$4"
  echo "$3 $4" >&2
  exit "$1"
}
home=$(mktemp -d) || {
  rm -f "$1"
  refuse 10 HostUnfitError "This node has no space for temporary files." "Make some, or name another folder with TMPDIR."
}
trap "rm -rf \"$home\" \"$1\"" EXIT
trap "exit 143" TERM INT
tar -xf "$1" -C "$home" install.py ||
  refuse 5 BundleDamagedError "The bundle holds no install.py, or is no whole tar." "Copy the bundle again, or name the right file."
echo "$4  $home/install.py" | sha256sum --check --quiet >&2 ||
  refuse 5 WrongInstallerError "install.py of the bundle is not the one that was named." "Compare the digest, or copy the bundle again."
python=${SGLANG_NPU_PYTHON:-python3.11}
command -v "$python" >&2 ||
  refuse 10 InterpreterMissingError "This node has no $python." "Name one with SGLANG_NPU_PYTHON."
"$python" -I "$home/install.py" --bundle "$1" --prefix "$2" --trusted-key "$3" ${ASCEND_ROOT:+--ascend "$ASCEND_ROOT"} --json
' install "$node_file" "$prefix" "$key" "$installer"
