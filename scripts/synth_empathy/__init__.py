"""What the step scripts share: no Snakemake in here, importable wherever ``python scripts/<step>.py`` runs.

Each module is one room of the method, in the order a row of data passes through them:

    ed, tokens      raw EmpatheticDialogues -> samples
    prompts         samples -> chat messages
    engines         chat messages -> text, by a language model; completing runs a step of it, chats makes its tokens,
                    transformers_engine and vllm_engine compute, repeatability says what is guaranteed
    rounds          generated text -> dialogues -> synthetic samples
    training        samples -> a fine-tuned model
    embedding       text -> vectors and similarities
    selection       similarities -> the samples that pass the quality selection; scorers reads other scores than ours
    diversity       vectors -> which of those are kept; kcenter is the paper's farthest-first traversal
    nearest         vectors -> exact nearest neighbours
    novelty         the selected samples -> what they leak, repeat and cover; novelty_plot draws it
    metrics         predictions and references -> scores
    tables          scores -> the paper's tables

what they all stand on: records (files), resumable (what outlives a kill), models and provenance (weights, manifests),
seeds, systems (names of training sets and selections), settings (config.yaml; settings_model, recipes and setting_types
say what it may hold), addresses, devices, cli and errors; and, beside the method, where it runs: images (containers) and
cluster (what Slurm can take); and what a run will cost: sizes and loads of its jobs, measured (earlier jobs), planning.
"""
