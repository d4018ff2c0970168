#!/bin/sh
# Install the Debian packages that building and testing need, where they are missing: as root, or by
# sudo if it asks for no password; otherwise print the one command to run and fail.
set -u
packages="gcc make pkg-config libopenmpi-dev openmpi-bin libhdf5-openmpi-dev libcmocka-dev
zlib1g-dev libdeflate-dev libisal-dev libzstd-dev libxxhash-dev libpcre2-dev libjansson-dev zstd gzip
procps python3 sqlite3 hdf5-tools python3-h5py python3-tables python3-pandas
hdf5-filter-plugin-blosc-serial redis-tools python3-redis"
if ! command -v apt-get >/dev/null 2>&1; then
    printf 'this is no Debian; install what Debian calls:\n%s\n' "$packages" >&2
    exit 1
fi
missing=
for p in $packages; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' ||
        missing="$missing $p"
done
[ -z "$missing" ] && exit 0

by_hand="apt-get update && apt-get install -y --no-install-recommends$missing"
sudo=
if [ "$(id -u)" != 0 ]; then
    sudo="sudo -n"
    if ! $sudo true 2>/dev/null; then
        echo "packages are missing; as root run: $by_hand" >&2
        exit 1
    fi
fi
echo "installing:$missing"
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
# Without a network the lists cannot be renewed, but the packages may be there.
apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300"
$apt update >"$log" 2>&1
# shellcheck disable=SC2086
if ! $apt install --no-install-recommends $missing >>"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "could not install the packages; as root run: $by_hand" >&2
    exit 1
fi
