"""Files that look like secrets: by their names, and small ones by what they begin with. The lists are data.

A file is named here when programs keep passwords, tokens or private keys under that name by default. Case does not
count. What a text inside a file of another name says is not searched for: this is no scanner of contents.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from ..core.text import lazy_pattern
from .filesystem import files

#: Names of files, wherever they lie.
NAMES = frozenset(
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
STEMS = frozenset({"credentials", "secrets"})
DOCUMENTS = frozenset({"json", "yaml", "yml", "toml", "ini", "cfg", "conf", "env", "properties", "xml", "csv", "txt"})
#: Endings of names: stores of keys and passwords.
ENDINGS = frozenset(
    {"p12", "pfx", "jks", "jceks", "bks", "keystore", "keytab", "kdbx", "ppk", "agekey", "kubeconfig"}
)  # fmt: skip
#: Endings that editors and people give to an earlier copy of a file: it is judged as the file itself.
BACKUPS = frozenset({"bak", "backup", "old", "orig", "save", "swp", "swo", "tmp", "copy"})
#: Files that are known by the folder they lie in, too: the ends of paths.
PATHS = frozenset(
    {
        ".aws/credentials", ".docker/config.json", ".kube/config", ".huggingface/token", "huggingface/token",
        "huggingface/stored_tokens", ".config/gh/hosts.yml", "gcloud/credentials.db", "gcloud/access_tokens.db",
        ".snowsql/config", ".snowflake/connections.toml", ".mlflow/credentials", ".dvc/config.local", ".dbt/profiles.yml",
        ".databricks/token-cache.json", ".mc/config.json", ".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials",
    }
)  # fmt: skip
#: Folders that hold nothing else.
FOLDERS = frozenset({".ssh", ".gnupg", ".password-store"})
#: ``.env.NAME`` is a secret, unless it is one of these: what people keep as an example.
EXAMPLES = frozenset({"example", "sample", "template", "dist", "defaults", "schema"})

#: Only files of at most so many bytes are looked into.
LOOKED_AT = 64 << 10
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


def describe_secret_name(path: str) -> str:
    """What secret a file of this name looks like; empty for none. ``path`` is as much of its path as counts."""
    *folders, name = path.lower().split("/")
    name = _without_backup_ending(name)
    stem, _, ending = name.rpartition(".")
    kinds = {
        "a file of credentials": name in NAMES
        or name.removeprefix(".") in STEMS
        or (stem.removeprefix(".") in STEMS and ending in DOCUMENTS)
        or any("/".join([*folders, name][-depth:]) in PATHS for depth in (2, 3))
        or name.startswith("krb5cc_")
        or name.endswith("_accesskeys.csv"),
        "environment variables": (name.startswith((".env.", ".env-", ".env_")) and ending not in EXAMPLES)
        or (ending == "env" and bool(stem) and stem.removeprefix(".") not in EXAMPLES),
        "an OAuth client secret": name.startswith("client_secret") and ending == "json",
        "a store of keys or passwords": ending in ENDINGS and bool(stem),
        "in a folder for keys": not FOLDERS.isdisjoint(folders) and ending != "pub",
    }
    return next((kind for kind, found in kinds.items() if found), "")


def _without_backup_ending(name: str) -> str:
    """The name of the file that ``name``, in lower case, is an earlier copy of; else ``name``."""
    if len(name) > 2 and name[0] == name[-1] == "#":  # as Emacs saves it
        return name[1:-1]
    plain = name.rstrip("~")
    stem, _, ending = plain.rpartition(".")
    return (stem if ending in BACKUPS else plain) or name


def describe_secret_content(origin: Path, size: int) -> str:
    """What secret a small file holds; empty for none, and for one that can't be read (who copies it says so)."""
    if not 16 <= size <= LOOKED_AT:
        return ""
    with contextlib.suppress(OSError):
        name = _without_backup_ending(origin.name.lower())
        kind = name.rpartition(".")[2]
        pattern = _IN_FILES.get(name) or _IN_FILES.get(kind)
        with files.open_descriptor(origin, files.READ) as descriptor:
            data = os.read(descriptor, _HEAD)
            if kind in _KEY_FILES or pattern:
                data += os.read(descriptor, LOOKED_AT)
        if (kind in _KEY_FILES and _KEY.search(data)) or _KEY.match(data.removeprefix(b"\xef\xbb\xbf").lstrip()):
            return "a private key"
        if pattern and pattern.search(data):
            return "credentials"
    return ""
