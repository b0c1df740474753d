# Two processes of a stage on two nodes, of which one is cut off: cut_off.sh PYTHON
#
# Wants to be in namespaces of its own, see test_rendezvous.py. Says both statuses, that of the first node first.

set -u
cd ../.. || exit 2
export PYTHON=$1
export WORLD_SIZE=2 MASTER_ADDR=10.0.0.1 MASTER_PORT=29400

stage() { # rank, network card
    exec env RANK="$1" LOCAL_RANK=0 GLOO_SOCKET_IFNAME="$2" "$PYTHON" -m tests.runtime.cut_off
}
export -f stage

unshare --net bash -c '
    until ip address add 10.0.0.2/24 dev cable 2> /dev/null; do sleep 0.05; done
    ip link set cable up
    ip link set lo up
    stage 1 cable' &
second=$!
until [ "$(readlink /proc/$second/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add name cable type veth peer name cable netns $second
ip address add 10.0.0.1/24 dev cable
ip link set cable up
ip link set lo up
coproc stage 0 cable
first=$COPROC_PID
read -r met <&"${COPROC[0]}" && [ "$met" = met ] || exit 2
ip link set cable down
wait "$first"
statuses="status $?"
wait "$second"
printf '%s\n' "$statuses" "status $?"
