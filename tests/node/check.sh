#!/bin/sh
# Says in a line each what this machine lacks to carry a node, and fails if there is anything.
#   check.sh              programs, root and cgroups
#   check.sh --packages   only the Debian packages of the programs that are missing, a line each
#   check.sh --machine    only root and cgroups, which nobody can install
set -eu
PATH=$PATH:/usr/sbin:/sbin
packages=
if [ "${1-}" != --machine ]; then
  for pair in unshare:util-linux mount:mount runc:runc nft:nftables iptables:iptables ipset:ipset ip:iproute2 \
    conntrack:conntrack sysctl:procps; do
    command -v "${pair%:*}" >/dev/null || packages="$packages ${pair#*:}"
  done
fi
if [ "${1-}" = --packages ]; then
  for package in $packages; do echo "$package"; done
  exit 0
fi
fit=0
if [ -n "$packages" ]; then
  echo "a node needs programs that are missing: apt-get install$packages (Debian's names)" >&2
  fit=1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "a node needs root: namespaces, mounts and cgroups are its own, but only root may make them" >&2
  fit=1
fi
if ! grep -q '^[0-9]*:memory:' /proc/self/cgroup; then
  echo "a node needs cgroup v1 hierarchies, which this machine does not have" >&2
  fit=1
fi
exit $fit
