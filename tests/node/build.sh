#!/bin/sh
# Builds into the folder DIR what a node needs besides the control plane: Kubernetes' components of a node, containerd
# with its shim and client, CNI plugins, CoreDNS, kube-router for NetworkPolicies, helm, and the pause program. All static,
# all from Go modules whose versions are in the go.mod files here and in ../controlplane.
#   build.sh DIR        about 5 minutes cold on 2 cores, 1 with a warm Go build cache; needs Go 1.26
set -eu
mkdir -p "$1"
dir=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
sh "$here/../controlplane/build.sh" "$dir" kube-scheduler kubelet kube-proxy
export CGO_ENABLED=0
# Modules of their own: their dependencies want other versions of Kubernetes' libraries.
for module in containerd cni coredns helm kube-router; do
  (cd "$here/modules/$module" && go build -o "$dir/" -ldflags "-s -w" tool)
done
(cd "$here/pause" && go build -o "$dir/pause" -ldflags "-s -w" .)
