#!/bin/sh
# Installs a bundle on every node of a Slurm allocation:
#
#   salloc -N 8 ./install.sh BUNDLE.tar /opt/sglang-npu SHA256:... DIGEST
#
# sbcast hands the file on in a tree; srun runs the bundle's own installer once on each node, if its sha256 is DIGEST:
# what `invoke bundle` printed and somebody wrote down. The answers go to the folder ./receipts: NODE.json has one JSON
# object, NODE.log what else was said. A second run changes nothing. ASCEND_ROOT names the folder of CANN where it is not
# the usual one.
#
# Afterwards a job starts its commands with the environment's own variables: srun /opt/sglang-npu/run python -m ...
set -eu

if [ $# -lt 3 ]; then
  echo "usage: $0 BUNDLE.tar PREFIX SHA256:... DIGEST" >&2
  exit 2
fi
bundle=$1 prefix=$2 key=$3 installer=${4:?the sha256 of install.py, as invoke bundle printed it}
node_file=${TMPDIR:-/tmp}/${bundle##*/}
mkdir -p receipts
sbcast --force "$bundle" "$node_file"
srun --ntasks-per-node=1 --kill-on-bad-exit=0 --output="$PWD/receipts/%N.json" --error="$PWD/receipts/%N.log" sh -c '
set -eu
home=$(mktemp -d) && trap "rm -rf \"$home\"" EXIT
tar -xf "$1" -C "$home" install.py
echo "$4  $home/install.py" | sha256sum --check --quiet >&2
"${SGLANG_NPU_PYTHON:-python3.11}" -I "$home/install.py" --bundle "$1" --prefix "$2" --trusted-key "$3" ${ASCEND_ROOT:+--ascend "$ASCEND_ROOT"} --json
' install "$node_file" "$prefix" "$key" "$installer"
