"""Options that take a password without saying so: ``mysql -pX``, ``curl -u user:X``, ``redis-cli -a X``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .secret_patterns import REDACTED

_DATABASES = [
    "mysql",
    "mysqldump",
    "mysqladmin",
    "mysqlimport",
    "mysqlsh",
    "mariadb",
    "mariadb-dump",
    "mariadb-admin",
    "mycli",
]
_PASSWORD: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_DATABASES, ("-p",)),
    **dict.fromkeys(["sshpass", "mongo", "mongosh", "mongodump", "mongorestore", "mongoexport", "mongoimport", "cqlsh", "influx", "twine"], ("-p",)),
    **dict.fromkeys(["7z", "7za", "7zz", "rar", "unrar"], ("-p", "-hp")),
    **dict.fromkeys(["zip", "unzip", "sqlcmd", "bcp", "isql", "osql"], ("-P",)),
    **dict.fromkeys(["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami"], ("-w",)),
    **dict.fromkeys(["curl"], ("-u", "-U", "-b", "--user", "--proxy-user", "--cookie", "--pass", "--oauth2-bearer", "-E")),
    **dict.fromkeys(["http", "https", "xh"], ("-a", "--auth")),
    **dict.fromkeys(["skopeo", "buildah"], ("--creds", "--src-creds", "--dest-creds", "-p")),
    **dict.fromkeys(["smbclient", "rpcclient"], ("-U",)),
    "redis-cli": ("-a",), "openssl": ("-k", "-passin", "-passout"), "lftp": ("-u",),
}  # fmt: skip
_ATTACHED = frozenset((*_DATABASES, "sshpass", "7z", "7za", "7zz", "rar", "unrar", "zip", "unzip", "curl", "redis-cli", "sqlcmd", "ldapsearch", "smbclient"))  # fmt: skip
#: Programs whose ``login`` takes the password as ``-p``, or as the word behind it.
_LOGINS = frozenset(["docker", "podman", "nerdctl", "helm", "oras", "crane", "az", "cf", "oc", "registry-login"])
_BARE_LOGINS = frozenset(["wandb", "vault", "ngrok", "kaggle", "comet", "neptune"])
#: Programs to which ``-p`` means something else.
_OTHER_P = frozenset(
    [
        "registry",
        "mkdir",
        "cp",
        "mv",
        "ssh",
        "scp",
        "sftp",
        "pytest",
        "nc",
        "tar",
        "patch",
        "rmdir",
        "docker",
        "podman",
        "srun",
        "sbatch",
        "salloc",
        "sinfo",
        "squeue",
        "ps",
        "top",
        "kill",
        "taskset",
        "read",
        "set",
        "install",
        "make",
        "ninja",
        "cmake",
        "npx",
        "npm",
        "yarn",
        "cargo",
        "go",
        "gcc",
        "perf",
        "screen",
        "tmux",
        "uvicorn",
        "gunicorn",
        "flask",
        "jupyter",
        "streamlit",
        "mlflow",
        "kubectl",
        "git",
        "less",
        "hg",
        "rsync",
        "chmod",
        "netstat",
        "lsof",
        "nmap",
        "iptables",
        "papermill",
        "dvc",
        "parted",
        "qsub",
        "bsub",
        "accelerate",
        "torchrun",
        "deepspeed",
        "test",
        "pip",
        "psql",
        "pg_dump",
        "pg_restore",
        "createdb",
        "export",
        "declare",
    ]
)
_WRAPPERS = frozenset(
    ["sudo", "env", "exec", "time", "nohup", "xargs", "nice", "command", "then", "do", "else", "if", "while"]
)
_HONEST = re.compile(r"['\"]?(?:[-+]?\d{1,5}(?:[.:]\d{1,6}){0,3}|[\w.-]+=.*|(?:\.{0,2}|~)/.*|\.|\*\*\*|\$\{?[A-Z_][A-Z0-9_]*\}?)['\"]?\Z", re.DOTALL)  # fmt: skip
_USER = re.compile(r"['\"]?[^\s:/'\"=]{1,128}:(?!\d{1,6}['\"]?\Z)(?![/\\])[^\s/]{1,256}\Z")
_NUMERIC = re.compile(r"['\"]?\d+:\d+['\"]?\Z")
_STDIN = re.compile(
    r"--password-stdin|--with-token|--token-stdin|\bsudo\s+(?:-\w+\s+)*-S|\bchpasswd\b|\bpasswd\b.*--stdin"
)
_WORD = re.compile(r"""(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\;&|()`])+|[;&|()`\n]""", re.DOTALL)
_LOGIN_WORDS = frozenset(("login", "add-authtoken", "authtoken"))
#: Short options that often take a login, whatever the program.
_USUAL = frozenset(("-p", "-u", "-U", "--user", "--auth", "-a"))
_ORACLE = re.compile(r"^([^/\s]+)/[^@\s]+")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def redact_arguments(words: Sequence[str]) -> list[str | None]:
    """Return for each word of one command what to write in its place; None where this table says nothing of it."""
    at = _find_program(words)
    found: list[str | None] = [None] * len(words)
    if at >= len(words):
        return found
    program = _name(words[at])
    logs_in = not _LOGIN_WORDS.isdisjoint(words[at + 1 : at + 5])
    options = _PASSWORD.get(program, ()) + (("-p",) if program in _LOGINS and logs_in else ())
    expects = ""
    for index in range(at + 1, len(words)):
        bare = words[index].strip("'\"")
        if expects:
            if bare[:1] != "-" and (expects in options or not _is_honest(expects, bare, program)):
                found[index] = REDACTED
            expects = ""
        elif bare in options or bare in _USUAL:
            expects = bare
        elif program in _BARE_LOGINS and words[index - 1] in _LOGIN_WORDS and bare[:1] != "-":
            found[index] = REDACTED
        else:
            found[index] = _without_attached(bare, options, program)
    if program == "htpasswd" and any(re.match(r"-\w*b", word) for word in words[at + 1 :]):
        found[-1] = REDACTED
    if program in ("sqlplus", "sqlldr", "expdp", "impdp"):
        found[at + 1 :] = [_ORACLE.sub(rf"\1/{REDACTED}", word) for word in words[at + 1 :]]
    return found


def _find_program(words: Sequence[str]) -> int:
    """Where the program stands: behind assignments, ``sudo`` and the like; of ``python -m``, the module."""
    at = 0
    while at < len(words) and (
        _ASSIGNMENT.match(words[at]) or _name(words[at]) in _WRAPPERS or (at and words[at][:1] == "-")
    ):
        at += 1
    is_module = at + 2 < len(words) and _name(words[at]).startswith("python") and words[at + 1] == "-m"
    return at + 2 if is_module else at


def _without_attached(word: str, options: Sequence[str], program: str) -> str | None:
    """``-pX`` and ``--option=X`` of the options that take a password; None for every other word."""
    name, equals, _ = word.partition("=")
    if equals and name in options:
        return f"{name}={REDACTED}"
    attached = next((each for each in options if program in _ATTACHED and _is_attached(word, each)), "")
    return f"{attached}{REDACTED}" if attached else None


def redact_programs(text: str, depth: int = 0) -> str:
    """Return a text without passwords of the commands in it, also of those in quotes (``sh -c '…'``)."""
    if " -" not in text and "sqlplus" not in text and "htpasswd" not in text and " login " not in text:
        return text
    pieces: list[tuple[int, int, str]] = []
    command: list[re.Match[str]] = []
    stdin = bool(_STDIN.search(text))
    for found in (*_WORD.finditer(text), None):
        if found is not None and found[0] not in (";", "&", "|", "(", ")", "`", "\n"):
            command.append(found)
            continue
        words = [each[0] for each in command]
        answers = redact_arguments(words)
        if stdin and words and _name(words[0]) in ("echo", "printf"):
            answers = [None, *(REDACTED if word[:1] not in ("-", "$") else None for word in words[1:])]
        for each, answer in zip(command, answers, strict=True):
            if answer is not None:
                pieces.append((each.start(), each.end(), answer))
            elif depth < 3 and each[0][:1] in ("'", '"') and " " in each[0]:
                inner = redact_programs(each[0][1:-1], depth + 1)
                pieces.append((each.start(), each.end(), f"{each[0][0]}{inner}{each[0][-1]}"))
        command = []
    parts, start = [], 0
    for begin, end, answer in pieces:
        parts += [text[start:begin], answer]
        start = end
    return "".join(parts) + text[start:]


def _name(word: str) -> str:
    return word.strip("'\"").rpartition("/")[2]


def _is_attached(word: str, option: str) -> bool:
    return (
        len(option) == 2
        and word.startswith(option)
        and len(word) > 2
        and word[2] not in "="
        and not word.startswith("--")
    )


def _is_honest(option: str, value: str, program: str) -> bool:
    """Whether what follows a short option of a program that this table does not know is certainly no password."""
    if option == "-p":
        return program in _OTHER_P or bool(_HONEST.match(value))
    return not _USER.match(value) or bool(_NUMERIC.match(value))
