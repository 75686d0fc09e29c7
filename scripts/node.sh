#!/bin/sh
# Puts a node of version 22 or newer and the packages of tools/node into .cache/node: the conformance suites, clients
# and the packer of bundles. Does nothing, and asks no network, when they are there already. No package's own
# scripts are run.
set -eu
cd "$(dirname "$0")/.."

# as_root sets root to what runs a command as root, without questions of apt's.
as_root() {
    root="env DEBIAN_FRONTEND=noninteractive"
    [ "$(id -u)" != 0 ] || return 0
    if ! command -v sudo >/dev/null 2>&1; then
        echo "node: packages are missing and this is not root; install sudo, or run this once as root" >&2
        exit 1
    fi
    root="sudo $root"
}
into=.cache/node
node=$into/node_modules/.bin/node

if cmp -s tools/node/package-lock.json "$into/installed" && [ -x "$node" ]; then
    exit 0
fi

if ! command -v npm >/dev/null 2>&1; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "node: npm is missing; please install it (any version from 8 on) and run this again" >&2
        exit 1
    fi
    as_root
    echo "node: installing npm"
    $root apt-get update -qq
    $root apt-get install -y -qq --no-install-recommends npm
fi

echo "node: fetching the packages of tools/node"
mkdir -p "$into"
rm -f "$into/installed"
cp tools/node/package.json tools/node/package-lock.json "$into/"
# The npm of the machine may run on an older node than the packages want; they run on the one that comes with them.
npm ci --prefix "$into" --ignore-scripts --no-audit --no-fund --loglevel=error

# There are packages of node for some platforms; elsewhere the machine's own does, if it is new enough. Older npms do
# not link the program of such a package.
for own in "$into"/node_modules/node-*/bin/node; do
    if [ -x "$own" ] && "$own" --version >/dev/null 2>&1; then
        ln -sf "../${own#"$into/node_modules/"}" "$node"
    fi
done
if [ ! -x "$node" ]; then
    own=$(command -v node || true)
    if [ -z "$own" ] || [ "$("$own" -p 'process.versions.node.split(".")[0]')" -lt 22 ]; then
        echo "node: there is no package of node for this platform; please install node 22 or newer" >&2
        exit 1
    fi
    ln -sf "$own" "$node"
fi
cp tools/node/package-lock.json "$into/installed"
