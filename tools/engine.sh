#!/bin/bash
# A private engine for the tests, with mounts, network, processes, cgroups and data of its own. Needs root.
#   engine.sh fetch NAME...        26.1, 28.5: Docker from a newer Debian (or what has come in its place), into the cache;
#                                  podman-4.3, podman-5.4, podman-5.8: that Podman with all it needs;
#                                  registry: docker-registry; criu: what an engine needs for checkpoints, when it is there
#   engine.sh list                 the engines that can be started here: name and program
#   engine.sh run NAME DIR [FD]    runs one in the foreground until stdin ends, then removes all of it, DIR included; a
#                                  line on stdin kills it and starts it anew with its data. Each start is told on stdout.
#                                  A daemon that ends while there is a file DIR/down leaves its containers where they are,
#                                  and is started anew among them when the file is gone; till then there is DIR/is-down.
#                                  DIR/etc is Docker's /etc/docker.
#                                  It listens on DIR/d.sock and, Docker with FD, on that listening socket of the caller;
#                                  there with TLS and for known clients only where DIR/tls has {ca,cert,key}.pem.
#   engine.sh exec DIR COMMAND...  runs COMMAND in the network of the engine that runs in DIR; it ends with the engine
#   engine.sh join DIR DIR         one network for two engines: their addresses are then 192.0.2.1 and 192.0.2.2
# Cache: $DOCKERWIRE_CACHE, or ~/.cache/dockerwire.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${DOCKERWIRE_CACHE:-$HOME/.cache/dockerwire}

die() { echo "engine.sh: $*" >&2; exit 1; }

fetch() { # docker.io and containerd run on an older libc; runc does not, and this machine's own serves them
  case $1 in
    26.1) "$here/debian.sh" unpack trixie "$cache/engine-26.1" docker.io containerd tini ;;
    28.5) "$here/debian.sh" unpack forky "$cache/engine-28.5" docker.io containerd tini-static ;;
    podman-4.3) "$here/debian.sh" root bookworm "$cache/engine-podman-4.3" podman runc containernetworking-plugins iptables ;;
    podman-5.4) "$here/debian.sh" root trixie "$cache/engine-podman-5.4" podman crun netavark aardvark-dns nftables ;;
    podman-5.8) "$here/debian.sh" root forky "$cache/engine-podman-5.8" podman crun netavark aardvark-dns nftables ;;
    registry) "$here/debian.sh" unpack bookworm "$cache/registry" docker-registry ;;
    criu) # for checkpoints; bookworm's is too old for newer kernels, and a newer one wants its own libc
      "$here/debian.sh" root trixie "$cache/criu" criu
      mkdir -p "$cache/criu/run"
      cat > "$cache/criu/run/criu" <<'CRIU'
#!/bin/sh
root=${0%/run/criu}
exec "$root"/usr/lib*/ld-linux-*.so.* --library-path "$(echo "$root"/usr/lib/*-linux-gnu*)" "$root/usr/sbin/criu" "$@"
CRIU
      chmod +x "$cache/criu/run/criu"
      ;;
    *) die "nothing called $1 to fetch" ;;
  esac
}

list() {
  local dir own
  if own=$(command -v dockerd); then
    dockerd --version | sed -E "s|^Docker version ([0-9]+\.[0-9]+).*|\1 $own|"
  fi
  for dir in "$cache"/engine-*; do
    for own in "$dir/usr/sbin/dockerd" "$dir/usr/bin/podman"; do
      [ ! -x "$own" ] || echo "${dir##*/engine-} $own"
    done
  done
}

inside() { # inside DIR ROOT DAEMON ARGUMENT...: in the new namespaces, before the daemon
  local dir=$1 root=$2 name
  shift 2
  hostname dockerwire
  ip link set lo up
  ip link add eth0 type veth peer name eth1 # an address that is not loopback's: a swarm wants one
  ip address add 192.0.2.1/24 dev eth0
  ip link set eth0 up
  ip link set eth1 up
  mount --make-rshared / # as on a machine with systemd; without it rshared binds of containers are refused
  mkdir -p "$dir/cgroup"
  mount -t tmpfs cgroup "$dir/cgroup"
  if [ -n "$(ls /sys/fs/cgroup)" ]; then
    mount --rbind /sys/fs/cgroup "$dir/cgroup"
  else # a machine without: mounted in here alone
    # shellcheck disable=SC2013
    for name in $(awk '!/^#/ && $4 == 1 {print $1}' /proc/cgroups); do
      mkdir "$dir/cgroup/$name"
      mount -t cgroup -o "$name" cgroup "$dir/cgroup/$name" 2>/dev/null || rmdir "$dir/cgroup/$name"
    done
  fi
  mount -t sysfs sysfs /sys # of this network namespace
  mount --rbind "$dir/cgroup" /sys/fs/cgroup
  mount -t tmpfs -o mode=755 run /run
  if [ -z "$root" ]; then
    mkdir -p "$dir/etc" /etc/docker
    mount --bind "$dir/etc" /etc/docker # an engine writes its identity there
  else # /usr is the root's, and what is written to /etc and /var goes with the engine
    ! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified # crun wants no mixture of v1 and v2
    for name in etc var; do
      mkdir -p "$dir/$name" "$dir/$name.work"
      mount -t overlay -o "lowerdir=$root/$name:/$name,upperdir=$dir/$name,workdir=$dir/$name.work" overlay "/$name"
    done
    mount --rbind "$root/usr" /usr
  fi
  # The daemon is not the first process itself: others enter that one's network, which for a daemon in Go may change.
  while
    (export LISTEN_PID=$BASHPID; exec "$@") &
    wait $! || true
    [ -e "$dir/down" ]
  do
    : > "$dir/is-down"
    while [ -e "$dir/down" ]; do sleep 0.02; done
    forget "$dir"
    rm "$dir/is-down"
  done
}

forget() { # forget DIR: the numbers of a daemon that was killed, and its socket; the numbers come again
  rm -f "$1/pid" "$1"/exec/containerd/*.pid "$1/d.sock"
}

docker_arguments() { # docker_arguments DOCKERD DIR GROUP [FD]: sets `arguments`
  local bin init
  bin=$(dirname "$1")
  PATH=$bin:$bin/../bin:$cache/criu/run:$PATH
  arguments=("$1" --data-root "$2/data" --exec-root "$2/exec" --pidfile "$2/pid" --cgroup-parent "/$3" --experimental
    -H "unix://$2/d.sock")
  if [ -n "${4:-}" ]; then
    export LISTEN_FDS=1 # as systemd hands over a socket: the descriptor is 3
    [ "$4" = 3 ] || eval "exec 3<&$4"
    arguments+=(-H fd://)
    [ ! -d "$2/tls" ] || arguments+=(--tlsverify --tlscacert "$2/tls/ca.pem" --tlscert "$2/tls/cert.pem" --tlskey "$2/tls/key.pem")
  fi
  for init in "$bin"/../bin/tini-static "$bin"/../bin/tini; do
    [ ! -x "$init" ] || { arguments+=(--init-path "$init"); break; }
  done
}

podman_arguments() { # podman_arguments DIR: the same for Podman's service, which has no second address
  export CONTAINERS_CONF=$1/containers.conf CONTAINERS_REGISTRIES_CONF=$1/registries.conf
  # Its own limits may be higher than what may be set here.
  cat > "$CONTAINERS_CONF" <<CONF
[containers]
default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=4096:4096"]
CONF
  cat > "$CONTAINERS_REGISTRIES_CONF" <<CONF
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "127.0.0.1"
insecure = true
CONF
  arguments=(/usr/bin/podman --root "$1/data" --runroot "$1/exec" --tmpdir "$1/tmp" --cgroup-manager cgroupfs --events-backend file
    system service --time 0 "unix://$1/d.sock")
}

run() {
  local name=$1 dir=$2 fd=${3:-} program arguments group=dockerwire-$$ ended=''
  [ "$(id -u)" = 0 ] || die "needs root"
  program=$(list | awk -v name="$name" '$1 == name {path = $2} END {print path}')
  [ -n "$program" ] || die "no engine $name here"
  [[ $dir = /* && ! $dir =~ ^/(run|etc|var)/ && ${#dir} -lt 60 ]] || die "$dir: must be absolute, short and not under /run, /etc or /var"
  mkdir -p "$dir"
  root='' engine='' reader='' # not local: finish looks at them
  case $program in
    */podman)
      root=${program%/usr/bin/podman}
      podman_arguments "$dir"
      exec 4>> "$cache/podman.lock"
      flock --shared 4 # for the cgroups: see finish
      ;;
    *) docker_arguments "$program" "$dir" "$group" "$fd" ;;
  esac
  # shellcheck disable=SC2064
  trap "finish '$dir' $group" EXIT
  trap 'exit 143' TERM INT HUP
  start
  while wait -n -p ended "$engine" "$reader" && [ "$ended" = "$reader" ]; do
    stop
    start
  done
}

start() { # sets `engine` and `reader`; setpriv: nothing outlives this script, however it ends
  forget "$dir"
  setpriv --pdeathsig KILL unshare --mount --net --pid --uts --fork --mount-proc --kill-child --propagation private \
    bash "$here/engine.sh" inside "$dir" "$root" "${arguments[@]}" >> "$dir/log" 2>&1 < /dev/null 4>&- &
  engine=$!
  echo $engine > "$dir/engine"
  echo "DOCKER_HOST=unix://$dir/d.sock"
  read -r <&0 4>&- &
  reader=$!
}

stop() { # the death of the namespace's first process takes the daemon and all containers
  local init=
  read -r init < "/proc/$engine/task/$engine/children" || true
  kill -KILL "${init:-$engine}" 2>/dev/null || true
  wait "$engine" 2>/dev/null || true
}

init_of() { # init_of DIR: the first process in the namespaces of the engine there
  local engine='' init=''
  { read -r engine < "$1/engine" && read -r init < "/proc/$engine/task/$engine/children"; } 2> /dev/null ||
    [ -n "$init" ] || die "no engine runs in $1"
  echo "$init"
}

join() { # join DIR DIR: the spare end of the first one's eth0 becomes the second one's eth0
  local first second
  first=$(init_of "$1")
  second=$(init_of "$2")
  nsenter -t "$second" --net ip link delete eth0
  nsenter -t "$first" --net ip link set eth1 netns "$second" name eth0
  nsenter -t "$second" --net ip address add 192.0.2.2/24 dev eth0
  nsenter -t "$second" --net ip link set eth0 up
}

remove_cgroups() { # remove_cgroups PATTERN
  for _ in {1..40}; do # a cgroup empties a moment after its last process
    find /sys/fs/cgroup -depth -type d \( -path "*/$1" -o -path "*/$1/*" \) -exec rmdir {} + 2>/dev/null && break
    sleep 0.05
  done
}

finish() { # finish DIR GROUP
  trap - EXIT
  exec 3<&-
  kill "$reader" 2>/dev/null || true
  stop
  remove_cgroups "$2"
  if [ -n "$root" ]; then # Podmans share one group: the last one removes it
    for container in "$1"/data/overlay-containers/*/; do
      remove_cgroups "libpod*$(basename "$container")"
    done
    ! flock --exclusive --nonblock 4 || remove_cgroups libpod_parent
  fi
  rm -rf --one-file-system "$1"
}

case ${1:-} in
  fetch) shift; for name in "$@"; do fetch "$name"; done ;;
  list) list ;;
  run) [ $# -ge 3 ] || die "run NAME DIR [FD]"; run "${@:2}" ;;
  exec) [ $# -ge 3 ] || die "exec DIR COMMAND..."; init=$(init_of "$2"); exec nsenter -t "$init" --net --pid "${@:3}" ;;
  join) [ $# = 3 ] || die "join DIR DIR"; join "$2" "$3" ;;
  inside) shift; inside "$@" ;;
  *) sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
