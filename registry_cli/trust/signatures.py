"""Signatures of versions and events, made and checked by ``ssh-keygen -Y``: with SSH keys, agents and security keys.

What is signed is an event, in its canonical spelling, without its signature. A version's signature is an event, too:
it names the digest of the manifest, and the sha256 of ``version.yaml``.

``ssh-keygen`` alone decides what a signature is worth: principals, namespaces, validity and certificate authorities
stand in ``allowed_signers``, revoked keys in ``revoked_signers``. A key must have been valid when the event says it was.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import values
from ..core.lazy_dataclass import dataclass, field
from ..core.records import Event, VersionRecord
from ..core.results import Problem, Signature
from ..core.text import replace_unprintable
from ..errors import InvalidInput, NotFound, RegistryError
from ..store import history
from ..store.layout import Layout, ModelLayout
from ..store.reader import ModelReader

if TYPE_CHECKING:
    from ..core.subprocesses import Finished

#: Signatures for other purposes, by the same keys, are none of ours.
NAMESPACE = "registry-cli"
#: The key of an event's details that holds its signature.
SIGNATURE = "signature"
#: Seconds for a signature: somebody may have to touch a key, or to find it first.
PATIENCE = 120.0
_CHECKING = 30.0
_LONGEST = 100_000
_TOOL = "ssh-keygen"
_USABLE = "give the path of a private key, or of a public one whose other half an agent holds"
_INSTALL = "install OpenSSH 8.2 or newer (openssh-client)"
_OLD = (b"usage: ", b"unknown option", b"illegal option", b"Unsupported operation", b"Invalid option")
BAD, UNKNOWN, OTHER = "signature-bad", "signature-unknown", "signature-other"


def signed_bytes(event: Event) -> bytes:
    """The bytes that are signed."""
    return values.canonical({key: value for key, value in event.document().items() if key != SIGNATURE})


def sign(data: bytes, key: str | os.PathLike[str]) -> str:
    """The signature of ``data`` by a key: the path of a private key, or of a public one whose other half an agent has.

    Raises :class:`NotFound` for no such key, :class:`InvalidInput` for one that can't be used, :class:`RegistryError`
    without an OpenSSH that can sign.
    """
    path = Path(key).expanduser()
    if not path.is_file():
        raise NotFound(f"there is no key '{key}'", _USABLE)
    done = _run(["-Y", "sign", "-n", NAMESPACE, "-f", str(path)], data, PATIENCE)
    if done.code is None:
        raise RegistryError(f"'{key}' did not sign within {PATIENCE:.0f} s", "touch the key when it blinks; try again")
    if done.code and b"passphrase" in done.errors:
        raise InvalidInput(f"'{key}' is locked by a passphrase", "hand it to an agent first: ssh-add KEY")
    if done.code or not done.output.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        raise InvalidInput(f"'{key}' can't sign: {_last_line(done.errors)}", _USABLE)
    return done.output.decode("ascii", "replace").strip() + "\n"


def needs_touch(key: str | os.PathLike[str]) -> bool:
    """Whether a key lies on a security key, which waits for a finger, as its public half says."""
    path = Path(key).expanduser()
    try:
        with Path(path if path.suffix == ".pub" else f"{path}.pub").open("rb") as stream:
            return stream.read(3) == b"sk-"
    except (OSError, ValueError):
        return False


def fingerprint(signature: str) -> str:
    """The fingerprint of the key that made a signature, as ``ssh-keygen -l`` prints it; empty if it is none."""
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
    """Whose signatures count: the file of allowed signers, and that of revoked keys, either of which may be missing."""

    allowed: Path
    revoked: Path

    def look(self, event: Event) -> Signature:
        """Whether the signature of an event holds, and is that of the account which the event says it is by."""
        signature = event.detail.get(SIGNATURE)
        text = signature if isinstance(signature, str) and len(signature) <= _LONGEST else ""
        key = fingerprint(text)
        if not key or not _is_signable(event):
            return Signature(event.by, event.at, key, code=BAD, problem="there is no signature in it")
        with _signature_file(text) as path:
            principals = self._principals(path, event)
            wanted = _identities(principals, event.by)
            for principal in wanted:
                if self._holds(path, event, principal):
                    return Signature(event.by, event.at, key, principal)
            if not self._fits(path, event):
                return Signature(
                    event.by, event.at, key, code=BAD, problem="the signature is not over what stands there"
                )
            named = (each for each in principals if each not in wanted and not _is_pattern(each))
            others = [each for each in named if self._holds(path, event, each)]
        if others:
            problem = f"says {event.by}, but is signed by {others[0]}"
            return Signature(event.by, event.at, key, code=OTHER, problem=problem)
        known = f"{key} is none of {self.allowed.name}, or not any more"
        problem = known if self.allowed.is_file() else f"there is no {self.allowed.name} to know {key} by"
        return Signature(event.by, event.at, key, code=UNKNOWN, problem=problem)

    def signed_by(self, event: Event, principal: str) -> bool:
        """Whether the signature of an event is one of ``principal``."""
        signature = event.detail.get(SIGNATURE)
        if not isinstance(signature, str) or len(signature) > _LONGEST or not self.allowed.is_file():
            return False
        with _signature_file(signature) as path:
            return self._holds(path, event, principal)

    def _principals(self, signature: str, event: Event) -> list[str]:
        """Whom the key belongs to, as ``allowed_signers`` names them, patterns as they stand."""
        if not self.allowed.is_file():
            return []
        words = ["-Y", "find-principals", "-f", str(self.allowed), "-s", signature, *self._moment(event)]
        done = _run(words, b"", _CHECKING)
        return done.output.decode("utf-8", "replace").split("\n")[:-1] if done.code == 0 else []

    def _holds(self, signature: str, event: Event, principal: str) -> bool:
        words = ["-Y", "verify", "-n", NAMESPACE, "-f", str(self.allowed), "-I", principal, "-s", signature]
        if os.path.lexists(self.revoked):  # one that can't be read revokes everything
            words += ["-r", str(self.revoked)]
        return _run([*words, *self._moment(event)], signed_bytes(event), _CHECKING).code == 0

    def _fits(self, signature: str, event: Event) -> bool:
        words = ["-Y", "check-novalidate", "-n", NAMESPACE, "-s", signature]
        return _run(words, signed_bytes(event), _CHECKING).code == 0

    def _moment(self, event: Event) -> list[str]:
        """The time at which a key must have been valid, in the local time that ``ssh-keygen`` reads.

        Releases that know of no validity know no such option either: it is given only where it matters.
        """
        from ..core.quantities import parse_epoch

        try:
            limited = b"valid-" in self.allowed.read_bytes()
        except OSError:
            limited = False
        moment = parse_epoch(event.at)
        if not limited or moment is None:
            return []
        return [f"-Overify-time={time.strftime('%Y%m%d%H%M%S', time.localtime(moment))}"]


def _identities(principals: Sequence[str], account: str) -> list[str]:
    """Of these principals those that can mean an account: its name alone, or with ``@`` and anything behind it."""
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


def _is_signable(event: Event) -> bool:
    """Whether an event, which may have been written by anybody, can be spelt canonically."""
    try:
        return bool(signed_bytes(event))
    except (TypeError, ValueError, RecursionError):
        return False


@contextmanager
def _signature_file(signature: str) -> Iterator[str]:
    """``ssh-keygen`` reads a signature from a file only."""
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile(prefix="registry-signature-") as stream:
        stream.write(signature.encode("utf-8", "replace"))
        stream.flush()
        yield stream.name


def _run(words: Sequence[str], data: bytes, seconds: float) -> Finished:
    from ..core import subprocesses

    try:
        done = subprocesses.run([_TOOL, *words], data=data, seconds=seconds)
    except FileNotFoundError:
        raise RegistryError(f"{_TOOL} is not installed, and signatures are its work", _INSTALL) from None
    if done.code and any(sign in done.errors for sign in _OLD):
        raise RegistryError(f"{_TOOL} is too old for signatures", _INSTALL)
    return done


def _last_line(errors: bytes) -> str:
    """The last thing that a program complained of, on one line."""
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    return replace_unprintable(lines[-1])[:300] if lines else "it did not say why"


SIGNED = "signed"
MISPLACED = "signature-misplaced"


def load_trust(layout: Layout) -> Trust:
    """Whose signatures count in a registry."""
    return Trust(layout.allowed_signers, layout.revoked_signers)


def parse_signatures(said: Mapping[str, Any]) -> list[Event]:
    """The signatures that the annotation of a version has, each as the event that made it."""
    found = []
    entries = said.get("signatures")
    for entry in entries if isinstance(entries, list) else ():
        try:
            event = Event.parse(entry if isinstance(entry, Mapping) else {})
        except (KeyError, TypeError):
            continue  # it is no signature of anybody; ``verify`` compares the document with the history
        if event.action == SIGNED:
            found.append(event)
    return found


def add_signature(said: Mapping[str, Any], event: Event) -> list[Any]:
    """The list of an annotation with ``event`` in it: of each key the newest only."""
    entries = said.get("signatures")
    kept = [entry for entry in (entries if isinstance(entries, list) else []) if _key(entry) != _key(event.document())]
    return [*kept, event.document()]


def _key(entry: object) -> str:
    signature = entry.get(SIGNATURE) if isinstance(entry, Mapping) else None
    return fingerprint(signature) if isinstance(signature, str) else ""


def signature_subject(version: VersionRecord, record: str) -> dict[str, str]:
    """What a signature of ``version`` is about, as its event has it; ``record`` is the sha256 of ``version.yaml``."""
    return {"digest": f"sha256:{version.digest}", "record": f"sha256:{record}"}


def verify_version_signature(event: Event, about: Mapping[str, str], trust: Trust) -> Signature:
    """A signature of a version: whether it holds, and is about just this version."""
    found = trust.look(event)
    if not found.code and any(event.detail.get(name) != value for name, value in about.items()):
        problem = "it is the signature of another version"
        return Signature(found.by, found.at, found.key, code=MISPLACED, problem=problem)
    return found


def unsigned(events: list[Event], about: Mapping[str, str], trust: Trust, principal: str) -> str:
    """Why a version has no signature of ``principal`` that holds; empty when it has one."""
    ours = [event for event in events if all(event.detail.get(name) == value for name, value in about.items())]
    if any(trust.signed_by(event, principal) for event in ours):
        return ""
    if not trust.allowed.is_file():
        return f"there is no {trust.allowed.name} in the registry"
    others = len(events) - len(ours)
    return "no signature of theirs holds" if ours else "not signed" if not others else "signed for another version"


@dataclass
class SignatureCheck:
    """What was found in one model: the problems, how many signatures were checked, and how many versions have none."""

    problems: list[Problem] = field(default_factory=list)
    signatures: int = 0
    unsigned: int = 0

    def take(self, where: str, what: str, found: Signature) -> None:
        self.signatures += 1
        if found.code:
            self.problems.append(Problem(found.code, "error", where, f"{what}: {found.problem}"))


def check_model(paths: ModelLayout, trust: Trust) -> SignatureCheck:
    """Every signature of a model. What can't be read is no signature: that it is damaged, ``verify`` tells."""
    done = SignatureCheck()
    try:
        model = ModelReader(paths)
        state = model.state()
        numbers = model.numbers(state.table)
    except (RegistryError, OSError):
        return done
    told: set[tuple[str, str]] = set()
    for number in numbers:
        try:
            about = signature_subject(model.sealed(number), model.seal(number))
            events = parse_signatures(model.annotation(number, state))
        except (RegistryError, OSError):
            continue
        good = 0
        for event in events:
            found = verify_version_signature(event, about, trust)
            good += not found.code
            done.take(f"{paths.name}@{number}", f"signed by {event.by}", found)
            told.add((event.id, str(event.detail.get(SIGNATURE))))
        done.unsigned += not good
    for event in _signed_events(paths):
        if (event.id, str(event.detail.get(SIGNATURE))) not in told:
            done.take(*_describe_event(paths, event), _verify_event_signature(model, event, trust))
    return done


def _signed_events(paths: ModelLayout) -> Iterator[Event]:
    """The events of the history that carry a signature, the oldest first."""
    entries = history.newest_first(paths)
    return reversed([entry.event for entry in entries if SIGNATURE in entry.event.detail])


def _describe_event(paths: ModelLayout, event: Event) -> tuple[str, str]:
    where = paths.name if event.version is None else f"{paths.name}@{event.version}"
    return where, f"{event.action} by {event.by} at {event.at}"


def _verify_event_signature(model: ModelReader, event: Event, trust: Trust) -> Signature:
    """The signature of an event, which names the version it is about by the sha256 of its document."""
    found = trust.look(event)
    if found.code or event.version is None:
        return found
    try:
        record = model.seal(event.version)
    except (RegistryError, OSError):
        return found  # deleted since, or damaged
    if event.detail.get("record") != f"sha256:{record}":
        problem = "it was signed for a version of another model, or registry"
        return Signature(found.by, found.at, found.key, code=MISPLACED, problem=problem)
    return found
