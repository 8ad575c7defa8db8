#!/bin/sh
# Builds etcd, kube-apiserver, kube-controller-manager and kubectl of go.mod into the folder DIR, or those
# of Kubernetes' COMPONENTs that are named.
#   build.sh DIR [COMPONENT...]     about 5 minutes cold on 2 cores, 1 with a warm Go build cache; needs Go 1.26
set -eu
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")"
# Without the stamp the binaries call themselves v0.0.0-master, which helm and kubectl's skew check refuse.
stamp=k8s.io/component-base/version
flags="-s -w -X $stamp.gitVersion=v1.37.1 -X $stamp.gitMajor=1 -X $stamp.gitMinor=37"
export CGO_ENABLED=0
if [ $# -eq 0 ]; then
  go build -o "$dir/etcd" -ldflags "$flags" go.etcd.io/etcd/server/v3
  set -- kube-apiserver kube-controller-manager kubectl
fi
for component; do
  go build -o "$dir/" -ldflags "$flags" "k8s.io/kubernetes/cmd/$component"
done
