#!/bin/sh
# Makes the .run packages and the driver's tree of the software NPU: make_packages.sh BUILD OUT VERSION [MACHINE]
# BUILD is what the Makefile made. Needs makeself. OUT gets the two packages and the folder `driver`.
set -eu
build=$1 out=$2 version=$3
here=$(cd "$(dirname "$0")" && pwd)
machine=${4:-$(uname -m)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/toolkit/tree" "$work/nnal/tree"
for folder in bin lib64 runtime compiler opp/built-in/op_impl opp/vendors python/site-packages tools toolkit; do
  mkdir -p "$work/toolkit/tree/$folder"
done
cp "$build"/lib64/*.so "$work/toolkit/tree/lib64"
ln -s ../lib64 "$work/toolkit/tree/runtime/lib64"
printf 'Version=%s\nPlatform=software NPU\n' "$version" > "$work/toolkit/tree/version.cfg"
for package in toolkit nnal; do
  sed "s/@VERSION@/$version/; s/@MACHINE@/$machine/" "$here/${package}_install.sh" > "$work/$package/install.sh"
  chmod +x "$work/$package/install.sh"
done
cp "$here/set_env.sh" "$work/toolkit/set_env.sh"
cp -R "$build/lib64" "$work/nnal/tree/lib64"
# Vendors' packages hand options that makeself does not know to their own script; plain makeself refuses them.
header=$(dirname "$(readlink -f "$(command -v makeself)")")/../share/makeself/makeself-header.sh
sed 's/echo Unrecognized flag .*/break/' "$header" > "$work/header.sh"
for package in toolkit nnal; do
  makeself --header "$work/header.sh" --quiet --nox11 --sha256 "$work/$package" "$out/Ascend-cann-${package}_${version}_linux-$machine.run" \
    "Ascend-cann-$package $version (software NPU)" ./install.sh > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
done
mkdir -p "$out/driver/tools" "$out/firmware"
cp "$build/bin/npu-smi" "$out/driver/tools/npu-smi"
printf 'Version=25.2.0\nascendhal_version=7.35.23\naicpu_version=1.0\nPlatform=software NPU\n' > "$out/driver/version.info"
printf 'Version=7.7.0.6.236\nPlatform=software NPU\n' > "$out/firmware/version.info"
