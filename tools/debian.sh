#!/bin/bash
# Packages of another Debian release, beside this machine's own and without touching its apt or dpkg.
#   debian.sh unpack RELEASE DIR PACKAGE...   these packages alone, unpacked into DIR
#   debian.sh root   RELEASE DIR PACKAGE...   the packages and all they depend on: a whole /usr, its libc included
#   debian.sh in     DIR COMMAND...           run COMMAND where DIR/usr stands in for /usr (root only)
# Nothing is done when DIR holds the same request already. apt verifies every package by this machine's Debian keyring.
set -euo pipefail

die() { echo "debian.sh: $*" >&2; exit 1; }

mirror() { # the archive this machine's own apt is set up to use
  cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    awk '/^URIs:/ && /debian/ {print $2; exit}
         /^deb / {for (i = 2; i <= NF; i++) if ($i ~ /^https?:.*debian/) {print $i; exit}}'
}

apt_root() { # apt_root RELEASE DIR: an apt of its own under DIR; prints its configuration file
  local release=$1 apt=$2 uri
  uri=$(mirror)
  [ -n "$uri" ] || die "no Debian archive in /etc/apt"
  mkdir -p "$apt"/etc/{apt.conf.d,preferences.d,trusted.gpg.d} "$apt"/lists/partial "$apt"/cache/archives/partial
  : > "$apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $release main" > "$apt/etc/sources.list"
  # A mirror's copy of a moving release may be past its Valid-Until; its signature is checked all the same.
  cat > "$apt/apt.conf" <<CONF
Dir::Etc "$apt/etc";
Dir::Etc::sourcelist "$apt/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
CONF
  APT_CONFIG=$apt/apt.conf apt-get update -qq >&2
  echo "$apt/apt.conf"
}

fetch() { # fetch HOW RELEASE DIR PACKAGE...
  local how=$1 release=$2 dir=$3 apt conf link deb
  shift 3
  [ "$(cat "$dir/.packages" 2>/dev/null)" != "$release $*" ] || return 0
  [ "$(id -u)" = 0 ] || die "needs root"
  apt=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$apt'" EXIT
  conf=$(apt_root "$release" "$apt")
  rm -rf "$dir"
  mkdir -p "$dir"
  if [ "$how" = root ]; then
    # The links of a merged /usr come first, so that no package makes a folder in their place.
    for link in bin sbin lib lib64; do mkdir -p "$dir/usr/$link"; ln -s "usr/$link" "$dir/$link"; done
    APT_CONFIG=$conf apt-get install -y -qq --download-only "$@" >&2
  else
    (cd "$apt/cache/archives" && APT_CONFIG=$conf apt-get download -qq "$@" >&2)
  fi
  for deb in "$apt"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$dir"
  done
  # What the packages' own scripts would have linked.
  [ ! -e "$dir/usr/bin/gcc" ] || ln -sf gcc "$dir/usr/bin/cc"
  [ ! -e "$dir/usr/bin/g++" ] || ln -sf g++ "$dir/usr/bin/c++"
  if [ -e "$dir/usr/sbin/xtables-nft-multi" ]; then
    for link in iptables ip6tables; do ln -sf xtables-nft-multi "$dir/usr/sbin/$link"; done
  fi
  echo "$release $*" > "$dir/.packages"
}

inside() { # inside DIR COMMAND...: /etc, /root, /tmp and the rest stay as they are; only /usr is another one, here alone
  local dir=$1
  shift
  [ -d "$dir/usr/bin" ] || die "no root in $dir"
  # shellcheck disable=SC2016
  LC_ALL=C.UTF-8 exec unshare --mount --propagation private bash -c '
    mkdir -p "$0/usr/local"
    mount --bind /usr/local "$0/usr/local" && mount --rbind "$0/usr" /usr && exec "$@"' "$dir" "$@"
}

case ${1:-} in
  unpack | root) [ $# -ge 4 ] || die "$1 RELEASE DIR PACKAGE..."; fetch "$@" ;;
  in) shift; inside "$@" ;;
  *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
