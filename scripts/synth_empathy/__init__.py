"""What the step scripts share: no Snakemake in here, importable wherever ``python scripts/<step>.py`` runs.

Packages in layers: each imports from those below it alone (`make lint` checks that).

    execution, claims      where a run takes place and what it costs; the paper's claims
    config                 config.yaml: what it may hold, and that what it names exists
    reporting              cells, tables, figures
    evaluation             metrics, tests between systems, judges, people, novelty
    systems                the names of systems: base model and training set
    inference, training, selection, baselines      the stages that models take part in
    data                   data sets and their readers, prompts, generated dialogues
    schema                 kinds of values, and what is said of a faulty one
    core                   files, errors, flags, seeds, model folders, code records
"""
