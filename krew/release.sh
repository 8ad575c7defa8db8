#!/bin/sh
# Packs the binaries of a release for krew, and writes the manifest with their sums.
#
#   krew/release.sh BINARIES OUT
#
# BINARIES holds PLATFORM/kubectl-kv for each platform of krew/kv.yaml: linux_amd64, linux_arm64, darwin_amd64, darwin_arm64.
# OUT is made, and gets kubectl-kv_PLATFORM.tar.gz for each, and kv.yaml.
set -eu
if [ $# -ne 2 ]; then
  echo "usage: krew/release.sh BINARIES OUT" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
binaries=$1
out=$2
mkdir -p "$out"

sum() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

cp "$here/kv.yaml" "$out/kv.yaml"
for platform in linux_amd64 linux_arm64 darwin_amd64 darwin_arm64; do
  archive=kubectl-kv_$platform.tar.gz
  chmod +x "$binaries/$platform/kubectl-kv"
  tar -czf "$out/$archive" -C "$binaries/$platform" kubectl-kv -C "$here/.." LICENSE
  # The sum stands in the line behind the archive's.
  sed "/$archive\$/{n;s/\"[0-9a-f]*\"/\"$(sum "$out/$archive")\"/;}" "$out/kv.yaml" >"$out/kv.yaml.new"
  mv "$out/kv.yaml.new" "$out/kv.yaml"
done
