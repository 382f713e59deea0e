"""Which files of a folder are registered, which are left out or refused, and a report of both.

Rules, in order of precedence: ``--include``, ``--exclude``, the lines of the folder's ``.registryignore``, the default
exclusions. The first that matches a file, or a folder that it is in, decides. What is named as a path is never left out
by default. What looks like a secret is refused unless a glob of ``--include`` matches the file itself: one that matches
a folder above it may be meant for something else.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.results import ExcludedFiles, FileReport
from ..core.text import lazy_pattern
from ..errors import Damaged, InvalidInput, Refused
from .filesystem import files
from .filesystem.containment import RegistryBoundary

if TYPE_CHECKING:
    from ..core.globs import Glob

IGNORE_FILE = ".registryignore"
IGNORE_LIMIT = 64 << 10
#: What is left out of a folder unless it is included. Nothing else is: never checkpoints, weights, logs or hidden files.
DEFAULT_FOLDERS = frozenset(
    {".git", ".hg", ".svn", "__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
)
DEFAULT_FILES = frozenset({".DS_Store"})

_PATHS_KEPT = 20
_SECRETS_NAMED = 10

# A file is a secret when programs keep passwords, tokens or private keys under its name by default, in any case; small
# files also by how they begin. Files of other names are not searched.

#: Names of files, wherever they lie.
_SECRET_NAMES = frozenset(
    {
        ".env", ".envrc", ".netrc", "_netrc", ".pypirc", ".pgpass", ".my.cnf", ".mylogin.cnf", ".boto", ".s3cfg", ".htpasswd",
        ".git-credentials", ".vault-token", ".dockercfg", ".dockerconfigjson", ".databrickscfg", ".terraformrc",
        "id_rsa", "id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk",
        "rclone.conf", ".rclone.conf", "kaggle.json", "application_default_credentials.json", "credentials.tfrc.json",
        "accesstokens.json", "msal_token_cache.json", "msal_token_cache.bin", "service_principal_entries.json",
        "service-account.json", "service_account.json", "accesskeys.csv", "rootkey.csv", "pgpass.conf", ".passwd-s3fs",
        "kubeconfig", "kubeconfig.yaml", "kubeconfig.yml", ".modal.toml", ".cdsapirc", ".comet.config", "clearml.conf",
        ".lakectl.yaml", ".vault_pass", ".vault-password", "vault_pass.txt", "jupyter_cookie_secret", "secring.gpg",
    }
)  # fmt: skip
#: Files that are called after what is in them, alone or with the ending of a document; a dot in front does not count.
_SECRET_STEMS = frozenset({"credentials", "secrets"})
_SECRET_DOCUMENTS = frozenset(
    {"json", "yaml", "yml", "toml", "ini", "cfg", "conf", "env", "properties", "xml", "csv", "txt"}
)
#: Endings of names: stores of keys and passwords.
_SECRET_ENDINGS = frozenset(
    {"p12", "pfx", "jks", "jceks", "bks", "keystore", "keytab", "kdbx", "ppk", "agekey", "kubeconfig"}
)  # fmt: skip
#: Endings that editors and people give to an earlier copy of a file: it is judged as the file itself.
_SECRET_BACKUPS = frozenset({"bak", "backup", "old", "orig", "save", "swp", "swo", "tmp", "copy"})
#: Files that are known by the folder they lie in, too: the ends of paths.
_SECRET_PATHS = frozenset(
    {
        ".aws/credentials", ".docker/config.json", ".kube/config", ".huggingface/token", "huggingface/token",
        "huggingface/stored_tokens", ".config/gh/hosts.yml", "gcloud/credentials.db", "gcloud/access_tokens.db",
        ".snowsql/config", ".snowflake/connections.toml", ".mlflow/credentials", ".dvc/config.local", ".dbt/profiles.yml",
        ".databricks/token-cache.json", ".mc/config.json", ".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials",
    }
)  # fmt: skip
#: Folders that hold nothing else.
_SECRET_FOLDERS = frozenset({".ssh", ".gnupg", ".password-store"})
#: ``.env.NAME`` is a secret, unless it is one of these: what people keep as an example.
_SECRET_EXAMPLES = frozenset({"example", "sample", "template", "dist", "defaults", "schema"})

#: Only files of at most so many bytes are looked into.
_SCANNED = 64 << 10
_HEAD = 128
_KEY = lazy_pattern(
    rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----"
    rb"|PuTTY-User-Key-File-\d|AGE-SECRET-KEY-1"
)
#: In files with these endings a key may stand behind a certificate, or behind text.
_KEY_FILES = frozenset({"pem", "key", "crt", "cer", "cert", "asc", "gpg", "ovpn"})
#: By the ending of a name, or by the name: what in the file is a secret.
_IN_FILES = {
    "json": re.compile(
        rb'"private_key"\s*:\s*"-----BEGIN|"(?:refresh_token|client_secret)"\s*:\s*"[^"]|"auths"\s*:\s*\{\s*"'
    ),
    "yaml": re.compile(rb"^[ \t-]*client-key-data\s*:\s*[^\s#]", re.MULTILINE),
    ".npmrc": re.compile(rb"^[^#;\n]*(?:_authToken|_auth|_password)\s*=\s*[^\s$]", re.MULTILINE),
    ".yarnrc.yml": re.compile(rb"^\s*[\"']?npmAuth(?:Token|Ident)[\"']?\s*:\s*[\"']?[^\s$\"'#]", re.MULTILINE),
    "pip.conf": re.compile(rb"^[^#;\n]*://[^/\s:@$]+:[^/\s@$]+@", re.MULTILINE),
}
_IN_FILES |= {"yml": _IN_FILES["yaml"], "pip.ini": _IN_FILES["pip.conf"], ".condarc": _IN_FILES["pip.conf"]}


class SelectionRule:
    """A glob that excludes or includes files, or a name that is excluded by default; ``used`` if it had an effect."""

    def __init__(self, pattern: str, origin: str, glob: Glob | None = None, *, excludes: bool = True) -> None:
        self.pattern, self.origin, self.glob, self.excludes = pattern, origin, glob, excludes
        self.used = False

    def matches(self, path: str, *, folder: bool = False) -> bool:
        return self.glob is not None and self.glob.matches(path, folder=folder)


#: The rule that decides about a file or folder, and its place in the order; the higher wins.
Decision = tuple[int, SelectionRule]

_DEFAULTS: Mapping[str, Decision] = {
    name: (-1, SelectionRule(f"{name}/" if name in DEFAULT_FOLDERS else name, "default"))
    for name in DEFAULT_FOLDERS | DEFAULT_FILES
}


class FileSelection:
    """The rules for the files of one registration, and the report of what they left out.

    ``boundary`` refuses files of registries. With ``everything`` nothing is left out or refused: the files are only
    inspected.
    """

    def __init__(
        self,
        exclude: Iterable[str] = (),
        include: Iterable[str] = (),
        *,
        boundary: RegistryBoundary | None = None,
        everything: bool = False,
    ) -> None:
        self.boundary, self.everything = boundary, everything
        self.rules = [*_parse(exclude, "--exclude", excludes=True), *_parse(include, "--include", excludes=False)]
        self._excluded: dict[tuple[str, str], list[str]] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._found: list[tuple[str, str]] = []
        self._included: list[str] = []
        self._empty: list[str] = []

    def again(self) -> FileSelection:
        """The same rules with an empty report, for the next version; both know which rules were used."""
        other = FileSelection(boundary=self.boundary)
        other.rules = self.rules
        return other

    def in_folder(self, root: Path, prefix: str) -> tuple[FolderRules, Decision | None]:
        """The rules for the folder ``root``, whose files get ``prefix`` before their path; the decision about itself."""
        ignored = [] if self.everything else read_ignore_file(root / IGNORE_FILE)
        state = FolderRules(self, [], "").decide(prefix.rstrip("/"), "", None, folder=True) if prefix else None
        if state is not None:  # in the order of the folder's rules, those of its own file come first
            state = (state[0] + len(ignored), state[1])
        scope = FolderRules(self, ignored, prefix)
        scope.leave_out(prefix, state, None)
        return scope, state

    def in_files(self, files: Mapping[str, Path]) -> FolderRules:
        """The rules for files by their names in the artifact."""
        return FolderRules(self, read_ignore_file(files[IGNORE_FILE]) if IGNORE_FILE in files else [], "")

    def keeps_named(self, name: str) -> bool:
        """Whether a file that was named itself is kept: only the options can leave it out."""
        rules = FolderRules(self, [], "")
        return not rules.leave_out(name, rules.decide(name, "", None, folder=False), None)

    def refuse_inside(self, real: Path, shown: str, *, folder: bool = False) -> None:
        """Raise :class:`Refused` for what belongs to a registry."""
        if self.boundary is not None:
            self.boundary.refuse_inside(real, shown, folder=folder)

    def own_entries(self, folder: str, names: Sequence[str]) -> frozenset[str]:
        """Those of the names in a folder that belong to a registry."""
        return frozenset() if self.boundary is None else self.boundary.own_entries(Path(folder), names)

    def refuse_registry(self, root: Path, folder: str, name: str) -> None:
        """Raise :class:`Refused` for a registry in the folder ``root``, at ``name``."""
        if str(root) == folder:
            raise Refused(f"'{root}' is a registry", "give the files or the folder of the model")
        raise Refused(
            f"'{root}' contains the registry '{folder}'",
            f"exclude it with `exclude` '/{_escape(name)}', or register only the files of the model",
        )

    def note_excluded(self, path: str, rule: SelectionRule) -> None:
        key = (rule.origin, rule.pattern)
        self._counts[key] = self._counts.get(key, 0) + 1
        paths = self._excluded.setdefault(key, [])
        if len(paths) < _PATHS_KEPT:
            paths.append(_printable(path))

    def note_empty(self, path: str) -> None:
        self._empty.append(_printable(path))

    def check_secret(self, path: str, origin: Path | None, size: int, above: str = "") -> None:
        """Remember ``path`` if it looks like a secret; ``above`` are the names of the folders around the artifact."""
        if self.everything:
            return
        why = _describe_secret_name(above + path)
        if not why and origin is not None:
            if not above or not str(origin).endswith(f"/{above}{path}"):  # it has another name, or lies elsewhere
                why = _describe_secret_name("/".join(origin.parts[-3:]))
            why = why or _describe_secret_content(origin, size)
        if why:
            self._note_secret(path, origin, why)

    def _note_secret(self, path: str, origin: Path | None, why: str) -> None:
        for rule in self.rules:
            if not rule.excludes and (rule.matches(path) or (origin and rule.matches(origin.name))):
                rule.used = True
                self._included.append(path)
                return
        self._found.append((path, why))

    def refuse_secrets(self) -> None:
        """Raise :class:`Refused` for files that look like secrets."""
        if not self._found:
            return
        named = [f"'{path}' ({why})" for path, why in self._found[:_SECRETS_NAMED]]
        more = f" and {len(self._found) - len(named):,} more" if len(self._found) > len(named) else ""
        first = _escape(self._found[0][0])
        what = "looks like a secret" if len(self._found) == 1 else "look like secrets"
        raise Refused(
            f"{', '.join(named)}{more} {what} and {'is' if len(self._found) == 1 else 'are'} not included",
            f"exclude it with `exclude` '{first}', or store it anyway with `include` '{first}'",
        )

    def refuse_empty(self, given: str) -> None:
        """Raise :class:`InvalidInput` when everything was excluded."""
        if self._counts:
            raise InvalidInput(
                f"nothing to register: every file of '{given}' is excluded: {self.report().summary()}",
                "take files back with `include`",
            )

    def report(self) -> FileReport:
        """What was left out, and warnings about files that were not."""
        excluded = tuple(
            ExcludedFiles(pattern, origin, self._counts[origin, pattern], tuple(sorted(paths)))
            for (origin, pattern), paths in sorted(self._excluded.items(), key=lambda each: each[0][0] == "default")
        )
        warnings = tuple(f"'{path}' looks like a secret and is stored" for path in self._included[:_SECRETS_NAMED])
        return FileReport(excluded, tuple(sorted(self._empty)), warnings)

    def unused(self) -> tuple[str, ...]:
        """A warning for each glob of an option that made no difference."""
        return tuple(
            f"`{rule.origin[2:]}` '{rule.pattern}' had no effect: "
            f"{'no file matches' if rule.excludes else 'no excluded file matches'}"
            for rule in self.rules
            if not rule.used
        )


def _parse(patterns: Iterable[str], option: str, *, excludes: bool) -> list[SelectionRule]:
    if not (given := list(patterns)):
        return []
    from ..core import globs

    name = f"`{option[2:]}`"
    for text in given:
        if text.startswith("!"):
            raise InvalidInput(f"invalid glob for {name}: '{text}'", "use `include` to take back an exclusion")
    return [SelectionRule(glob.text, option, glob, excludes=excludes) for glob in globs.parse(given, name)]


class FolderRules:
    """The rules for the files below one folder, or for files that are named one by one."""

    def __init__(self, selection: FileSelection, ignored: Sequence[tuple[Glob, bool]], prefix: str) -> None:
        self._selection, self._prefix = selection, len(prefix)
        self._ignored = [
            SelectionRule(glob.text, IGNORE_FILE, glob, excludes=not takes_back) for glob, takes_back in ignored
        ]
        self._rules = [*self._ignored, *selection.rules]
        self._last_back = max((at for at, rule in enumerate(self._rules) if not rule.excludes), default=-1)
        self._folders: dict[str, Decision | None] = {"": None}

    def decide(
        self, path: str, name: str, around: Decision | None, *, folder: bool, link: bool = False
    ) -> Decision | None:
        """The rule for a file or folder in a folder that the rule ``around`` decided about; None if there is none."""
        found = around
        by_default = around is None and (link or folder == (name in DEFAULT_FOLDERS))
        if name in _DEFAULTS and by_default and not self._selection.everything:
            found = _DEFAULTS[name]
        decided = self._highest(path, len(self._rules), found, folder=folder)
        if decided:
            found = decided
            if found[1].excludes:
                found[1].used = True
        if found is not None and not found[1].excludes and (decided or not found[1].used):
            otherwise = self._highest(path, found[0], None, folder=folder) or (around if decided else None)
            if (otherwise or _DEFAULTS.get(name) or found)[1].excludes:  # so it is included again
                found[1].used = True
                if otherwise:
                    otherwise[1].used = True
        return found

    def _highest(self, path: str, before: int, above: Decision | None, *, folder: bool) -> Decision | None:
        """The last matching rule before ``before`` and after the rule ``above``."""
        for at in range(before - 1, -1 if above is None else above[0], -1):
            if self._rules[at].matches(path[self._prefix :] if at < len(self._ignored) else path, folder=folder):
                return (at, self._rules[at])
        return None

    def may_take_back(self, state: Decision) -> bool:
        """Whether a later rule may include something in an excluded folder."""
        return self._last_back > state[0]

    def leave_out(self, path: str, state: Decision | None, around: Decision | None) -> bool:
        """Whether this is left out; it is reported, unless the folder around it was left out by the same rule."""
        if state is None or not state[1].excludes:
            return False
        if around is None or around[1] is not state[1]:
            self._selection.note_excluded(path, state[1])
        return True

    def keeps(self, path: str) -> bool:
        """Whether a file is chosen, by its path alone."""
        folder, _, name = path.rpartition("/")
        around = self._of_folder(folder)
        return not self.leave_out(path, self.decide(path, name, around, folder=False), around)

    def _of_folder(self, folder: str) -> Decision | None:
        if folder not in self._folders:
            parent, _, name = folder.rpartition("/")
            around = self._of_folder(parent)
            state = self.decide(folder, name, around, folder=True)
            self.leave_out(f"{folder}/", state, around)
            self._folders[folder] = state
        return self._folders[folder]


def read_ignore_file(path: Path) -> list[tuple[Glob, bool]]:
    """The patterns of a ``.registryignore``; none when there is no such file."""
    try:
        data = files.read(path, IGNORE_LIMIT, f"'{path}'")
    except FileNotFoundError:
        return []
    except Damaged as error:
        hint = f"{IGNORE_FILE} must be a regular file of at most {IGNORE_LIMIT:,} bytes"
        raise InvalidInput(error.message, hint) from None
    from ..core import globs

    return globs.parse_lines(os.fsdecode(data.removeprefix(b"\xef\xbb\xbf")), IGNORE_FILE)


def _escape(path: str) -> str:
    """The glob that matches only this path."""
    return "".join(f"\\{char}" if char in "*?[" else char for char in path)


def _printable(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _describe_secret_name(path: str) -> str:
    """What secret a file of this name looks like; empty for none. ``path`` is as much of its path as counts."""
    *folders, name = path.lower().split("/")
    name = _without_backup_ending(name)
    stem, _, ending = name.rpartition(".")
    kinds = {
        "a credentials file": name in _SECRET_NAMES
        or name.removeprefix(".") in _SECRET_STEMS
        or (stem.removeprefix(".") in _SECRET_STEMS and ending in _SECRET_DOCUMENTS)
        or any("/".join([*folders, name][-depth:]) in _SECRET_PATHS for depth in (2, 3))
        or name.startswith("krb5cc_")
        or name.endswith("_accesskeys.csv"),
        "environment variables": (name.startswith((".env.", ".env-", ".env_")) and ending not in _SECRET_EXAMPLES)
        or (ending == "env" and bool(stem) and stem.removeprefix(".") not in _SECRET_EXAMPLES),
        "an OAuth client secret": name.startswith("client_secret") and ending == "json",
        "a key or password store": ending in _SECRET_ENDINGS and bool(stem),
        "in a folder for keys": not _SECRET_FOLDERS.isdisjoint(folders) and ending != "pub",
    }
    return next((kind for kind, found in kinds.items() if found), "")


def _without_backup_ending(name: str) -> str:
    """The name of the file that ``name``, in lower case, is an earlier copy of; else ``name``."""
    if len(name) > 2 and name[0] == name[-1] == "#":  # as Emacs saves it
        return name[1:-1]
    plain = name.rstrip("~")
    stem, _, ending = plain.rpartition(".")
    return (stem if ending in _SECRET_BACKUPS else plain) or name


def _describe_secret_content(origin: Path, size: int) -> str:
    """What secret a small file holds; empty for none, and for one that can't be read (who copies it says so)."""
    if not 16 <= size <= _SCANNED:
        return ""
    with contextlib.suppress(OSError):
        name = _without_backup_ending(origin.name.lower())
        kind = name.rpartition(".")[2]
        pattern = _IN_FILES.get(name) or _IN_FILES.get(kind)
        with files.open_descriptor(origin, files.READ) as descriptor:
            data = os.read(descriptor, _HEAD)
            if kind in _KEY_FILES or pattern:
                data += os.read(descriptor, _SCANNED)
        if (kind in _KEY_FILES and _KEY.search(data)) or _KEY.match(data.removeprefix(b"\xef\xbb\xbf").lstrip()):
            return "a private key"
        if pattern and pattern.search(data):
            return "credentials"
    return ""
