"""Signing: the verb sign."""

from __future__ import annotations

from typing import Annotated

import typer

from ..command import command
from ..options import DryRun, VersionRef, touched
from ..session import Session


@command(
    "sign",
    examples=[
        "registry sign churn@7 --key ~/.ssh/id_ed25519",
        "registry sign churn@production --key ~/.ssh/id_ed25519_sk.pub",
        "registry verify churn --signatures",
    ],
    exits=(0, 1, 2, 3, 4, 6, 7, 8),
)
def sign(
    cx: Session,
    ref: VersionRef,
    key: Annotated[
        str, typer.Option("--key", metavar="KEY", help="The path of an SSH key, or of a public one an agent holds.")
    ],
    dry_run: DryRun = False,
) -> None:
    """`ssh-keygen -Y sign` signs the digest of its files and all that was registered of it. Agents and security keys
    work. Whose keys count stands in `allowed_signers`, in the registry's folder; `verify --signatures` looks.

    In a pipe: the reference.
    """
    done = cx.registry().sign(ref, touched(cx, key) or key, dry_run=dry_run, request_id=cx.request_id)
    cx.say(f"{done.refs[0]}: {'would be signed' if dry_run else 'signed' if done.changed else 'was signed already'}")
    cx.show_one("changed", done, done.refs[0])
