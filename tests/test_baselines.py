"""Baselines by their authors' code: the rules, run for real on a stand-in repository that looks like theirs."""

import ast
import functools
import hashlib
import http.server
import json
import os
import subprocess
import threading

import pytest
import yaml

from conftest import BIN, DEMO
from synth_empathy.baselines import authors_code
from synth_empathy.core.errors import UserError
from synth_empathy.data import empathetic_dialogues

#: The family's command line and output format, and no model: it answers with the last turn's length and its seed.
MAIN = """
import argparse, json, os
flags = argparse.ArgumentParser()
for name in ("--cuda", "--test", "--write_results"):
    flags.add_argument(name, action="store_true")
for name in ("--save_path", "--model_path", "--seed"):
    flags.add_argument(name)
args = flags.parse_args()
assert open("vectors/glove.txt").read() and os.environ["NLTK_DATA"] == os.path.abspath("nltk_data")
os.makedirs(args.save_path, exist_ok=True)
if not args.test:
    for iteration, loss in ((900, 3.1), (1200, 2.5), (99, 7.0)):
        with open("%s/STANDIN_%d_%.4f" % (args.save_path, iteration, loss), "w") as file:
            file.write("seed %s, iteration %d" % (args.seed, iteration))
if args.test or args.write_results:
    model = open(args.model_path).read() if args.test else "training with seed " + args.seed
    samples = json.load(open("data/ED/dataset.json"))
    with open(args.save_path + "/results.txt", "w") as file:
        file.write("EVAL\\tLoss\\tPPL\\tAccuracy\\n")
        for start in range(0, len(samples), 8):
            for context, target in sorted(samples[start : start + 8], key=lambda one: -len(" ".join(one[0]))):
                file.write("Emotion: sad\\nContext:%s\\nGreedy:%s says %d . \\nRef:%s\\n%s\\n" % (context, model, len(context[-1]), target, "-" * 63))
"""


def git(folder, *words):
    named = ["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run([*named, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def repository_of_authors(tmp_path_factory):
    """A repository of two commits, the second of which is broken; returns it and both commits."""
    folder = tmp_path_factory.mktemp("authors") / "standin"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "main.py").write_text(MAIN)
    (folder / "save/run").mkdir(parents=True)
    (folder / "save/run/results.txt").write_text("Greedy:of the repository\nRef:of nobody\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "as published")
    first = git(folder, "rev-parse", "HEAD")
    (folder / "main.py").write_text("raise SystemExit('not the pinned one')\n")
    git(folder, "commit", "-qam", "later")
    return folder, first, git(folder, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def given(repository, tmp_path_factory):
    """What a user has: the data that the stand-in's code needs, and published outputs of all test samples, in another order."""
    folder = tmp_path_factory.mktemp("given")
    samples = empathetic_dialogues.prepare_split(
        repository / "resources/sample/empatheticdialogues/test.csv", "test"
    ).samples
    for name, text in {
        "data/vectors/glove.txt": "the 0.1 0.2",
        "data/data/ED/dataset.json": json.dumps([[sample["history"], sample["response"]] for sample in samples]),
        "published outputs.jsonl": "".join(
            json.dumps({"prediction": "i see .", "reference": sample["response"]}) + "\n"
            for sample in reversed(samples)
        ),
        "results.txt": "Greedy:a\nRef:b\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def overlay(checkout, repository_of_authors, given):
    """Writes an overlay with the stand-in as a baseline, and published outputs; returns how Snakemake is given it."""
    folder, commit, _ = repository_of_authors

    def write(**changes):
        baseline = {
            "title": "Stand-in", "repository": str(folder), "commit": commit[:7], "needs": {"vectors/glove*": "word vectors"}, "data": str(given / "data"),
            "python": "3.11", "environment": str(BIN / "python"), "image": "standin", "gpus": 0, "mem_mb": 500,
            "train": "main.py --cuda --seed 42 --save_path save/run", "checkpoint": "save/run/STANDIN_*",
            "generate": "main.py --cuda --test --save_path save/run --model_path {checkpoint}", "makes": "save/run/results.txt", "results": None,
        } | changes  # fmt: skip
        settings = {
            "run": "b",
            "ed": {"url": "https://me:secret@example.org/ed.tar.gz?key=secret"},
            "baselines": {"standin": baseline},
            "published": {
                "somebody": {
                    "title": "Somebody's",
                    "file": str(given / "published outputs.jsonl"),
                    "source": "their page",
                }
            },
            "evaluation": {"bertscore": {"model": None, "layer": None}},
        }
        (checkout.folder / "overlay.yaml").write_text(yaml.safe_dump(settings))
        return ["--cores", "2", *DEMO, "overlay.yaml", "--"]

    return write


def responses(checkout, place):
    return [json.loads(line) for line in (checkout.folder / f"results/b/responses/{place}/test.jsonl").open()]


def test_a_baseline_is_fetched_trained_run_and_read_and_published_outputs_are_read(
    checkout, overlay, repository_of_authors
):
    places = ["standin/authors-code/seed0", "standin/authors-code/seed3", "somebody/published/seed0"]
    done = checkout.snakemake(*overlay(), *(f"results/b/responses/{place}/test.jsonl" for place in places))
    assert done.returncode == 0, done.stdout + done.stderr
    samples = [json.loads(line) for line in (checkout.folder / "results/b/ed/test.jsonl").open()]
    assert len(samples) == 24
    for place in places:
        rows = responses(checkout, place)
        assert [(row["id"], row["reference"]) for row in rows] == [
            (sample["id"], sample["response"]) for sample in samples
        ]
    expected = [f"seed 42, iteration 1200 says {len(sample['history'][-1])} ." for sample in samples]
    assert [row["prediction"] for row in responses(checkout, places[0])] == expected
    assert responses(checkout, places[0]) == responses(checkout, places[1])
    assert {row["prediction"] for row in responses(checkout, places[2])} == {"i see ."}
    manifest = json.loads((checkout.folder / "models/repositories/standin/manifest.json").read_text())
    assert manifest["commit"] == repository_of_authors[1]
    alignment = json.loads(
        (checkout.folder / "results/b/responses/standin/authors-code/seed0/test.alignment.json").read_text()
    )
    assert alignment["aligned"] == 24 and alignment["outputs"] > 24 and len(alignment["sha256"]) == 64
    kept = (checkout.folder / "results/b/config.yaml").read_text()
    assert yaml.safe_load(kept)["ed"]["url"] == "https://***@example.org/ed.tar.gz?***" and "secret" not in kept


TARGET = "results/b/responses/standin/authors-code/seed0/test.jsonl"
WROTE = {"train": "main.py --seed 13 --save_path save/run --write_results", "generate": None, "checkpoint": None}


def test_where_training_writes_the_results_they_are_taken_and_nothing_is_generated(checkout, overlay):
    """First the training leaves none: those that the repository holds are not taken in their place."""
    folder = checkout.folder / "results/b/baselines/standin"
    logs = [checkout.folder / f"results/b/logs/{rule}/standin.log" for rule in ("train_baseline", "run_baseline")]
    done = checkout.snakemake(*overlay(**WROTE | {"train": "main.py --seed 13 --save_path save/run"}), TARGET)
    assert done.returncode == 1
    said = logs[0].read_text()
    assert (
        "ended well and made no" in said
        and "save/run/results.txt" in said
        and "generate: null, training itself" in said
    )
    assert not (folder / "checkpoint.txt").exists() and not (folder / "results.txt").exists()

    done = checkout.snakemake(*overlay(**WROTE), TARGET)
    assert done.returncode == 0, done.stdout + done.stderr
    samples = [json.loads(line) for line in (checkout.folder / "results/b/ed/test.jsonl").open()]
    expected = [f"training with seed 13 says {len(sample['history'][-1])} ." for sample in samples]
    assert [row["prediction"] for row in responses(checkout, "standin/authors-code/seed0")] == expected
    assert (folder / "checkpoint.txt").read_text().split("\n")[0] == "save/run/results.txt"
    assert (folder / "results.txt").read_bytes() == (folder / "code/save/run/results.txt").read_bytes()
    assert "--test" not in "".join(log.read_text() for log in logs)


def test_outputs_that_the_user_has_are_read_and_nothing_is_fetched(checkout, overlay, given):
    done = checkout.snakemake(
        "-n",
        "-p",
        *overlay(results=str(given / "results.txt")),
        "results/b/metrics/standin/authors-code/seed0/paper.json",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"scripts/read_outputs.py --outputs {given / 'results.txt'}" in done.stdout
    assert "_baseline" not in done.stdout and "fetch_" not in done.stdout


def test_data_that_is_not_given_is_refused_before_the_first_job(checkout, overlay):
    before = checkout.files()
    done = checkout.snakemake(*overlay(data=None), TARGET)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in said
    for fragment in (
        "no data is given (null)",
        "vectors/glove*: word vectors",
        "baselines: standin: results",
        "What to do: ",
    ):
        assert fragment in said
    assert checkout.files() - before == {"overlay.yaml"}


def test_a_file_that_the_data_lacks_is_named(given):
    entry = {
        "data": str(given / "data"),
        "needs": {"vectors/glove*": "word vectors", "vectors/comet.pt": "COMET's checkpoint"},
    }
    with pytest.raises(UserError, match="lacks:\n    vectors/comet.pt: COMET's checkpoint\n  What") as refused:
        authors_code.check_data("standin", entry)
    assert "baselines: standin: data" in refused.value.hint


@pytest.mark.parametrize("pattern", ["", "/etc/passwd", "a/**b"])
def test_a_pattern_that_names_nothing_in_a_folder_is_refused(given, pattern):
    with pytest.raises(UserError, match="names nothing in a folder of data"):
        authors_code.check_data("standin", {"data": str(given / "data"), "needs": {pattern: "x"}})


def test_an_environment_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no interpreter") as refused:
        authors_code.check_environment("seek", {"environment": str(tmp_path / "bin/python"), "python": "3.8"})
    assert "make setup-baseline BASELINE=seek PYTHON=/path/to/python3.8" in refused.value.hint


def test_git_lfs_stand_ins_are_no_data(tmp_path):
    (tmp_path / "dataset.p").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    entry = {"data": str(tmp_path), "needs": {"dataset.p": "the preprocessed file"}}
    with pytest.raises(UserError, match="dataset.p: the preprocessed file"):
        authors_code.check_data("seek", entry)
    (tmp_path / "dataset.p").write_bytes(b"\x80\x04.")
    assert authors_code.check_data("seek", entry) is None


def test_a_commit_that_is_none_of_the_repositorys_is_refused(repository_of_authors, step, tmp_path):
    done = step(
        "fetch_repository.py",
        "--repository",
        repository_of_authors[0],
        "--commit",
        "0123abc",
        "--output",
        tmp_path / "fetched",
    )
    assert done.returncode == 1 and "git checkout failed" in done.stderr and "What to do: is the commit" in done.stderr
    assert not (tmp_path / "fetched").exists()


def fetched(tmp_path):
    """Where the fetched repository stands, how many commits it has, and the commit of its manifest."""
    code = tmp_path / "fetched" / "code"
    manifest = json.loads((tmp_path / "fetched/manifest.json").read_text())
    return git(code, "rev-parse", "HEAD"), int(git(code, "rev-list", "--count", "--all", "HEAD")), manifest["commit"]


@pytest.mark.parametrize("relative", [False, True])
def test_a_whole_hash_is_fetched_without_its_history(repository_of_authors, step, tmp_path, relative):
    """The second commit, which has a parent; the repository by its whole path, and by one that depends on where git runs."""
    folder, _, second = repository_of_authors
    repository = folder.name if relative else folder
    done = step(
        "fetch_repository.py",
        "--repository",
        repository,
        "--commit",
        second,
        "--output",
        tmp_path / "fetched",
        cwd=folder.parent,
    )
    assert done.returncode == 0 and "cloned instead" not in done.stdout, done.stderr
    assert fetched(tmp_path) == (second, 1, second)
    assert (tmp_path / "fetched/code/main.py").read_bytes() == (folder / "main.py").read_bytes()
    assert git(tmp_path / "fetched/code", "remote", "get-url", "origin") == str(folder)


def test_the_beginning_of_a_hash_is_fetched_with_the_whole_history_and_the_manifest_has_all_of_it(
    repository_of_authors, step, tmp_path
):
    folder, first, second = repository_of_authors
    done = step(
        "fetch_repository.py", "--repository", folder, "--commit", second[:7], "--output", tmp_path / "fetched"
    )
    assert done.returncode == 0, done.stderr
    assert fetched(tmp_path) == (second, 2, second)
    assert git(tmp_path / "fetched/code", "rev-parse", "HEAD^") == first


def test_a_whole_hash_that_the_repository_does_not_have_is_refused_after_a_clone(
    repository_of_authors, step, tmp_path
):
    done = step(
        "fetch_repository.py",
        "--repository",
        repository_of_authors[0],
        "--commit",
        "0123abc" + "0" * 33,
        "--output",
        tmp_path / "fetched",
    )
    assert "the whole repository is cloned instead" in done.stdout
    assert done.returncode == 1 and "git checkout failed" in done.stderr and "What to do: is the commit" in done.stderr
    assert not (tmp_path / "fetched").exists()


def test_where_commits_are_not_given_out_one_at_a_time_the_whole_repository_is_cloned(
    repository_of_authors, step, tmp_path
):
    """git's first protocol gives out branches' and tags' commits alone, unless the server is set to do otherwise."""
    folder, first, second = repository_of_authors
    first_protocol = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.version", "GIT_CONFIG_VALUE_0": "0"}
    done = step(
        "fetch_repository.py",
        "--repository",
        folder,
        "--commit",
        first,
        "--output",
        tmp_path / "fetched",
        env=os.environ | first_protocol,
    )
    assert done.returncode == 0, done.stderr
    assert (
        "git fetch failed" in done.stdout
        and "unadvertised object" in done.stdout
        and "the whole repository is cloned instead" in done.stdout
    )
    assert fetched(tmp_path) == (first, 2, first)


def test_a_repository_that_is_none_is_refused(step, tmp_path):
    done = step(
        "fetch_repository.py",
        "--repository",
        tmp_path / "nothing",
        "--commit",
        "0123abc",
        "--output",
        tmp_path / "fetched",
    )
    assert done.returncode == 1 and "git clone failed" in done.stderr


@pytest.fixture(scope="module")
def served(repository_of_authors, tmp_path_factory):
    """The repository over HTTP, as a plain server of files gives it out, which asks nobody's name; returns its address."""
    folder = tmp_path_factory.mktemp("served")
    git(folder, "clone", "-q", "--bare", str(repository_of_authors[0]), str(folder / "standin.git"))
    git(folder / "standin.git", "update-server-info")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}/standin.git"
    server.shutdown()
    server.server_close()


def test_a_password_in_an_address_is_in_no_log_and_in_nothing_that_is_fetched(
    served, repository_of_authors, step, tmp_path
):
    """By a whole hash, which this server does not give out, so that what git says of that is in the log, too."""
    _, first, second = repository_of_authors
    flags = ["--repository", f"http://me:secret@{served}", "--output", tmp_path / "fetched", "--commit"]
    done = step("fetch_repository.py", *flags, second)
    assert done.returncode == 0, done.stderr
    assert "git fetch failed" in done.stdout and f"http://***@{served} at {second}" in done.stdout
    assert json.loads((tmp_path / "fetched/manifest.json").read_text())["repository"] == f"http://***@{served}"
    assert git(tmp_path / "fetched/code", "remote", "get-url", "origin") == f"http://***@{served}"
    assert (tmp_path / "fetched/code/main.py").read_text().startswith("raise SystemExit")
    left = [path for path in (tmp_path / "fetched").rglob("*") if path.is_file() and b"secret" in path.read_bytes()]
    assert not left and "secret" not in done.stdout + done.stderr


@pytest.mark.parametrize("address", ["http://me:secret@{}x", "http://{}x?token=secret", "http://me:sec/secret@{}"])
def test_a_password_is_in_nothing_that_git_says_as_it_fails(served, address, tmp_path):
    with pytest.raises(UserError, match="git clone failed: ") as refused:
        authors_code.fetch(address.format(served), "0123abc", tmp_path / "code")
    assert "secret" not in str(refused.value)


def test_what_git_says_need_not_be_utf8(tmp_path, monkeypatch):
    (tmp_path / "git").write_text("#!/bin/sh\nprintf 'hint\\nfatal: caf\\351 \\033[2J gone' >&2\nexit 1\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(UserError, match=r"git clone failed: fatal: caf\ufffd \\x1b\[2J gone"):
        authors_code.fetch("somewhere", "0123abc", tmp_path / "code")


def test_an_address_is_no_flag_of_git_and_a_commit_neither(tmp_path):
    with pytest.raises(UserError, match="git clone failed"):
        authors_code.fetch(f"--upload-pack=touch {tmp_path}/pwned", "0123abc", tmp_path / "code")
    with pytest.raises(UserError, match="'--force' is no commit's hash"):
        authors_code.fetch("somewhere", "--force", tmp_path / "code")
    assert not (tmp_path / "pwned").exists()


def test_a_repository_at_another_commit_is_not_trained(repository_of_authors, step, tmp_path):
    folder, first, second = repository_of_authors
    done = step("fetch_repository.py", "--repository", folder, "--commit", second, "--output", tmp_path / "fetched")
    assert done.returncode == 0, done.stderr
    flags = [
        "--name",
        "standin",
        "--repository",
        tmp_path / "fetched",
        "--code",
        tmp_path / "code",
        "--output",
        tmp_path / "prepared.json",
    ]
    done = step("prepare_baseline.py", *flags, "--commit", first)
    assert done.returncode == 1 and f"stands at {second}, not at the pinned commit {first}" in done.stderr
    assert not (tmp_path / "code").exists() and not (tmp_path / "prepared.json").exists()
    git(tmp_path / "fetched/code", "checkout", "-q", "-b", "work")
    assert "stands at ref: refs/heads/work" in step("prepare_baseline.py", *flags, "--commit", second).stderr


@pytest.mark.parametrize(
    ("content", "commit", "shown"),
    [
        (b"\xff\xfec\0d\0", "cd4e5d2", r"\xff\xfec"),
        (b"cd4e5d2", "cd4e5d2", "cd4e5d2,"),
        (b"cd4e5d2" + b"0" * 33 + b"\n\0", "cd4e5d2", "cd4e5d2"),
        (b"ref: refs/heads/main\n", "ref", "ref: refs/heads/main"),
        (b"", "", ", not at"),
        (b"x" * 9999, "x", "xxx..., not at"),
    ],
)
def test_what_is_no_whole_hash_is_no_commit(content, commit, shown, tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_bytes(content)
    with pytest.raises(UserError, match="stands at ") as caught:
        authors_code.check_head(tmp_path, commit)
    assert shown in caught.value.problem
    (tmp_path / ".git/HEAD").write_bytes(b"cd4e5d2" + b"0" * 33 + b"\n")
    assert authors_code.check_head(tmp_path, "cd4e5d2") == "cd4e5d2" + "0" * 33


def test_what_the_authors_code_does_not_make_is_said(step, tmp_path):
    (tmp_path / "main.py").write_text("import sys\nopen('STANDIN_1', 'w').close()\nsys.exit(int(sys.argv[1]))\n")
    flags = ["--code", tmp_path, "--name-to", tmp_path / "checkpoint.txt"]
    failed = step("run_baseline.py", *flags, "--command", "main.py 3", "--made", "STANDIN_*")
    assert failed.returncode == 1 and "the authors' code ended with status 3" in failed.stderr
    nothing = step("run_baseline.py", *flags, "--command", "main.py 0", "--made", "OTHER_*")
    assert nothing.returncode == 1 and "ended well and made no" in nothing.stderr
    assert not (tmp_path / "checkpoint.txt").exists()


def test_a_command_that_cannot_be_split_is_refused(step, tmp_path):
    done = step(
        "run_baseline.py",
        "--code",
        tmp_path,
        "--command",
        "main.py 'open",
        "--made",
        "x",
        "--name-to",
        tmp_path / "checkpoint.txt",
    )
    assert (
        done.returncode == 1
        and "cannot be split into words: No closing quotation" in done.stderr
        and "Traceback" not in done.stderr
    )


def test_paths_reach_the_authors_code_whole_whatever_is_in_them(step, tmp_path):
    """A folder that reads as a pattern, and a checkpoint that reads as several words."""
    code = tmp_path / "a [b] c"
    code.mkdir()
    (code / "main.py").write_text("import sys\nopen(sys.argv[1], 'a').write(' '.join(sys.argv[2:]))\n")
    flags = ["--code", code, "--made"]
    trained = step(
        "run_baseline.py",
        *flags,
        "STANDIN*",
        "--command",
        "main.py 'STANDIN 1 \"$x\"' trained",
        "--name-to",
        tmp_path / "note",
    )
    assert trained.returncode == 0, trained.stderr
    answered = [
        *flags,
        "out",
        "--command",
        "main.py out {checkpoint}",
        "--checkpoint",
        tmp_path / "note",
        "--copy-to",
        tmp_path / "copy",
    ]
    assert step("run_baseline.py", *answered).returncode == 0
    assert (tmp_path / "copy").read_text() == 'STANDIN 1 "$x"'


def test_what_an_interrupted_training_left_is_not_taken_for_its_result(step, tmp_path):
    (tmp_path / "main.py").write_text("open('STANDIN_10_2.0', 'w').close()\n")
    (tmp_path / "STANDIN_9000_1.0").write_text("of the run before")
    done = step(
        "run_baseline.py",
        "--code",
        tmp_path,
        "--command",
        "main.py",
        "--made",
        "STANDIN_*",
        "--name-to",
        tmp_path / "checkpoint.txt",
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "checkpoint.txt").read_text() == f"STANDIN_10_2.0\n{hashlib.sha256(b'').hexdigest()}\n"


@pytest.mark.parametrize(("ending", "status"), [("os.kill(os.getpid(), 9)", "-9"), ("os._exit(3)", "3")])
def test_results_that_a_training_wrote_before_it_failed_are_never_taken(step, tmp_path, ending, status):
    """The first training writes results and dies; the next one writes none."""
    flags = [
        "--code",
        tmp_path,
        "--command",
        "main.py",
        "--made",
        "results.txt",
        "--name-to",
        tmp_path / "checkpoint.txt",
    ]
    (tmp_path / "main.py").write_text(f"import os\nopen('results.txt', 'w').write('Greedy:half')\n{ending}\n")
    died = step("run_baseline.py", *flags)
    assert (
        died.returncode == 1 and f"ended with status {status}" in died.stderr and (tmp_path / "results.txt").exists()
    )
    (tmp_path / "main.py").write_text("pass\n")
    wrote_none = step("run_baseline.py", *flags)
    assert wrote_none.returncode == 1 and "ended well and made no" in wrote_none.stderr
    assert not (tmp_path / "checkpoint.txt").exists() and not (tmp_path / "results.txt").exists()


@pytest.mark.parametrize(
    ("note", "fragment"),
    [
        (
            "results.txt\n" + hashlib.sha256(b"of the training before").hexdigest(),
            "is not the file any more that training made",
        ),
        ("gone.txt\n" + "0" * 64, "is not the file any more that training made"),
        ("results.txt\n", "does not name a file and its hash"),
        ("", "does not name a file and its hash"),
    ],
)
def test_results_that_changed_since_training_are_refused(step, tmp_path, note, fragment):
    (tmp_path / "results.txt").write_text("Greedy:a\nRef:b\n")
    (tmp_path / "checkpoint.txt").write_text(note)
    flags = ["--code", tmp_path, "--command", "", "--made", "results.txt", "--checkpoint", tmp_path / "checkpoint.txt"]
    done = step("run_baseline.py", *flags, "--copy-to", tmp_path / "copied.txt")
    assert (
        done.returncode == 1
        and fragment in done.stderr
        and "What to do: delete" in done.stderr
        and "Traceback" not in done.stderr
    )
    assert not (tmp_path / "copied.txt").exists()


def test_the_script_that_runs_in_a_baselines_environment_is_written_for_the_oldest_python(repository):
    tree = ast.parse((repository / "scripts/run_baseline.py").read_text(), feature_version=(3, 6))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported <= {"argparse", "glob", "hashlib", "os", "re", "shlex", "shutil", "subprocess", "sys"}
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))


def test_the_shipped_baselines_plan_five_jobs_each_besides_ed(checkout):
    shipped = ("seek", "case", "escm")
    done = checkout.snakemake(
        "-n", "-p", *(f"results/paper/responses/{baseline}/authors-code/seed0/test.jsonl" for baseline in shipped)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for rule in ("fetch_repository", "prepare_baseline", "train_baseline", "run_baseline", "read_outputs"):
        assert done.stdout.count(f"rule {rule}:") == 3
    assert "--test" not in "".join(
        line for line in done.stdout.splitlines() if ".venv-case" in line
    )  # CASE's would answer untrained
    assert "rule respond" not in done.stdout and "fetch_model" not in done.stdout and done.stdout.count("gpu=1") == 5
    for words in (
        *(f".venv-{baseline}/bin/python scripts/run_baseline.py" for baseline in shipped),
        "--seed 42",
        "--seed 13",
        "--model escm",
    ):
        assert words in done.stdout
