#!/bin/sh
# Installs a bundle on every node of a Slurm allocation:
#
#   salloc -N 8 ./install.sh BUNDLE.tar /opt/sglang-npu SHA256:...
#
# sbcast hands the file on in a tree; srun runs the bundle's own installer once on each node. The answers, one JSON
# object a node, go to the folder ./receipts. A second run changes nothing.
set -eu

bundle=$1 prefix=$2 key=$3
node_file=${TMPDIR:-/tmp}/${bundle##*/}
mkdir -p receipts
sbcast --force "$bundle" "$node_file"
srun --ntasks-per-node=1 --kill-on-bad-exit=0 --output="$PWD/receipts/%N.json" sh -c '
set -eu
home=$(mktemp -d) && trap "rm -rf \"$home\"" EXIT
tar -xf "$1" -C "$home" install.py node
python3.11 "$home/install.py" --bundle "$1" --prefix "$2" --trusted-key "$3" --json
' install "$node_file" "$prefix" "$key"
