"""Files from an archive, which replace the steps that need models and GPUs; included only with `archive:` set.

Requires: an archive (rules/archive.smk, docs/archive.md).
Makes:
    <results>/ed/test_ids.json
    <results>/responses/{base}/{training_set}/seed{seed}/test.jsonl
    <results>/selected/{prompt}/{quality}/{selection}/seed{seed}.counts.json
    <results>/metrics/{base}/{training_set}/seed{seed}/{protocol}-bertscore.json
    <results>/judged/{prompt}/{stage}/seed{seed}.summary.json
    <results>/synthetic/{prompt}/parse_summary.json
    <results>/human/judgements.jsonl
"""


localrules:
    take_archived,


ruleorder: take_archived > respond
ruleorder: take_archived > read_outputs
ruleorder: take_archived > list_test_ids
ruleorder: take_archived > count_samples
ruleorder: take_archived > evaluate_bertscore
ruleorder: take_archived > judge
ruleorder: take_archived > parse_rounds


rule take_archived:
    input:
        index=f"{config['archive']}/archive.json",
    output:
        "<results>/{archived}",
    wildcard_constraints:
        archived=archive.KINDS,
    container:
        image("core")
    params:
        archive=config["archive"],
    shell:
        "{PYTHON[core]} scripts/take_archived.py"
        " --archive {params.archive:q}"
        " --file {wildcards.archived:q}"
        " --output {output:q}"
