"""Prints as JSON what a step sees of the host and of its image: python tests/hpc/probe.py, anywhere."""

import importlib.util
import json
import os
import site
import sys

NAMES = ("torch", "sacrebleu", "snakemake", "only_on_the_path")
print(
    json.dumps(
        {
            "image": os.environ.get("APPTAINER_NAME"),
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "offline": os.environ.get("HF_HUB_OFFLINE"),
            "python": sys.executable,
            "user_site": site.ENABLE_USER_SITE,
            "writes_bytecode": not sys.dont_write_bytecode,
            "found": {name: getattr(importlib.util.find_spec(name), "origin", None) for name in NAMES},
        }
    )
)
