"""Every kind of secret in every carrier is cut; honest texts stay as they are."""

from __future__ import annotations

import json
import shlex
import string
from collections.abc import Callable

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry_cli.core import redaction

ALNUM = string.ascii_letters + string.digits
MIXED = st.text(ALNUM, min_size=36, max_size=44).filter(
    lambda text: any(map(str.isdigit, text)) and text.lower() != text != text.upper()
)
HEX = st.text("0123456789abcdef", min_size=64, max_size=64).filter(lambda text: any(map(str.isalpha, text)))
# Assembled here, so that no scanner takes this file for one that holds a secret.
TOKENS: dict[str, tuple[str, st.SearchStrategy[str]]] = {
    **{name: (name, MIXED) for name in (
        "gh" + "p_", "gh" + "s_", "github" + "_pat_", "gl" + "pat-", "np" + "m_", "py" + "pi-", "sk" + "_live_", "sk" + "-",
        "sk" + "-proj-", "h" + "f_", "xox" + "b-", "AI" + "za", "gs" + "k_", "GOC" + "SPX-", "nv" + "api-", "dckr" + "_pat_",
    )},
    "do" + "p_v1_": ("do" + "p_v1_", HEX),
    "AK" + "IA": ("AK" + "IA", st.text(string.ascii_uppercase + string.digits, min_size=16, max_size=16)),
    "S" + "G.": ("S" + "G.", st.builds("{}.{}".format, st.text(ALNUM, min_size=22, max_size=22), st.text(ALNUM, min_size=43, max_size=43))),
    "ey" + "J": ("ey" + "J", st.builds("{}.{}.{}".format, *[st.text(ALNUM, min_size=12, max_size=30)] * 3)),
}  # fmt: skip
ANYWHERE: dict[str, Callable[[str], str]] = {
    "alone": lambda it: it,
    "argument": lambda it: f"train.py {it} --depth 3",
    "attached": lambda it: f"train.py -x{it}",
    "equals": lambda it: f"train.py --id={it}",
    "sh -c": lambda it: f"sh -c {shlex.quote(f'echo {it} | tee log')}",
    "url path": lambda it: f"curl https://example.org/{it}/x",
    "url login": lambda it: f"git clone https://{it}@example.org/x.git",
    "query": lambda it: f"wget 'https://example.org/x?a=1&b={it}'",
    "environment": lambda it: f"env RUN={it} make",
    "JSON": lambda it: json.dumps({"note": {"deep": [it, 1]}}),
    "YAML": lambda it: yaml.safe_dump({"note": {"deep": [it, 1]}}),
    "patch": lambda it: f"diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-x = 1\n+x = '{it}'\n",
    "lines": lambda it: f"first line\n\tsecond {it}\nthird line\n",
}
#: Where a secret of any look is known by its place. It may be anything that a shell needs no quotes for.
PLACES: dict[str, Callable[[str], str]] = {
    "PGPASSWORD": lambda it: f"sh -c 'PGPASSWORD={it} psql -h db'",
    "MYSQL_PWD": lambda it: f"MYSQL_PWD={it} mysql -h db",
    "export": lambda it: f"export HF_TOKEN={it}; python train.py",
    "docker -e": lambda it: f"docker run -e API_KEY={it} image",
    "--password X": lambda it: f"python train.py --password {it} --depth 3",
    "--password=X": lambda it: f"python train.py --password={it} --depth 3",
    "--token quoted": lambda it: f'python train.py --token "{it}"',
    "-p X": lambda it: f"python train.py -p {it}",
    "mysql -pX": lambda it: f"mysql -uroot -p{it} shop",
    "mysql in sh -c": lambda it: f"bash -c 'mysql -uroot -p{it} shop'",
    "sshpass": lambda it: f"sshpass -p {it} ssh host",
    "redis": lambda it: f"redis-cli -h x -a {it} ping",
    "docker login": lambda it: f"docker login -u me -p {it} example.org",
    "echo": lambda it: f"echo {it} | docker login --password-stdin example.org",
    "curl -u": lambda it: f"curl -u me:{it} https://example.org/x",
    "curl --user": lambda it: f"curl --user 'me:{it}' https://example.org/x",
    "curl -uX": lambda it: f"curl -ume:{it} https://example.org/x",
    "header": lambda it: f"curl -H 'X-Api-Key: {it}' https://example.org/x",
    "bearer": lambda it: f"curl -H 'Authorization: Bearer {it}' https://example.org/x",
    "cookie": lambda it: f"curl -H 'Cookie: a=1; session={it}' https://example.org/x",
    "url password": lambda it: f"postgres://me:{it}@db.example.org:5432/shop",
    "sqlalchemy": lambda it: f"python x.py --db mysql+pymysql://me:{it}@db/shop",
    "redis url": lambda it: f"REDIS=redis://:{it}@cache:6379/0 make",
    "jdbc": lambda it: f"jdbc:oracle:thin:me/{it}@db:1521/x",
    "query": lambda it: f"https://example.org/x?a=1&api_key={it}&b=2",
    "signature": lambda it: f"https://x.blob.core.windows.net/c?sv=2020&sig={it}",
    "slack": lambda it: f"https://hooks.slack.com/services/T0/B0/{it}",
    "discord": lambda it: f"https://discord.com/api/webhooks/123456/{it}",
    "teams": lambda it: f"https://contoso.webhook.office.com/webhookb2/a@b/IncomingWebhook/{it}/c",
    "webhook": lambda it: f"https://example.org/webhook/{it}",
    "telegram": lambda it: f"https://api.telegram.org/bot12345678:{it}/sendMessage",
    "connection": lambda it: f"Server=db;User Id=me;Password={it};Encrypt=true",
    "azure": lambda it: f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={it};EndpointSuffix=y",
    "libpq": lambda it: f"psql 'host=db user=me password={it} dbname=x'",
    "JSON": lambda it: json.dumps({"db": {"password": it, "host": "db"}}),
    "JSON in JSON": lambda it: json.dumps({"body": json.dumps({"password": it, "host": "db"})}),
    "JSON argv": lambda it: json.dumps(["python", "x.py", "--password", it]),
    "YAML": lambda it: f"db:\n  password: {it}\n  host: db\n",
    "YAML quoted": lambda it: f"db:\n  - password: '{it}'\n    host: db\n",
    "YAML block": lambda it: f"db:\n  password: |\n    {it}\n    {it}\n  host: db\n",
    "YAML next line": lambda it: f"db:\n  password:\n    {it}\n  host: db\n",
    "INI": lambda it: f"[db]\npassword = {it}\nhost = db\n",
    "dict": lambda it: f"python -c \"connect(host='db', password='{it}')\"",
    "netrc": lambda it: f"machine example.org login me password {it}",
    "git config": lambda it: f"git config --global github.token {it}",
    "aws": lambda it: f"aws configure set aws_secret_access_key {it}",
    "continued": lambda it: f"python x.py --password \\\n  {it}",
    "private key": lambda it: f"-----BEGIN RSA {'PRIVATE'} KEY-----\n{it}\n-----END RSA {'PRIVATE'} KEY-----\n",
    "patch .env": lambda it: (
        f"diff --git a/.env b/.env\n--- a/.env\n+++ b/.env\n@@ -1 +1 @@\n-A=1\n+DB_PASSWORD={it}\n"
    ),
    "patch removed": lambda it: (
        f"diff --git a/x.yaml b/x.yaml\n--- a/x.yaml\n+++ b/x.yaml\n@@ -1 +1 @@\n-password: {it}\n+a: 1\n"
    ),
    "patch code": lambda it: (
        f"diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a = 1\n+connect(password='{it}')\n"
    ),
    "option that sets a variable": lambda it: f"docker run --env=DB_PASSWORD={it} image",
    "option with several": lambda it: f"gcloud run deploy --set-env-vars=A=b,API_KEY={it},C=d --quiet",
    "quoted as a value": lambda it: f"CONNINFO='host=db password={it} dbname=x' python train.py --name 'churn'",
    "Java": lambda it: f'JAVA_OPTS="-Xmx1g -Ddb.password={it}" gradle -Ptoken={it}',
    "wrapped": lambda it: f"kubectl exec pod -- timeout 5 mysql -p{it} shop",
    "docker exec": lambda it: f"docker exec db redis-cli -a {it} ping",
    "curl -sSu": lambda it: f"curl -sSu me:{it} https://example.org/x",
    "--user=": lambda it: f"etcdctl --user=root:{it} get x",
    "wandb --relogin": lambda it: f"wandb login --relogin {it}",
    "here-string": lambda it: f"gh auth login --with-token <<< {it}",
    "chpasswd": lambda it: f"echo 'me:{it}' | chpasswd",
    "papermill": lambda it: f"papermill in.ipynb out.ipynb -p password {it} -p alpha 0.6",
    "SQL": lambda it: f"psql -c \"ALTER USER me WITH PASSWORD '{it}'\"",
    "SQL identified": lambda it: f"mysql -e \"CREATE USER me IDENTIFIED BY '{it}'\"",
    "pat": lambda it: f"export GITHUB_PAT={it}; make",
    "odbc": lambda it: f"mssql+pyodbc:///?odbc_connect=Driver%3DX%3BPWD%3D{it}",
    "Kubernetes": lambda it: f"env:\n  - name: DB_PASSWORD\n    value: {it}\n  - name: A\n    value: b\n",
    "Kubernetes JSON": lambda it: json.dumps(
        {"env": [{"name": "DB_PASSWORD", "value": it}, {"name": "A", "value": "b"}]}
    ),
    "XML": lambda it: f"<server><username>me</username><password>{it}</password></server>",
    "XML property": lambda it: f"<property><name>fs.s3a.secret.key</name><value>{it}</value></property>",
    "XML attributes": lambda it: f'<property name="password" value="{it}"/>',
    "YAML list": lambda it: f"db:\n  passwords:\n  - {it}\n  - {it}\n  host: db\n",
    "YAML tag": lambda it: f"db:\n  password: !vault |\n    {it}\n  host: db\n",
    "substitution": lambda it: f"API_KEY=`printf {it}` python train.py",
    "patch pair": lambda it: (
        f"diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a = 1\n+os.environ.setdefault('API_KEY', '{it}9')\n"
    ),
    "patch nested": lambda it: (
        f"diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a = 1\n+run(db=dict(password='{it}'))\n"
    ),
    "patch os.system": lambda it: (
        f"diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a = 1\n+os.system('mysql -p{it} db')\n"
    ),
}
PLAIN = st.text(ALNUM, min_size=9, max_size=24).filter(lambda text: not text.isdigit())


def check(text: str, secret: str) -> None:
    assert secret not in redaction.redact_text(text)
    assert secret not in json.dumps(redaction.redact_value({"run": {"command": text}, "list": [text]}))
    assert redaction.contains_secret(text.encode())
    assert secret not in redaction.redact_command(["sh", "-c", text])
    if not any(each in text for each in ("\n", "|", "<", "`")) and text[0] not in "{[m":
        assert secret not in redaction.redact_command(shlex.split(text))
    once = redaction.redact_text(text)
    assert redaction.redact_text(once) == once


@pytest.mark.parametrize("carrier", ANYWHERE)
@pytest.mark.parametrize("kind", TOKENS)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_token_is_cut_wherever_it_stands(kind: str, carrier: str, data: st.DataObject) -> None:
    prefix, rest = TOKENS[kind]
    secret = data.draw(rest)
    if carrier == "attached" and kind in ("sk" + "-", "sk" + "-proj-", "py" + "pi-", "h" + "f_", "S" + "G."):
        return  # these beginnings are those of words, too: they count where a word begins
    check(ANYWHERE[carrier](prefix + secret), secret)


@pytest.mark.parametrize("place", PLACES)
@settings(max_examples=25, deadline=None)
@given(secret=PLAIN)
@example(secret="correcthorse")
@example(secret="Tr0ub4dor9")
def test_a_secret_is_cut_where_one_has_its_place(place: str, secret: str) -> None:
    check(PLACES[place](secret), secret)


@settings(max_examples=200, deadline=None)
@given(
    secret=st.text(string.punctuation + ALNUM, min_size=6, max_size=20).filter(
        lambda text: text[0] not in "-=$%{<*" and text.strip("'\"\\,;*")
    )
)
@example(secret="a'b\"c d")
@example(secret="/00000")
@example(secret="//0000")
@example(secret='"-0000')
@example(secret=",/0000")
def test_a_quoted_secret_may_hold_any_character(secret: str) -> None:
    for words in (
        ["x", "--password", secret],
        ["x", f"--password={secret}"],
        ["mysql", f"-p{secret}"],
        ["sshpass", "-p", secret],
    ):
        left = redaction.redact_command(words)
        assert left in (shlex.join(["x", "--password", "***"]), shlex.join(["x", "--password=***"]), shlex.join(["mysql", "-p***"]), shlex.join(["sshpass", "-p", "***"]))  # fmt: skip
    for text in (json.dumps({"password": secret, "a": 1}), f"x --password {shlex.quote(secret)} --a 1"):
        assert secret not in redaction.redact_text(text)
    assert redaction.redact_value({"password": secret}) == {"password": "***"}


@settings(max_examples=300, deadline=None)
@given(
    secret=st.text("@%+=:,./-_" + ALNUM, min_size=6, max_size=20).filter(
        lambda text: text[0] not in "-=%" and text.strip(",")
    )
)
@example(secret="e,/d7B1")
@example(secret="bCB/:,,b5_")
@example(secret=",,@0000")
@example(secret="000PW:")
def test_a_bare_secret_is_cut_to_its_end(secret: str) -> None:
    for before in ("x --password ", "x --password=", "PASSWORD="):
        left = redaction.redact_text(f"{before}{secret} --a 1")
        assert left.startswith(f"{before}***")
        rest = left.removeprefix(f"{before}***").strip(",")
        # One that ends like the name of a secret takes the next word with it.
        assert rest == " --a 1" or (secret[-1] in ":=" and rest in (" ***", " *** 1"))


HONEST = [
    "sha256:" + "0123456789abcdef" * 4,
    "python train.py --lr 1e-3 --epochs 10 --tokenizer bert-base-uncased --max-tokens 512 --pad_token '<pad>'",
    "python train.py --eos_token_id 2 --num-key-value-heads 8 --key-metric auc --keys a,b --passes 3 --monkey=1",
    "python -m pytest -p no:cacheprovider -q tests", "docker run -p 8080:80 -u 1000:1000 image:tag", "mkdir -p out/models",
    "registry register churn model.pkl -p depth=3 -m auc=0.93 --stage staging", "registry promote churn@3 production",
    "ssh -p 2222 git@example.org", "git clone git@github.com:team/churn.git", "scp -P 22 a.bin host:/srv/b.bin",
    "https://huggingface.co/TheBloke/Mistral-7B-Instruct-v0.2-GGUF/resolve/main/mistral-7b-instruct-v0.2.Q4_K_M.gguf",
    "https://example.org:8443/x@v1?page=2&limit=10#top", "s3://bucket/models/churn/2026-11-27/model.onnx?versionId=3",
    "val_accuracy", "test/f1-macro", "DistilBertForSequenceClassification", "pytorch_model-00001-of-00002.bin",
    "features: 12, depth: 3, ratio: 0.5", '{"auc": 0.93, "params": {"depth": 3, "loss": "binary_crossentropy"}}',
    "srun -p gpu --gres=gpu:1 python train.py", "CUDA_VISIBLE_DEVICES=0,1 OMP_NUM_THREADS=4 python train.py",
    "python train.py --config configs/base.yaml --output-dir /data/out --seed 42 model.hidden_size=768",
    "cat a.csv | sort -k 2 | uniq -c > out.txt && echo done", "papermill in.ipynb out.ipynb -p alpha 0.6",
    "python -c 'import torch; print(torch.__version__)'", "task-classification-of-documents", "sk-learn-pipeline-of-features",
    "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "repo/name:tag@sha256:" + "ab12" * 16, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "basic classification of images", "the token embeddings of the model", "password protected files are left out",
    "$HF_TOKEN", "curl -H \"X-Api-Key: $API_KEY\" https://example.org/x", "hf_transformers_pipeline", "npm_config_cache=/tmp/x",
    "a.py: line 3: expected 4 arguments", "--sort-key date",
    "set the token budget to 512", "config key changes; auth flow unchanged", "the password is required", "the secret sauce: more data",
    "password reset classifier v2", "token classification, see PR 12", "churn --opts='a=b c=d' --x=y,z=w", "name: churn, value: 3",
    "openssl version", "2026-11-27T11:46:38.123Z", "churn@3 and churn:production",
]  # fmt: skip


@pytest.mark.parametrize("text", HONEST)
def test_honest_texts_stay(text: str) -> None:
    assert redaction.redact_text(text) == text
    assert redaction.redact_value({"command": text}) == {"command": text}
    words = shlex.split(text)
    assert redaction.redact_command(words) == shlex.join(words)


HONEST_PATCH = """diff --git a/train.py b/train.py
--- a/train.py
+++ b/train.py
@@ -1,4 +1,9 @@
 import os
-token = os.environ["HF_TOKEN"]
+token = os.environ.get("HF_TOKEN", "")
+rows = sorted(rows, key=lambda row: row.score)
+def login(password: str, key=None, token="<pad>") -> None:
+    config["sort_key"] = "date"
+    columns = ["password", "username", "token"]
    tokens = {"pad_token": "[PAD]", "key": "loss"}
+    client.login(password=password, token=token)
"""


def test_a_patch_of_honest_code_is_kept() -> None:
    assert not redaction.contains_secret(HONEST_PATCH.encode())


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_can_be_redacted_twice(text: str) -> None:
    once = redaction.redact_text(text)
    assert redaction.redact_text(once) == once
    redaction.contains_secret(text.encode("utf-8", "surrogatepass"))


_PASSWORD = "s3cr" + "etpw9X"
_TOKEN = "tk-" + "a1b2c3d4-5678-90ab-cdef-1234567890ab"


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (f"--index-url https://u:{_PASSWORD}@h/simple", "--index-url https://h/simple"),
        (f"-i https://{_PASSWORD}@h/simple\r", "-i https://h/simple\r"),
        (f"x @ git+https://u:{_PASSWORD}@h/r@v1", "x @ git+https://h/r@v1"),
        (f"x==1.0 @ svn+https://u:{_PASSWORD}@h/r", "x==1.0 @ svn+https://h/r"),
        (f"x==1.0  # from https://u:{_PASSWORD}@h/r", "x==1.0  # from https://h/r"),
        (f'source = {{ registry = "https://u:{_PASSWORD}@h/simple" }}', 'source = { registry = "https://h/simple" }'),
        (f"  - https://conda.anaconda.org/t/{_TOKEN}/lab", f"  - https://conda.anaconda.org/t/{redaction.REDACTED}/lab"),
        (f"https://h/t/{_TOKEN}/noarch/x-1-0.conda#{'0a' * 16}", f"https://h/t/{redaction.REDACTED}/noarch/x-1-0.conda#{'0a' * 16}"),
        (f"  PIP_PASSWORD: {_PASSWORD}", f"  PIP_PASSWORD: {redaction.REDACTED}"),
    ],
)  # fmt: skip
def test_a_list_of_packages_loses_its_secrets(line: str, left: str) -> None:
    packages = "secrets==1.0.2\npassword-strength==0.0.3 ; python_version >= '3.8'\n"
    assert redaction.redact_packages(f"{packages}{line}\n{packages}") == f"{packages}{left}\n{packages}"


@pytest.mark.parametrize(
    "line",
    [
        "secrets==1.0.2", "django-oauth-token[jwt] >= 1.2.3, <2", "secret==2.0b1 \\", f"    --hash=sha256:{'0a' * 32} \\",
        "# conda token-bucket=1.0=pyhd8ed1ab_0", "token-bucket=1.0=pyhd8ed1ab_0", "  - python-jose-token=3.3.0=py311h0a1b_0",
        "  - conda-forge::secret-storage=1", '        "auth-token": {', 'oauth-token = ">=1.0"', f'content-hash = "{"0a" * 32}"',
        f"torch @ https://download.pytorch.org/whl/torch-2.0.0-cp310-none-any.whl#sha256={'0a' * 32}",
        f"x @ git+https://github.com/o/r@{'0a' * 20}#egg=x", f"  sha256: {'0a' * 32}", "# via token-bucket",
    ],
)  # fmt: skip
def test_a_list_of_packages_keeps_its_versions(line: str) -> None:
    assert redaction.redact_packages(f"{line}\n") == f"{line}\n"


@pytest.mark.parametrize(
    ("document", "left"),
    [
        ({"name": "DB_PASSWORD", "value": "x1"}, {"name": "DB_PASSWORD", "value": "***"}),
        ({"key": "api_key", "value": "x1"}, {"key": "api_key", "value": "***"}),
        ({"name": "alpha", "value": "x1"}, {"name": "alpha", "value": "x1"}),
        ({"secrets": {"a": "x1", "b": ["x2", 7]}}, {"secrets": {"a": "***", "b": ["***", "***"]}}),
        ([["password", "x1"], ["alpha", "x1"]], [["password", "***"], ["alpha", "x1"]]),
        ({"https://u:x1@h": 1}, {"https://h": 1}),
        ({"password": 12345, "key": 12345, "max_tokens": 123456}, {"password": "***", "key": 12345, "max_tokens": 123456}),
    ],
)  # fmt: skip
def test_a_document_loses_its_secrets(document: object, left: object) -> None:
    assert redaction.redact_value(document) == left


def test_what_stands_beside_a_secret_stays() -> None:
    command = "CONN='host=db password={} dbname=x' python train.py --set-env-vars=A=b,API_KEY={} --name 'churn'"
    assert redaction.redact_text(command.format("hunter2x", "hunter2x")) == command.format("***", "***")
