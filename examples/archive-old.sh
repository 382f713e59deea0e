#!/bin/sh
# Let old versions go by the rules that stand in registry.yaml and model.yaml, and write down which. For cron.
#
#   archive-old.sh REGISTRY [LOG]
#
# LOG gets a line for each version that was archived, packed or deleted. Nothing is printed but failures, on standard error.
# Exit: 0 done, or nothing to do · 2 usage · 75 a model was busy, the next run will do · else the exit code of registry.
# $LOCK_TIMEOUT: how many seconds to wait for a model that is busy (300).
set -eu

usage() { echo "usage: archive-old.sh REGISTRY [LOG]; $1" >&2; exit 2; }
[ $# -ge 1 ] && [ $# -le 2 ] || usage "one or two arguments are needed"
log=${2:-/dev/null}
told=$(mktemp)
trap 'rm -f "$told"' EXIT

code=0
done=$(registry -C "$1" prune --all --yes --quiet --lock-timeout "${LOCK_TIMEOUT:-300}" 2>"$told") || code=$?
[ -z "$done" ] || printf '%s\n' "$done" | while read -r ref; do
    printf '%s %s\n' "$(date -u +%FT%TZ)" "$ref"
done >>"$log"
case $code in
    0) ;;
    7) exit 75 ;; # EX_TEMPFAIL: no mail for what the next night does
    *) cat "$told" >&2; exit "$code" ;;
esac
