#!/usr/bin/env bash
# A model in operation: deploy, serve over HTTP, record how well it does, alert, roll back, report.
# Continues where quickstart.sh ended, in the same FOLDER (.demo unless you name one).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-.demo}
[ -e "$work/made-by-quickstart" ] || { echo "error: run quickstart.sh first" >&2; exit 3; }
cd "$work"
cp "$here/serve_folder.py" "$here/score_days.py" .
export REGISTRY_HOME="$PWD/models-registry"
port=$(python -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')

command -v curl >/dev/null ||
    curl() { python -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode(), end="")' "${@: -1}"; }

say() { printf '\n# %s\n' "$*"; }
run() { printf '$ %s\n' "$1"; eval "$1"; }

say "Version 3 was fixed: it goes live again."
run 'registry promote cancer@3 production --reason "errors are fixed"'

say "A target is a folder that a model server reads. This one follows production."
mkdir -p server/cancer
cat >"$REGISTRY_HOME/targets.yaml" <<END
format: 1
targets:
  clinic: {layout: plain, path: '$PWD/server', follows: production, models: [cancer], probe: 'http://127.0.0.1:$port#/version'}
END
run 'registry target list --format table'
run 'registry deploy cancer@production --to clinic --no-reload'

say "A server in ten lines of Python answers with the model that is there."
echo "\$ python serve_folder.py server/cancer $port &"
python serve_folder.py server/cancer "$port" &
server=$!
trap 'kill $server' EXIT
for _ in $(seq 100); do curl -s "http://127.0.0.1:$port" >/dev/null && break; sleep 0.1; done
run "curl -s http://127.0.0.1:$port; echo"
run 'registry deployments --check --format table'

say "A rule: of the predictions of a day, at least 91.5 % are right."
run 'echo "monitor: {accuracy: {min: 0.915, window: 1d, at_least: 100}}" >> "$REGISTRY_HOME/registry.yaml"'

say "Four days in operation. The server is asked about real patients, and its answers are compared with the diagnoses."
run "python score_days.py http://127.0.0.1:$port days.csv --first 7 --last 4"
run 'registry observe cancer@production --from days.csv --target clinic'
run 'registry monitor cancer --window 7d --format table'

say "Then the clinic gets a new device, which reports the concavity of cells in another unit. Three days later:"
run "python score_days.py http://127.0.0.1:$port days.csv --first 3 --last 0 --new-device"
run 'registry observe cancer@production --from days.csv --target clinic'
run 'registry monitor cancer --format table || echo "exit code $?: an alert"'

say "Back to version 2, which depends less on it, and the target follows."
run 'registry rollback cancer production --expect 3 --sync --reason "accuracy below 91.5 % since the new device"'
run "curl -s http://127.0.0.1:$port; echo"
run "python score_days.py http://127.0.0.1:$port days.csv --first 0 --last 0 --new-device"
run 'registry observe cancer@production --from days.csv --target clinic'
run 'registry monitor cancer --format table'

say "What happened, for everyone to see."
run 'registry history cancer --limit 8 --format table'
run 'registry report -o report'
echo "open $PWD/report/index.html in a browser"
