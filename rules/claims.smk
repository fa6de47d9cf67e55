"""The paper's quantitative claims, each held against what the results hold now: holds, does not hold, or not tested.

Requires: the list of claims (resources/paper/claims.yaml). Results are read where they are there and never asked for.
Makes:
    <results>/claims.md      a line a claim, and the targets that those not tested need
    <results>/claims.json    the same, with every part of a claim
Targets by name: check_claims
"""

from synth_empathy import claims as paper_claims
from synth_empathy import evidence


def claims_state(wildcards):
    """What decides the verdicts besides the inputs: a digest of the results' files, and the settings that claims ask for.

    As a parameter it makes the report anew when results changed, without asking for results that are not there.
    """
    try:
        asked = paper_claims.asked_settings(paper_claims.load(), config)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    return f"{evidence.digest(Path(RESULTS))} {asked}"


localrules:
    check_claims,
    report_claims,


rule check_claims:
    input:
        multiext("<results>/claims", ".md", ".json"),


rule report_claims:
    input:
        claims="resources/paper/claims.yaml",
        paper=expand("resources/paper/table{number}.csv", number=[1, 2, 3, 4]),
        figures=expand("resources/paper/figure{number}.csv", number=[5, 7]),
        code=code(
            "check_claims", "claims", "claim_kinds", "evidence", "cells", "tables"
        ),
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
        settings=flags(
            {
                "note": config["note"],
                "fail_on": "does-not-hold" if config["claims"]["fail"] else None,
            }
        ),
    shell:
        "{PYTHON[core]} scripts/check_claims.py"
        " --results {params.results}"
        " --claims {input.claims}"
        " {params.settings}"
        " --markdown {output.markdown}"
        " --json {output.json}"
        " > {log} 2>&1"
