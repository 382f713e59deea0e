"""Files that look like secrets: by their names, and small ones by what they begin with. The lists are data.

A file is named here when programs keep passwords, tokens or private keys under that name by default. Case does not
count. What a text inside a file of another name says is not searched for: this is no scanner of contents.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

#: Names of files, wherever they lie.
NAMES = frozenset(
    {
        ".env", ".envrc", ".netrc", "_netrc", ".pypirc", ".pgpass", ".my.cnf", ".mylogin.cnf", ".boto", ".s3cfg", ".htpasswd",
        ".git-credentials", ".vault-token", ".dockercfg", ".dockerconfigjson", ".databrickscfg", ".terraformrc",
        "id_rsa", "id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk",
        "rclone.conf", "kaggle.json", "credentials.json", "application_default_credentials.json", "credentials.tfrc.json",
        "accesstokens.json", "msal_token_cache.json", "service-account.json", "service_account.json",
        "secrets.json", "secrets.yaml", "secrets.yml", "secrets.toml",
    }
)  # fmt: skip
#: Endings of names: stores of keys and passwords.
ENDINGS = frozenset({"p12", "pfx", "jks", "keystore", "kdbx", "ppk", "agekey"})
#: Files that are known by the folder they lie in, too: the ends of paths.
PATHS = frozenset(
    {
        ".aws/credentials", ".docker/config.json", ".kube/config", ".huggingface/token", "huggingface/token",
        "huggingface/stored_tokens", ".config/gh/hosts.yml", "gcloud/credentials.db", "gcloud/access_tokens.db",
        ".snowsql/config", ".mlflow/credentials", ".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials",
    }
)  # fmt: skip
#: Folders that hold nothing else.
FOLDERS = frozenset({".ssh", ".gnupg", ".password-store"})
#: ``.env.NAME`` is a secret, unless it is one of these: what people keep as an example.
EXAMPLES = frozenset({"example", "sample", "template", "dist", "defaults", "schema"})

#: Only files of at most so many bytes are looked into.
LOOKED_AT = 64 << 10
_HEAD = 128
_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----"
    rb"|PuTTY-User-Key-File-\d|AGE-SECRET-KEY-1"
)
#: In files with these endings a key may stand behind a certificate, or behind text.
_KEY_FILES = frozenset({"pem", "key", "crt", "cer", "cert", "asc", "gpg"})
_ACCOUNT = re.compile(rb'"private_key"\s*:\s*"-----BEGIN|"refresh_token"\s*:\s*"[^"]|"client_secret"\s*:\s*"[^"]')
_NPM_TOKEN = re.compile(rb"^[^#;\n]*(?:_authToken|_auth|_password)\s*=\s*[^\s$]", re.MULTILINE)


def describe_secret_name(path: str) -> str:
    """What secret a file of this name looks like; empty for none. ``path`` is as much of its path as counts."""
    *folders, name = path.lower().split("/")
    ending = name.rpartition(".")[2]
    if name in NAMES or any("/".join([*folders, name][-depth:]) in PATHS for depth in (2, 3)):
        return "a file of credentials"
    if name.startswith(".env.") and ending not in EXAMPLES:
        return "environment variables"
    if name.startswith("client_secret") and ending == "json":
        return "an OAuth client secret"
    if ending in ENDINGS and ending != name:
        return "a store of keys or passwords"
    return "in a folder for keys" if not FOLDERS.isdisjoint(folders) and ending != "pub" else ""


def describe_secret_content(origin: Path, size: int) -> str:
    """What secret a small file holds; empty for none, and for one that can't be read (who copies it says so)."""
    if not 16 <= size <= LOOKED_AT:
        return ""
    with contextlib.suppress(OSError):
        descriptor = os.open(origin, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            data = os.read(descriptor, _HEAD)
            name = origin.name.lower()
            kind = name.rpartition(".")[2]
            if kind in _KEY_FILES or kind == "json" or name == ".npmrc":
                data += os.read(descriptor, LOOKED_AT)
        finally:
            os.close(descriptor)
        if (kind in _KEY_FILES and _KEY.search(data)) or _KEY.match(data.removeprefix(b"\xef\xbb\xbf").lstrip()):
            return "a private key"
        if kind == "json" and _ACCOUNT.search(data):
            return "credentials of an account"
        if name == ".npmrc" and _NPM_TOKEN.search(data):
            return "a token"
    return ""
