#!/bin/bash
# A Slurm cluster on this one machine, to try those of scripts/ on: sudo dev/rehearse.sh NODES [COMMAND]
#
# Each node is a set of Linux namespaces: a network, host name, processes and /tmp of its own. The rest of the file
# system is this machine's, and with it .venv; but the clone that they work in lies on a disk that they share over
# their network (GlusterFS, /mnt). It is one of what is committed here, with 72 patches instead of 280. There, on
# `head`, COMMAND runs, such as `bash`; by default the whole pipeline, in a process on each node. When it ends, so
# does the cluster. `ip link set to-n2 down` pulls a node's cable. rehearsal/ keeps logs and disk until the next one.
#
# Wants root, and Debian's slurmctld, slurmd, slurm-client, munge, glusterfs-server and iproute2.

set -eu
nodes=${1:?usage: $0 NODES [COMMAND]}
here=$(cd "$(dirname "$0")/.." && pwd)
work=$here/rehearsal
case $nodes in *[!0-9]* | 0*) echo "error: $nodes is no number of nodes" >&2 && exit 2 ;; esac
case $here in /tmp/*) echo "error: $here: nodes have a /tmp of their own; clone it elsewhere" >&2 && exit 2 ;; esac
if [ -z "${SRSCENE_REHEARSAL:-}" ]; then
    if pgrep -x slurmctld > /dev/null; then echo "error: Slurm runs here already; stop it first" >&2 && exit 2; fi
    # All that is started ends with the first process of this namespace.
    SRSCENE_REHEARSAL=1 exec unshare --mount --net --uts --pid --fork --kill-child --mount-proc "$0" "$@"
fi

hostname head
rm -rf "$work"
mkdir -p "$work"/{disk,gluster,log,spool}
mount -t tmpfs tmpfs /run
mount --bind "$work/log" /var/log
mount --bind "$work/gluster" /var/lib/glusterd
mkdir -p /run/munge /run/gluster /var/log/munge /var/log/glusterfs
{
    echo "127.0.0.1 localhost"
    echo "10.77.0.1 head"
    for node in $(seq "$nodes"); do echo "10.77.0.$((10 + node)) n$node"; done
} > "$work/hosts"
mount --bind "$work/hosts" /etc/hosts
ip link set lo up
ip link add switch type bridge
ip address add 10.77.0.1/24 dev switch
ip link set switch up

glusterd
gluster --mode=script volume create shared head:"$work/disk" force > /dev/null
gluster --mode=script volume start shared > /dev/null

cat > "$work/slurm.conf" <<END
ClusterName=rehearsal
SlurmctldHost=head
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
StateSaveLocation=$work/spool/state
SlurmdSpoolDir=$work/spool/%n
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd-%n.pid
SlurmctldLogFile=/var/log/slurmctld.log
SlurmdLogFile=/var/log/slurmd-%n.log
SlurmdTimeout=30
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobRequeue=1
ReturnToService=2
NodeName=n[1-$nodes] CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
END
export SLURM_CONF=$work/slurm.conf
dd if=/dev/urandom of="$work/munge.key" bs=128 count=1 2> /dev/null
chmod 400 "$work/munge.key"
munged --force --key-file "$work/munge.key"
slurmctld

for node in $(seq "$nodes"); do
    unshare --mount --net --uts --pid --fork --kill-child --mount-proc bash -c "
        hostname n$node
        ip link set lo up
        until ip link set eth0 up 2> /dev/null; do sleep 0.1; done
        ip address add 10.77.0.$((10 + node))/24 dev eth0
        mount -t tmpfs tmpfs /tmp
        mount -t glusterfs head:/shared /mnt && exec slurmd -D" > "$work/log/n$node" 2>&1 &
    until inside=$(pgrep -P $!); do sleep 0.1; done
    ip link add "to-n$node" type veth peer name eth0 netns "$inside"
    ip link set "to-n$node" master switch up
done
mount -t glusterfs head:/shared /mnt

git clone -q "$here" /mnt/srscene
cd /mnt/srscene
ln -s "$here/.venv" .venv
export PYTHONPATH=/mnt/srscene/src
sed -i 's/train: 160 .*/train: 40/; s/val: 40/val: 8/; s/test: 80/test: 24/; s/steps: 300 .*/steps: 20/' params.yaml
git -c user.name=rehearsal -c user.email=rehearsal@localhost commit -qam "Few patches"
until [ "$(sinfo -h -t idle -o %D)" = "$nodes" ]; do
    [ $SECONDS -lt 120 ] || { echo "error: nodes did not come up; see $work/log" >&2 && exit 1; }
    sleep 0.5
done
if [ $# -gt 1 ]; then
    "${@:2}"
else
    sbatch --wait --nodes="$nodes" --ntasks-per-node=1 --gpus-per-node=0 --cpus-per-task=1 --output=log \
        scripts/srscene.sbatch && status=0 || status=$?
    [ ! -e log ] || cat log
    exit "$status"
fi
