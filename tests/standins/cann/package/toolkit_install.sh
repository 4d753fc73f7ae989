#!/bin/sh
# Runs inside the toolkit's .run: installs below --install-path as the real one does, in the layout of the version.
set -eu
version=@VERSION@ machine=@MACHINE@
prefix=/usr/local/Ascend
wanted= everybody=
for word in "$@"; do
  case $word in
    --install-path=*) prefix=${word#--install-path=} ;;
    --install | --full) wanted=yes ;;
    --install-for-all) everybody=yes ;;
    --quiet | --force) ;;
    *) echo "unknown option $word" >&2; exit 1 ;;
  esac
done
[ -n "$wanted" ] || { echo "say --install" >&2; exit 1; }
case $version in
  8.[0-4]*) home=$prefix/ascend-toolkit/$version doors=$prefix/ascend-toolkit link=ascend-toolkit/latest target=$version ;;
  *) home=$prefix/cann-$version doors=$prefix/cann link=cann target=cann-$version ;;
esac
rm -rf "$home"
mkdir -p "$home"
cp -R tree/. "$home"
info=$home/$machine-linux
mkdir -p "$info"
printf 'package_name=Ascend-cann-toolkit\nversion=%s\ninnerversion=V100R001C00_software_NPU\narch=%s\nos=linux\npath=%s\n' \
  "$version" "$machine" "$home" > "$info/ascend_toolkit_install.info"
ln -sfn "$home/lib64" "$info/lib64"
rm -rf "$prefix/${link:?}"
ln -s "$target" "$prefix/$link"
case $version in
  8.[0-4]*) ;;
  *) # from 8.5 on triton's compiler is part of the toolkit and has a script of its own
    mkdir -p "$home/share/info/ascendnpu-ir/bin" "$home/tools/bishengir/bin"
    echo "export PATH=$home/tools/bishengir/bin:\$PATH" > "$home/share/info/ascendnpu-ir/bin/set_env.sh" ;;
esac
mkdir -p "$home/python/site-packages/te"
echo "platform = 'software NPU'" > "$home/python/site-packages/te/__init__.py"
case $version in
  8.[0-4]*) sed "s|@HOME@|$prefix/$link|g" set_env.sh > "$doors/set_env.sh" ;;
  *) sed "s|@HOME@|$prefix/$link|g" set_env.sh > "$home/set_env.sh" ;;
esac
[ -z "$everybody" ] || chmod -R a+rX "$home" "$doors"
echo "[Toolkit] [software NPU] $version installed into $home"
