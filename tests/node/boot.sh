#!/usr/bin/env bash
# Process 1 of the namespaces that start.sh made: lays out file systems and network, then starts the parts of the node
# in the order in which they need each other. Every part logs to NODE_RUN/logs.
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
address=10.99.0.1
server=https://$address:6443
etcd=http://127.0.0.1:2379

hostname node
mkdir -p "$NODE_RUN"/{logs,state/kubelet,state/containerd}

# --- file systems: a view of cgroups that begins at our own, and fresh /run, /var and /opt
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
while IFS=: read -r _ controllers _; do
  case $controllers in
    '') continue ;;
    name=*) folder=/sys/fs/cgroup/${controllers#name=} options=none,$controllers ;;
    *) folder=/sys/fs/cgroup/$controllers options=$controllers ;;
  esac
  mkdir "$folder"
  mount -t cgroup -o "$options" cgroup "$folder"
done </proc/self/cgroup
# The kubelet sets these for the whole machine: it gets files of its own instead.
for pair in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=$NODE_RUN/state/sysctl.$(tr / . <<<"${pair%=*}")
  echo "${pair#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${pair%=*}"
done
# Before /run and /var are covered, since the folders may be below them.
exec {run}<"$NODE_RUN" {bin}<"$NODE_BIN" {control_plane}<"$NODE_CONTROL_PLANE" {here}<"$NODE_HERE"
for folder in /run /var /opt; do mount -t tmpfs -o mode=755 tmpfs $folder; done
mkdir -p /run/lock /run/node /run/node-bin /run/node-control-plane /run/node-config /var/lib/{kubelet,containerd} /var/log /var/tmp /opt/cni
mount --bind "/proc/self/fd/$run" /run/node
mount --bind "/proc/self/fd/$bin" /run/node-bin
mount --bind "/proc/self/fd/$control_plane" /run/node-control-plane
mount --bind "/proc/self/fd/$here" /run/node-config
exec {run}<&- {bin}<&- {control_plane}<&- {here}<&-
export PATH=/run/node-bin:/run/node-control-plane:$PATH
cd /run/node
mount --bind state/kubelet /var/lib/kubelet
mount --bind state/containerd /var/lib/containerd
printf '127.0.0.1 localhost\n%s node\n' $address >state/hosts
echo 'nameserver 127.0.0.1' >state/resolv.conf
mount --bind state/hosts /etc/hosts
mount --bind state/resolv.conf "$(readlink -f /etc/resolv.conf)" 2>/dev/null || true
mount --make-rshared /

# --- network: a bridge with the node's address (the kernel may lack dummy devices); nothing leads outside
ip link set lo up
ip link add node0 type bridge
ip address add $address/24 dev node0
ip link set node0 up
ip route add default via 10.99.0.254 dev node0
# What pods of one node send to each other crosses a bridge only: it is shown to the rules for NetworkPolicies too.
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1 net.bridge.bridge-nf-call-iptables=1

part() { # NAME COMMAND...: starts a part, its output in logs/NAME.log
  local name=$1
  shift
  "$@" >"logs/$name.log" 2>&1 &
}
until_answers() { # WHAT COMMAND...: waits for the command's success, a minute at most
  local what=$1 tries=600
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    if [ $tries -eq 0 ]; then
      echo "$what did not answer within a minute; see the logs" >&2
      exit 1
    fi
    sleep 0.1
  done
}

# --- control plane
part etcd etcd --data-dir=state/etcd --listen-client-urls=$etcd --advertise-client-urls=$etcd \
  --listen-peer-urls=http://127.0.0.1:0 --unsafe-no-fsync
part kube-apiserver kube-apiserver --etcd-servers=$etcd --cert-dir=pki --bind-address=$address \
  --advertise-address=$address --secure-port=6443 --authorization-mode=RBAC --token-auth-file=tokens.csv \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=sa.pub \
  --service-account-signing-key-file=sa.key --service-cluster-ip-range=10.96.0.0/16 --allow-privileged=true \
  --kubelet-preferred-address-types=InternalIP

# --- containers, and their images meanwhile
part containerd containerd --config=/run/node-config/config/containerd.toml
until_answers containerd ctr version
for archive in images/*.tar; do
  ctr --namespace=k8s.io images import --platform=linux/amd64 "$archive" >>logs/images.log 2>&1
done
ctr --namespace=k8s.io images label localhost/pause:1 io.cri-containerd.pinned=pinned >/dev/null

# --- the controllers and the node
sed "s#SERVER#$server#; s#TOKEN#$(cut -d, -f1 tokens.csv)#" /run/node-config/config/kubeconfig.yaml >state/kubeconfig
export KUBECONFIG=/run/node/state/kubeconfig
until_answers "the API server" kubectl get --raw=/readyz
part kube-controller-manager kube-controller-manager --kubeconfig=$KUBECONFIG --root-ca-file=pki/apiserver.crt \
  --service-account-private-key-file=sa.key --leader-elect=false
part kube-scheduler kube-scheduler --kubeconfig=$KUBECONFIG --leader-elect=false
part kubelet kubelet --config=/run/node-config/config/kubelet.yaml --kubeconfig=$KUBECONFIG --node-ip=$address \
  --hostname-override=node
part kube-proxy kube-proxy --config=/run/node-config/config/kube-proxy.yaml
until_answers "the API server" kubectl apply -f /run/node-config/config/coredns.yaml
until_answers "the kubelet" kubectl wait --for=condition=Ready node/node --timeout=1s
# Enforces NetworkPolicies and does nothing else; it ends if there is no node yet.
part kube-router kube-router --kubeconfig=$KUBECONFIG --hostname-override=node --run-firewall=true --run-router=false \
  --run-service-proxy=false --service-cluster-ip-range=10.96.0.0/16 --health-port=0
touch ready

# Process 1 inherits the orphans of every pod.
set +e
while :; do wait -n 2>/dev/null || sleep 1; done
