"""Signatures of versions and events, made and verified by ``ssh-keygen -Y``: with SSH keys, agents and security keys.

The signed data is an event as canonical JSON, without its signature. The signature of a version is an event, too, with
the digest of the manifest and the sha256 of ``version.yaml``.

Only ``ssh-keygen`` decides whether a signature is valid: principals, namespaces, validity and certificate authorities
are in ``allowed_signers``, revoked keys in ``revoked_signers``. A key must have been valid at the time of the event.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from ..core import subprocesses, values
from ..core.lazy_dataclass import dataclass, field, replace
from ..core.quantities import parse_epoch
from ..core.records import Event, VersionRecord
from ..core.results import Problem, Signature
from ..core.text import replace_unprintable
from ..errors import InvalidInput, NotFound, RegistryError
from ..rules.approvals import parse_events
from ..store import history
from ..store.layout import Layout, ModelLayout
from ..store.reader import ModelReader

#: The namespace: signatures that the same keys made for other purposes do not count.
NAMESPACE = "registry-cli"
#: The key of an event's details that has its signature.
SIGNATURE = "signature"
#: Seconds for signing: somebody may have to touch a security key, or to find it first.
PATIENCE = 120.0
_CHECKING = 30.0
_LONGEST = 100_000
_TOOL = "ssh-keygen"
_USABLE = "use the path of a private key, or of a public key held by an agent"
_INSTALL = "install OpenSSH 8.2 or newer (openssh-client)"
_OLD = (b"usage: ", b"unknown option", b"illegal option", b"Unsupported operation", b"Invalid option")
BAD, UNKNOWN, OTHER = "signature-bad", "signature-unknown", "signature-other"


def signed_bytes(event: Event) -> bytes:
    """The bytes of an event that its signature is over."""
    return values.canonical({key: value for key, value in event.document().items() if key != SIGNATURE})


def sign(data: bytes, key: str | os.PathLike[str]) -> str:
    """Return the signature of ``data``, in the armored form of OpenSSH.

    Args:
        data: the bytes to sign.
        key: the path of a private key, or of a public key whose private key an agent has.

    Raises:
        NotFound: there is no such key.
        InvalidInput: the key can't be used.
        RegistryError: OpenSSH is missing or too old, or did not sign in time.
    """
    path = Path(key).expanduser()
    if not path.is_file():
        raise NotFound(f"key '{key}' not found", _USABLE)
    done = _run(["-Y", "sign", "-n", NAMESPACE, "-f", str(path)], data, PATIENCE)
    if done.code is None:
        raise RegistryError(f"'{key}' did not sign within {PATIENCE:.0f} s", "touch the key when it blinks and retry")
    if done.code and b"passphrase" in done.errors:
        raise InvalidInput(f"'{key}' is locked by a passphrase", "add it to an agent first: ssh-add KEY")
    if done.code or not done.output.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        lines = done.errors.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise InvalidInput(f"'{key}' cannot sign: {replace_unprintable(lines[-1])[:300]}", _USABLE)
    return done.output.decode("ascii", "replace").strip() + "\n"


def needs_touch(key: str | os.PathLike[str]) -> bool:
    """Return whether a key is on a security key that has to be touched, by its public key."""
    path = Path(key).expanduser()
    try:
        with Path(path if path.suffix == ".pub" else f"{path}.pub").open("rb") as stream:
            return stream.read(3) == b"sk-"
    except (OSError, ValueError):
        return False


def fingerprint(signature: str) -> str:
    """The fingerprint of the key that made a signature, as ``ssh-keygen -l`` prints it; empty if it can't be parsed."""
    try:
        blob = base64.b64decode("".join(signature.split("\n")[1:]).partition("-----END")[0], validate=True)
        length = int.from_bytes(blob[10:14], "big")
        key = blob[14 : 14 + length]
    except (binascii.Error, ValueError):
        return ""
    if not blob.startswith(b"SSHSIG") or len(key) < length:
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


@dataclass(frozen=True)
class Trust:
    """The files of allowed signers and of revoked keys. Either of them may be missing."""

    allowed: Path
    revoked: Path

    def verify(self, event: Event) -> Signature:
        """Verify the signature of an event, and that its key belongs to the author of the event."""
        signature = event.detail.get(SIGNATURE)
        text = signature if isinstance(signature, str) and len(signature) <= _LONGEST else ""
        found = Signature(event.by, event.at, fingerprint(text))
        try:
            data = signed_bytes(event)
        except (TypeError, ValueError, RecursionError):  # anybody may have written the event
            data = b""
        if not found.key or not data:
            return replace(found, code=BAD, problem="it contains no signature")
        with _signature_file(text) as path:
            principals = self._find_principals(path, event)
            wanted = _identities(principals, event.by)
            for principal in wanted:
                if self._is_valid(path, event, principal):
                    return replace(found, principal=principal)
            words = ["-Y", "check-novalidate", "-n", NAMESPACE, "-s", path]
            if _run(words, data, _CHECKING).code != 0:
                return replace(found, code=BAD, problem="the signature does not match the content")
            named = (each for each in principals if each not in wanted and not _is_pattern(each))
            others = [each for each in named if self._is_valid(path, event, each)]
        if others:
            return replace(found, code=OTHER, problem=f"says {event.by}, but is signed by {others[0]}")
        known = f"{found.key} is not in {self.allowed.name} or no longer valid"
        problem = known if self.allowed.is_file() else f"{self.allowed.name} is missing, so {found.key} is unknown"
        return replace(found, code=UNKNOWN, problem=problem)

    def is_signed_by(self, event: Event, principal: str) -> bool:
        """Return whether an event has a valid signature of ``principal``."""
        signature = event.detail.get(SIGNATURE)
        if not isinstance(signature, str) or len(signature) > _LONGEST or not self.allowed.is_file():
            return False
        with _signature_file(signature) as path:
            return self._is_valid(path, event, principal)

    def _find_principals(self, signature: str, event: Event) -> list[str]:
        """The principals of the key in ``allowed_signers``; patterns as they are."""
        if not self.allowed.is_file():
            return []
        words = ["-Y", "find-principals", "-f", str(self.allowed), "-s", signature, *self._verify_time(event)]
        done = _run(words, b"", _CHECKING)
        return done.output.decode("utf-8", "replace").split("\n")[:-1] if done.code == 0 else []

    def _is_valid(self, signature: str, event: Event, principal: str) -> bool:
        words = ["-Y", "verify", "-n", NAMESPACE, "-f", str(self.allowed), "-I", principal, "-s", signature]
        if os.path.lexists(self.revoked):  # one that can't be read revokes everything
            words += ["-r", str(self.revoked)]
        return _run([*words, *self._verify_time(event)], signed_bytes(event), _CHECKING).code == 0

    def _verify_time(self, event: Event) -> list[str]:
        """The option with the time at which a key must have been valid, in local time, if a key has limits.

        Releases of OpenSSH without this option have no limits of validity, either.
        """
        try:
            limited = b"valid-" in self.allowed.read_bytes()
        except OSError:
            limited = False
        moment = parse_epoch(event.at)
        if not limited or moment is None:
            return []
        return [f"-Overify-time={time.strftime('%Y%m%d%H%M%S', time.localtime(moment))}"]


def _identities(principals: Sequence[str], account: str) -> list[str]:
    """The principals that can mean an account: its name, alone or followed by ``@`` and a host."""
    found = []
    for principal in principals:
        name, mark, host = principal.partition("@")
        if _is_pattern(name):
            found += [account, f"{account}{mark}{host}"]
        elif account in (name, principal):
            found.append(principal)
    return [each for each in dict.fromkeys(found) if not _is_pattern(each)]


def _is_pattern(principal: str) -> bool:
    return "*" in principal or "?" in principal


@contextmanager
def _signature_file(signature: str) -> Iterator[str]:
    """A file with the signature: ``ssh-keygen`` reads it from nowhere else."""
    with NamedTemporaryFile(prefix="registry-signature-") as stream:
        stream.write(signature.encode("utf-8", "replace"))
        stream.flush()
        yield stream.name


def _run(words: Sequence[str], data: bytes, seconds: float) -> subprocesses.Finished:
    try:
        done = subprocesses.run([_TOOL, *words], data=data, seconds=seconds)
    except FileNotFoundError:
        raise RegistryError(f"{_TOOL} is not installed; it is required for signatures", _INSTALL) from None
    if done.code and any(sign in done.errors for sign in _OLD):
        raise RegistryError(f"{_TOOL} is too old for signatures", _INSTALL)
    return done


SIGNED = "signed"
MISPLACED = "signature-misplaced"


def load_trust(layout: Layout) -> Trust:
    """The allowed and revoked signers of a registry."""
    return Trust(layout.allowed_signers, layout.revoked_signers)


def parse_signatures(annotation: Mapping[str, Any]) -> list[Event]:
    """Return the signatures in the annotation of a version, as events."""
    return list(parse_events(_list_entries(annotation), (SIGNED,)))


def add_signature(annotation: Mapping[str, Any], event: Event) -> list[Any]:
    """Return the signatures of an annotation with ``event`` in place of an earlier one by the same key."""
    key = _fingerprint_of(event.document())
    return [*(entry for entry in _list_entries(annotation) if _fingerprint_of(entry) != key), event.document()]


def _list_entries(annotation: Mapping[str, Any]) -> list[Any]:
    entries = annotation.get("signatures")
    return entries if isinstance(entries, list) else []


def _fingerprint_of(entry: object) -> str:
    signature = entry.get(SIGNATURE) if isinstance(entry, Mapping) else None
    return fingerprint(signature) if isinstance(signature, str) else ""


def signature_subject(version: VersionRecord, record: str) -> dict[str, str]:
    """Return the details of an event that signs ``version``; ``record`` is the sha256 of ``version.yaml`` in hex."""
    return {"digest": f"sha256:{version.digest}", "record": f"sha256:{record}"}


def _is_about(event: Event, subject: Mapping[str, str]) -> bool:
    return all(event.detail.get(name) == value for name, value in subject.items())


def verify_version_signature(event: Event, subject: Mapping[str, str], trust: Trust) -> Signature:
    """Verify a signature of a version, and that it is about this very version; see :func:`signature_subject`."""
    found = trust.verify(event)
    return (
        found
        if found.code or _is_about(event, subject)
        else _misplaced(found, "it is the signature of another version")
    )


def _misplaced(found: Signature, problem: str) -> Signature:
    return replace(found, principal="", code=MISPLACED, problem=problem)


def unsigned(events: list[Event], subject: Mapping[str, str], trust: Trust, principal: str) -> str:
    """Return why a version has no valid signature of ``principal``; empty if it has one."""
    ours = [event for event in events if _is_about(event, subject)]
    if any(trust.is_signed_by(event, principal) for event in ours):
        return ""
    if not trust.allowed.is_file():
        return f"the registry has no {trust.allowed.name}"
    return "no valid signature by them" if ours else "signed for another version" if events else "not signed"


@dataclass
class SignatureCheck:
    """The result for one model: problems, the number of signatures, and of versions without a valid one."""

    problems: list[Problem] = field(default_factory=list)
    signatures: int = 0
    unsigned: int = 0

    def add(self, where: str, what: str, found: Signature) -> None:
        self.signatures += 1
        if found.code:
            self.problems.append(Problem(found.code, "error", where, f"{what}: {found.problem}"))


def check_model(paths: ModelLayout, trust: Trust, only: Collection[int] | None = None) -> SignatureCheck:
    """Verify the signatures of a model, or of ``only`` some versions. Documents that can't be read are passed over."""
    done = SignatureCheck()
    try:
        model = ModelReader(paths)
        state = model.state()
        numbers = [number for number in model.numbers(state.table) if only is None or number in only]
    except (RegistryError, OSError):
        return done
    seen: set[tuple[str, str]] = set()
    for number in numbers:
        try:
            subject = signature_subject(model.sealed(number), model.seal(number))
            events = parse_signatures(model.annotation(number, state))
        except (RegistryError, OSError):
            continue
        results = [verify_version_signature(event, subject, trust) for event in events]
        for event, found in zip(events, results, strict=True):
            done.add(f"{paths.name}@{number}", f"signed by {event.by}", found)
            seen.add((event.id, str(event.detail.get(SIGNATURE))))
        done.unsigned += all(found.code for found in results)
    signed = [entry.event for entry in history.newest_first(paths) if SIGNATURE in entry.event.detail]
    for event in reversed(signed):
        if only is not None and event.version not in only:
            continue
        if (event.id, str(event.detail[SIGNATURE])) not in seen:
            where = paths.name if event.version is None else f"{paths.name}@{event.version}"
            found = _verify_event_signature(model, event, trust)
            done.add(where, f"{event.action} by {event.by} at {event.at}", found)
    return done


def _verify_event_signature(model: ModelReader, event: Event, trust: Trust) -> Signature:
    """Verify the signature of an event, and that it is about the version with the same sha256 of its document."""
    found = trust.verify(event)
    if found.code or event.version is None:
        return found
    try:
        record = model.seal(event.version)
    except (RegistryError, OSError):
        return found  # deleted since, or damaged
    if event.detail.get("record") == f"sha256:{record}":
        return found
    return _misplaced(found, "it was signed for a version of another model or registry")
