"""The configuration, typed: one class for each section of config.yaml, one line for each key.

A class says what a section may hold and what each key means. config.yaml holds the values and says where they come
from. The kinds of values are in ``setting_types``. That names refer to something is checked in ``settings``.
docs/configuration.md is made of these classes (scripts/describe_settings.py).
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from ..core.model_folder import DTYPES
from ..data.prompts import STYLES
from ..data.readers import READERS
from ..data.rounds import MODES as TURN_MODES
from ..evaluation.human import COUNTS
from ..evaluation.judging import MODES as JUDGE_MODES
from ..evaluation.metrics import PROTOCOLS
from ..inference.engines import ENGINES
from ..schema.setting_types import (
    Amount,
    Count,
    CountOrNone,
    Criterion,
    DataSetName,
    Distinct,
    File,
    Form,
    Gpus,
    ImageFolder,
    Limit,
    Name,
    Names,
    Note,
    PathText,
    PromptName,
    Quality,
    ScorerName,
    Section,
    Seed,
    Sha256,
    Share,
    Stage,
    Temperature,
    Text,
    TextOrEmpty,
    Thresholds,
    Title,
    TopP,
    TrainingSet,
    may_be_left_out,
)
from ..schema.setting_types import Selection as SelectionName
from ..selection import diversity
from ..selection.embedding import STORAGE
from ..selection.quality import QUALITY_RULES
from ..training.recipes import Recipe

Image = Literal["metrics", "train", "vllm"]
Repository = Annotated[str, Form("[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9._][A-Za-z0-9._-]*")]
Revision = Annotated[str, Form("[0-9a-f]{40}")]
Commit = Annotated[str, Form("[0-9a-f]{7,40}")]
PythonVersion = Annotated[str, Form("3[.][0-9]+")]
Seeds = Annotated[list[Seed], Field(min_length=1), Distinct()]
Titles = Annotated[list[Title], Field(min_length=1), Distinct()]
BATCH_INVARIANT = "whether batches, shards and resumed runs change no text on GPUs, where vllm can do that; slower"


class Environments(Section):
    """The interpreter of each group of packages that must agree; a path may begin with ~."""

    core: PathText = Field(description="data, parsing, selection, metrics, tables")
    embed: PathText = Field(description="sentence-transformers")
    train: PathText = Field(description="TRL and PEFT")
    llm: PathText = Field(description="the engine that generates and responds")


class Images(Section):
    """The container image of each group of packages, where rules run in containers."""

    core: Image = Field(description="data, parsing, selection, metrics, tables")
    embed: Image = Field(description="sentence-transformers")
    train: Image = Field(description="TRL and PEFT")
    llm: Image = Field(description="the engine that generates and responds")


class DataSet(Section):
    """A data set (docs/data.md). Its reader decides which further keys the entry has: the next sections."""

    model_config = ConfigDict(extra="allow")

    reader: Literal[tuple(READERS)] = Field(description="the form of its raw files")


class Model(Section):
    """A model of the catalogue: a revision on a hub, or a file in a Python package."""

    repository: Repository = Field(description="its name on the hub")
    revision: Revision = may_be_left_out("the commit on the hub; not with a package")
    package: Text = may_be_left_out("a Python package that ships it")
    version: Text = may_be_left_out("the package's version")
    path: Text = may_be_left_out("the model inside the package")
    sha256: Sha256 = may_be_left_out("of what the path names")
    license: Text = Field(description="the licence of its weights")
    dtype: Literal[DTYPES] = Field(description="the weights' type")
    gpus: Gpus = Field(description="GPUs of a step that runs it")
    mem_mb: Count = Field(description="main memory of a step that runs it, in MB; a retry gets more")
    parameters: Amount = may_be_left_out("billions of parameters; only the plan reads it, as the three keys below")
    active_parameters: Amount = may_be_left_out("billions that take part in one token, of a mixture of experts")
    dimensions: Count = may_be_left_out("length of an embedding")
    download_gb: Amount = may_be_left_out("the repository's size where it is not parameters x dtype")


class Generation(Section):
    """The synthetic dialogues: a language model writes after each training sample (paper, section 3.1)."""

    model: Name = Field(description="a key of models")
    engine: Literal[tuple(ENGINES)] = Field(description="what runs the model")
    batch_invariant: bool = Field(description=BATCH_INVARIANT)
    samples_per_seed: Count = Field(description="outputs for each sample")
    keep: Limit = Field(description="samples to write after; null takes all")
    temperature: Temperature = Field(description="0 takes the likeliest token each time")
    top_p: TopP = Field(description="draws from the likeliest tokens that have this probability together")
    max_tokens: Count = Field(description="the most tokens of an output")
    header: bool = Field(description="whether the assistant's header closes the prompt")
    demonstration: File = Field(description="a worked example for models too small to do without")
    batch_size: Count = Field(description="requests in flight at once")
    shards: Count = Field(description="jobs that share the work; their number changes no text")


class Parsing(Section):
    """How outputs are read as dialogues."""

    max_words: Count = Field(description="a turn with more words runs on, and its output is refused")


class Turns(Section):
    """How a training sample is drawn from a dialogue."""

    mode: Literal[TURN_MODES] = Field(
        description="matched: the target answers the context shown last; released: it is the last response",
    )
    min_history: CountOrNone = Field(description="fewest rounds of history")
    max_history: CountOrNone = Field(description="most rounds of history")
    normalise: bool = Field(description="whether synthetic text is tokenised as ED's is")


class Dialogue(Section):
    """How a dialogue is put to a model."""

    format: Literal[STYLES] = Field(description="flat: the whole dialogue in one user turn; chat: turn by turn")
    system: TextOrEmpty = Field(description="the system prompt of models that are fine-tuned; none when empty")


class ZeroShot(Section):
    """The prompt of systems that nobody trained."""

    system: Text = Field(description="the system prompt")


class Discriminator(Section):
    """The model whose answers decide the quality score (paper, section 3.2)."""

    base: Name = Field(description="a key of models")
    training_set: TrainingSet = Field(description="what it is trained on: dataset or none")
    temperature: Temperature = Field(description="0 takes the likeliest token each time")
    top_p: TopP = Field(description="draws from the likeliest tokens that have this probability together")
    max_tokens: Count = Field(description="the most tokens of an answer")


class Scoring(Section):
    """The embeddings behind the quality score."""

    model: Name = Field(description="a key of models")
    prompt_name: Note = Field(description="the embedding model's prompt to use, by its own name; null for none")
    storage: Literal[STORAGE] = Field(description="the type of the embeddings file")
    batch_tokens: Count = Field(description="the most tokens of a batch, padding included")
    chunk_texts: Count = Field(description="finished embeddings are kept after so many texts")


class Selection(Section):
    """Which synthetic samples are kept (paper, sections 3.2 and 3.3)."""

    quality_rule: Literal[QUALITY_RULES] = Field(description="greater: S > T; released: int(S) >= T")
    diversity_rule: Literal[diversity.RULES] = Field(
        description="whether k-center's first row counts among the chosen (seeded) or not (released)",
    )
    ratio: TopP = Field(description="share of the samples that the diversity selection keeps")


class Scorer(Section):
    """Scores of the synthetic samples that the user gives."""

    file: PathText = Field(description="JSON Lines of id and score, for every prompt that is selected by it")
    higher_is_better: bool = Field(description="whether the best sample has the highest score")


class Training(Section):
    """Which base model is fine-tuned how."""

    bases: dict[Name, Name] = Field(description="the recipe of each base model")
    recipes: dict[Name, Recipe] = Field(description="recipes by name; each field is a flag of train_model.py, too")


class Responding(Section):
    """How systems answer the test samples."""

    engine: Literal[tuple(ENGINES)] = Field(description="what runs the models")
    batch_invariant: bool = Field(description=BATCH_INVARIANT)
    temperature: Temperature = Field(description="0 takes the likeliest token each time")
    top_p: TopP = Field(description="draws from the likeliest tokens that have this probability together")
    max_tokens: Count = Field(description="the most tokens of an answer")
    batch_size: Count = Field(description="requests in flight at once")


class Baseline(Section):
    """A baseline that its authors' code trains (docs/baselines.md)."""

    title: Title = Field(description="its name in tables")
    repository: Title = Field(description="where the code is")
    commit: Commit = Field(description="which state of the code")
    needs: dict[PathText, Title] = Field(
        description="what the code reads and the repository lacks, under these names in data; * is any letters",
    )
    data: File = Field(description="a folder with what the code needs, laid out as the repository's root")
    python: PythonVersion = Field(description="the Python that the code was written for")
    environment: PathText = Field(description="the interpreter to run it with")
    image: Name = Field(description="the container image to run it in")
    gpus: Gpus = Field(description="GPUs of its jobs")
    mem_mb: Count = Field(description="main memory of its jobs, in MB; a retry gets more")
    train: Text = Field(description="the authors' command that trains")
    generate: Text | None = Field(
        description="the command that answers; null where training itself writes the results",
    )
    checkpoint: File = Field(
        description="what training saves, a pattern; {checkpoint} in generate is the one saved last",
    )
    makes: Text = Field(description="the results file that the code writes")
    results: File = Field(description="a results file that you have: then nothing is fetched, trained or run")

    @field_validator("checkpoint")
    @classmethod
    def needed(cls, checkpoint: str | None, info: ValidationInfo) -> str | None:
        """A command that answers needs to know which checkpoint."""
        if checkpoint is None and info.data.get("generate") is not None:
            reason = "is of the wrong type; it must be text, since `generate` runs the code a second time"
            raise PydanticCustomError("checkpoint", reason)
        return checkpoint


class Published(Section):
    """Outputs on the same test set that somebody published."""

    title: Title = Field(description="its name in tables")
    file: PathText = Field(description="JSON Lines with prediction and reference, or a results.txt")
    source: Text = Field(description="where it was published")


class Outputs(Section):
    """How outputs of baselines and published systems are aligned to our test samples."""

    unaligned: Share = Field(description="the share of mismatches that is taken; all are named")


class Judge(Section):
    """Figure 5: samples drawn before and after selection, scored 1 to 3 by a language model."""

    model: Name = Field(description="a key of models")
    engine: Literal[tuple(ENGINES)] = Field(description="what runs the model")
    batch_invariant: bool = Field(description=BATCH_INVARIANT)
    mode: Literal[JUDGE_MODES] = Field(
        description="probabilities: the mean score, from the probabilities of 1, 2 and 3; sampling: one score, drawn",
    )
    temperature: Annotated[float, Field(gt=0, le=2)] = Field(description="of the draw, and of the probabilities")
    max_tokens: Count = Field(description="the most tokens of an output in mode sampling; longer ones are no score")
    keep: Limit = Field(description="samples to judge; null takes all")
    batch_size: Count = Field(description="requests in flight at once")
    criteria: dict[Criterion, PathText] = Field(min_length=1, description="the rubric of each criterion")
    note: Note = Field(description="a sentence that goes with the scores and is printed on Figure 5")


class BertScore(Section):
    """The model behind BERTScore."""

    model: Name | None = Field(description="a key of models; null leaves BERTScore out")
    layer: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        description="the layer to compare; null is 17, roberta-large's",
    )


class Evaluation(Section):
    """How responses are scored (docs/deviations.md)."""

    protocol: Literal[PROTOCOLS] = Field(description="of the tables")
    bertscore: BertScore = Field(description="its model and layer")


class Comparison(Section):
    """Whether systems differ by more than chance (docs/comparisons.md)."""

    baseline: TrainingSet = Field(
        description="the training set that systems trained on synthetic samples are compared with",
    )
    draws: Annotated[int, Field(ge=100, le=2_147_483_647)] = Field(
        description="draws of the test samples, with replacement; fewer than 100 say nothing about the outer 5 %"
    )


class Report(Section):
    """Whether the synthetic data leaks the test split (docs/novelty.md)."""

    near_duplicate: Annotated[float, Field(gt=0, lt=100)] = Field(
        description="cosine x 100 of two whole dialogues from which on they count as one",
    )
    draws: Count = Field(description="random draws that the selection's coverage is compared with")


class Claims(Section):
    """The check of the paper's claims (docs/claims.md)."""

    fail: bool = Field(description="whether check_claims fails where a claim does not hold")


class System(Section):
    """A base model and what it was trained on."""

    title: Title = Field(description="its name in tables")
    base: Name = Field(description="a key of models; of baselines or published, where the training set says so")
    training_set: TrainingSet = Field(
        description="none, dataset, dataset+{prompt}-{quality}-{selection}, authors or published (docs/files.md)",
    )
    paper_row: Note = Field(description="its row in the paper's Table 1; null where the paper has none")


class Table1(Section):
    """The systems compared."""

    systems: Names = Field(description="keys of systems, in the table's order")


class Series(Section):
    """A base model and a prompt whose thresholds make rows of Table 2."""

    base: Name = Field(description="a key of training: bases")
    prompt: Name = Field(description="a key of prompts")


class Table2(Section):
    """Quality thresholds."""

    series: Annotated[list[Series], Field(min_length=1), Distinct()] = Field(description="base models and prompts")
    thresholds: Thresholds = Field(description="DK thresholds")
    selection: SelectionName = Field(description="the diversity selection")


class Ablation(Section):
    """The base models, the prompt and the thresholds whose rows stand beside others."""

    bases: Names = Field(description="keys of training: bases")
    prompt: Name = Field(description="a key of prompts")
    thresholds: Thresholds = Field(description="DK thresholds")


class Table3(Ablation):
    """With and without quality selection."""

    qualities: Annotated[list[Quality], Distinct()] = Field(description="further quality selections that have rows")


class Table4(Ablation):
    """With and without diversity selection."""

    selections: Annotated[list[SelectionName], Field(min_length=1), Distinct()] = Field(
        description="the diversity selections beside k-center",
    )


class Tables(Section):
    """What the tables list."""

    partial: bool = Field(
        description="whether a table is made of the cells that are there, or that an archive has files for",
    )
    table1: Table1 = Field(description="the systems compared")
    table2: Table2 = Field(description="quality thresholds")
    table3: Table3 = Field(description="without quality selection")
    table4: Table4 = Field(description="without diversity selection")


class Figure5(Section):
    """Which selection's scores stand beside those before selection."""

    prompt: Name = Field(description="a key of prompts")
    stage: Stage = Field(description="{quality}-{selection}, as in a training set")


class Figures(Section):
    """What the figures show."""

    figure5: Figure5 = Field(description="scores of a judge")


class Human(Section):
    """Figure 7 (docs/human-evaluation.md)."""

    judgements: File = Field(description="a file of judgements; figure7 needs one")
    count: Literal[COUNTS] = Field(
        description="judgements: each counts once; majority: what most evaluators of an example said",
    )
    baselines: Titles = Field(description="what our system was compared with, in the figure's order")


class Configuration(Section):
    """config.yaml with its overlays."""

    run: Name = Field(description="outputs go to results/{run}/")
    seed: Seed = Field(description="of generation, turn sampling and the discriminator")
    seeds: Seeds = Field(description="of selection, training and responses; several give a mean over all of them")
    models_dir: PathText = Field(description="fetched models, shared by all runs")
    note: Note = Field(description="a sentence on every table and figure")
    archive: File = Field(description="an archive that responses come from, instead of models (docs/archive.md)")
    environments: Environments = Field(description="interpreters")
    images: Images = Field(description="container images")
    image_folder: ImageFolder = Field(
        description="a folder of {image}.sif; null takes the registry of containers/images.yaml",
    )
    dataset: DataSetName = Field(description="the data set of this run: a key of datasets")
    datasets: dict[DataSetName, DataSet] = Field(description="data sets by name (docs/data.md)")
    models: dict[Name, Model] = Field(description="the catalogue of models")
    prompts: dict[PromptName, PathText] = Field(description="the file of each generation prompt")
    generation: Generation = Field(description="the synthetic dialogues")
    parsing: Parsing = Field(description="outputs as dialogues")
    turns: Turns = Field(description="dialogues as samples")
    dialogue: Dialogue = Field(description="how a dialogue is put to a model")
    zero_shot: ZeroShot = Field(description="the prompt of systems that nobody trained")
    discriminator: Discriminator = Field(description="the model behind the quality score")
    scoring: Scoring = Field(description="the embeddings behind the quality score")
    selection: Selection = Field(description="which samples are kept")
    scorers: dict[ScorerName, Scorer] = Field(description="scores of your own by which samples are chosen")
    training: Training = Field(description="fine-tuning")
    responding: Responding = Field(description="how systems answer")
    baselines: dict[Name, Baseline] = Field(description="systems that their authors' code trains")
    published: dict[Name, Published] = Field(description="systems whose outputs somebody published")
    outputs: Outputs = Field(description="how both are aligned to our test samples")
    judge: Judge = Field(description="Figure 5")
    evaluation: Evaluation = Field(description="how responses are scored")
    comparison: Comparison = Field(description="tests between systems")
    report: Report = Field(description="the novelty report")
    claims: Claims = Field(description="the check of the paper's claims")
    systems: dict[Name, System] = Field(description="systems by name")
    tables: Tables = Field(description="what the tables list")
    figures: Figures = Field(description="what the figures show")
    human: Human = Field(description="Figure 7")
