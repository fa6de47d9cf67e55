"""Baselines of other authors: the rules run on the repository of a stand-in, whose code looks like theirs."""

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
from synth_empathy.data.readers import empathetic_dialogues

#: The command line and output format of the MoEL/EmpDG code, without a model: it answers with its seed and the length
#: of the last turn.
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
                block = "Emotion: sad\\nContext:%s\\nGreedy:%s says %d . \\nRef:%s\\n%s\\n"
                file.write(block % (context, model, len(context[-1]), target, "-" * 63))
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
def user_files(repository, tmp_path_factory):
    """A folder with the data that the stand-in's code needs, a results.txt, and published outputs in another order."""
    folder = tmp_path_factory.mktemp("user")
    raw = repository / "resources/sample/empatheticdialogues/test.csv"
    samples = empathetic_dialogues.prepare_split(raw, "test").samples
    published = [{"prediction": "i see .", "reference": sample["response"]} for sample in reversed(samples)]
    texts = {
        "data/vectors/glove.txt": "the 0.1 0.2",
        "data/data/ED/dataset.json": json.dumps([[sample["history"], sample["response"]] for sample in samples]),
        "published outputs.jsonl": "".join(json.dumps(output) + "\n" for output in published),
        "results.txt": "Greedy:a\nRef:b\n",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def overlay(checkout, repository_of_authors, user_files):
    """A function that writes an overlay with the stand-in and published outputs, and returns Snakemake's flags."""
    folder, commit, _ = repository_of_authors

    def write(**changes):
        baseline = {
            "title": "Stand-in", "repository": str(folder), "commit": commit[:7], "python": "3.11",
            "needs": {"vectors/glove*": "word vectors"}, "data": str(user_files / "data"),
            "environment": str(BIN / "python"), "image": "standin", "gpus": 0, "mem_mb": 500,
            "train": "main.py --cuda --seed 42 --save_path save/run", "checkpoint": "save/run/STANDIN_*",
            "generate": "main.py --cuda --test --save_path save/run --model_path {checkpoint}",
            "makes": "save/run/results.txt", "results": None,
        } | changes  # fmt: skip
        file = str(user_files / "published outputs.jsonl")
        published = {"title": "Somebody's", "file": file, "source": "their page"}
        settings = {
            "run": "b",
            "datasets": {"ed": {"url": "https://me:secret@example.org/ed.tar.gz?key=secret"}},
            "baselines": {"standin": baseline},
            "published": {"somebody": published},
            "evaluation": {"bertscore": {"model": None, "layer": None}},
        }
        (checkout.folder / "overlay.yaml").write_text(yaml.safe_dump(settings))
        return ["--cores", "2", *DEMO, "overlay.yaml", "--"]

    return write


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def responses(checkout, place):
    return read_lines(checkout.folder / f"results/b/responses/{place}/test.jsonl")


def test_outputs_come_from_the_authors_code_or_from_a_published_file(checkout, overlay, repository_of_authors):
    places = ["standin/authors-code/seed0", "standin/authors-code/seed3", "somebody/published/seed0"]
    done = checkout.snakemake(*overlay(), *(f"results/b/responses/{place}/test.jsonl" for place in places))
    assert done.returncode == 0, done.stdout + done.stderr
    samples = read_lines(checkout.folder / "results/b/ed/test.jsonl")
    assert len(samples) == 24
    references = [(sample["id"], sample["response"]) for sample in samples]
    for place in places:
        assert [(row["id"], row["reference"]) for row in responses(checkout, place)] == references
    expected = [f"seed 42, iteration 1200 says {len(sample['history'][-1])} ." for sample in samples]
    assert [row["prediction"] for row in responses(checkout, places[0])] == expected
    assert responses(checkout, places[0]) == responses(checkout, places[1])
    assert {row["prediction"] for row in responses(checkout, places[2])} == {"i see ."}
    manifest = json.loads((checkout.folder / "models/repositories/standin/manifest.json").read_text())
    assert manifest["commit"] == repository_of_authors[1]
    path = checkout.folder / "results/b/responses/standin/authors-code/seed0/test.alignment.json"
    alignment = json.loads(path.read_text())
    assert alignment["aligned"] == 24 and alignment["outputs"] > 24 and len(alignment["sha256"]) == 64
    written = (checkout.folder / "results/b/config.yaml").read_text()
    assert yaml.safe_load(written)["datasets"]["ed"]["url"] == "https://***@example.org/ed.tar.gz?***"
    assert "secret" not in written


TARGET = "results/b/responses/standin/authors-code/seed0/test.jsonl"
WRITTEN_BY_TRAINING = {
    "train": "main.py --seed 13 --save_path save/run --write_results",
    "generate": None,
    "checkpoint": None,
}


def test_results_that_training_writes_are_used_without_generating(checkout, overlay):
    """The first training writes none; the file of that name in the repository is not used instead."""
    folder = checkout.folder / "results/b/baselines/standin"
    logs = [checkout.folder / f"results/b/logs/{rule}/standin.log" for rule in ("train_baseline", "run_baseline")]
    writes_none = WRITTEN_BY_TRAINING | {"train": "main.py --seed 13 --save_path save/run"}
    done = checkout.snakemake(*overlay(**writes_none), TARGET)
    assert done.returncode == 1
    log = logs[0].read_text()
    assert "ended without an error, but made no" in log and "save/run/results.txt" in log
    assert "generate: null, training itself" in log
    assert not (folder / "checkpoint.txt").exists() and not (folder / "results.txt").exists()

    done = checkout.snakemake(*overlay(**WRITTEN_BY_TRAINING), TARGET)
    assert done.returncode == 0, done.stdout + done.stderr
    samples = read_lines(checkout.folder / "results/b/ed/test.jsonl")
    expected = [f"training with seed 13 says {len(sample['history'][-1])} ." for sample in samples]
    assert [row["prediction"] for row in responses(checkout, "standin/authors-code/seed0")] == expected
    assert (folder / "checkpoint.txt").read_text().split("\n")[0] == "save/run/results.txt"
    assert (folder / "results.txt").read_bytes() == (folder / "code/save/run/results.txt").read_bytes()
    assert "--test" not in "".join(log.read_text() for log in logs)


def test_outputs_that_the_user_has_are_read_and_nothing_is_fetched(checkout, overlay, user_files):
    results = user_files / "results.txt"
    target = "results/b/metrics/standin/authors-code/seed0/paper.json"
    done = checkout.snakemake("-n", "-p", *overlay(results=str(results)), target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"scripts/read_outputs.py --outputs {results}" in done.stdout
    assert "_baseline" not in done.stdout and "fetch_" not in done.stdout


def test_data_that_is_not_given_is_refused_before_the_first_job(checkout, overlay):
    before = checkout.files()
    done = checkout.snakemake(*overlay(data=None), TARGET)
    printed = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in printed
    assert "no data is given (null)" in printed and "vectors/glove*: word vectors" in printed
    assert "baselines: standin: results" in printed and "What to do: " in printed
    assert checkout.files() - before == {"overlay.yaml"}


def test_a_file_that_the_data_lacks_is_named(user_files):
    needs = {"vectors/glove*": "word vectors", "vectors/comet.pt": "COMET's checkpoint"}
    entry = {"data": str(user_files / "data"), "needs": needs}
    with pytest.raises(UserError, match="lacks:\n    vectors/comet.pt: COMET's checkpoint\n  What") as refused:
        authors_code.check_data("standin", entry)
    assert "baselines: standin: data" in refused.value.hint


@pytest.mark.parametrize("pattern", ["", "/etc/passwd", "a/**b"])
def test_a_pattern_that_is_not_a_path_in_a_folder_is_refused(user_files, pattern):
    with pytest.raises(UserError, match="is not a path in a folder of data"):
        authors_code.check_data("standin", {"data": str(user_files / "data"), "needs": {pattern: "x"}})


def test_a_missing_environment_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no interpreter") as refused:
        authors_code.check_environment("seek", {"environment": str(tmp_path / "bin/python"), "python": "3.8"})
    assert "make setup-baseline BASELINE=seek PYTHON=/path/to/python3.8" in refused.value.hint


def test_git_lfs_pointers_are_not_data(tmp_path):
    (tmp_path / "dataset.p").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    entry = {"data": str(tmp_path), "needs": {"dataset.p": "the preprocessed file"}}
    with pytest.raises(UserError, match="dataset.p: the preprocessed file"):
        authors_code.check_data("seek", entry)
    (tmp_path / "dataset.p").write_bytes(b"\x80\x04.")
    assert authors_code.check_data("seek", entry) is None


@pytest.fixture
def fetch(step, tmp_path):
    """A function that fetches a repository at a commit."""

    def run(repository, commit, **more):
        flags = ["--repository", repository, "--commit", commit, "--output", tmp_path / "fetched"]
        return step("fetch_repository.py", *flags, **more)

    return run


def test_a_commit_that_the_repository_lacks_is_refused(repository_of_authors, fetch, tmp_path):
    done = fetch(repository_of_authors[0], "0123abc")
    assert done.returncode == 1 and "git checkout failed" in done.stderr and "What to do: is the commit" in done.stderr
    assert not (tmp_path / "fetched").exists()


def fetched(tmp_path):
    """The commit of the fetched repository, its number of commits, and the commit in its manifest."""
    code = tmp_path / "fetched" / "code"
    manifest = json.loads((tmp_path / "fetched/manifest.json").read_text())
    return git(code, "rev-parse", "HEAD"), int(git(code, "rev-list", "--count", "--all", "HEAD")), manifest["commit"]


@pytest.mark.parametrize("relative", [False, True])
def test_a_full_hash_is_fetched_without_its_history(repository_of_authors, fetch, tmp_path, relative):
    """The second commit, which has a parent. The repository's path is absolute, or relative to the working folder."""
    folder, _, second = repository_of_authors
    done = fetch(folder.name if relative else folder, second, cwd=folder.parent)
    assert done.returncode == 0 and "cloned instead" not in done.stdout, done.stderr
    assert fetched(tmp_path) == (second, 1, second)
    assert (tmp_path / "fetched/code/main.py").read_bytes() == (folder / "main.py").read_bytes()
    assert git(tmp_path / "fetched/code", "remote", "get-url", "origin") == str(folder)


def test_the_beginning_of_a_hash_is_fetched_with_the_history(repository_of_authors, fetch, tmp_path):
    folder, first, second = repository_of_authors
    done = fetch(folder, second[:7])
    assert done.returncode == 0, done.stderr
    assert fetched(tmp_path) == (second, 2, second)
    assert git(tmp_path / "fetched/code", "rev-parse", "HEAD^") == first


def test_a_full_hash_that_the_repository_lacks_is_refused_after_a_clone(repository_of_authors, fetch, tmp_path):
    done = fetch(repository_of_authors[0], "0123abc" + "0" * 33)
    assert "the whole repository is cloned instead" in done.stdout
    assert done.returncode == 1 and "git checkout failed" in done.stderr and "What to do: is the commit" in done.stderr
    assert not (tmp_path / "fetched").exists()


def test_a_repository_that_does_not_allow_to_fetch_one_commit_is_cloned(repository_of_authors, fetch, tmp_path):
    """git's protocol 0 serves only the commits of branches and tags, unless the server allows others."""
    folder, first, second = repository_of_authors
    protocol = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.version", "GIT_CONFIG_VALUE_0": "0"}
    done = fetch(folder, first, env=os.environ | protocol)
    assert done.returncode == 0, done.stderr
    assert "git fetch failed" in done.stdout and "unadvertised object" in done.stdout
    assert "the whole repository is cloned instead" in done.stdout
    assert fetched(tmp_path) == (first, 2, first)


def test_a_missing_repository_is_refused(fetch, tmp_path):
    done = fetch(tmp_path / "nothing", "0123abc")
    assert done.returncode == 1 and "git clone failed" in done.stderr


@pytest.fixture(scope="module")
def served(repository_of_authors, tmp_path_factory):
    """The address of the repository on a plain HTTP server of files, which ignores user names."""
    folder = tmp_path_factory.mktemp("served")
    git(folder, "clone", "-q", "--bare", str(repository_of_authors[0]), str(folder / "standin.git"))
    git(folder / "standin.git", "update-server-info")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}/standin.git"
    server.shutdown()
    server.server_close()


def test_an_addresss_password_is_neither_logged_nor_stored(served, repository_of_authors, fetch, tmp_path):
    """The server does not allow to fetch a full hash, so that the log also has git's message about it."""
    _, first, second = repository_of_authors
    done = fetch(f"http://me:secret@{served}", second)
    assert done.returncode == 0, done.stderr
    assert "git fetch failed" in done.stdout and f"http://***@{served} at {second}" in done.stdout
    assert json.loads((tmp_path / "fetched/manifest.json").read_text())["repository"] == f"http://***@{served}"
    assert git(tmp_path / "fetched/code", "remote", "get-url", "origin") == f"http://***@{served}"
    assert (tmp_path / "fetched/code/main.py").read_text().startswith("raise SystemExit")
    files = [path for path in (tmp_path / "fetched").rglob("*") if path.is_file()]
    assert files and not [path for path in files if b"secret" in path.read_bytes()]
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.parametrize("address", ["http://me:secret@{}x", "http://{}x?token=secret", "http://me:sec/secret@{}"])
def test_a_password_is_not_in_gits_error(served, address, tmp_path):
    with pytest.raises(UserError, match="git clone failed: ") as refused:
        authors_code.fetch(address.format(served), "0123abc", tmp_path / "code")
    assert "secret" not in str(refused.value)


def test_gits_error_may_contain_any_bytes(tmp_path, monkeypatch):
    (tmp_path / "git").write_text("#!/bin/sh\nprintf 'hint\\nfatal: caf\\351 \\033[2J gone' >&2\nexit 1\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(UserError, match=r"git clone failed: fatal: caf\ufffd \\x1b\[2J gone"):
        authors_code.fetch("somewhere", "0123abc", tmp_path / "code")


def test_neither_an_address_nor_a_commit_can_be_a_flag_of_git(tmp_path):
    with pytest.raises(UserError, match="git clone failed"):
        authors_code.fetch(f"--upload-pack=touch {tmp_path}/pwned", "0123abc", tmp_path / "code")
    with pytest.raises(UserError, match="'--force' is not a commit's hash"):
        authors_code.fetch("somewhere", "--force", tmp_path / "code")
    assert not (tmp_path / "pwned").exists()


def test_a_repository_at_another_commit_is_not_trained(repository_of_authors, fetch, step, tmp_path):
    folder, first, second = repository_of_authors
    done = fetch(folder, second)
    assert done.returncode == 0, done.stderr
    flags = ["--name", "standin", "--repository", tmp_path / "fetched", "--code", tmp_path / "code"]
    flags += ["--output", tmp_path / "prepared.json"]
    done = step("prepare_baseline.py", *flags, "--commit", first)
    assert done.returncode == 1 and f"is at {second}, not at the pinned commit {first}" in done.stderr
    assert not (tmp_path / "code").exists() and not (tmp_path / "prepared.json").exists()
    git(tmp_path / "fetched/code", "checkout", "-q", "-b", "work")
    assert "is at ref: refs/heads/work" in step("prepare_baseline.py", *flags, "--commit", second).stderr


@pytest.mark.parametrize(
    ("content", "commit", "problem"),
    [
        (b"\xff\xfec\0d\0", "cd4e5d2", r"\xff\xfec"),
        (b"cd4e5d2", "cd4e5d2", "cd4e5d2,"),
        (b"cd4e5d2" + b"0" * 33 + b"\n\0", "cd4e5d2", "cd4e5d2"),
        (b"ref: refs/heads/main\n", "ref", "ref: refs/heads/main"),
        (b"", "", ", not at"),
        (b"x" * 9999, "x", "xxx..., not at"),
    ],
)
def test_anything_but_the_full_hash_is_refused(content, commit, problem, tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_bytes(content)
    with pytest.raises(UserError, match=" is at ") as caught:
        authors_code.check_head(tmp_path, commit)
    assert problem in caught.value.problem
    (tmp_path / ".git/HEAD").write_bytes(b"cd4e5d2" + b"0" * 33 + b"\n")
    assert authors_code.check_head(tmp_path, "cd4e5d2") == "cd4e5d2" + "0" * 33


def test_authors_code_that_fails_or_makes_nothing_is_reported(step, tmp_path):
    (tmp_path / "main.py").write_text("import sys\nopen('STANDIN_1', 'w').close()\nsys.exit(int(sys.argv[1]))\n")
    flags = ["--code", tmp_path, "--name-to", tmp_path / "checkpoint.txt"]
    failed = step("run_baseline.py", *flags, "--command", "main.py 3", "--made", "STANDIN_*")
    assert failed.returncode == 1 and "the authors' code ended with status 3" in failed.stderr
    nothing = step("run_baseline.py", *flags, "--command", "main.py 0", "--made", "OTHER_*")
    assert nothing.returncode == 1 and "ended without an error, but made no" in nothing.stderr
    assert not (tmp_path / "checkpoint.txt").exists()


def test_a_command_that_cannot_be_split_is_refused(step, tmp_path):
    flags = ["--code", tmp_path, "--made", "x", "--name-to", tmp_path / "checkpoint.txt"]
    done = step("run_baseline.py", *flags, "--command", "main.py 'open")
    assert done.returncode == 1 and "cannot be split into words: No closing quotation" in done.stderr
    assert "Traceback" not in done.stderr


def test_paths_with_special_characters_reach_the_authors_code(step, tmp_path):
    """The folder's name is also a pattern, and the checkpoint's name is several words in a shell."""
    code = tmp_path / "a [b] c"
    code.mkdir()
    (code / "main.py").write_text("import sys\nopen(sys.argv[1], 'a').write(' '.join(sys.argv[2:]))\n")
    training = ["--made", "STANDIN*", "--command", "main.py 'STANDIN 1 \"$x\"' trained"]
    done = step("run_baseline.py", "--code", code, *training, "--name-to", tmp_path / "note")
    assert done.returncode == 0, done.stderr
    answering = ["--made", "out", "--command", "main.py out {checkpoint}", "--checkpoint", tmp_path / "note"]
    done = step("run_baseline.py", "--code", code, *answering, "--copy-to", tmp_path / "copy")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "copy").read_text() == 'STANDIN 1 "$x"'


def test_files_of_an_interrupted_training_are_not_used(step, tmp_path):
    (tmp_path / "main.py").write_text("open('STANDIN_10_2.0', 'w').close()\n")
    (tmp_path / "STANDIN_9000_1.0").write_text("of the run before")
    flags = ["--code", tmp_path, "--command", "main.py", "--made", "STANDIN_*"]
    done = step("run_baseline.py", *flags, "--name-to", tmp_path / "checkpoint.txt")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "checkpoint.txt").read_text() == f"STANDIN_10_2.0\n{hashlib.sha256(b'').hexdigest()}\n"


@pytest.mark.parametrize(("ending", "status"), [("os.kill(os.getpid(), 9)", "-9"), ("os._exit(3)", "3")])
def test_results_that_a_failed_training_wrote_are_not_used(step, tmp_path, ending, status):
    """The first training writes results and fails; the next one writes none."""
    flags = ["--code", tmp_path, "--command", "main.py", "--made", "results.txt"]
    flags += ["--name-to", tmp_path / "checkpoint.txt"]
    (tmp_path / "main.py").write_text(f"import os\nopen('results.txt', 'w').write('Greedy:half')\n{ending}\n")
    failed = step("run_baseline.py", *flags)
    assert failed.returncode == 1 and f"ended with status {status}" in failed.stderr
    assert (tmp_path / "results.txt").exists()
    (tmp_path / "main.py").write_text("pass\n")
    wrote_none = step("run_baseline.py", *flags)
    assert wrote_none.returncode == 1 and "ended without an error, but made no" in wrote_none.stderr
    assert not (tmp_path / "checkpoint.txt").exists() and not (tmp_path / "results.txt").exists()


@pytest.mark.parametrize(
    ("note", "fragment"),
    [
        ("results.txt\n" + hashlib.sha256(b"older").hexdigest(), "is no longer the file that training made"),
        ("gone.txt\n" + "0" * 64, "is no longer the file that training made"),
        ("results.txt\n", "does not name a file and its hash"),
        ("", "does not name a file and its hash"),
    ],
)
def test_results_that_changed_since_training_are_refused(step, tmp_path, note, fragment):
    (tmp_path / "results.txt").write_text("Greedy:a\nRef:b\n")
    (tmp_path / "checkpoint.txt").write_text(note)
    flags = ["--code", tmp_path, "--command", "", "--made", "results.txt", "--checkpoint", tmp_path / "checkpoint.txt"]
    done = step("run_baseline.py", *flags, "--copy-to", tmp_path / "copied.txt")
    assert done.returncode == 1 and fragment in done.stderr and "What to do: delete" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "copied.txt").exists()


def test_run_baseline_is_written_for_python_3_6(repository):
    tree = ast.parse((repository / "scripts/run_baseline.py").read_text(), feature_version=(3, 6))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported <= {"argparse", "glob", "hashlib", "os", "re", "shlex", "shutil", "subprocess", "sys"}
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))


def test_the_shipped_baselines_plan_five_jobs_each_besides_ed(checkout):
    shipped = ("seek", "case", "escm")
    targets = [f"results/paper/responses/{baseline}/authors-code/seed0/test.jsonl" for baseline in shipped]
    done = checkout.snakemake("-n", "-p", *targets)
    assert done.returncode == 0, done.stdout + done.stderr
    for rule in ("fetch_repository", "prepare_baseline", "train_baseline", "run_baseline", "read_outputs"):
        assert done.stdout.count(f"rule {rule}:") == 3
    case = [line for line in done.stdout.splitlines() if ".venv-case" in line]
    assert "--test" not in "".join(case)  # with --test, CASE's code answers untrained
    assert "rule respond" not in done.stdout and "fetch_model" not in done.stdout and done.stdout.count("gpu=1") == 5
    commands = [f".venv-{baseline}/bin/python scripts/run_baseline.py" for baseline in shipped]
    for words in (*commands, "--seed 42", "--seed 13", "--model escm"):
        assert words in done.stdout
