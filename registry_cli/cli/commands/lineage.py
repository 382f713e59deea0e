"""The origin of versions: lineage, reproduce."""

from __future__ import annotations

from typing import Annotated, Optional

from ...core.names import Reference
from ...errors import InvalidInput, Refused
from ...lineage import reproducibility
from ...store import layout
from .. import process
from ..command import command, flag, option
from ..formatting import escape, plural, supports_unicode
from ..options import Ref, ensure_alone
from ..process import write
from ..session import Output, Session
from ..views import lineage_view

#: The generations shown by default.
_DEPTH = 20
#: The names of the columns of reproduce --check in csv.
_CONDITIONS = ("condition", "outcome", "wanted", "found")
_MARKS = {"holds": "yes", "differs": "no", "unknown": "?"}


@command("lineage", "Retrieve", exits=(0, 1, 2, 3, 6), indexed=True, lists=True)
def lineage(
    cx: Session,
    ref: Ref,
    depth: Annotated[
        Optional[int], option("--depth", "N", f"The number of generations; {_DEPTH} otherwise.", min=1, max=200)
    ] = None,
    as_dot: Annotated[bool, flag("--dot", "Print the graph for Graphviz.")] = False,
    as_mermaid: Annotated[bool, flag("--mermaid", "Print the graph for Mermaid.")] = False,
    environment: Annotated[bool, flag("--environment", "Print the recorded list of packages.")] = False,
    patch: Annotated[bool, flag("--patch", "Print the uncommitted changes, for git apply.")] = False,
) -> None:
    """Show a version's lineage.

    Shows its data, code, environment, command, ancestors, descendants, the stages it holds,
    and the targets that run it. -q prints the
    references of the whole family, itself first.

    In a pipe: kind, ref, name, detail; separated by tabs. Kinds: data, code, git, environment, run, imported, parent,
    child, stage, alias, target; name and detail describe the item's relation to ref.

    Examples:
        registry lineage churn@production
        registry lineage churn@7 --mermaid
        registry lineage churn@7 --environment > requirements.txt
        registry lineage churn@7 --patch | git apply
    """
    asked = {
        "--dot": as_dot,
        "--mermaid": as_mermaid,
        "--environment": environment,
        "--patch": patch,
        "--json": cx.as_json,
        f"--format {cx.form}": cx.form not in (None, "json"),
    }
    forms = [name for name, given in {**asked, "-q": cx.quiet}.items() if given]
    if len(forms) > 1:
        raise InvalidInput(f"{forms[0]} cannot be combined with {forms[1]}", "use one of them")
    reader = cx.reader()
    if environment or patch:
        ensure_alone("--environment" if environment else "--patch", {"--depth": depth})
        process.StandardOutput().write(reader.lineage.sidecar(ref, layout.ENVIRONMENT if environment else layout.PATCH))
        return
    damage = cx.collect_damage()
    found = reader.lineage(ref, depth=depth or _DEPTH, on_damage=damage)
    if as_dot or as_mermaid:
        write(lineage_view.format_dot(found) if as_dot else lineage_view.format_mermaid(found))
    else:
        text = lineage_view.format_tree(found, unicode=supports_unicode()) if cx.has_viewer else None
        cx.show(
            Output(
                "lineage",
                found,
                lineage_view.list_references(found),
                ("kind", "ref", "name", "detail"),
                list(lineage_view.iter_rows(found)),
                text=text,
            )
        )
    damage.raise_found()


@command("reproduce", "Retrieve", exits=(0, 1, 2, 3, 5, 6), indexed=True, lists=True)
def reproduce(
    cx: Session,
    ref: Ref,
    check: Annotated[bool, flag("--check", "Check which conditions hold here; exit 5 if any does not.")] = False,
    python: Annotated[
        str | None, option("--python", "PATH", "With --check: compare with the environment of this Python.")
    ] = None,
) -> None:
    """Print a script that reproduces a version.

    The shell script clones the repository, checks out the commit, applies uncommitted changes, sets up the environment,
    verifies the digests of the data, and runs the command; comments mark what is unknown. Nothing is run: read the
    script before you run it.

    --check looks for the commit in the current repository, compares Python and packages with the active environment,
    and reads the data. Conditions that were not recorded are unknown, and do not count unless nothing else is known. -q
    prints the names of the conditions that differ.

    In a pipe: the script; with --check: condition, outcome (holds, differs, unknown), wanted, found; separated by tabs.

    Examples:
        registry reproduce churn@production
        registry reproduce churn@7 > again.sh
        registry reproduce churn@7 --check
        registry reproduce churn@7 --check --python .venv
    """
    if python is not None and not check:
        raise InvalidInput("--python requires --check", "add --check")
    reader = cx.reader()
    if check:
        _check(cx, ref, python)
        return
    if cx.form not in (None, "json"):
        raise InvalidInput(f"a script can't be printed as {cx.form}", "remove --format, or add --check")
    found = reader.lineage.reproduce(ref)
    script = reproducibility.format_script(found)
    if cx.as_json or cx.quiet:
        cx.show(Output("recipe", found, [found.version.ref]))
    else:
        write(escape(script, lines=True))


def _check(cx: Session, ref: str, python: str | None) -> None:
    reader = cx.reader()
    version = reader.version(Reference.parse(ref))
    with cx.progress(f"checking conditions of {version.ref}") as progress:
        found = reader.lineage.reproducible(version.ref, python=python, progress=progress)
    bad = [each for each in found if each.outcome == "differs"]
    body = {"items": found, "ref": version.ref}
    rows = [(each.name, each.outcome, each.wanted, each.found) for each in found]
    shown = [(_MARKS[each.outcome], each.name, each.found) for each in found]
    cx.show(
        Output(
            "conditions",
            body,
            [each.name for each in bad],
            ("holds", "condition", "here"),
            rows,
            shown=shown,
            wrap=True,
            names=_CONDITIONS,
        )
    )
    if bad:
        raise Refused(
            f"{plural(len(bad), 'condition')} of {version.ref} not met here",
            f"run 'registry reproduce {version.ref}' for the steps",
        )
    if not any(each.outcome == "holds" for each in found):
        raise Refused(
            f"{version.ref} has no recorded lineage to check", "register with --command, --environment and --data"
        )
