#!/bin/sh
# Makes a repository of DVC with artifacts, and versions and stages of GTO, with both themselves: make_dvc.sh FOLDER
set -eu
mkdir -p "$1"
cd "$1"
export DVC_NO_ANALYTICS=1 GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
git init -q -b main .
git config user.email alice@example.org
git config user.name alice
dvc init -q
mkdir models out
echo one >models/churn.bin
mkdir -p models/folder/sub
echo a >models/folder/a
echo b >models/folder/sub/b
dvc add -q models/churn.bin models/folder
echo 'lr: 0.1' >params.yaml
echo 'some data' >data.csv
cat >dvc.yaml <<'END'
artifacts:
  churn: {path: models/churn.bin, type: model, desc: Who will leave, labels: [crm, tabular], meta: {framework: sklearn}}
  folder: {path: models/folder, type: model}
  built: {path: out/model.txt, type: model}
  kept: {path: kept.txt}
  table: {path: data.csv, type: dataset}
  fresh: {path: models/churn.bin, type: model}
stages:
  train:
    cmd: echo built >out/model.txt && echo '{"auc":0.9,"nested":{"loss":1}}' >metrics.json
    deps: [data.csv]
    params: [lr]
    outs: [out/model.txt]
    metrics: [metrics.json: {cache: false}]
END
echo 'kept in git' >kept.txt
dvc repro -q
git add -A
git commit -qm one
for name in churn folder built kept; do gto register "$name" --version v0.1.0 >/dev/null; done
gto assign churn --version v0.1.0 --stage prod >/dev/null
gto assign churn --version v0.1.0 --stage staging >/dev/null
echo two >models/churn.bin
dvc add -q models/churn.bin
git add -A
git commit -qm two
gto register churn --version v0.10.0 >/dev/null
gto assign churn --version v0.10.0 --stage prod >/dev/null
echo three >models/churn.bin
dvc add -q models/churn.bin
git add -A
git commit -qm three
gto register churn --version v0.9.0 >/dev/null
