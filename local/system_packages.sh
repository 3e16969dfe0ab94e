#!/usr/bin/env bash
# PgBouncer for the pooler test: installed through apt where we are root and it is missing; else that test skips.
set -u
command -v pgbouncer >/dev/null && exit 0
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "pgbouncer is missing: the pooler test will be skipped"; exit 0; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq && apt-get install -y -qq --no-install-recommends pgbouncer >/dev/null
service pgbouncer stop >/dev/null 2>&1 || true
