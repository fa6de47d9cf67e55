"""The library of the step scripts. It does not need Snakemake, so ``python scripts/<step>.py`` runs anywhere.

Its packages are layers: each imports only from those below it (`make lint` checks this).

    execution, claims      where a run takes place and what it costs; the paper's claims
    config                 config.yaml: its form, and that the files it names exist
    reporting              cells, tables, figures
    evaluation             metrics, tests between systems, judges, people, novelty
    systems                the names of systems: base model and training set
    inference, training, selection, baselines      the stages that models take part in
    data                   data sets and their readers, prompts, generated dialogues
    schema                 types of values, and messages for invalid ones
    core                   files, errors, flags, seeds, model folders, code records
"""
