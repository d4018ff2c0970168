#!/bin/sh
# Install the Debian packages that building and testing need, where they are missing. As root or with sudo without a
# password; otherwise print the one command to run.
set -u
packages="gcc make pkg-config libopenmpi-dev openmpi-bin libhdf5-openmpi-dev libcmocka-dev zlib1g-dev libzstd-dev
libxxhash-dev libpcre2-dev libjansson-dev zstd gzip python3 sqlite3"
missing=
for p in $packages; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
command="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
    run=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    run="sudo -n"
else
    echo "packages are missing; run: sudo apt-get update && sudo $command" >&2
    exit 1
fi
echo "installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
if ! { $run apt-get update && $run env DEBIAN_FRONTEND=noninteractive $command; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "could not install the packages; run: sudo apt-get update && sudo $command" >&2
    exit 1
fi
