"""A repository of a stranger runs nothing, and brings nothing into a lineage that lies outside of its work tree."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli.lineage import git, git_state
from registry_cli.lineage.git import GitRepository
from registry_cli.lineage.git_state import GitState
from tests.lineage.conftest import Repo

SECRET = "machine api.example login bob"


def look(repo: Repo, **changes: str) -> GitState:
    caller = repo.caller(".", **changes)
    here = GitRepository.around(caller.folder, caller.variables)
    assert here is not None
    here.deadline += 10  # what is tested is what it does, on a machine that may be busy
    return git_state.capture_state(here, keep_patch=True)


def _settings(repo: Repo, text: bytes) -> None:
    with (repo.folder / ".git/config").open("ab") as stream:
        stream.write(text)


def _many(repo: Repo, mark: Path) -> None:
    """More than a quarter of a megabyte of settings before the filter."""
    junk = b"".join(b"\tk%d = %0200d\n" % (number, 0) for number in range(1500))
    _settings(repo, b"[junk]\n" + junk + b'[filter "x"]\n\tclean = "touch %s; cat"\n' % os.fsencode(mark))
    repo.write(".git/info/attributes", "* filter=x\n")


def _not_utf8(repo: Repo, mark: Path) -> None:
    _settings(repo, b'[filter "\xff"]\n\tclean = "touch %s; cat"\n' % os.fsencode(mark))
    repo.write(".git/info/attributes", b"* filter=\xff\n")


def _setting(name: str, value: str, attributes: str = "") -> Callable[[Repo, Path], None]:
    def make(repo: Repo, mark: Path) -> None:
        repo.git("config", name, value.format(mark=mark))
        if attributes:
            repo.write(".git/info/attributes", attributes)

    return make


def _included(repo: Repo, mark: Path) -> None:
    repo.write(".git/more", f'[filter "x"]\n\tclean = "touch {mark}; cat"\n[core]\n\tfsmonitor = "touch {mark}"\n')
    repo.git("config", "include.path", "more")
    repo.write(".git/info/attributes", "* filter=x\n")


def _included_if(repo: Repo, mark: Path) -> None:
    _included(repo, mark)
    repo.git("config", "--unset", "include.path")
    repo.git("config", "includeIf.onbranch:main.path", "more")


def _promised(repo: Repo, mark: Path) -> None:
    """A partial clone whose missing objects would be fetched by a program."""
    identity = repo.git("rev-parse", "HEAD:train.py")
    (repo.folder / ".git/objects" / identity[:2] / identity[2:]).unlink()
    for name, value in {
        "remote.origin.url": f"ext::sh -c 'touch {mark}'", "remote.origin.promisor": "true",
        "remote.origin.partialclonefilter": "blob:none", "extensions.partialClone": "origin",
        "remote.origin.uploadpack": f"touch {mark}", "protocol.ext.allow": "always", "core.repositoryformatversion": "1",
    }.items():  # fmt: skip
        repo.git("config", name, value)


def _promised_file(repo: Repo, mark: Path) -> None:
    _promised(repo, mark)
    repo.git("config", "remote.origin.url", str(repo.folder))
    repo.git("config", "protocol.file.allow", "always")


def _hooks(repo: Repo, mark: Path) -> None:
    for name in ("post-index-change", "post-checkout", "fsmonitor-watchman", "reference-transaction", "pre-auto-gc"):
        repo.write(f".git/hooks/{name}", f"#!/bin/sh\ntouch {mark}\n").chmod(0o755)
    repo.git("config", "core.fsmonitor", ".git/hooks/fsmonitor-watchman")
    mark.unlink(missing_ok=True)


PROGRAMS: dict[str, Callable[[Repo, Path], None]] = {
    "many settings": _many, "not UTF-8": _not_utf8, "include": _included, "includeIf": _included_if,
    "promisor": _promised, "promisor by file": _promised_file, "hooks": _hooks,
    "clean": _setting("filter.x.clean", "touch {mark}; cat", "* filter=x\n"),
    "process": _setting("filter.x.process", "touch {mark}", "* filter=x\n"),
    "a name with =": _setting("filter.a=b.clean", "touch {mark}; cat", "* filter=a=b\n"),
    "a name with blanks": _setting("filter.a b.clean", "touch {mark}; cat", '* filter="a b"\n'),
    "smudge": _setting("filter.x.smudge", "touch {mark}; cat", "* filter=x\n"),
    "lfs": _setting("filter.lfs.clean", "touch {mark}; cat", "* filter=lfs\n"),
    "external diff": _setting("diff.external", "touch {mark}"),
    "diff driver": _setting("diff.x.command", "touch {mark}", "* diff=x\n"),
    "textconv": _setting("diff.x.textconv", "touch {mark}; cat", "* diff=x\n"),
    "merge driver": _setting("merge.x.driver", "touch {mark}", "* merge=x\n"),
    "fsmonitor": _setting("core.fsmonitor", "touch {mark}; false"),
    "pager": _setting("core.pager", "touch {mark}"),
    "ssh": _setting("core.sshCommand", "touch {mark}"),
    "editor": _setting("core.editor", "touch {mark}"),
    "askpass": _setting("core.askPass", "touch {mark}"),
    "credentials": _setting("credential.helper", "!touch {mark}"),
    "gpg": _setting("gpg.program", "touch {mark}"),
    **{f"alias {word}": _setting(f"alias.{word}", "!touch {mark}") for word in (
        "rev-parse", "ls-files", "config", "cat-file", "diff-index", "check-attr", "rev-list", "symbolic-ref",
    )},
}  # fmt: skip


@pytest.mark.parametrize("how", PROGRAMS)
def test_no_program_of_a_repository_is_run(how: str, repo: Repo, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    first = repo.head
    repo.write("data.txt", "1\n")
    second = repo.commit("two")
    PROGRAMS[how](repo, mark)
    repo.write("train.py", "print(2)\n")
    repo.write("data.txt", "2\n")
    seen = look(repo)
    here = GitRepository.around(str(repo.folder), repo.caller().variables)
    assert here is not None
    for ask in (lambda: git.has_commit(here, first), lambda: git.list_commits_between(here, first, second)):
        with contextlib.suppress(git.GitUnavailable):
            ask()
    assert not mark.exists()
    assert seen.document["commit"] == second
    assert seen.document.get("dirty") is True or "unknown" in seen.document


@pytest.fixture
def victim(tmp_path: Path) -> Repo:
    """A repository of the user's own with a file that nobody else may see."""
    found = Repo(tmp_path / "victim")
    found.write(".netrc", f"{SECRET}\n")
    found.write("train.py", f"# {SECRET}\n")
    found.commit("private")
    return found


def _worktree_elsewhere(repo: Repo, victim: Repo) -> None:
    repo.write(".netrc", "x\n")
    repo.commit("a name")
    repo.git("config", "core.worktree", str(victim.folder))


def _git_is_a_link(repo: Repo, victim: Repo) -> None:
    shutil.rmtree(repo.folder / ".git")
    (repo.folder / ".git").symlink_to(victim.folder / ".git")


def _git_is_a_file(repo: Repo, victim: Repo) -> None:
    shutil.rmtree(repo.folder / ".git")
    repo.write(".git", f"gitdir: {victim.folder / '.git'}\n")


def _git_of_a_worktree_of_others(repo: Repo, victim: Repo) -> None:
    victim.git("worktree", "add", "-q", "-b", "x", str(victim.folder.parent / "tree"))
    shutil.rmtree(repo.folder / ".git")
    repo.write(".git", f"gitdir: {victim.folder / '.git/worktrees/tree'}\n")


def _a_null_byte_leads_there(repo: Repo, victim: Repo) -> None:
    shutil.rmtree(repo.folder / ".git")
    repo.write(".git", f"gitdir: {victim.folder / '.git'}\0x\n")


def _a_null_byte_leads_back(repo: Repo, victim: Repo) -> None:
    folder = victim.folder / ".git/worktrees/x"
    folder.mkdir(parents=True)
    (folder / "gitdir").write_bytes(b"a\0b")
    shutil.rmtree(repo.folder / ".git")
    repo.write(".git", f"gitdir: {folder}\n")


def _common_folder_elsewhere(repo: Repo, victim: Repo) -> None:
    repo.write(".git/commondir", f"{victim.folder / '.git'}\n")
    repo.write(".git/HEAD", f"{victim.head}\n")


def _alternates(repo: Repo, victim: Repo) -> None:
    repo.write(".git/objects/info/alternates", f"{victim.folder / '.git/objects'}\n")
    repo.write(".git/refs/heads/main", f"{victim.head}\n")


def _objects_are_a_link(repo: Repo, victim: Repo) -> None:
    shutil.rmtree(repo.folder / ".git/objects")
    (repo.folder / ".git/objects").symlink_to(victim.folder / ".git/objects")
    repo.write(".git/refs/heads/main", f"{victim.head}\n")


def _each_object_is_a_link(repo: Repo, victim: Repo) -> None:
    for path in (victim.folder / ".git/objects").glob("??/*"):
        there = repo.folder / ".git/objects" / path.parent.name / path.name
        there.parent.mkdir(exist_ok=True)
        if not there.exists():
            there.symlink_to(path)
    repo.write(".git/refs/heads/main", f"{victim.head}\n")


def _index_is_a_link(repo: Repo, victim: Repo) -> None:
    (repo.folder / ".git/index").unlink()
    (repo.folder / ".git/index").symlink_to(victim.folder / ".git/index")


def _a_folder_is_a_link(repo: Repo, victim: Repo) -> None:
    repo.write("sub/.netrc", "x\n")
    repo.commit("a name")
    shutil.rmtree(repo.folder / "sub")
    (repo.folder / "sub").symlink_to(victim.folder)


def _a_file_is_a_link(repo: Repo, victim: Repo) -> None:
    (repo.folder / "train.py").unlink()
    (repo.folder / "train.py").symlink_to(victim.folder / ".netrc")


OUTSIDE = {
    function.__name__.strip("_").replace("_", " "): function
    for function in (
        _worktree_elsewhere, _git_is_a_link, _git_is_a_file, _git_of_a_worktree_of_others, _common_folder_elsewhere,
        _alternates, _objects_are_a_link, _each_object_is_a_link, _index_is_a_link,
        _a_null_byte_leads_there, _a_null_byte_leads_back,
    )
}  # fmt: skip


@pytest.mark.parametrize("how", OUTSIDE)
def test_a_repository_that_leads_elsewhere_is_not_read(how: str, repo: Repo, victim: Repo) -> None:
    OUTSIDE[how](repo, victim)
    seen = look(repo)
    assert seen.patch is None
    assert "git is not used" in str(seen.document["unknown"])
    assert seen.document.keys() <= {"commit", "branch", "unknown"}
    assert SECRET not in str(seen.document)


@pytest.mark.parametrize("how", [_a_folder_is_a_link, _a_file_is_a_link])
def test_no_link_of_the_work_tree_is_followed(how: Callable[[Repo, Repo], None], repo: Repo, victim: Repo) -> None:
    how(repo, victim)
    seen = look(repo)
    assert seen.document["dirty"] is True
    assert seen.patch is not None
    assert SECRET.encode() not in seen.patch


def test_variables_of_git_lead_nowhere(repo: Repo, victim: Repo) -> None:
    repo.write("train.py", "print(2)\n")
    there = str(victim.folder / ".git")
    seen = look(
        repo, GIT_DIR=there, GIT_WORK_TREE=str(victim.folder), GIT_INDEX_FILE=f"{there}/index", GIT_COMMON_DIR=there,
        GIT_OBJECT_DIRECTORY=f"{there}/objects", GIT_ALTERNATE_OBJECT_DIRECTORIES=f"{there}/objects",
        GIT_EXTERNAL_DIFF="false", GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="core.worktree", GIT_CONFIG_VALUE_0=there,
    )  # fmt: skip
    assert seen.document["commit"] == repo.head
    assert seen.patch is not None
    assert b"+print(2)" in seen.patch


def test_a_program_beside_the_files_is_not_git(repo: Repo, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (repo.folder / "git").write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
    (repo.folder / "git").chmod(0o755)
    for first in (".", "", "./"):
        seen = look(repo, PATH=f"{first}{os.pathsep}{os.environ['PATH']}")
        assert seen.document["commit"] == repo.head
    assert not mark.exists()


def test_a_commit_without_its_objects_is_unknown(repo: Repo) -> None:
    for folder in (repo.folder / ".git" / "objects").iterdir():
        if len(folder.name) == 2:
            shutil.rmtree(folder)
    seen = look(repo)
    assert seen.document["unknown"] == "the commit that is checked out is not in the repository"
    assert "dirty" not in seen.document and len(seen.document["commit"]) == 40


def test_line_ends_are_no_changes(repo: Repo) -> None:
    repo.write(".gitattributes", "*.txt text=auto\n")
    repo.write("a.txt", "one\ntwo\n")
    repo.commit("text")
    repo.write("a.txt", "one\r\ntwo\r\n")
    assert look(repo).document["dirty"] is False
    repo.write("a.txt", "one\r\nthree\r\n")
    seen = look(repo)
    assert seen.patch is not None
    assert b"-two\n+three\n" in seen.patch, "as git would store it"


def _pointer(content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n".encode()


def test_a_file_of_git_lfs_is_compared_by_its_digest(repo: Repo, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    repo.write("a.bin", _pointer(b"weights"))
    repo.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    repo.commit("large")
    repo.git("config", "filter.lfs.clean", f"touch {mark}; cat")
    repo.git("config", "filter.lfs.required", "true")
    repo.write("a.bin", b"weights")
    assert look(repo).document["dirty"] is False
    repo.write("a.bin", b"other weights")
    seen = look(repo)
    assert seen.document["dirty"] is True
    assert seen.patch is not None
    assert hashlib.sha256(b"other weights").hexdigest().encode() in seen.patch
    assert not mark.exists()


def test_a_file_behind_a_filter_is_unknown(repo: Repo) -> None:
    repo.write(".gitattributes", "*.ipynb filter=strip\n")
    repo.write("a.ipynb", "{}\n")
    repo.commit("notebook")
    repo.write("a.ipynb", '{"outputs": []}\n')
    seen = look(repo)
    assert "dirty" not in seen.document
    assert seen.document["unknown"] == "'a.ipynb' uses the filter 'strip', which is not run"
    assert seen.warning == seen.document["unknown"]
    repo.write("train.py", "print(2)\n")
    seen = look(repo)
    assert (seen.document["dirty"], seen.patch) == (True, None)


def test_the_patch_is_the_one_of_git(repo: Repo) -> None:
    repo.write("new.py", "new\n")
    repo.git("add", "new.py")
    repo.write("later.py", "later\n")
    repo.git("add", "-N", "later.py")
    repo.write("train.py", "print(2)")
    (repo.folder / "lib/helper.py").unlink()
    (repo.folder / "lib/helper.py").symlink_to("../train.py")
    seen = look(repo)
    words = ["git", "diff", "--binary", "--full-index", "--no-renames", "HEAD", "--"]
    whole = subprocess.run(words, cwd=repo.folder, capture_output=True, check=True).stdout
    assert seen.patch == whole


def test_a_repository_with_sha256(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "new", commit=False)
    shutil.rmtree(repo.folder / ".git")
    repo.git("init", "-q", "-b", "main", "--object-format=sha256", ".")
    repo.commit("one")
    assert look(repo).document == {"commit": repo.head, "branch": "main", "dirty": False}
    repo.write("train.py", "print(2)\n")
    seen = look(repo)
    assert seen.patch is not None
    assert b"+print(2)" in seen.patch


def test_a_conflict_is_a_change(repo: Repo) -> None:
    repo.git("checkout", "-qb", "other")
    repo.write("train.py", "print('other')\n")
    repo.commit("other")
    repo.git("checkout", "-q", "main")
    repo.write("train.py", "print('main')\n")
    repo.commit("main")
    subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "merge", "-q", "other"],
        cwd=repo.folder,
        capture_output=True,
        check=False,
    )
    seen = look(repo)
    assert seen.document["dirty"] is True
    assert seen.patch is not None
    assert b"+<<<<<<<" in seen.patch
