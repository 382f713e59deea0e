"""The verbs: where each is defined, what help says of it, what it takes; and the exit codes.

Help, completion and the late import of commands read it. Nothing is imported here: completion must answer at once.
The last part is made of the commands by docs/generate.py (`make docs`).
"""

#: The exit codes and their meanings in help texts and ``docs/reference``.
EXIT_CODES = {
    0: "done",
    1: "failed",
    2: "usage",
    3: "not found",
    4: "conflict: already exists, is protected, or was changed concurrently",
    5: "refused by a policy or a check",
    6: "integrity: what is stored is damaged",
    7: "lock timeout: try again later",
    8: "may have been applied: retry with the same --request-id",
    130: "interrupted",
}
#: Exit codes that mean more for one verb.
OWN_CODES = {("diff", 1): "failed; or they differ (with --exit-code)"}
SHELLS = ("bash", "zsh", "fish")
#: The groups of ``registry --help``, and the verbs, in order. A verb whose group is empty is in no overview.
GROUPS = ("Get started", "Add and edit", "Retrieve", "Release", "Deploy", "Monitor", "Maintain")
ORDER = [
    "init", "info", "config", "completion", "help",
    "register", "import", "tag", "annotate", "log-metric", "alias", "describe", "edit", "rename",
    "list", "versions", "show", "search", "find", "inspect", "compare", "diff", "path", "fetch", "cat", "export", "card",
    "history", "lineage", "reproduce",
    "check", "approve", "approvals", "promote", "demote", "rollback", "undo", "sign", "trust",
    "target", "deploy", "undeploy", "sync", "deployments",
    "observe", "monitor", "profile", "drift", "report", "hooks",
    "archive", "restore", "delete", "prune", "apply", "gc", "verify", "scan", "repair", "doctor", "transfer",
]  # fmt: skip
#: The verbs that ``registry --help`` explains; of the others it shows the names.
EVERYDAY = (
    "register", "list", "versions", "show", "search", "compare", "promote", "rollback", "path", "fetch", "history", "archive",
)  # fmt: skip


class Verb:
    """A command, defined in the module ``home`` of ``registry_cli.cli.commands``.

    One that ``writes`` takes a lock timeout and a request id; ``indexed`` ones may be answered from the index; one that
    ``lists`` takes a format. Completion knows the kinds of its ``arguments``, and its own ``options`` as in ``SHARED``.
    """

    def __init__(
        self, group: str, home: str, summary: str, arguments: str = "", options: str = "", *, writes: bool = False, indexed: bool = False,
        lists: bool = False,
    ) -> None:  # fmt: skip
        self.group, self.home, self.summary, self.arguments, self.options = group, home, summary, arguments, options
        self.writes, self.indexed, self.lists = writes, indexed, lists


def code_of(verb: str, code: int) -> str:
    return OWN_CODES.get((verb, code), EXIT_CODES[code])


def overview() -> str:
    """The text of ``registry --help``: at most 24 lines of 80 columns."""
    topics = []
    for group in GROUPS:
        names = [name for name, verb in VERBS.items() if verb.group == group and name not in EVERYDAY]
        topics += [f"  {group:<14}{' '.join(names)}"] * bool(names)
    spellings = [option.partition("=") for option in SHARED.split()]
    options = [
        names.rpartition(",")[2] + f" {'DIR' if kind else 'VALUE'}" * bool(mark) for names, mark, kind in spellings
    ]
    return "\n".join(
        [
            "Usage: registry VERB [ARGUMENTS] [OPTIONS] | registry --version",
            "",
            *(f"  {name:<14}{VERBS[name].summary}" for name in EVERYDAY),
            "",
            *topics,
            f"  {'Options':<14}{' '.join(options)}",
            f"  {'Read on':<14}registry help VERB | TOPIC (query, policy, formats ...) | --all",
        ]
    )


# fmt: off
# Generated: do not edit below.
#: Options with all their spellings; "=" takes a value, "=FILE" a file or a folder, "=KIND" a value that completion knows.
SHARED = "--registry,-C=FILE --json --quiet,-q --no-color --no-pager --no-input --debug --help,-h"
WRITING = "--lock-timeout= --request-id="
INDEXED = "--no-index"
LISTING = "--format=table|tsv|csv|json|jsonl|yaml|markdown --no-header,--header"
FIELDS = "model group version stage alias archived author created age size files format digest message"
VERBS = {
    "init": Verb("Get started", "init", "Initialize a registry in a folder.", "dir", "--shared=private|group --stages="),
    "info": Verb("Get started", "init", "Show a summary of the registry and its health.", "", "", lists=True),
    "config": Verb("Get started", "init", "Show the effective settings and their source, or their schema.", "show|schema model", "", lists=True),
    "completion": Verb("Get started", "init", "Print the completion script of a shell.", "bash|zsh|fish", ""),
    "help": Verb("Get started", "help", "Show help for a verb or a topic.", "topic", "--all,-a"),
    "register": Verb("Add and edit", "register", "Register files as the next version of a model.", "model file*", "--param,-p= --metric,-m= --tag,-t= --annotate= --params-file=FILE --params-only= --metrics-file=FILE --metrics-only= --skip-invalid --message= --stage=stage --alias=alias --as= --exclude= --include= --if-changed --update --link --move --scan=warn|refuse-dangerous|allowlist --reuse-name --allow-unsafe --reason= --no-inspect --parent=ref --data=FILE --code=FILE --command= --environment=FILE --python=FILE --lineage= --no-lineage --dry-run,-n", writes=True),
    "import": Verb("Add and edit", "import_export", "Import a bundle, or models from MLflow, BentoML, DVC or Hugging Face.", "source", "--as= --only= --artifacts=FILE --exclude= --include= --merge --skip-existing --stages --aliases --reuse-name --allow-unsafe --reason= --dry-run,-n", writes=True, lists=True),
    "tag": Verb("Add and edit", "annotate", "Set or remove tags of a version.", "ref text*", "--remove,-r= --dry-run,-n", writes=True),
    "annotate": Verb("Add and edit", "annotate", "Add free-text notes to a version.", "ref text*", "--from-file= --remove,-r= --dry-run,-n", writes=True),
    "log-metric": Verb("Add and edit", "annotate", "Add metrics measured after registration.", "ref text*", "--metrics-file=FILE --metrics-only= --skip-invalid --dry-run,-n", writes=True),
    "alias": Verb("Add and edit", "annotate", "Show, set or remove aliases.", "ref alias", "--remove --expect=version --dry-run,-n", writes=True, lists=True),
    "describe": Verb("Add and edit", "models", "Set a model's description, owner and tags.", "model", "--description= --owner= --tag,-t= --annotate= --remove,-r= --reason= --reuse-name --dry-run,-n", writes=True),
    "edit": Verb("Add and edit", "models", "Edit model.yaml or registry.yaml in $EDITOR.", "model", "--reason= --targets", writes=True),
    "rename": Verb("Add and edit", "models", "Rename a model, or move it into or out of a group.", "model text", "--reason= --reuse-name --dry-run,-n", writes=True),
    "list": Verb("Retrieve", "list", "List the models.", "", "--stage=stage --where,-w= --sort=name|created|updated|versions|owner --as-of=", indexed=True, lists=True),
    "versions": Verb("Retrieve", "search", "List the versions of a model.", "model", "--all,-a --where,-w= --stage=stage --alias=alias --tag,-t= --sort=field --columns=field --limit= --as-of=", indexed=True, lists=True),
    "show": Verb("Retrieve", "list", "Show details of a version or model.", "ref", "--as-of=", indexed=True, lists=True),
    "search": Verb("Retrieve", "search", "Search versions of all models with a query.", "text", "--all,-a --stage=stage --alias=alias --tag,-t= --sort=field --columns=field --limit=", indexed=True, lists=True),
    "find": Verb("Retrieve", "list", "Find the versions that contain a file.", "file*", "", indexed=True, lists=True),
    "inspect": Verb("Retrieve", "scan", "Inspect model files (format, framework, signature).", "target*", "", lists=True),
    "compare": Verb("Retrieve", "compare", "Compare versions of a model side by side.", "model@ selector*", "--all-rows --limit= --all,-a --where,-w= --lower= --higher= --csv", indexed=True, lists=True),
    "diff": Verb("Retrieve", "compare", "Show what differs between two versions.", "ref ref", "--exit-code", indexed=True, lists=True),
    "path": Verb("Retrieve", "fetch", "Print the path to a version's files.", "ref member", "--verify --as-of=", indexed=True),
    "fetch": Verb("Retrieve", "fetch", "Copy a version's files to a folder and verify them.", "ref", "--output,-o=FILE --only=member --exclude=member --force", indexed=True),
    "cat": Verb("Retrieve", "fetch", "Write files of a version to standard output.", "ref member", "--only=member --exclude=member --force", indexed=True),
    "export": Verb("Retrieve", "import_export", "Export versions or models to one file, or a version for another tool.", "ref*", "--all,-a --format=mlflow|hf|bentoml|cyclonedx --flavor= --force"),
    "card": Verb("Retrieve", "import_export", "Print the model card of a version, in Markdown.", "ref", "--check --output,-o=FILE --force", lists=True),
    "history": Verb("Retrieve", "history", "Show the changes of a model, or of all models.", "model", "--all,-a --since= --until= --action=registered|promoted|demoted|rolled-back|aliased|unaliased|archived|packed|restored|deleted|tagged|annotated|measured|approved|rejected|signed|described|renamed|repaired|passed-over|alerted|recovered|observations-closed|profiled|model-deleted|deploying|deployed|deploy-failed|undeployed|deployment-changed --stage=stage --limit= --follow,-f --utc --checkpoint", lists=True),
    "lineage": Verb("Retrieve", "lineage", "Show a version's lineage.", "ref", "--depth= --dot --mermaid --environment --patch", indexed=True, lists=True),
    "reproduce": Verb("Retrieve", "lineage", "Print a script that reproduces a version.", "ref", "--check --python=FILE", indexed=True, lists=True),
    "check": Verb("Release", "gates", "Check whether a version passes a stage's policy.", "ref stage", "", lists=True),
    "approve": Verb("Release", "gates", "Approve or reject a version for a stage.", "ref stage", "--reject --reason= --review --yes,-y --sign=FILE --dry-run,-n", writes=True),
    "approvals": Verb("Release", "gates", "List the approvals and rejections of a version.", "ref", "--pending --mine", lists=True),
    "promote": Verb("Release", "stages", "Promote a version to a stage.", "ref stage", "--expect=version --reason= --archive-previous --no-verify --force --sign=FILE --dry-run,-n", writes=True),
    "demote": Verb("Release", "stages", "Clear a stage.", "ref stage", "--expect=version --reason= --sign=FILE --dry-run,-n", writes=True),
    "rollback": Verb("Release", "stages", "Roll a stage back to its previous version.", "model stage", "--to=selector --list --expect=version --again --reason= --no-verify --sync --sign=FILE --dry-run,-n", writes=True, lists=True),
    "undo": Verb("Release", "stages", "Undo your own last move of a stage or alias.", "model", "--expect=version --reason= --no-verify --yes,-y --sign=FILE --dry-run,-n", writes=True),
    "sign": Verb("Release", "gates", "Sign a version.", "ref", "--key=FILE --dry-run,-n", writes=True),
    "trust": Verb("Release", "trust", "Trust policy commands on this machine.", "model", "--list --revoke --target= --yes,-y", lists=True),
    "target": Verb("Deploy", "deployments", "List, show or check the targets that versions are deployed to.", "list|show|check text", "", lists=True),
    "deploy": Verb("Deploy", "deployments", "Deploy a version to a target: copy it there, and let the server load it.", "ref", "--to= --expect=version --wait= --no-reload --keep-failed --reason= --force --sign=FILE --dry-run,-n", writes=True),
    "undeploy": Verb("Deploy", "deployments", "End the deployment of a model to a target.", "model", "--from= --forget --reason= --dry-run,-n", writes=True),
    "sync": Verb("Deploy", "deployments", "Deploy to targets the versions of the stages that they follow.", "text*", "--all,-a --dry-run,-n", lists=True),
    "deployments": Verb("Deploy", "deployments", "Show which targets run which versions.", "model*", "--target= --check --as-of=", indexed=True, lists=True),
    "observe": Verb("Monitor", "monitor", "Record metrics of a version in use.", "ref text*", "--at= --n= --target= --slice= --from= --format=csv|jsonl|json|nannyml --dry-run,-n", writes=True),
    "monitor": Verb("Monitor", "monitor", "Check recorded metrics against the rules.", "ref*", "--window= --plot --dry-run,-n", writes=True, lists=True),
    "profile": Verb("Monitor", "monitor", "Record what the data of a version looks like.", "ref text", "--column= --dry-run,-n", writes=True),
    "drift": Verb("Monitor", "monitor", "Measure how far data is from the profile of a version.", "ref text", "--target= --max= --dry-run,-n", writes=True, lists=True),
    "report": Verb("Monitor", "report", "Write pages about models in HTML, or serve them on this machine.", "model*", "--output,-o= --since= --open --serve --port=", indexed=True),
    "hooks": Verb("Monitor", "trust", "List your hooks, or try them.", "list|test", "", lists=True),
    "archive": Verb("Maintain", "archive", "Archive versions.", "ref*", "--reason= --force --older-than= --keep= --best= --where,-w= --keep-holders= --compress --zstd --dry-run,-n --plan=FILE --limit= --changes-only", writes=True, lists=True),
    "restore": Verb("Maintain", "archive", "Restore archived versions.", "ref*", "--dry-run,-n", writes=True),
    "delete": Verb("Maintain", "archive", "Delete versions permanently.", "ref*", "--model --reason= --force --older-than= --keep= --best= --where,-w= --keep-holders= --yes,-y --dry-run,-n --plan=FILE --limit= --changes-only", writes=True, lists=True),
    "prune": Verb("Maintain", "archive", "Delete archived versions by rules, or apply each model's retention policy.", "model*", "--all --older-than= --keep= --best= --where,-w= --keep-holders= --reason= --yes,-y --dry-run,-n --plan=FILE --limit= --changes-only", writes=True, lists=True),
    "apply": Verb("Maintain", "archive", "Apply a plan written by archive, delete or prune.", "file", "--reason= --yes,-y --limit= --changes-only --dry-run,-n", writes=True, lists=True),
    "gc": Verb("Maintain", "verify", "Remove leftover and unreferenced files.", "model*", "--older-than= --limit= --dry-run,-n", writes=True, lists=True),
    "verify": Verb("Maintain", "verify", "Verify that everything is present and unchanged.", "ref*", "--quick --checkpoint=FILE --signatures --allowed-signers=FILE", lists=True),
    "scan": Verb("Maintain", "scan", "Check whether files are safe to load.", "target*", "--allow= --strict --explain", lists=True),
    "repair": Verb("Maintain", "verify", "Repair what can be repaired safely.", "model*", "--from-blobs --dry-run,-n", writes=True, lists=True),
    "doctor": Verb("Maintain", "verify", "Check that the file system is suitable.", "", "", lists=True),
    "transfer": Verb("", "models", "Move a model into a group (deprecated: use 'rename NAME GROUP/NAME').", "model text", "--reason= --dry-run,-n", writes=True),
}
