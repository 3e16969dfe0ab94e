#!/usr/bin/env bash
# PgBouncer for the pooler test and Chromium for the page's: installed through apt where we are root and they are
# missing; else those tests skip.
set -u
missing=()
command -v pgbouncer >/dev/null || missing+=(pgbouncer)
command -v chromium >/dev/null || [ -n "${CHROMIUM:-}" ] || missing+=(chromium)
[ ${#missing[@]} -eq 0 ] && exit 0
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "missing: ${missing[*]}; their tests will be skipped"; exit 0; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
service pgbouncer stop >/dev/null 2>&1 || true
