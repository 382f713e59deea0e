#!/bin/sh
# Archive all but the newest versions of each model. For cron: silent when there is nothing to do.
#
#   archive-old.sh REGISTRY KEEP [MODEL...]
#
# What a stage or alias points to, and what a rollback would go to, the registry refuses to archive: such a version
# is left out here and stays. Exit 0 done, 75 when a model was locked (cron may try again), else the first failure.
set -eu
registry_home=$1 keep=$2
shift 2
export REGISTRY_HOME="$registry_home"
[ $# -gt 0 ] || set -- $(registry list -q)
status=0
for model in "$@"; do
    for ref in $(registry versions "$model" -q | tail -n "+$((keep + 1))"); do
        code=0
        registry archive "$ref" --quiet --reason "retention: newest $keep kept" >/dev/null 2>&1 || code=$?
        case $code in
            0) echo "archived $ref" ;;
            4) ;; # in use: it stays
            7) status=75 ;;
            *) echo "could not archive $ref (exit $code)" >&2; [ "$status" -ne 0 ] || status=$code ;;
        esac
    done
done
exit "$status"
