"""Synth-Empathy, reproduced: from raw EmpatheticDialogues to the paper's tables and figures.

    snakemake --cores 2 table1                                   the paper's run (config.yaml)
    snakemake --cores 2 --configfile config/demo.yaml table1     the same rules on small models
    snakemake -n --quiet rules host -- table1                    a dry-run, short: the jobs by rule
    snakemake -n table1                                          a dry-run, long: every job with its files
    snakemake --cores 2 all                                      every table and figure; Figure 7 needs judgements
    snakemake --profile slurm table1                             on a cluster, in containers (docs/cluster.md)
    snakemake --cores 2 novelty                                  whether the synthetic data leaks the test split
    snakemake --cores 1 check_claims                             which of the paper's claims hold in these results
    snakemake --cores 2 --config archive=DIR run=review -- reviewer    every table and figure from an archive, on a CPU

The rules, in the order in which data flow; each file opens with what it requires and what it makes:
"""


configfile: "config.yaml"


report: "resources/captions/workflow.rst"


include: "rules/common.smk"
include: "rules/cluster.smk"


pathvars:
    results=RESULTS,
    models=MODELS,
    dataset=config["dataset"],


onstart:
    check_before_start()
    check_baselines()
    keep_configuration()


onerror:
    explain_failure(log)


include: "rules/data.smk"
include: "rules/generate.smk"
include: "rules/train.smk"
include: "rules/respond.smk"
include: "rules/baselines.smk"
include: "rules/select.smk"
include: "rules/judge.smk"
include: "rules/evaluate.smk"
include: "rules/compare.smk"
include: "rules/cells.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/report.smk"
include: "rules/archive.smk"
include: "rules/claims.smk"


if config["archive"]:

    include: "rules/take_archived.smk"


include: "rules/targets.smk"


localrules:
    all,
    reviewer,


rule all:
    default_target: True
    input:
        everything,


rule reviewer:
    input:
        everything_from_the_archive,
