"""What a pointer did, in words: one form for promote, demote, rollback and alias."""

from __future__ import annotations

from ..core.results import Moved
from .session import Session


def show(cx: Session, done: Moved, dry_run: bool) -> None:
    """Print where a stage or an alias points now, and on standard error where it pointed before."""
    report(cx, done, dry_run=dry_run)
    cx.show_one("moved", done, done.ref)


def report(cx: Session, done: Moved, *, dry_run: bool = False) -> None:
    """Say on standard error where a pointer points now, where it pointed before, and what was overridden for that."""
    after = "nothing" if done.after is None else f"{done.model}@{done.after}"
    before = "nothing" if done.before is None else f"{done.model}@{done.before}"
    if not done.changed:
        cx.say(f"{done.pointer} of {done.model} is {after} already")
    else:
        cx.say(f"{done.pointer} of {done.model} {'would be' if dry_run else 'is now'} {after} (was {before})")
    if done.overridden:
        would = "would override" if dry_run else "overrides" if done.changed else "overrode"
        cx.warn(f"this {would} the policy of {done.pointer}: {', '.join(done.overridden)}")
