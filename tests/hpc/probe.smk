"""One job that reports what it sees inside its container, for tests/test_apptainer.py."""

import sys

sys.path.insert(0, "scripts")

from synth_empathy.execution import images


rule probe:
    output:
        "results/probe.json",
    container:
        images.location("metrics-cpu", config["image_folder"])
    resources:
        gpu=1,
        mem_mb=1000,
        runtime=5,
    params:
        python=images.PYTHON,
    shell:
        "{params.python} tests/hpc/probe.py > {output}"
