"""What the step scripts share: no Snakemake in here, importable wherever ``python scripts/<step>.py`` runs.

Each module is one room of the method, in the order a row of data passes through them:

    ed, tokens      raw EmpatheticDialogues -> samples
    prompts         samples -> chat messages
    engines         chat messages -> text, by a language model
    rounds          generated text -> dialogues -> synthetic samples
    training        samples -> a fine-tuned model
    embedding       text -> vectors and similarities
    selection       similarities and vectors -> the selected samples
    nearest         vectors -> exact nearest neighbours
    novelty         the selected samples -> what they leak, repeat and cover; novelty_plot draws it
    metrics         predictions and references -> scores
    tables          scores -> the paper's tables

and what they all stand on: records (files), models and provenance (weights, manifests), seeds, settings
(config.yaml), cli and errors.
"""
