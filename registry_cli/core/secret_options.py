"""Options whose names do not tell that they take a password: ``mysql -pX``, ``curl -u user:X``, ``redis-cli -a X``."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from .secret_values import REDACTED
from .text import lazy_pattern

_DATABASES = [
    "mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlsh", "mariadb", "mariadb-dump", "mariadb-admin", "mycli",
]  # fmt: skip
_PASSWORD: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_DATABASES, ("-p",)),
    **dict.fromkeys(["sshpass", "mongo", "mongosh", "mongodump", "mongorestore", "mongoexport", "mongoimport", "cqlsh", "cypher-shell", "influx", "twine"], ("-p",)),
    **dict.fromkeys(["7z", "7za", "7zz", "rar", "unrar"], ("-p", "-hp")),
    **dict.fromkeys(["zip", "unzip", "sqlcmd", "bcp", "isql", "osql", "tsql"], ("-P",)),
    **dict.fromkeys(["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami"], ("-w",)),
    **dict.fromkeys(["curl"], ("-u", "-U", "-b", "--user", "--proxy-user", "--cookie", "--pass", "--oauth2-bearer", "-E")),
    **dict.fromkeys(["http", "https", "xh"], ("-a", "--auth")),
    **dict.fromkeys(["skopeo", "buildah"], ("--creds", "--src-creds", "--dest-creds", "-p")),
    **dict.fromkeys(["smbclient", "rpcclient"], ("-U",)),
    **dict.fromkeys(["redis-cli", "valkey-cli", "iredis"], ("-a", "--pass")),
    **dict.fromkeys(["anaconda", "vercel", "glab"], ("-t",)),
    "openssl": ("-k", "-passin", "-passout"), "lftp": ("-u",), "swift": ("-K",), "databricks": ("--string-value",),
    "prefect": ("-k",),
}  # fmt: skip
#: Programs whose options of one letter never have the value attached.
_NEVER_ATTACHED = frozenset(
    ("openssl", "influx", "http", "https", "xh", "lftp", "prefect", "anaconda", "vercel", "glab")
)
#: Short options of curl without a value, which may stand before the last one: ``-sSu me:x``.
_CURL_FLAGS = lazy_pattern(r"-[sSfLkvigIOJNqGn#]+(?=[uUbE])")
#: Programs whose ``login`` takes the password as ``-p``, or as the word behind it.
_LOGINS = frozenset(["docker", "podman", "nerdctl", "helm", "oras", "crane", "az", "cf", "oc", "registry-login"])
_BARE_LOGINS = frozenset(
    ["wandb", "vault", "ngrok", "kaggle", "comet", "neptune", "cargo", "transformers-cli", "snyk", "op"]
)
#: Words of a program behind which the last word is a secret.
_LAST_IS_SECRET = {
    "mc": ("alias", "config"), "poetry": ("config",), "rabbitmqctl": ("add_user", "change_password"), "conda": ("token",),
    "vault": ("unseal",), "b2": ("authorize-account", "account"), "neo4j-admin": ("set-initial-password",),
    "openssl": ("passwd",), "net": ("use",),
}  # fmt: skip
#: Programs to which ``-p`` means something else.
_OTHER_P = frozenset((
    "registry", "mkdir", "cp", "mv", "ssh", "scp", "sftp", "pytest", "nc", "tar", "patch", "rmdir", "docker", "podman",
    "srun", "sbatch", "salloc", "sinfo", "squeue", "ps", "top", "kill", "taskset", "read", "set", "install", "make",
    "ninja", "cmake", "npx", "npm", "yarn", "cargo", "go", "gcc", "perf", "screen", "tmux", "uvicorn", "gunicorn",
    "flask", "jupyter", "streamlit", "mlflow", "kubectl", "git", "less", "hg", "rsync", "chmod", "netstat", "lsof",
    "nmap", "iptables", "papermill", "dvc", "parted", "qsub", "bsub", "accelerate", "torchrun", "deepspeed", "test",
    "pip", "psql", "pg_dump", "pg_restore", "createdb", "export", "declare",
))  # fmt: skip
_WRAPPERS = frozenset(
    ["sudo", "env", "exec", "time", "nohup", "xargs", "nice", "command", "then", "do", "else", "if", "while"]
)
_NOT_A_SECRET = lazy_pattern(r"['\"]?(?:[-+]?\d{1,5}(?:[.:]\d{1,6}){0,3}|[\w.-]+=.*|(?:\.{0,2}|~)/.*|\.|\*\*\*|\$\{?[A-Z_][A-Z0-9_]*\}?)['\"]?\Z", re.DOTALL)  # fmt: skip
_USER = lazy_pattern(r"['\"]?[^\s:/'\"=]{1,128}:(?!\d{1,6}['\"]?\Z)(?![/\\])[^\s/]{1,256}\Z")
_NUMERIC = lazy_pattern(r"['\"]?\d+:\d+['\"]?\Z")
_STDIN = lazy_pattern(
    r"--password-stdin|--with-token|--token-stdin|\bsudo\s+(?:-\w+\s+)*-S|\bchpasswd\b|\|\s*(?:sudo\s+)?passwd\b|\bkinit\b|\bread\s+-\w*s"
)
#: What a text must hold for a program in it to be looked for.
_PROGRAM_HINTS = lazy_pattern(r"(?:^|\s)['\"]?-|<<<|sqlplus|htpasswd|chpasswd|passwd|login|authtoken|unseal|alias|config|add_user|password|token|auth|signin")  # fmt: skip
_WORD = lazy_pattern(r"""(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\;&|()`])+|[;&|()`\n]""", re.DOTALL)
_LOGIN_WORDS = frozenset(("login", "add-authtoken", "authtoken", "auth", "signin"))
#: Options of a login that take no value.
_LOGIN_FLAGS = frozenset(("--relogin", "--cloud", "--verify", "--force", "--no-verify"))
#: Short options that often take a login, whatever the program.
_USUAL = frozenset(("-p", "-u", "-U", "--user", "--auth", "-a"))
_ORACLE = lazy_pattern(r"^([^/\s]+)/[^@\s]+")
_ASSIGNMENT = lazy_pattern(r"[A-Za-z_]\w*=")


def redact_arguments(words: Sequence[str]) -> list[str | None]:
    """Return for each word of a command its replacement, or None to keep it."""
    found: list[str | None] = [None] * len(words)
    start = _find_program(words)
    if start >= len(words):
        return found
    inner = [
        at for at in range(start + 1, len(words))
        if _name(words[at]) in _PASSWORD and words[at][:1] not in ("'", '"') and (words[at - 1] == "--" or words[at - 1][:1] != "-")
    ]  # fmt: skip
    for at, end in itertools.pairwise([start, *inner, len(words)]):  # a wrapper (ssh, docker exec), what it runs
        found[at + 1 : end] = _redact_options(words[:end], at)
    return found


def _redact_options(words: Sequence[str], at: int) -> list[str | None]:
    """The arguments of the program ``words[at]``; with -1 there are only options."""
    found: list[str | None] = [None] * len(words)
    program = _name(words[at]) if at >= 0 else ""
    logs_in = not _LOGIN_WORDS.isdisjoint(words[at + 1 : at + 5])
    options = _PASSWORD.get(program, ()) + (("-p",) if program in _LOGINS and logs_in else ())
    expects = ""
    for index in range(at + 1, len(words)):
        bare = words[index].strip("'\"")
        if expects:
            if not _is_option(words[index]) and (expects in options or not _is_not_a_secret(expects, bare, program)):
                found[index] = REDACTED
            expects = ""
        elif bare in options or bare in _USUAL:
            expects = bare
        elif program == "curl" and (flags := _CURL_FLAGS.match(bare)):
            expects = f"-{bare[flags.end() :]}" if len(bare) == flags.end() + 1 else ""
            found[index] = None if expects else f"{bare[: flags.end() + 1]}{REDACTED}"
        elif (
            program in _BARE_LOGINS
            and not _LOGIN_WORDS.isdisjoint(words[at + 1 : index])
            and bare[:1] != "-"
            and (words[index - 1][:1] != "-" or "=" in words[index - 1] or words[index - 1] in _LOGIN_FLAGS)
            and "=" not in bare
        ):
            found[index] = REDACTED
        else:
            found[index] = _without_attached(bare, options, program)
    if at >= 0 and len(words) > at + 2 and not {*_LAST_IS_SECRET.get(program, ())}.isdisjoint(words[at + 1 : at + 4]):  # fmt: skip
        found[-1] = found[-1] or (REDACTED if words[-1][:1] != "-" else None)
    if program == "htpasswd" and any(re.match(r"-\w*b", word) for word in words[at + 1 :]):
        found[-1] = REDACTED
    if program in ("sqlplus", "sqlldr", "expdp", "impdp"):
        found[at + 1 :] = [_ORACLE.sub(rf"\1/{REDACTED}", word) for word in words[at + 1 :]]
    return found[at + 1 :]


def _find_program(words: Sequence[str]) -> int:
    """The index of the program, behind assignments, ``sudo`` and the like; of ``python -m`` the module; -1 for none."""
    if words and words[0][:1] == "-":
        return -1
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
    if equals and (
        name in options
        or (name in _USUAL and name[:2] == "--" and not _is_not_a_secret(name, word[len(name) + 1 :], program))
    ):
        return f"{name}={REDACTED}"
    attached = next((each for each in options if program not in _NEVER_ATTACHED and _is_attached(word, each)), "")
    return f"{attached}{REDACTED}" if attached else None


def redact_programs(text: str, depth: int = 0) -> str:
    """Return a text without passwords of the commands in it, also of those in quotes (``sh -c '…'``)."""
    if not _PROGRAM_HINTS.search(text):
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
        for at in (at for at, word in enumerate(words) if stdin and word == "<<<"):
            answers[at : at + 2] = [None, *([REDACTED] if at + 1 < len(words) else [])]
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


def _is_option(word: str) -> bool:
    """Whether a word is an option, quoted or not; a secret may begin with a quote and a dash."""
    return word[:1] == "-" or (word[:1] == word[-1:] and re.match(r"--?[A-Za-z]", word.strip("'\"")) is not None)


def _is_attached(word: str, option: str) -> bool:
    return len(option) == 2 and len(word) > 2 and word.startswith(option) and word[2] != "=" and word[:2] != "--"


def _is_not_a_secret(option: str, value: str, program: str) -> bool:
    """Whether the value of a short option of an unknown program can't be a password."""
    if option == "-p":
        return program in _OTHER_P or bool(_NOT_A_SECRET.match(value))
    return not _USER.match(value) or bool(_NUMERIC.match(value))
