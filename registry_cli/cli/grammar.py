"""The verbs, by group, with where each is defined and what help says of it.

Help, completion and the late import of commands read it. Nothing is imported here: completion must answer at once.
What a verb takes is declared at its function; ``arguments.py`` is made of that.
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
#: The groups of ``registry --help``, in order.
GROUPS = ("begin", "put in", "find", "compare", "take out", "describe", "lifecycle", "look back", "trust", "shell")


class Verb:
    """One command, defined in the module ``home`` of ``registry_cli.cli.commands``.

    One that ``writes`` takes a lock timeout and a request id; ``indexed`` ones may be answered from the index.
    """

    def __init__(self, group: str, home: str, summary: str, *, writes: bool = False, indexed: bool = False) -> None:
        self.group, self.home, self.summary, self.writes, self.indexed = group, home, summary, writes, indexed


VERBS = {
    "init": Verb("begin", "init", "Make a folder a registry."),
    "info": Verb("begin", "init", "Show what is in the registry, and how healthy it is."),
    "config": Verb("begin", "config", "Show the settings in force and where each line stands, or their schema."),
    "register": Verb("put in", "register", "Store files as the next version of a model.", writes=True),
    "inspect": Verb("put in", "inspect", "Say what files are, before or after they are registered."),
    "import": Verb(
        "put in", "import_export", "Take in a bundle from elsewhere, or what another tool has.", writes=True
    ),
    "list": Verb("find", "list", "List the models.", indexed=True),
    "versions": Verb("find", "search", "List the versions of a model.", indexed=True),
    "search": Verb("find", "search", "List the versions, of all models, that a query selects.", indexed=True),
    "show": Verb("find", "list", "Show a version, or a model, with all that is known of it.", indexed=True),
    "find": Verb("find", "list", "Say which versions hold a file.", indexed=True),
    "diff": Verb("compare", "compare", "Show what differs between two versions.", indexed=True),
    "compare": Verb("compare", "compare", "Show versions of a model side by side.", indexed=True),
    "path": Verb("take out", "fetch", "Print where a version lies, to be used in place.", indexed=True),
    "fetch": Verb("take out", "fetch", "Copy a version to a folder, every byte checked.", indexed=True),
    "cat": Verb("take out", "fetch", "Write files of a version to standard output.", indexed=True),
    "export": Verb("take out", "import_export", "Write versions, models or all to one file, or for another tool."),
    "tag": Verb("describe", "annotate", "Set or remove tags of a version.", writes=True),
    "annotate": Verb("describe", "annotate", "Say something of a version in free text.", writes=True),
    "log-metric": Verb("describe", "annotate", "Add metrics measured after registration.", writes=True),
    "alias": Verb("describe", "annotate", "Show, set or remove aliases.", writes=True),
    "describe": Verb("describe", "models", "Say what a model is for, and who answers for it.", writes=True),
    "edit": Verb("describe", "models", "Edit what is said of a model, or the settings.", writes=True),
    "rename": Verb("describe", "models", "Give a model another name.", writes=True),
    "transfer": Verb("describe", "models", "Move a model into a group.", writes=True),
    "card": Verb("describe", "card", "Print the model card of a version, in Markdown."),
    "check": Verb("lifecycle", "check", "Say whether a stage would let a version in, and why."),
    "approve": Verb("lifecycle", "approve", "Say that a version may enter a stage, or that it may not.", writes=True),
    "approvals": Verb("lifecycle", "approve", "Show who approved or rejected a version."),
    "promote": Verb("lifecycle", "stages", "Let a stage point to a version.", writes=True),
    "demote": Verb("lifecycle", "stages", "Let a stage point to nothing.", writes=True),
    "rollback": Verb("lifecycle", "stages", "Let a stage point to what held it before.", writes=True),
    "archive": Verb("lifecycle", "archive", "Take versions out of use.", writes=True),
    "restore": Verb("lifecycle", "archive", "Bring archived versions back.", writes=True),
    "delete": Verb("lifecycle", "archive", "Remove versions for good.", writes=True),
    "prune": Verb(
        "lifecycle",
        "retention",
        "Delete archived versions by rules, or follow each model's retention policy.",
        writes=True,
    ),
    "apply": Verb("lifecycle", "retention", "Carry out a plan of archive, delete or prune.", writes=True),
    "gc": Verb("lifecycle", "archive", "Remove what nobody needs any more.", writes=True),
    "history": Verb("look back", "history", "Show every change of a model, or of all."),
    "sign": Verb("trust", "approve", "Sign a version.", writes=True),
    "verify": Verb("trust", "verify", "Check that everything is there and unchanged."),
    "lineage": Verb("look back", "lineage", "Show where a version comes from, and what came of it.", indexed=True),
    "reproduce": Verb("look back", "lineage", "Print the commands that make a version again.", indexed=True),
    "repair": Verb("trust", "verify", "Repair what can be repaired safely.", writes=True),
    "scan": Verb("trust", "scan", "Say whether files are safe to load."),
    "trust": Verb("trust", "trust", "Let the commands of policies run on this machine."),
    "doctor": Verb("trust", "verify", "Prove that this file system keeps what the registry needs."),
    "completion": Verb("shell", "completion", "Print the completion script of a shell."),
}


def code_of(verb: str, code: int) -> str:
    """What an exit code of a verb means."""
    return OWN_CODES.get((verb, code), EXIT_CODES[code])


SHELLS = ("bash", "zsh", "fish")


def overview(version: str) -> str:
    """The text of ``registry --help``: every verb with its line, group by group."""
    width = max(map(len, VERBS)) + 2
    lines = [
        f"registry {version}: the model registry that lives in a folder.",
        "",
        "Usage: registry VERB [ARGUMENTS] [OPTIONS]",
    ]
    for group in GROUPS:
        lines += ["", f"{group}:"]
        lines += [f"  {name:<{width}}{verb.summary}" for name, verb in VERBS.items() if verb.group == group]
    lines += [
        "",
        "A version is named NAME@SELECTOR: churn@7, churn@production, churn@champion, churn@latest,",
        "churn@sha256:1a2b3c4d. The registry is the folder given with -C, else $REGISTRY_HOME, else the",
        "nearest folder upward with a registry.yaml.",
        "",
        "registry VERB --help explains a verb, with examples.",
    ]
    return "\n".join(lines)
