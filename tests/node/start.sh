#!/bin/sh
# Starts a throw-away Kubernetes node in namespaces of its own (pid, net, mount, uts, ipc, cgroup): API server, etcd,
# controllers, containerd, kubelet, kube-proxy, CoreDNS. Everything of it dies with this process; no port, file or route
# of the host is changed.
#   start.sh RUN NODE CONTROL_PLANE
# RUN is a folder for state and logs, with tokens.csv, sa.key, sa.pub and images/*.tar in it; NODE and CONTROL_PLANE are
# those with the binaries. RUN/ready is there once the node is Ready.
set -eu
run=$(cd "$1" && pwd)
node=$(cd "$2" && pwd)
control_plane=$(cd "$3" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

sh "$here/check.sh"

# In each hierarchy a group below our own, named after this process, which becomes `unshare`; those of processes that
# are gone are removed by whoever comes next.
hierarchy() {
  case $1 in
    '') echo /sys/fs/cgroup/unified ;;
    name=*) echo "/sys/fs/cgroup/${1#name=}" ;;
    *) echo "/sys/fs/cgroup/$1" ;;
  esac
}
while IFS=: read -r _ controllers path; do
  parent=$(hierarchy "$controllers")${path%/}
  for old in "$parent"/nearkv-node-*; do
    if [ -d "$old" ] && ! kill -0 "${old##*-}" 2>/dev/null; then
      find "$old" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    fi
  done
  group=$parent/nearkv-node-$$
  mkdir "$group"
  if [ "$controllers" = cpuset ]; then
    for file in cpuset.cpus cpuset.mems; do cat "$parent/$file" >"$group/$file"; done
  fi
  echo "$group" >>"$run/cgroups"
done </proc/self/cgroup
while read -r group; do echo $$ >"$group/cgroup.procs"; done <"$run/cgroups"

export NODE_RUN="$run" NODE_BIN="$node" NODE_CONTROL_PLANE="$control_plane" NODE_HERE="$here"
exec unshare --mount --net --pid --uts --ipc --cgroup --fork --kill-child --mount-proc --propagation private \
  bash "$here/boot.sh"
