#!/bin/sh
# Runs inside NNAL's .run: the version file, the library's place and a set_env.sh as the real package lays them out.
set -eu
version=@VERSION@ prefix=/usr/local/Ascend wanted= everybody=
for word in "$@"; do
  case $word in
    --install-path=*) prefix=${word#--install-path=} ;;
    --install) wanted=yes ;;
    --install-for-all) everybody=yes ;;
    --quiet) ;;
    *) echo "unknown option $word" >&2; exit 1 ;;
  esac
done
[ -n "$wanted" ] || { echo "say --install" >&2; exit 1; }
[ -n "${ASCEND_HOME_PATH:-}" ] || { echo "source the toolkit's set_env.sh first" >&2; exit 1; }
home=$prefix/nnal/atb/$version
rm -rf "$home"
mkdir -p "$home/atb/cxx_abi_1/lib"
cp tree/lib64/libatb.so tree/lib64/libsoftware_npu_gaps.so "$home/atb/cxx_abi_1/lib"
printf 'Ascend-cann-atb : %s\nAscend-cann-atb Version : %s\nPlatform : software NPU\n' "$version" "$version" > "$home/version.info"
ln -sfn "$version" "$prefix/nnal/atb/latest"
cat > "$prefix/nnal/atb/set_env.sh" <<END
# The variables of NNAL, for the software NPU. To be sourced after the toolkit's; like the real one not under set -u.
if [ -n "\$ZSH_VERSION" ]; then emulate -L sh; fi
export ATB_HOME_PATH=$prefix/nnal/atb/latest/atb/cxx_abi_1
export LD_LIBRARY_PATH=\$ATB_HOME_PATH/lib:\$LD_LIBRARY_PATH
END
[ -z "$everybody" ] || chmod -R a+rX "$prefix/nnal"
echo "[NNAL] [software NPU] $version installed into $home"
