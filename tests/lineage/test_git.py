"""What is kept of a repository, in every state it may be in; nothing of it is run, and nothing waits for it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from registry_cli.core import subprocesses
from registry_cli.lineage import git, git_state
from registry_cli.lineage.git import GitRepository
from registry_cli.lineage.git_state import GitState
from tests.lineage.conftest import Repo


def look(repo: Repo, folder: str = ".", *, keep_patch: bool = True, **changes: str) -> GitState:
    caller = repo.caller(folder, **changes)
    here = GitRepository.around(caller.folder, caller.variables)
    assert here is not None
    return git_state.capture_state(here, keep_patch=keep_patch)


def test_a_clean_repository(repo: Repo) -> None:
    repo.git("remote", "add", "origin", "https://alice:s3cret@example.org/team/churn.git")
    seen = look(repo, "lib")
    assert seen.document == {
        "commit": repo.head, "branch": "main", "remote": "https://example.org/team/churn.git", "dirty": False,
    }  # fmt: skip
    assert (seen.patch, seen.warning) == (None, "")


def _count_commands(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands of git that are run for a state, by name."""
    run, names = subprocesses.run_git, list[str]()

    def count(words: Sequence[str], **limits: Any) -> subprocesses.Finished:
        names.append(words[0])
        return run(words, **limits)

    with monkeypatch.context() as patched:
        patched.setattr(subprocesses, "run_git", count)
        look(repo)
    return names


def test_few_processes_are_started(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _count_commands(repo, monkeypatch) == ["rev-parse", "config", "ls-files"]
    repo.write("new.py", "1\n")
    assert _count_commands(repo, monkeypatch) == ["rev-parse", "config", "ls-files"], "it is not in the index"
    repo.git("add", "new.py")
    assert _count_commands(repo, monkeypatch)[:4] == ["rev-parse", "config", "ls-files", "diff-index"]


@pytest.mark.parametrize("length", ["sha1", "sha256"])
def test_what_is_staged_is_found_whatever_the_names(
    length: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git sorts a folder as if its name ended with a slash."""
    monkeypatch.setenv("GIT_DEFAULT_HASH", length)
    repo = Repo(tmp_path / "odd", commit=False)
    names = ["a.b", "a-b", "a0", "a/b", "a/c/d", "a/c.d", "\u00e9/x", "b/a/a/a"]
    for name in names:
        repo.write(name, name)
    (repo.folder / "link").symlink_to("a0")
    (repo.folder / "a0").chmod(0o755)
    repo.commit("one")
    assert look(repo).document["dirty"] is False
    assert "diff-index" not in _count_commands(repo, monkeypatch), "the hash is the one of git"
    for name in names:
        repo.git("rm", "-q", "--cached", name)
        assert look(repo).document["dirty"] is True
        repo.git("reset", "-q")
    repo.git("update-index", "--chmod=-x", "a0")
    assert look(repo).document["dirty"] is True


def test_no_repository_is_no_question(tmp_path: Path) -> None:
    assert GitRepository.around(str(tmp_path), {"PATH": "/nonexistent"}) is None


def test_changes_can_be_applied_again(repo: Repo, tmp_path: Path) -> None:
    """Binary files, new ones, removed ones, modes, names with spaces and with bytes that are no UTF-8."""
    repo.write("data.bin", bytes(range(256)))
    repo.write("gone.txt", "gone\n")
    odd = repo.folder / os.fsdecode(b"odd \xff name.txt")
    odd.write_text("a\n")
    commit = repo.commit("two")
    repo.write("data.bin", bytes(range(255, -1, -1)))
    repo.write("train.py", "print(2)  \n\n")
    (repo.folder / "gone.txt").unlink()
    (repo.folder / "lib/helper.py").chmod(0o755)
    odd.write_text("b\n")
    repo.write("new file.py", "new\n")
    repo.git("add", "new file.py")
    for name, value in (("diff.noprefix", "true"), ("diff.mnemonicPrefix", "true"), ("color.ui", "always"),
                        ("diff.relative", "true"), ("diff.submodule", "log"), ("diff.renames", "copies")):  # fmt: skip
        repo.git("config", name, value)
    seen = look(repo)
    assert seen.patch is not None
    assert seen.document["dirty"] is True
    assert seen.document["patch"] == f"sha256:{hashlib.sha256(seen.patch).hexdigest()}"
    clone = tmp_path / "clone"
    repo.git("clone", "-q", str(repo.folder), str(clone))
    assert repo.git("rev-parse", "HEAD", folder=clone) == commit
    subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], cwd=clone, input=seen.patch, check=True)
    names = {
        os.fsencode(path.relative_to(repo.folder))
        for path in repo.folder.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }
    assert names == {
        os.fsencode(p.relative_to(clone)) for p in clone.rglob("*") if p.is_file() and ".git" not in p.parts
    }
    for name in map(os.fsdecode, names):
        assert (clone / name).read_bytes() == (repo.folder / name).read_bytes(), name
    assert os.access(clone / "lib/helper.py", os.X_OK)


def test_what_git_does_not_track_is_counted_and_not_kept(repo: Repo) -> None:
    for name in ("scratch.py", "out/a", "out/b"):
        repo.write(name, "x")
    assert look(repo).document == {"commit": repo.head, "branch": "main", "dirty": False, "untracked": 2}


def test_a_patch_that_is_too_large_or_not_wanted_is_only_a_digest(repo: Repo) -> None:
    repo.write("train.py", os.urandom(1_500_000))
    seen = look(repo)
    whole = subprocess.run(
        ["git", "diff", "--binary", "--full-index", "--no-renames", "HEAD", "--"],
        cwd=repo.folder,
        capture_output=True,
        check=True,
    ).stdout
    assert len(whole) > git_state.PATCH_LIMIT
    assert seen.patch is None
    assert seen.document["patch"] == f"sha256:{hashlib.sha256(whole).hexdigest()}", "of all of it, all the same"
    assert seen.document["patch_kept"] is False
    repo.write("train.py", "print(2)\n")
    seen = look(repo, keep_patch=False)
    assert (seen.patch, seen.document["patch_kept"]) == (None, False)


@pytest.mark.parametrize(
    "line", ["TOKEN = 'ghp_" + "a" * 36 + "'", "-----BEGIN OPENSSH PRIVATE KEY-----", "url = 'postgres://a:b@host/db'"]
)
def test_a_patch_with_a_secret_in_it_is_not_kept(line: str, repo: Repo) -> None:
    repo.write("train.py", f"{line}\n")
    seen = look(repo)
    assert seen.patch is None
    assert seen.document["patch_kept"] is False
    assert "secret" in seen.warning


def test_states_of_a_repository(repo: Repo, tmp_path: Path) -> None:
    first = repo.head
    repo.write("train.py", "print(2)\n")
    second = repo.commit("two")
    repo.git("checkout", "-q", "--detach", first)
    assert look(repo).document == {"commit": first, "dirty": False}, "a detached head has no branch"
    repo.git("checkout", "-q", "main")
    repo.git("worktree", "add", "-q", "-b", "feature/x", str(tmp_path / "tree"))
    here = GitRepository.around(str(tmp_path / "tree/lib"), repo.caller().variables)
    assert here is not None
    assert git_state.capture_state(here, keep_patch=True).document == {
        "commit": second,
        "branch": "feature/x",
        "dirty": False,
    }
    shallow = tmp_path / "shallow"
    repo.git("clone", "-q", "--depth", "1", f"file://{repo.folder}", str(shallow))
    here = GitRepository.around(str(shallow), repo.caller().variables)
    assert here is not None
    assert git_state.capture_state(here, keep_patch=True).document["commit"] == second
    assert not git.has_commit(here, first)
    assert git.has_commit(here, second)


def test_a_repository_without_commits(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "new", commit=False)
    assert look(repo).document == {"branch": "main", "dirty": False, "untracked": 2}
    repo.git("add", "-A")
    seen = look(repo)
    assert (seen.document, seen.patch) == ({"branch": "main", "dirty": True}, None)


def test_inside_a_bare_repository_there_is_no_work_tree(repo: Repo, tmp_path: Path) -> None:
    repo.git("clone", "-q", "--bare", str(repo.folder), str(tmp_path / "bare.git"))
    assert GitRepository.around(str(tmp_path / "bare.git"), {}) is None


def test_a_submodule_counts_by_its_commit(repo: Repo, tmp_path: Path) -> None:
    inner = Repo(tmp_path / "inner")
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.folder), "sub")
    repo.commit("with a submodule")
    assert look(repo).document["dirty"] is False
    (repo.folder / "sub/train.py").write_text("changed\n")
    assert look(repo).document["dirty"] is False, "what is not committed in it is not looked at: git would run there"
    assert look(repo, "sub").document["dirty"] is True
    repo.git("add", "-A", folder=repo.folder / "sub")
    repo.git("commit", "-qm", "x", folder=repo.folder / "sub")
    seen = look(repo)
    assert seen.document["dirty"] is True
    assert seen.patch is not None
    assert b"Subproject commit" in seen.patch


def test_the_remote_that_the_branch_follows(repo: Repo) -> None:
    repo.git("remote", "add", "fork", "git@example.org:alice/churn.git")
    assert look(repo).document["remote"] == "git@example.org:alice/churn.git", "the only one"
    repo.git("remote", "add", "origin", "ssh://git:pw@example.org/team/churn.git")
    assert look(repo).document["remote"] == "ssh://git@example.org/team/churn.git"
    repo.git("config", "branch.main.remote", "fork")
    assert look(repo).document["remote"] == "git@example.org:alice/churn.git"


def test_ten_thousand_changed_files(repo: Repo) -> None:
    for number in range(10_000):
        repo.write(f"many/{number // 100}/{number}.txt", f"{number}\n")
    repo.commit("many")
    for number in range(10_000):
        repo.write(f"many/{number // 100}/{number}.txt", f"{number} more\n")
    start = time.monotonic()
    seen = look(repo)
    assert time.monotonic() - start < 2 * git.PATIENCE
    assert seen.document["commit"] == repo.head
    assert seen.patch is None
    assert seen.document.get("dirty") is True or "unknown" in seen.document


HOSTILE = {
    "core.fsmonitor": "touch {mark}; false",
    "core.pager": "touch {mark}",
    "pager.diff": "touch {mark}",
    "pager.status": "touch {mark}",
    "diff.external": "touch {mark}",
    "diff.evil.command": "touch {mark}",
    "diff.evil.textconv": "touch {mark}; cat",
    "filter.evil.clean": "touch {mark}; cat",
    "filter.evil.smudge": "touch {mark}; cat",
    "filter.evil.required": "true",
    "filter.a=b.clean": "touch {mark}; cat",
    "filter.a=b.process": "touch {mark}",
    "alias.status": "!touch {mark}",
    "alias.diff": "!touch {mark}",
    "alias.config": "!touch {mark}",
    "gpg.program": "touch {mark}",
    "log.showSignature": "true",
    "core.sshCommand": "touch {mark}",
    "core.editor": "touch {mark}",
    "core.askPass": "touch {mark}",
    "credential.helper": "!touch {mark}",
    "core.hooksPath": "hooks",
    "status.submoduleSummary": "true",
}


def test_nothing_of_a_hostile_repository_is_run(repo: Repo, tmp_path: Path) -> None:
    mark = tmp_path / "was run"
    hook = f'#!/bin/sh\ntouch "{mark}"\n'
    for folder in ("hooks", ".git/hooks"):
        for name in ("post-index-change", "fsmonitor-watchman", "post-checkout", "pre-commit"):
            repo.write(f"{folder}/{name}", hook).chmod(0o755)
    repo.write(".gitattributes", "*.py diff=evil filter=evil\n*.txt filter=a=b\n")
    repo.write("a.txt", "1\n")
    first = repo.commit("attributes")
    repo.write("lib/helper.py", "x = 3\n")
    second = repo.commit("more")
    for name, value in HOSTILE.items():
        repo.git("config", name, value.format(mark=f"'{mark}'"))
    repo.write(".gitattributes", "*.py diff=evil filter=evil\n*.txt filter=a=b\n*.cfg diff=evil\n")
    for name in ("train.py", "a.txt", "b.cfg"):
        repo.write(name, "changed\n")
    repo.git("add", "b.cfg")
    os.utime(repo.folder / "lib/helper.py", (1, 1))  # git has to look into it
    mark.unlink(missing_ok=True)  # making it ran a hook
    seen = look(repo)
    here = GitRepository.around(str(repo.folder), repo.caller().variables)
    assert here is not None
    assert git.has_commit(here, first)
    assert [each[2] for each in git.list_commits_between(here, first, second)[0]] == ["more"]
    assert not mark.exists()
    assert seen.document["dirty"] is True
    assert "which is not run" in str(seen.document["unknown"])
    assert seen.patch is None, "it would be another without the filters"
    repo.write(".gitattributes", "*.cfg diff=evil\n")
    seen = look(repo)
    assert not mark.exists()
    assert seen.patch is not None
    assert b"+changed" in seen.patch


def test_that_the_hostile_repository_is_one(repo: Repo, tmp_path: Path) -> None:
    """The same settings do run something when git is asked as anybody asks it."""
    mark = tmp_path / "was run"
    repo.write(".gitattributes", "*.py filter=evil\n")
    repo.git("config", "filter.evil.clean", f"touch '{mark}'; cat")
    repo.write("train.py", "changed\n")
    subprocess.run(["git", "diff", "HEAD"], cwd=repo.folder, capture_output=True, check=False)
    assert mark.exists()


def test_a_git_dir_of_a_hook_that_calls_us_is_another(repo: Repo, tmp_path: Path) -> None:
    other = Repo(tmp_path / "other")
    seen = look(
        repo, GIT_DIR=str(other.folder / ".git"), GIT_WORK_TREE=str(other.folder), GIT_INDEX_FILE="/nonexistent"
    )
    assert seen.document == {"commit": repo.head, "branch": "main", "dirty": False}


def _with_git(tmp_path: Path, script: str) -> str:
    """A PATH on which ``git`` is this script."""
    program = tmp_path / "bin/git"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{program.parent}:/usr/bin:/bin"


def test_a_git_that_hangs_costs_a_moment(repo: Repo, tmp_path: Path) -> None:
    for script in ("exec sleep 600", "trap '' TERM; while :; do sleep 1; done"):
        start = time.monotonic()
        seen = look(repo, PATH=_with_git(tmp_path, script))
        assert time.monotonic() - start < 4
        assert seen.document == {
            "commit": repo.head, "branch": "main", "unknown": "git did not answer within 1.5 seconds"
        }  # fmt: skip
        assert seen.warning == "git did not answer within 1.5 seconds"


def test_without_git_the_commit_is_read_from_the_files(repo: Repo, tmp_path: Path) -> None:
    def without(folder: Path) -> dict[str, object]:
        here = GitRepository.around(str(folder), {"PATH": str(tmp_path / "nothing")})
        assert here is not None
        return git_state.capture_state(here, keep_patch=True).document

    gone = {"unknown": "git is not installed"}
    assert without(repo.folder) == {"commit": repo.head, "branch": "main", **gone}
    repo.git("pack-refs", "--all")
    assert without(repo.folder) == {"commit": repo.head, "branch": "main", **gone}
    repo.git("worktree", "add", "-q", "-b", "feature/x", str(tmp_path / "tree"))
    assert without(tmp_path / "tree") == {"commit": repo.head, "branch": "feature/x", **gone}
    repo.git("checkout", "-q", "--detach")
    assert without(repo.folder) == {"commit": repo.head, **gone}
    (repo.folder / ".git/HEAD").write_text("ref: refs/heads/../../../../etc/passwd\n")
    assert without(repo.folder) == gone


@pytest.mark.parametrize("content", ["", "garbage", "\0" * 100], ids=["empty", "garbage", "zeros"])
def test_a_broken_repository_is_one_warning(content: str, repo: Repo) -> None:
    (repo.folder / ".git/HEAD").write_text(content)
    seen = look(repo)
    assert seen.document.keys() == {"unknown"}
    assert seen.warning.startswith("git failed: not a git repository")


def test_a_broken_index_leaves_the_commit(repo: Repo) -> None:
    (repo.folder / ".git/index").write_bytes(b"DIRC" + b"\xff" * 100)
    seen = look(repo)
    assert seen.document["commit"] == repo.head
    assert seen.document["unknown"]


@pytest.mark.root
def test_a_repository_of_somebody_else_is_not_trusted(repo: Repo) -> None:
    for path in (repo.folder, *repo.folder.rglob("*")):
        os.chown(path, 65534, 65534)
    seen = look(repo)
    assert seen.document["unknown"] == "git does not trust this repository: it belongs to another user"
    assert seen.document["branch"] == "main"


def test_a_branch_whose_name_is_no_utf_8(repo: Repo) -> None:
    name = os.fsdecode(b"br\xffnch")
    subprocess.run(["git", "checkout", "-q", "-b", name], cwd=repo.folder, check=True)
    assert look(repo).document["branch"] == "br\\xffnch"


def test_the_commits_between_two(repo: Repo) -> None:
    base = repo.head
    for number in range(60):
        repo.git("commit", "-q", "--allow-empty", "-m", f"number {number}\n\nwith more\tlines")
    tip = repo.head
    here = GitRepository.around(str(repo.folder), repo.caller().variables)
    assert here is not None
    found, more = git.list_commits_between(here, base, tip)
    assert (len(found), more) == (git.LOG_LIMIT, True)
    assert found[0][0] == ">"
    assert found[0][2] == "number 59"
    assert [each[0] for each in git.list_commits_between(here, tip, base)[0][:2]] == ["<", "<"]
    with pytest.raises(git.GitUnavailable):
        git.list_commits_between(here, base, "f" * 40)
