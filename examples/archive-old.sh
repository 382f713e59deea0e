#!/bin/sh
# Take old versions out of use. For cron: prints what it archived, and nothing when there was nothing to do.
#
#   archive-old.sh REGISTRY KEEP [MODEL...]
#
# Of each model (all, unless some are named) the newest KEEP versions stay; so does every version that a stage or an
# alias points to or that a rollback would go to. An archived version is kept and can be restored.
# Exit: 0 done · 2 usage · 75 a model was busy, the next run will do · else the exit code of the first failure.
# $LOCK_TIMEOUT: how many seconds to wait for a model that is busy (30).
set -eu

usage() { echo "usage: archive-old.sh REGISTRY KEEP [MODEL...]; $1" >&2; exit 2; }
[ $# -ge 2 ] || usage "two arguments are needed"
case $2 in '' | *[!0-9]* | 0*) usage "KEEP is a number from 1 on" ;; esac
REGISTRY_HOME=$1 keep=$2
export REGISTRY_HOME
shift 2
if [ $# -eq 0 ]; then
    models=$(registry list -q)
    # Names of models have no spaces.
    # shellcheck disable=SC2086
    set -- $models
fi

status=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Remember the first exit code that is a failure.
failed() { [ "$status" -ne 0 ] && [ "$status" -ne 75 ] || status=$1; }

# archive REF...: leaves registry's exit code in $code. 4 is no failure: what is in use stays.
archive() {
    code=0
    registry archive "$@" -q --lock-timeout "${LOCK_TIMEOUT:-30}" --reason "retention: the newest $keep stay" \
        2>"$log" || code=$?
    case $code in
        0 | 4) ;;
        7) [ "$status" -ne 0 ] || status=75 ;;
        *) cat "$log" >&2; failed "$code" ;;
    esac
}

for model in "$@"; do
    code=0
    listed=$(registry versions "$model") || code=$?
    if [ "$code" -ne 0 ]; then failed "$code"; continue; fi
    # In a pipe: reference, stages, aliases …; what nothing points to has neither.
    old=$(printf '%s\n' "$listed" | awk -F '\t' -v keep="$keep" 'NR > keep && $2 == "" && $3 == "" { print $1 }')
    [ -n "$old" ] || continue
    # shellcheck disable=SC2086
    archive $old # all in one change
    [ "$code" -eq 4 ] || continue
    for ref in $old; do archive "$ref"; done # a rollback would need one of them: the others, one by one
done
exit "$status"
