# shellcheck shell=bash
# Shared by scripts/* and tests/lab/build: one-line steps with logs, and the set-up of a bare machine.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=$root/.cache
logs=$cache/logs
venv=$cache/venv

export HOME=${HOME:-/root} LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
export PIP_DISABLE_PIP_VERSION_CHECK=1 UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_SYSTEM_CERTS=true
# uv reads none of pip's settings: a machine with its own index names it once.
[[ -z ${PIP_INDEX_URL:-} ]] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}
# Where Python may not keep what it compiled, each of a thousand short programs compiles all of Ansible again.
unset PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV ANSIBLE_CONFIG

say() { printf '%s\n' "$*"; }

# fail MESSAGE [WHAT TO DO]
fail() {
  printf 'error: %s\n' "$1" >&2
  [[ -z ${2:-} ]] || printf '  %s\n' "$2" >&2
  exit 1
}

if ! mkdir -p "$logs" 2>/dev/null || [[ ! -w $logs ]]; then
  fail "$logs cannot be written" "Run it as the owner of the checkout; containers and missing packages need root."
fi

# step TEXT WHAT_TO_DO_ON_FAILURE COMMAND...: one line on the screen, the details in a log.
step() {
  local text=$1 advice=$2 began=$SECONDS log
  shift 2
  log=$logs/$(tr -cs '[:alnum:]\n' - <<<"${text,,}").log
  printf '%s ... ' "$text"
  # A subshell outside any condition keeps errexit for the functions that run as a step.
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1 </dev/null
  local status=$?
  set -e
  if ((status == 0)); then
    say "ok ($((SECONDS - began)) s)"
    return
  fi
  say "FAILED after $((SECONDS - began)) s"
  tail -n 25 "$log" >&2
  if grep -qiE 'temporary failure (in name resolution|resolving)|could not resolve|network is unreachable|failed to lookup address|dns error|no route to host|connection timed out' "$log"; then
    advice="The network seems to be out of reach: check it (and http_proxy, if you need one), then run this again."
  fi
  fail "$text failed, the whole log is $log" "$advice"
}

need_debian() {
  local ID='' VERSION_ID=''
  # shellcheck source=/dev/null
  [[ ! -r /etc/os-release ]] || . /etc/os-release
  [[ $ID == debian && $VERSION_ID =~ ^1[23]$ ]] ||
    fail "this is not Debian 12 or 13 (/etc/os-release says: ${ID:-unknown} ${VERSION_ID:-})" "Run it on one of these, in a virtual machine for instance."
}

need_root() {
  ((EUID == 0)) || fail "root is needed to $1" "Run it as root, for instance: sudo $0"
}

apt_get() { apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 -y --no-install-recommends "$@"; }

apt_install() {
  apt_get install "$@" && return
  # Package lists are missing or outdated; a mirror may hiccup once.
  apt_get update && apt_get install "$@" && return
  sleep 5
  apt_get update && apt_get install "$@"
}

# need_packages PACKAGE...: installs those that are missing.
need_packages() {
  local package missing=()
  for package in "$@"; do
    # shellcheck disable=SC2016  # the field is dpkg's
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  need_root "install packages (${missing[*]})"
  step "Installing ${missing[*]}" "See what apt says above; 'apt-get update' must succeed first." apt_install "${missing[@]}"
}

# Prints "MINOR PATH" of every CPython 3 that runs and can make virtual environments, newest first.
pythons() {
  local file dir dirs
  IFS=: read -ra dirs <<<"$PATH"
  for dir in /usr/bin "$HOME"/.pyenv/versions/*/bin "${dirs[@]}"; do
    # Shims only run what pyenv selected, and the virtual environments here are no base for others.
    [[ $dir != */shims && $dir != "$cache"/* ]] || continue
    for file in "$dir"/python3 "$dir"/python3.[0-9] "$dir"/python3.[0-9][0-9]; do
      [[ -x $file ]] || continue
      "$file" -c 'import ctypes, ensurepip, ssl, sys, venv
if sys.version_info.releaselevel == "final" and sys.prefix == sys.base_prefix:
    print(*sys.version_info[1:3], sys.argv[1])' "$file" 2>/dev/null || true
    done
  done | sort -k1,1nr -k2,2nr -s | awk '!seen[$1]++ { $2 = ""; sub("  ", " "); print }'
}

newest_python() { pythons | awk '$1 >= 11 { sub(/^[0-9]+ /, ""); print; exit }'; }

# The hashed lines of one package in the lock.
locked() { awk -v name="$1==" 'index($0, name) == 1 { on = 1 } on { print } on && !/\\$/ { exit }' "$root/requirements-dev.txt"; }

install_uv() {
  rm -rf "$cache/bootstrap"
  "$1" -m venv "$cache/bootstrap"
  locked uv >"$cache/bootstrap/uv.txt"
  "$cache/bootstrap/bin/python" -m pip install --require-hashes -r "$cache/bootstrap/uv.txt"
}

uv() { "$cache/bootstrap/bin/uv" "$@"; }

install_requirements() {
  uv venv --clear --python "$1" "$2"
  uv pip install --python "$2" --require-hashes -r "$root/requirements-dev.txt" ||
    uv pip install --python "$2" --require-hashes -r "$root/requirements-dev.txt"
}

# The virtual environment with the locked requirements; nothing is done while it fits the lock and the place.
need_venv() {
  local stamp python target
  stamp="$(sha256sum <"$root/requirements-dev.txt") $cache"
  if [[ ! -f $venv/stamp || $(<"$venv/stamp") != "$stamp" ]] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    python=$(newest_python)
    if [[ -z $python ]]; then
      need_packages python3 python3-venv
      python=$(newest_python)
    fi
    [[ -n $python ]] || fail "no Python from 3.11 up runs here" "Install python3 and python3-venv."
    target=$cache/venv-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    step "Installing uv with $python" "pip must reach its package index; on a machine with its own authority set PIP_CERT." install_uv "$python"
    step "Installing the development requirements" "uv must reach its package index; on a machine with its own authority set SSL_CERT_FILE." \
      install_requirements "$python" "$target"
    ln -sfn "$(basename "$target")" "$venv"
    printf '%s\n' "$stamp" >"$venv/stamp"
  fi
  export PATH=$venv/bin:$PATH
}

# What Ansible, molecule and the tests read from the environment.
need_collection_path() {
  local parent=$root/.collections/ansible_collections/palisade
  mkdir -p "$parent"
  ln -sfn ../../.. "$parent/mod_wsgi"
  # Collections of the ansible package are found after these, through Python's own path.
  export ANSIBLE_COLLECTIONS_PATH=$root/.collections
  # Half the time of a play over podman's connection; the scenario sudo_user runs without it as well.
  export ANSIBLE_PIPELINING=${ANSIBLE_PIPELINING:-true}
  export ANSIBLE_HOME=$cache/ansible ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_NOCOLOR=${ANSIBLE_NOCOLOR:-true} NO_COLOR=1
}

need_project() {
  need_debian
  # Two scripts at once must not build the same environment.
  exec 8>"$cache/setup.lock"
  flock 8
  need_packages ca-certificates git
  need_venv
  need_collection_path
  flock -u 8
}

# Podman's settings, for every command that talks to it.
use_podman() {
  oci_runtime=crun
  # crun refuses version 1 and hybrid cgroups.
  [[ $(stat -fc %T /sys/fs/cgroup) == cgroup2fs ]] || oci_runtime=runc
  mkdir -p "$cache/lab"
  # The default limits cannot be set without CAP_SYS_RESOURCE.
  printf '[containers]\ndefault_ulimits = []\n[engine]\nruntime = "%s"\n[network]\nnetwork_backend = "netavark"\n' "$oci_runtime" >"$cache/lab/containers.conf"
  export CONTAINERS_CONF=$cache/lab/containers.conf PODMAN_IGNORE_CGROUPSV1_WARNING=1
}

# Into containers by SSH, as users reach their hosts: over a connection that stays, a command costs a tenth of the processor time of
# one by `podman exec`. The server is one of `podman exec`, so that what it starts has the container's rights.
use_ssh() {
  local sockets
  # A socket's path may have 108 characters; that of the project may be long.
  sockets=/tmp/palisade-$(id -u)-$(cksum <<<"$root" | cut -d ' ' -f 1)
  mkdir -m 700 "$sockets" 2>/dev/null || true
  [[ -O $sockets ]] || fail "$sockets belongs to somebody else" "Remove it."
  [[ -f $cache/lab/key ]] || ssh-keygen -q -t ed25519 -N "" -C palisade-lab -f "$cache/lab/key"
  cat >"$cache/lab/ssh_config" <<CONFIG
Host palisade-*
  User root
  IdentityFile $cache/lab/key
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ProxyCommand podman exec --interactive %h /bin/sh -c "mkdir -p /run/sshd && exec /usr/sbin/sshd -i -o UsePAM=no -o StrictModes=no -o MaxSessions=100 -o AuthorizedKeysFile=/etc/ssh/lab_key.pub" 2>/dev/null
  ControlMaster auto
  ControlPath $sockets/%C
  ControlPersist 10m
CONFIG
  export PALISADE_SSH_CONFIG=$cache/lab/ssh_config
}

# pip's settings of this machine, from its files and the environment (which wins), as one file.
pip_conf() {
  printf '[global]\n'
  "$cache/bootstrap/bin/python" -m pip config list 2>/dev/null |
    sed -nE "s/^global\.(.*)='(.*)'$/1 \1 = \2/p; s/^:env:\.(.*)='(.*)'$/2 \1 = \2/p" | sort -s -n -k 1,1 | cut -d ' ' -f 2- |
    awk -F ' = ' '$1 != "config-file" { gsub(/\\n/, " "); last[$1] = $0 } END { for (key in last) print last[key] }'
}

# As far as they mean something in a container, where this machine's authorities are mounted at their usual place.
container_pip_conf() {
  pip_conf | grep -E '^(\[|(index-url|extra-index-url|trusted-host|proxy|timeout) = )' | grep -v 'file:'
  printf 'cert = /etc/ssl/certs/ca-certificates.crt\n'
}

# Podman, and the images of RELEASE...
need_lab() {
  local release
  need_root "run containers with systemd"
  use_podman
  flock 8
  need_packages podman "$oci_runtime" netavark aardvark-dns iptables nftables mmdebstrap openssh-client
  use_ssh
  container_pip_conf >"$cache/lab/pip.conf"
  for release in "$@"; do
    "$root/tests/lab/build" --current "$release" || step "Building the image of Debian $release" \
      "Debian's mirror must be reachable; free space must be above 2 GB." "$root/tests/lab/build" "$release"
  done
  flock -u 8
}
