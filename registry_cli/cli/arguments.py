"""What each verb takes, for completion. Made by docs/generate.py from the commands (`make docs`)."""

# fmt: off

#: Options with all their spellings; "=" takes a value, "=FILE" a file or a folder.
SHARED = "--registry,-C=FILE --json --quiet,-q --no-color --no-input --debug --help,-h"
WRITING = "--lock-timeout= --request-id="
INDEXED = "--no-index"
#: For each verb the kinds of its arguments, and its own options.
VERBS = {
    "init": ("dir", "--shared= --stages="),
    "info": ("", ""),
    "config": ("text model", ""),
    "register": ("model file*", "--param,-p= --metric,-m= --tag,-t= --annotate= --params-file=FILE --params-only= --metrics-file=FILE --metrics-only= --skip-invalid --message= --stage= --alias= --as= --exclude= --include= --if-changed --update --link --move --scan= --reuse-name --allow-unsafe --reason= --no-inspect --parent= --data=FILE --code=FILE --command= --environment=FILE --python=FILE --lineage= --no-lineage"),
    "inspect": ("target*", ""),
    "import": ("source", "--as= --only= --artifacts=FILE --exclude= --include= --merge --skip-existing --stages --aliases --reuse-name --allow-unsafe --reason= --dry-run,-n"),
    "list": ("", "--stage= --where,-w= --as-of="),
    "versions": ("model", "--all,-a --where,-w= --stage= --alias= --tag,-t= --sort= --columns= --limit= --as-of="),
    "search": ("text", "--all,-a --stage= --alias= --tag,-t= --sort= --columns= --limit="),
    "show": ("ref", "--as-of="),
    "find": ("file*", ""),
    "diff": ("ref ref", "--exit-code"),
    "compare": ("model@ selector*", "--all-rows --limit= --all,-a --where,-w= --lower= --higher= --csv"),
    "path": ("ref text", "--verify --as-of="),
    "fetch": ("ref", "--output,-o=FILE --only= --exclude= --force"),
    "cat": ("ref text", "--only= --exclude="),
    "export": ("ref*", "--all,-a --format= --flavor= --force"),
    "tag": ("ref text*", "--remove,-r= --dry-run,-n"),
    "annotate": ("ref text*", "--from-file= --remove,-r= --dry-run,-n"),
    "log-metric": ("ref text*", "--metrics-file=FILE --metrics-only= --skip-invalid --dry-run,-n"),
    "alias": ("ref alias", "--remove --expect= --dry-run,-n"),
    "describe": ("model", "--description= --owner= --tag,-t= --annotate= --remove,-r= --reason= --reuse-name --dry-run,-n"),
    "edit": ("model", "--reason="),
    "rename": ("model text", "--reason= --reuse-name --dry-run,-n"),
    "transfer": ("model text", "--reason= --dry-run,-n"),
    "card": ("ref", "--check --output,-o=FILE --force"),
    "check": ("ref stage", ""),
    "approve": ("ref stage", "--reject --reason= --review --yes,-y --sign=FILE --dry-run,-n"),
    "approvals": ("ref", ""),
    "promote": ("ref stage", "--expect= --reason= --archive-previous --no-verify --force --sign=FILE --dry-run,-n"),
    "demote": ("ref stage", "--expect= --reason= --sign=FILE --dry-run,-n"),
    "rollback": ("model stage", "--to= --list --expect= --again --reason= --no-verify --sign=FILE --dry-run,-n"),
    "archive": ("ref*", "--reason= --force --older-than= --keep= --best= --where,-w= --keep-holders= --compress --zstd --dry-run,-n --plan=FILE"),
    "restore": ("ref*", "--dry-run,-n"),
    "delete": ("ref*", "--reason= --force --older-than= --keep= --best= --where,-w= --keep-holders= --yes,-y --dry-run,-n --plan=FILE"),
    "prune": ("model*", "--all --older-than= --keep= --best= --where,-w= --keep-holders= --reason= --yes,-y --dry-run,-n --plan=FILE"),
    "apply": ("file", "--reason= --yes,-y --dry-run,-n"),
    "gc": ("model*", "--older-than= --dry-run,-n"),
    "history": ("model", "--all,-a --since= --until= --action= --limit= --follow,-f --checkpoint"),
    "sign": ("ref", "--key=FILE --dry-run,-n"),
    "verify": ("model*", "--quick --checkpoint=FILE --signatures --allowed-signers=FILE"),
    "lineage": ("ref", "--depth= --dot --mermaid --environment --patch"),
    "reproduce": ("ref", "--check --python=FILE"),
    "repair": ("model*", "--from-blobs --dry-run,-n"),
    "scan": ("target*", "--allow= --strict --explain"),
    "trust": ("model", "--list --revoke --yes,-y"),
    "doctor": ("", ""),
    "completion": ("shell", ""),
}
