"""The whole grammar as one table: the verbs, by room, with what each takes.

Help, completion and the late import of commands read it. Nothing is imported here: completion must answer at once.
A test holds it to what the commands declare.
"""

#: The exit codes, as every help text and ``docs/reference`` tell them.
EXIT_CODES = {
    0: "done",
    1: "failed",
    2: "usage",
    3: "not found",
    4: "conflict: exists already, is protected, or was changed by somebody else",
    5: "refused by a policy or a check",
    6: "integrity: what is stored is damaged",
    7: "lock timeout: try again later",
    8: "may have been applied: retry with the same --request-id",
    130: "interrupted",
}

#: What a code means for one verb besides.
OWN_CODES = {("diff", 1): "failed; or they differ (with --exit-code)"}

#: Options that every command takes, and those that every writing command takes besides.
COMMON = ("--registry", "--json", "--quiet", "--no-color", "--no-input", "--debug", "--help")
WRITING = ("--lock-timeout", "--request-id")
INDEXED = ("--no-index",)


#: The module of ``registry_cli.cli.commands`` that holds the commands of a room.
ROOMS = {
    "begin": "init",
    "put in": "register",
    "find": "list",
    "compare": "compare",
    "take out": "fetch",
    "describe": "annotate",
    "lifecycle": "archive",
    "look back": "history",
    "trust": "verify",
    "shell": "completion",
}


class Verb:
    """One command. ``takes`` are the kinds of its arguments (``ref``, ``model``, ``stage``, ``file``, ``target``: a file or
    a reference …), the last one
    again and again when it ends with ``*``; ``options`` are its own options by their long names. ``indexed`` ones may
    be answered from the index; ``home`` is the module of the command, if it is not that of its room.
    """

    def __init__(
        self,
        room: str,
        summary: str,
        takes: str = "",
        options: str = "",
        *,
        writes: bool = False,
        indexed: bool = False,
        home: str = "",
    ) -> None:
        self.room, self.summary, self.writes, self.indexed = room, summary, writes, indexed
        self.home = home or ROOMS[room]
        self.takes = tuple(takes.split())
        self.options = tuple(f"--{name}" for name in options.split())

    @property
    def all_options(self) -> tuple[str, ...]:
        return self.options + (WRITING if self.writes else ()) + (INDEXED if self.indexed else ()) + COMMON


_REGISTER = (  # what is said of it, what is looked at, and where it comes from
    "param metric tag annotate params-file params-only metrics-file metrics-only skip-invalid message stage alias as exclude"
    " include if-changed update link move"
    " no-inspect scan reuse-name allow-unsafe reason parent data code command environment python lineage no-lineage"
)
_RULES = "older-than keep best where keep-holders"  # which versions go

VERBS = {
    "init": Verb("begin", "Make a folder a registry.", "dir", "shared stages"),
    "info": Verb("begin", "Show what is in the registry, and how healthy it is."),
    "config": Verb(
        "begin",
        "Show the settings in force and where each line stands, or their schema.",
        "text model",
        home="config",
    ),
    "register": Verb("put in", "Store files as the next version of a model.", "model file*", _REGISTER, writes=True),
    "inspect": Verb("put in", "Say what files are, before or after they are registered.", "target*", home="inspect"),
    "import": Verb(
        "put in",
        "Take in a bundle from elsewhere, or what another tool has.",
        "source",
        "as only artifacts exclude include merge skip-existing stages aliases reuse-name allow-unsafe reason dry-run",
        writes=True,
        home="import_export",
    ),
    "list": Verb("find", "List the models.", "", "stage where as-of", indexed=True),
    "versions": Verb(
        "find",
        "List the versions of a model.",
        "model",
        "all where stage alias tag sort columns limit as-of",
        indexed=True,
        home="search",
    ),
    "search": Verb(
        "find",
        "List the versions, of all models, that a query selects.",
        "text",
        "all stage alias tag sort columns limit",
        indexed=True,
        home="search",
    ),
    "show": Verb("find", "Show a version, or a model, with all that is known of it.", "ref", "as-of", indexed=True),
    "find": Verb("find", "Say which versions hold a file.", "file*", "", indexed=True),
    "diff": Verb("compare", "Show what differs between two versions.", "ref ref", "exit-code", indexed=True),
    "compare": Verb(
        "compare",
        "Show versions of a model side by side.",
        "model@ selector*",
        "all-rows limit all where lower higher csv",
        indexed=True,
    ),
    "path": Verb(
        "take out", "Print where a version lies, to be used in place.", "ref text", "verify as-of", indexed=True
    ),
    "fetch": Verb(
        "take out", "Copy a version to a folder, every byte checked.", "ref", "output only exclude force", indexed=True
    ),
    "cat": Verb("take out", "Write files of a version to standard output.", "ref text", "only exclude", indexed=True),
    "export": Verb(
        "take out",
        "Write versions, models or all to one file, or for another tool.",
        "ref*",
        "all format flavor force",
        home="import_export",
    ),
    "tag": Verb("describe", "Set or remove tags of a version.", "ref text*", "remove dry-run", writes=True),
    "annotate": Verb(
        "describe", "Say something of a version in free text.", "ref text*", "from-file remove dry-run", writes=True
    ),
    "log-metric": Verb(
        "describe",
        "Add metrics measured after registration.",
        "ref text*",
        "metrics-file metrics-only skip-invalid dry-run",
        writes=True,
    ),
    "alias": Verb("describe", "Show, set or remove aliases.", "ref alias", "remove expect dry-run", writes=True),
    "describe": Verb(
        "describe",
        "Say what a model is for, and who answers for it.",
        "model",
        "description owner tag annotate remove reason reuse-name dry-run",
        writes=True,
        home="models",
    ),
    "edit": Verb(
        "describe", "Edit what is said of a model, or the settings.", "model", "reason", writes=True, home="models"
    ),
    "rename": Verb(
        "describe",
        "Give a model another name.",
        "model text",
        "reason reuse-name dry-run",
        writes=True,
        home="models",
    ),
    "transfer": Verb(
        "describe", "Move a model into a group.", "model text", "reason dry-run", writes=True, home="models"
    ),
    "card": Verb(
        "describe", "Print the model card of a version, in Markdown.", "ref", "check output force", home="card"
    ),
    "check": Verb("lifecycle", "Say whether a stage would let a version in, and why.", "ref stage", home="check"),
    "approve": Verb(
        "lifecycle",
        "Say that a version may enter a stage, or that it may not.",
        "ref stage",
        "reject reason review yes sign dry-run",
        writes=True,
        home="approve",
    ),
    "approvals": Verb("lifecycle", "Show who approved or rejected a version.", "ref", home="approve"),
    "promote": Verb(
        "lifecycle",
        "Let a stage point to a version.",
        "ref stage",
        "expect reason archive-previous no-verify force sign dry-run",
        writes=True,
        home="stages",
    ),
    "demote": Verb(
        "lifecycle",
        "Let a stage point to nothing.",
        "ref stage",
        "expect reason sign dry-run",
        writes=True,
        home="stages",
    ),
    "rollback": Verb(
        "lifecycle",
        "Let a stage point to what held it before.",
        "model stage",
        "to list expect again reason no-verify sign dry-run",
        writes=True,
        home="stages",
    ),
    "archive": Verb(
        "lifecycle",
        "Take versions out of use.",
        "ref*",
        f"reason force {_RULES} compress zstd dry-run plan",
        writes=True,
    ),
    "restore": Verb("lifecycle", "Bring archived versions back.", "ref*", "dry-run", writes=True),
    "delete": Verb(
        "lifecycle", "Remove versions for good.", "ref*", f"reason force {_RULES} yes dry-run plan", writes=True
    ),
    "prune": Verb(
        "lifecycle",
        "Delete archived versions by rules, or follow each model's retention policy.",
        "model*",
        f"all {_RULES} reason yes dry-run plan",
        writes=True,
        home="retention",
    ),
    "apply": Verb(
        "lifecycle",
        "Carry out a plan of archive, delete or prune.",
        "file",
        "reason yes dry-run",
        writes=True,
        home="retention",
    ),
    "gc": Verb("lifecycle", "Remove what nobody needs any more.", "model*", "older-than dry-run", writes=True),
    "history": Verb(
        "look back",
        "Show every change of a model, or of all.",
        "model",
        "all since until action limit follow checkpoint",
    ),
    "sign": Verb("trust", "Sign a version.", "ref", "key dry-run", writes=True, home="sign"),
    "verify": Verb(
        "trust",
        "Check that everything is there and unchanged.",
        "model*",
        "quick checkpoint signatures allowed-signers",
    ),
    "lineage": Verb(
        "look back",
        "Show where a version comes from, and what came of it.",
        "ref",
        "depth dot mermaid environment patch",
        indexed=True,
        home="lineage",
    ),
    "reproduce": Verb(
        "look back",
        "Print the commands that make a version again.",
        "ref",
        "check python",
        indexed=True,
        home="lineage",
    ),
    "repair": Verb("trust", "Repair what can be repaired safely.", "model*", "from-blobs dry-run", writes=True),
    "scan": Verb("trust", "Say whether files are safe to load.", "target*", "allow strict explain", home="scan"),
    "trust": Verb(
        "trust", "Let the commands of policies run on this machine.", "model", "list revoke yes", home="trust"
    ),
    "doctor": Verb("trust", "Prove that this file system keeps what the registry needs."),
    "completion": Verb("shell", "Print the completion script of a shell.", "shell"),
}


def code_of(verb: str, code: int) -> str:
    """What an exit code of a verb means."""
    return OWN_CODES.get((verb, code), EXIT_CODES[code])


SHELLS = ("bash", "zsh", "fish")


def overview(version: str) -> str:
    """The text of ``registry --help``: every verb with its line, room by room."""
    width = max(map(len, VERBS)) + 2
    lines = [
        f"registry {version}: the model registry that lives in a folder.",
        "",
        "Usage: registry VERB [ARGUMENTS] [OPTIONS]",
    ]
    for room in ROOMS:
        lines += ["", f"{room}:"]
        lines += [f"  {name:<{width}}{verb.summary}" for name, verb in VERBS.items() if verb.room == room]
    lines += [
        "",
        "A version is named NAME@SELECTOR: churn@7, churn@production, churn@champion, churn@latest,",
        "churn@sha256:1a2b3c4d. The registry is the folder given with -C, else $REGISTRY_HOME, else the",
        "nearest folder upward with a registry.yaml.",
        "",
        "registry VERB --help explains a verb, with examples.",
    ]
    return "\n".join(lines)
