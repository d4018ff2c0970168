#!/usr/bin/env bash
# sanitizers.sh - the unit and MPI tests with every access and every arithmetic step checked.
set -eu
cd "$(dirname "$0")/../.."
unset MAKEFLAGS MFLAGS MPART BUILD SAN
make SAN=1 check-unit
make SAN=1 check-mpi
