"""The paper's quantitative claims, each tested on the existing results: holds, does not hold, or not tested.

Requires: the list of claims (resources/paper/claims.yaml). Existing results are read; none is made.
Makes:
    <results>/claims.md      one line per claim, and the targets that untested claims need
    <results>/claims.json    the same, with every part of a claim
Targets by name: check_claims, which prints the verdicts, and fails if the configuration says so (claims: fail)
"""

from synth_empathy.claims import run_results


def claims_state(wildcards):
    """A digest of the results files that decide the verdicts.

    As a parameter, it makes the report again if results have changed, without requesting missing results.
    """
    return run_results.digest(Path(RESULTS))


localrules:
    check_claims,
    report_claims,


rule check_claims:
    input:
        report="<results>/claims.json",
    container:
        image("core")
    params:
        fail=flags({"fail_on": "does-not-hold" if config["claims"]["fail"] else None}),
    shell:
        "{PYTHON[core]} scripts/print_claims.py" " --report {input.report:q}" " {params.fail}"


rule report_claims:
    input:
        claims="resources/paper/claims.yaml",
        paper=expand("resources/paper/table{number}.csv", number=[1, 2, 3, 4]),
        figures=expand("resources/paper/figure{number}.csv", number=[5, 7]),
        code=code("check_claims"),
    output:
        markdown=report(
            "<results>/claims.md",
            caption="../resources/captions/claims.rst",
            category="Claims",
        ),
        json="<results>/claims.json",
    log:
        "<results>/logs/report_claims.log",
    container:
        image("core")
    params:
        state=claims_state,
        results=RESULTS,
        dataset=config["dataset"],
        note=verbatim(flags({"note": config["note"]})),
    shell:
        "{PYTHON[core]} scripts/check_claims.py"
        " --results {params.results:q}"
        " --dataset {params.dataset:q}"
        " --claims {input.claims:q}"
        " {params.note}"
        " --markdown {output.markdown:q}"
        " --json {output.json:q}"
        " > {log:q} 2>&1"
