#!/bin/sh
# Installs what is missing on a Debian-like machine, and nothing else: nmap, ping, git, and a C compiler, which Go's race
# detector links with. Then fetches the Go modules. Called as "setup.sh test" it also sees to what the tests check
# deploy/ with: systemd-analyze for the unit, promtool for metrics and alerts; and to node and the packages that the
# conformance suites need.
set -eu
cd "$(dirname "$0")/.."

# as_root sets root to what runs a command as root, without questions of apt's.
as_root() {
    root="env DEBIAN_FRONTEND=noninteractive"
    [ "$(id -u)" != 0 ] || return 0
    if ! command -v sudo >/dev/null 2>&1; then
        echo "setup: packages are missing and this is not root; install sudo, or run this once as root" >&2
        exit 1
    fi
    root="sudo $root"
}

if ! command -v go >/dev/null 2>&1; then
    echo "setup: Go is missing; install Go 1.26 or newer (https://go.dev/dl) and put it on PATH" >&2
    exit 1
fi

packages=""
command -v nmap >/dev/null 2>&1 || packages="$packages nmap"
command -v ping >/dev/null 2>&1 || packages="$packages iputils-ping"
command -v curl >/dev/null 2>&1 || packages="$packages curl"
command -v dig >/dev/null 2>&1 || packages="$packages bind9-dnsutils"
command -v traceroute >/dev/null 2>&1 || packages="$packages traceroute"
command -v cc >/dev/null 2>&1 || packages="$packages gcc libc6-dev"
command -v git >/dev/null 2>&1 || packages="$packages git"
# The package brings the program and does not make systemd the init of this machine: that is systemd-sysv.
[ "${1:-}" != test ] || command -v systemd-analyze >/dev/null 2>&1 || packages="$packages systemd"
# The plugin in Python is of Debian's packages alone.
python="import grpc, google.protobuf, cryptography, jsonschema"
if [ "${1:-}" = test ] && ! { /usr/bin/python3 -c "$python" && command -v protoc &&
    [ -e /usr/include/google/protobuf/duration.proto ]; } >/dev/null 2>&1; then
    packages="$packages python3-grpcio python3-protobuf python3-cryptography python3-jsonschema protobuf-compiler \
libprotobuf-dev"
fi

if [ -n "$packages" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "setup: please install with your package manager:$packages" >&2
        exit 1
    fi
    as_root
    echo "setup: installing$packages"
    $root apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    $root apt-get install -y -qq --no-install-recommends $packages
fi

# promtool comes out of Debian's package without installing it: the package would start a Prometheus on this machine.
if [ "${1:-}" = test ] && ! command -v promtool >/dev/null 2>&1 && [ ! -x .cache/tools/promtool ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "setup: promtool is missing; please install Prometheus, or put promtool into .cache/tools" >&2
        exit 1
    fi
    echo "setup: fetching promtool"
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    fetch="apt-get download -qq -o APT::Sandbox::User=root prometheus"
    if ! (cd "$dir" && $fetch 2>/dev/null); then # the lists of packages are missing, or old
        as_root
        $root apt-get update -qq
        (cd "$dir" && $fetch)
    fi
    dpkg-deb -x "$dir"/prometheus_*.deb "$dir"
    mkdir -p .cache/tools
    mv "$dir/usr/bin/promtool" .cache/tools/promtool
fi

[ "${1:-}" != test ] || scripts/node.sh

go mod download
