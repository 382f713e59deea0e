"""What ``init`` writes into ``registry.yaml``: the few settings that it has, and every other one, explained.

A line that begins with ``#`` and no space is a setting: without the ``#`` it is in force. ``# `` begins an explanation.
A test takes away each ``#``, and reads what comes of it.
"""

#: What a registry with more than one stage has besides.
ENTERED = """\
# It holds one of these stages now, or has held one:
#    from: [{}]
"""

#: ``id``, ``created``, ``shared`` and ``stages`` are filled in.
REGISTRY = """\
# yaml-language-server: $schema=.schemas/registry.json
#
# A model registry: one folder, no server. Made by `registry init`; edit it as you like. `registry config show` prints
# what is in force and where it stands, and tells a mistake with its line.
#
# Below, each line that begins with # and no space is a setting that you can have: take the # away. All of them are
# explained in docs/reference/policy.md and docs/how-to/retention.md of the program, the format in docs/format.md.
#
# The same 'policy' and 'retention' may stand in models/GROUP/group.yaml, for the models of a group, and in the
# model.yaml of a model. A policy there comes on top of what is said here.
format: 1
id: '{id}'
created: '{created}'

# Who may write: 'private' (the owner) or 'group' (everyone in the Unix group of this folder).
# Set it with `registry init --shared group`: the folders' modes have to fit.
shared: {shared}

# The stages a version can be promoted to, in order. Names: a-z, 0-9, '_', '-'.
stages: [{stages}]

# What is refused when a version is registered, by what loading it would run: off, warn, refuse-dangerous (if nothing is
# said) or allowlist; and what is known besides, as `registry scan` has it.
#scan:
#  mode: allowlist
#  allow: ['ourpackage.*']

# What is recorded by itself of where a version comes from; all of it if nothing is said.
#lineage: [git, patch, run, environment]

# Whether lower or higher values of a metric are better, for names that are not in the list of docs/reference/metrics.md:
#metrics:
#  drift: lower

# What a version must satisfy before `promote` lets it into a stage. Every rule must pass.
#policy:
#  {last}:
{entered}#    require:
# Each of these says something. 'description' and 'owner' are the model's, all else is the version's:
#      fields: [description, message, annotations.training_data]
# Tags with just this text, in quotes:
#      tags: {{reviewed: 'yes'}}
# Metrics that are there and compare, in quotes:
#      metrics: {{auc: '>= 0.90', latency_ms: '<= 50'}}
# Patterns that each fit a file of the artifact, and patterns that fit none:
#      files: ['model.*']
#      forbid: ['*.csv']
# The files together have at most so many bytes:
#      max_size: 5GB
# A query that selects the version, as `registry search` has them:
#      where: not params.depth > 12
# One of these has signed it (`registry sign`):
#      signed_by: [alice@example.com]
# It has held a stage of 'from' for so long:
#      min_age_in_stage: 2d
# How much worse it may be than what holds the stage now, as a number or in percent:
#    against_current:
#      auc: {{max_drop: 0.005}}
#      logloss: {{max_rise: 1%}}
#      f1: {{max_worse: 0.01}}
# Commands that must end with exit code 0. They run on the machine of whoever promotes, after that person has looked at
# them (`registry trust`). {{path}}, {{ref}} and {{stage}} are put in; no shell runs them. 10 minutes if nothing is said:
#    checks:
#      - python /opt/checks/smoke.py {{path}}
#      - {{run: [/opt/checks/latency, --model, '{{path}}'], time_limit: 30s, name: latency}}
# How many accounts must approve it (`registry approve`), whose approvals count, and whether the author's does not:
#    approvals: 2
#    approvers: [alice, '@risk-team']
#    not_author: true
# Approvals count only with a signature by a key in allowed_signers (`registry approve --sign KEY`):
#    signed: required
# Whether `promote --force --reason` may override rules that fail (true if left out), and a rejection (false if left out):
#    force: false
#    override_rejections: false

# Which versions go by themselves, when `registry prune --all` runs. One stays if any of these keeps it.
#retention:
# Archived (hidden, restorable) is what is older than this, not among the newest, not among the best, and fits the query:
#  archive:
#    older_than: 90d
#    keep: 30
#    best: [auc:3]
#    where: not tags.audit = wanted
# Never touched are the last so many that held each stage; 3 if left out:
#    keep_holders: 3
# It is packed, too:
#    compress: true
# Deleted for good is what was archived so long ago:
#  prune:
#    older_than: 180d
"""
