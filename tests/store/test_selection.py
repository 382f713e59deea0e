"""What is left out of a folder, what is refused as a secret, and that both are reported."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import InvalidInput, Refused, Registry
from registry_cli.store import source_files
from registry_cli.store.selection import DEFAULT_FILES, DEFAULT_FOLDERS, IGNORE_LIMIT, FileSelection
from tests.commands import run
from tests.support import snapshot

Make = Callable[..., Path]
PEM = "-----BEGIN {} KEY-----\n"


@pytest.fixture
def project(make_file: Make) -> Path:
    """A folder as people have it, with everything in it that is left out by default, at two depths."""
    root = make_file("weights", "project/model.bin").parent
    for folder in ("", "src/"):
        for name in DEFAULT_FOLDERS:
            make_file("x", f"project/{folder}{name}/deep/file")
        for name in DEFAULT_FILES:
            make_file("x", f"project/{folder}{name}")
    make_file("code", "project/src/train.py")
    return root


def stored(reg: Registry, ref: str = "m") -> set[str]:
    return {entry.path for entry in reg.artifacts.files(ref)}


def test_the_default_exclusions_are_these_and_no_others(reg: Registry, project: Path, make_file: Make) -> None:
    assert sorted(DEFAULT_FOLDERS | DEFAULT_FILES) == [
        ".DS_Store", ".git", ".hg", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".svn", "__pycache__",
    ]  # fmt: skip
    others = [
        "checkpoints/last.ckpt", "checkpoint-500/w", ".hidden", ".gitignore", ".github/ci.yml", "venv/x", ".venv/x", "a.pyc",
        "node_modules/x", ".cache/x", ".gitattributes", "logs/a.log", "tmp/x", "wandb/x", "mlruns/x", ".vscode/x", "a.tmp",
        "sub/.git", "DS_Store", "pycache/x", ".registryignore",
    ]  # fmt: skip
    for name in others:
        make_file("# nothing" if name == ".registryignore" else "x", f"project/{name}")
    done = reg.register("m", [project])
    assert stored(reg) == {"model.bin", "src/train.py", *others}
    assert {each.pattern: each.count for each in done.excluded} == {
        **{f"{name}/": 2 for name in DEFAULT_FOLDERS}, **dict.fromkeys(DEFAULT_FILES, 2),
    }  # fmt: skip
    assert {each.origin for each in done.excluded} == {"default"}
    assert ("__pycache__/", "src/__pycache__/") in {each.paths for each in done.excluded}


@pytest.mark.parametrize("name", sorted(DEFAULT_FOLDERS))
def test_what_is_named_is_taken(reg: Registry, project: Path, name: str) -> None:
    reg.register("m", [project / name])
    assert stored(reg) == {"deep/file"}
    reg.register("m", [project / name, project / "model.bin"])
    assert stored(reg) == {f"{name}/deep/file", "model.bin"}
    reg.register("m", [project / name / "deep" / "file", project / ".DS_Store"])
    assert stored(reg) == {"file", ".DS_Store"}


def test_a_link_with_the_name_of_a_default_exclusion_is_left_out_too(reg: Registry, project: Path) -> None:
    (project / "lib").mkdir()
    (project / "lib" / "__pycache__").symlink_to("/tmp")
    reg.register("m", [project])
    assert stored(reg) == {"model.bin", "src/train.py"}


@pytest.mark.parametrize(
    ("exclude", "include", "expected"),
    [
        ("*.log", (), {"model.bin", "ckpt/best.pt", "ckpt/last.pt", "ckpt/deep/x.pt"}),
        ("ckpt/", (), {"model.bin", "a.log"}),
        ("ckpt", (), {"model.bin", "a.log"}),
        ("/ckpt/*.pt", (), {"model.bin", "a.log", "ckpt/b.log", "ckpt/deep/x.pt"}),
        ("ckpt/", "ckpt/best.pt", {"model.bin", "a.log", "ckpt/best.pt"}),
        ("ckpt/", "best.*", {"model.bin", "a.log", "ckpt/best.pt"}),
        (["*"], ["*.bin", "deep/"], {"model.bin", "ckpt/deep/x.pt"}),
        (["*.log", "ckpt/**/x.pt"], (), {"model.bin", "ckpt/best.pt", "ckpt/last.pt"}),
        ((), "__pycache__/", {"model.bin", "a.log", "ckpt/best.pt", "ckpt/last.pt", "ckpt/deep/x.pt", "ckpt/b.log",
                              "__pycache__/a.pyc", "__pycache__/b.txt"}),
        ("*.log", "*.pyc", {"model.bin", "ckpt/best.pt", "ckpt/last.pt", "ckpt/deep/x.pt", "__pycache__/a.pyc"}),
    ],
)  # fmt: skip
def test_exclude_and_include(
    reg: Registry, make_file: Make, exclude: str | list[str], include: str | list[str], expected: set[str]
) -> None:
    for name in ("model.bin", "a.log", "ckpt/best.pt", "ckpt/last.pt", "ckpt/deep/x.pt", "ckpt/b.log",
                 "__pycache__/a.pyc", "__pycache__/b.txt"):  # fmt: skip
        make_file("x", f"p/{name}")
    root = make_file("x", "p/model.bin").parent
    done = reg.register("m", [root], exclude=exclude, include=include)
    assert stored(reg) == expected
    assert not done.warnings


def test_globs_of_options_see_names_in_the_artifact(reg: Registry, make_file: Make) -> None:
    """Of several paths, each folder comes under its own name."""
    for name in ("p/a.log", "p/w.bin", "q/a.log"):
        make_file("x", name)
    root = make_file("x", "x.bin").parent
    reg.register("m", [root / "p", root / "q", root / "x.bin"], exclude=["/p/*.log", "x.bin"])
    assert stored(reg) == {"p/w.bin", "q/a.log"}
    done = reg.register("m", [root / "p", root / "q"], exclude="q/")
    assert stored(reg) == {"p/a.log", "p/w.bin"}
    assert done.left_out == "excluded q/"


def test_an_ignore_file(reg: Registry, make_file: Make) -> None:
    for name in ("w.bin", "a.tmp", "keep.tmp", "data/raw/x", "data/y", "src/data/raw/z", "__pycache__/k", "e/a.tmp"):
        make_file("x", f"p/{name}")
    ignore = make_file("# scratch\n*.tmp\n!keep.tmp\n/data/\n!/data/y\n!__pycache__/\n", "p/.registryignore")
    root = ignore.parent
    done = reg.register("m", [root])
    kept = {"w.bin", "keep.tmp", "data/y", "src/data/raw/z", "__pycache__/k", ".registryignore"}
    assert stored(reg) == kept
    assert {(each.pattern, each.origin) for each in done.excluded} == {
        ("*.tmp", ".registryignore"),
        ("/data/", ".registryignore"),
    }
    reg.register("m", [root], include=["a.tmp"], exclude="keep.tmp")
    assert stored(reg) == (kept | {"a.tmp", "e/a.tmp"}) - {"keep.tmp"}, "options win over the file"
    reg.register("m", [root, make_file("y", "elsewhere/a.tmp")])
    assert stored(reg) == {f"p/{name}" for name in kept} | {"a.tmp"}, "each folder has its own"


@pytest.mark.parametrize("kind", ["large", "many", "link", "folder", "broken"])
def test_an_ignore_file_that_can_not_be_read_is_an_error(reg: Registry, make_file: Make, kind: str) -> None:
    root = make_file("x", "p/w.bin").parent
    path = root / ".registryignore"
    if kind == "large":
        path.write_text("#" * (IGNORE_LIMIT + 1))
    elif kind == "many":
        path.write_text("a\n" * 1_001)
    elif kind == "broken":
        path.write_text("../x\n")
    elif kind == "link":
        path.symlink_to("/etc/passwd")
    else:
        path.mkdir()
    before = snapshot(reg.root)
    with pytest.raises(InvalidInput, match=r"\.registryignore"):
        reg.register("m", [root])
    assert snapshot(reg.root) == before


def test_nothing_left_is_an_error_that_says_why(reg: Registry, make_file: Make) -> None:
    root = make_file("x", "p/w.bin").parent
    with pytest.raises(InvalidInput, match=r"every file of .* is excluded: excluded w\.bin"):
        reg.register("m", [root], exclude="*.bin")
    with pytest.raises(InvalidInput, match="is excluded"):
        reg.register("m", [root / "w.bin"], exclude="w.bin")
    assert reg.admin.model_names() == []


def test_globs_without_effect_are_warned_of(reg: Registry, make_file: Make) -> None:
    make_file("x", "p/a.log")
    root = make_file("x", "p/w.bin").parent
    done = reg.register("m", [root], exclude=["*.log", "*.nope"], include=["*.bin", "a.*"])
    assert [text.partition(" had")[0] for text in done.warnings] == ["`exclude` '*.nope'", "`include` '*.bin'"]
    assert stored(reg) == {"a.log", "w.bin"}


def test_special_files_and_odd_names_that_are_excluded_do_not_matter(reg: Registry, make_file: Make) -> None:
    root = make_file("x", "p/w.bin").parent
    os.mkfifo(root / "pipe")
    (root / "out").symlink_to("/etc")
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\x1b")).write_text("x")
    done = reg.register("m", [root], exclude=["pipe", "out", "/[!w]*"])
    assert stored(reg) == {"w.bin"}
    str(done).encode()


def test_empty_folders_are_reported(reg: Registry, make_file: Make) -> None:
    root = make_file("x", "p/w.bin").parent
    for name in ("assets", "deep/er", "__pycache__"):
        (root / name).mkdir(parents=True)
    done = reg.register("m", [root])
    assert done.empty_folders == ("assets/", "deep/er/")
    assert done.left_out == "excluded __pycache__/; 2 empty folders not stored: assets/, deep/er/"


SECRETS = {
    ".env": "x", ".env.local": "x", ".env.production": "x", ".ENV": "x", ".netrc": "x", "_netrc": "x", ".pypirc": "x",
    ".git-credentials": "x", ".pgpass": "x", "id_rsa": "x", "id_ed25519": "x", ".aws/credentials": "x", ".docker/config.json": "{}",
    ".kube/config": "x", ".ssh/config": "x", "a/.ssh/other": "x", "kaggle.json": "{}", "credentials.json": "{}", "key.p12": "x",
    "a.PFX": "x", "store.jks": "x", "passwords.kdbx": "x", ".vault-token": "x", ".htpasswd": "x", ".huggingface/token": "x",
    "application_default_credentials.json": "{}", "rclone.conf": "x", "client_secret_123.json": "{}",
    "server.key": PEM.format("RSA PRIVATE"), "plain": PEM.format("PRIVATE"), "ssh": PEM.format("OPENSSH PRIVATE"),
    "ec.txt": "\n " + PEM.format("EC PRIVATE"), "enc": PEM.format("ENCRYPTED PRIVATE"),
    "chain.pem": PEM.format("PUBLIC") + "x\n" * 50 + PEM.format("PRIVATE"),
    "pgp": "-----BEGIN PGP PRIVATE KEY " + "BLOCK-----\n", "account.json": '{"private_key": "' + "-----" + 'BEGIN X"}',
    ".npmrc": "//registry.npmjs.org/:_auth" + "Token=abc\n",
    ".yarnrc.yml": "npmAuth" + "Token: abc\n", "pip.conf": "[global]\nindex-url = https://me:" + "pw@example.org/simple\n",
    "id_rsa~": "x", ".netrc.bak": "x", ".env~": "x", "credentials.json.old": "{}", "key.p12.orig": "x", "#.env#": "x",
    "account.json.bak": '{"private_key": "' + "-----" + 'BEGIN X"}', "chain.pem~": "x\n" * 99 + PEM.format("PRIVATE"),
    "prod.env": "x", ".env-prod": "x", ".env_local": "x", "credentials": "x", ".credentials": "x", ".credentials.json": "{}",
    "credentials.yaml": "x", "credentials.ini": "x", "secrets.env": "x", ".secrets.toml": "x", "secrets.ini": "x", ".secrets": "x",
    "kubeconfig": "x", "kubeconfig.yml": "x", "admin.kubeconfig": "x", "k8s.yaml": "users:\n- user:\n    client-" + "key-data: eA==\n",
    ".dvc/config.local": "x", ".databricks/token-cache.json": "{}", ".azure/msal_token_cache.bin": "x", ".modal.toml": "x",
    ".cdsapirc": "x", ".comet.config": "x", "clearml.conf": "x", ".mc/config.json": "{}", "me.keytab": "x", "krb5cc_1000": "x",
    "pgpass.conf": "x", ".passwd-s3fs": "x", "accessKeys.csv": "x", "me_accessKeys.csv": "x", "rootkey.csv": "x",
    ".snowflake/connections.toml": "x", ".dbt/profiles.yml": "x", ".vault_pass": "x", "vault_pass.txt": "x",
    "jupyter_cookie_secret": "x", "store.jceks": "x", "secring.gpg": "x", ".lakectl.yaml": "x",
    "config.json": '{"auths": {"example.org": {"auth": "eA=="}}}', "me.ovpn": "client\n" * 30 + PEM.format("PRIVATE"),
}  # fmt: skip
HARMLESS = {
    ".env.example": "x", ".env.sample": "x", ".env.template": "x", "env": "x", "environment.yml": "x", "id_rsa.pub": "x",
    "cert.pem": "-----BEGIN CERTIFICATE-----\n", "public.key": PEM.format("PUBLIC"), "config.json": '{"model_type": "x"}',
    "tokenizer.json": '{"version": "1.0"}', "token": "x", "credentials.md": "x", ".npmrc": "registry=https://example.org\n",
    "notes.txt": "text before\n" + PEM.format("PRIVATE"), "secret.bin": "x", "special_tokens_map.json": "{}", "config": "x",
    "password_model.pkl": "x", "p12": "x", "example.env": "x", ".env.example~": "x", "credentials.py": "x", "config.json~": "{}",
    "values.yaml": "key: data\n", "config.local": "x", "profiles.yml": "x", "model.csv.bak": "x", ".bak": "x", "~": "x",
    "authors.json": '{"authors": {}}', "env.yaml": "x", "environment": "x", "token-cache.json": "{}", "connections.toml": "x",
}  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_refused_unless_it_is_included_or_excluded(reg: Registry, make_file: Make, name: str) -> None:
    root = make_file("weights", "p/model.bin").parent
    secret = make_file(SECRETS[name].ljust(20), f"p/sub/{name}")
    before = snapshot(reg.root)
    for paths in ([root], [root / "sub", root / "model.bin"], [secret], [secret, root / "model.bin"]):
        with pytest.raises(Refused, match="secret") as told:
            reg.register("m", paths)
        assert secret.name in told.value.message
        assert "`include`" in told.value.hint
        assert "`exclude`" in told.value.hint
    with pytest.raises(Refused, match="secret"):
        reg.register("m", [root], include=["sub/"])  # a folder that is taken back does not take its secrets along
    assert snapshot(reg.root) == before
    reg.register("m", [root], exclude=f"sub/{name}")
    assert stored(reg) == {"model.bin"}
    done = reg.register("m", [root], include=f"sub/{name}")
    assert stored(reg) == {"model.bin", f"sub/{name}"}
    assert any("looks like a secret" in text for text in done.warnings)
    reg.register("m", [secret], include=secret.name)


def test_what_only_looks_similar_is_stored(reg: Registry, make_file: Make) -> None:
    for name, content in HARMLESS.items():
        root = make_file(content.ljust(20), f"p/{name}").parent
    done = reg.register("m", [root])
    assert stored(reg) == set(HARMLESS)
    assert not done.warnings


def test_a_secret_is_known_behind_a_link_and_under_another_name(reg: Registry, make_file: Make) -> None:
    secret = make_file("x", "p/.env")
    (secret.parent / "innocent").symlink_to(".env")
    with pytest.raises(Refused, match="innocent"):
        reg.register("m", [secret.parent], exclude=".env")
    with pytest.raises(Refused, match="secret"):
        reg.register("m", {"model.bin": secret})
    with pytest.raises(Refused, match="secret"):
        reg.register("m", {".env": "-"})


@pytest.mark.parametrize(
    ("link", "target"), [("prod.env.bin", ".env"), ("x.env.bin", "sub/.env"), ("config", ".docker/config.json"),
                         ("my.config.json", ".docker/config.json"), ("config.json", ".docker/config.json")]
)  # fmt: skip
def test_a_secret_is_known_behind_any_link(reg: Registry, make_file: Make, link: str, target: str) -> None:
    """Also where the link is called as the file is, or ends as it does."""
    root = make_file("weights", "p/model.bin").parent
    make_file("{}", f"p/{target}")
    (root / link).symlink_to(target)
    with pytest.raises(Refused, match="secret") as told:
        reg.register("m", [root], exclude=f"/{target}")
    assert told.value.message.startswith(f"'{link}' ")


def test_all_secrets_are_named_and_the_ignore_file_can_not_take_one_back(reg: Registry, make_file: Make) -> None:
    make_file("x", "p/.env")
    make_file("x", "p/a/.netrc")
    root = make_file("!.env\n", "p/.registryignore").parent
    with pytest.raises(Refused, match="look like secrets") as told:
        reg.register("m", [root])
    assert "'.env'" in told.value.message
    assert "'a/.netrc'" in told.value.message


def test_large_files_are_not_looked_into(reg: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_file(b"x" * (64 << 10) + b"x", "p/w.bin").parent
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", lambda *_, **__: pytest.fail("opened"))
        assert source_files.collect([(root / "w.bin", None)], FileSelection())


@pytest.mark.parametrize(
    "names", [("Model.bin", "model.bin"), ("mod\u00e8le", "mode\u0300le"), ("A/x", "a/x"), ("A/x", "a/y"), ("A/b/x", "a/c"), ("A", "a/x")]
)  # fmt: skip
def test_names_that_some_file_systems_can_not_tell_apart_are_warned_of(
    reg: Registry, make_file: Make, names: tuple[str, str]
) -> None:
    for name in names:
        make_file("x", f"p/{name}")
    root = make_file("y", "p/other/x").parent.parent
    (warning,) = reg.register("m", [root]).warnings
    assert "differ only in case or Unicode form" in warning
    assert not reg.register("m", [make_file("x", "q/a/b"), make_file("x", "q/c")]).warnings


def test_a_snapshot_of_the_hugging_face_cache_names_the_import(reg: Registry, make_file: Make, tmp_path: Path) -> None:
    blob = make_file("{}", "hub/models--o--m/blobs/1")
    snapshot_folder = blob.parent.parent / "snapshots" / "abc"
    snapshot_folder.mkdir(parents=True)
    (snapshot_folder / "config.json").symlink_to("../../blobs/1")
    (tmp_path / "here").symlink_to(snapshot_folder)
    for path in (snapshot_folder, tmp_path / "here"):
        with pytest.raises(Refused, match="registry import hf:") as told:
            reg.register("m", [path])
    assert [each.status for each in reg.import_(told.value.hint.rpartition(" ")[2].rstrip("'"))] == ["imported"]


def test_the_command_reports_in_one_line(reg: Registry, project: Path) -> None:
    (project / "assets").mkdir()
    (project / ".hg").rename(project / "src" / "more")
    done = run("register", "m", project, "--exclude", "*.py", "--exclude", "more", root=reg.root)
    assert (done.code, done.lines) == (0, ["m@1"])
    (line,) = [line for line in done.err.splitlines() if line.startswith("excluded")]
    assert "__pycache__/ (2)" in line
    assert "src/train.py" in line
    assert line.endswith("; 1 empty folder not stored: assets/")
    said = run("register", "m", project, "--json", "--if-changed", root=reg.root).json
    assert said["empty_folders"] == ["assets/"]
    assert {"pattern": ".git/", "origin": "default", "count": 2, "paths": [".git/", "src/.git/"]} in said["excluded"]
    again = run("register", "m", project, "--if-changed", root=reg.root)
    assert "unchanged" in again.err.lower()
    assert "excluded" in again.err
    assert run("register", "m", project, "-q", root=reg.root).err == ""


def test_the_command_refuses_a_secret_with_5(reg: Registry, make_file: Make) -> None:
    root = make_file("x", "p/.env").parent
    make_file("x", "p/w.bin")
    done = run("register", "m", root, root=reg.root)
    assert (done.code, done.out) == (5, "")
    assert "'.env'" in done.err
    assert run("register", "m", root, "--include", ".env", root=reg.root).code == 0
    assert run("register", "m", root, "--exclude", ".env", root=reg.root).code == 0
    assert run("register", "m", root, "--exclude", "*", root=reg.root).code == 2
    assert run("register", "m", root, "--exclude", "!x", root=reg.root).code == 2


def test_find_knows_a_folder_as_it_was_registered(reg: Registry, project: Path, make_file: Make) -> None:
    """With what is left out in it, it is still the whole of the version; no file of ``.git`` is asked for."""
    reg.register("m", [project])
    done = run("find", project, root=reg.root)
    assert done.code == 0, done.err
    assert done.lines[0].split("\t")[:3] == [f"{project}/", "m@1", ""]
    assert len(done.lines) == 3


def test_find_says_what_an_unknown_file_may_be(reg: Registry, make_file: Make) -> None:
    reg.register("m", [make_file("stored", "model.bin")])
    done = run("find", make_file("tampered", "model.bin"), root=reg.root)
    assert done.code == 3
    assert "model.bin is not a registered file; m@1 has a file of this name with different content" in done.err
    assert "registry register" not in done.err
    said = run("find", make_file("tampered", "model.bin"), "--json", root=reg.root).json["items"]
    assert (said[0]["similar"], said[0]["similar_by"]) == ("m@1", "name")
    done = run("find", make_file("of six", "other.bin"), root=reg.root)
    assert "other.bin is not a registered file; m@1 has a file of this size with different content" in done.err
    done = run("find", make_file("new", "other.bin"), make_file("newer", "b.bin"), root=reg.root)
    assert "other.bin and 1 more are not registered files; it was never registered" in done.err


def test_find_knows_a_changed_file_of_the_registry_by_its_place(reg: Registry, make_file: Make) -> None:
    for content in ("first", "second"):
        reg.register("risk/m", [make_file(content, "model.bin")])
    file = reg.path("risk/m@1", "model.bin")
    file.chmod(0o644)
    file.write_text("tampered")
    done = run("find", file, root=reg.root)
    assert "it is part of risk/m@1, but was changed: run 'registry verify risk/m'" in done.err
    file.write_text("first")
    file.chmod(0o444)


@pytest.mark.parametrize("name", [".env.[1]", "a[b]/.env", "what?/.netrc", "star*/id_rsa"])
def test_the_advice_can_be_followed_to_the_letter(reg: Registry, make_file: Make, name: str) -> None:
    make_file("x", f"p/{name}")
    root = make_file("x", "p/w.bin").parent
    with pytest.raises(Refused) as told:
        reg.register("m", [root])
    leave_out, take = (part.rpartition(" '")[2] for part in told.value.hint.rstrip("'").split("',"))
    reg.register("m", [root], exclude=leave_out)
    assert stored(reg) == {"w.bin"}
    reg.register("m", [root], include=take)
    assert stored(reg) == {"w.bin", name}


def test_a_registry_in_a_folder_with_an_odd_name_can_be_left_out(make_file: Make) -> None:
    root = make_file("x", "p/w.bin").parent
    below = Registry.init(root / "mod[els]*")
    with pytest.raises(Refused, match="contains the registry") as told:
        below.register("m", [root])
    below.register("m", [root], exclude=told.value.hint.split("'")[1])
    assert stored(below) == {"w.bin"}
