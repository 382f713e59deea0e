#!/usr/bin/env bash
# A tour with a real model: train, register, promote, compare, serve, roll back, verify.
# Needs `registry` and scikit-learn (`make demo` sets both up).
#
#   quickstart.sh [FOLDER]        works in FOLDER (default: .demo), which is recreated each time
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-.demo}

if [ -e "$work" ]; then
    [ -e "$work/made-by-quickstart" ] || { echo "error: '$work' was not created by this script; choose another folder" >&2; exit 4; }
    chmod -R u+w "$work" && rm -rf "$work" # registered files are read-only
fi
mkdir -p "$work" && cd "$work"
touch made-by-quickstart
cp "$here/train.py" "$here/predict.py" .
unset REGISTRY_HOME

say() { printf '\n# %s\n' "$*"; }
run() { printf '$ %s\n' "$1"; eval "$1"; }

say "Create a registry. It is just a folder."
run 'registry init models-registry'
run 'export REGISTRY_HOME="$PWD/models-registry"'

say "Train a small model and register it with its params and metrics."
run 'python train.py out --depth 1 --trees 3'
run 'registry register cancer out/model.joblib \
    --params-file out/params.yaml --metrics-file out/metrics.json \
    --tag team=oncology --message "three stumps"'

say "Train a second one; promote it to staging, then to production."
run 'python train.py out --depth 2 --trees 10'
run 'registry register cancer out/model.joblib \
    --params-file out/params.yaml --metrics-file out/metrics.json \
    --tag team=oncology --message "ten small trees"'
run 'registry promote cancer@2 staging'
run 'registry promote cancer@staging production --expect none \
    --reason "first release"'

say "Train a better one, compare it with the others, and promote it."
run 'python train.py out --depth 8 --trees 200'
run 'registry register cancer out/model.joblib \
    --params-file out/params.yaml --metrics-file out/metrics.json \
    --tag team=oncology --message "200 trees"'
run 'registry versions cancer --format table'
run 'registry promote cancer@3 production --expect 2 \
    --reason "better auc on the test set"'

say "A service asks for the path of the production model and loads it."
run 'registry path cancer@production model.joblib'
run 'python predict.py "$(registry path cancer@production model.joblib)"'

say "Something is wrong with it: roll back to the previous version."
run 'registry rollback cancer production --expect 3 --reason "errors since 10:40"'
run 'registry path cancer@production'

say "Show what happened, and verify every file."
run 'registry history cancer --format table'
run 'registry list --format table'
run 'registry verify'
