#!/bin/sh
# Makes the small stores in this folder anew, with the tools themselves: PATH=.venv-peers/bin:$PATH sh make.sh
# In /srv/ml, so that they name a place that is nowhere: the importers must find the files where they are now.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=/srv/ml
rm -rf "$work"
mkdir -p "$work"
cp "$here/make_mlflow.py" "$work/train.py"
cd "$work"
python train.py db "$work/mlflow-db"
python train.py files "$work/mlflow-files"
python "$here/make_bentoml.py" "$work/bentoml"
python "$here/make_hf.py" "$work/hf"
sh "$here/make_dvc.sh" "$work/dvc"
find mlflow-db mlflow-files -name conda.yaml -delete
python "$here/sql.py" mlflow-db/mlflow.db mlflow-db/mlflow.sql
rm -rf mlflow-db/mlflow.db hf/hub/.locks hf/hub/CACHEDIR.TAG dvc/.git/hooks dvc/.dvc/tmp
for store in mlflow-db mlflow-files bentoml hf dvc; do
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - "$store" | gzip -9n >"$here/$store.tar.gz"
done
cd "$here"
rm -rf "$work"
ls -l ./*.tar.gz
