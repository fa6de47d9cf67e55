"""How a step ends: with an error message for a fault of the user or the system; on a signal without partial files."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from processes import heed_signals
from synth_empathy.core import cli, errors
from synth_empathy.core.errors import UserError

#: A step that raises an error, or does something to a path, under cli.run.
STEP = """
import sys
from synth_empathy.core import cli, files, json_files
def main():
    {body}
cli.run(main)
"""


def run(repository, body, *words, **more):
    """Run a step with a given body; returns the finished process."""
    command = [sys.executable, "-c", STEP.format(body=body), *map(str, words)]
    return subprocess.run(
        command, env={"PYTHONPATH": str(repository / "scripts")}, capture_output=True, text=True, timeout=120, **more
    )


@pytest.mark.parametrize("number", sorted(errors.BY_ERRNO))
def test_every_known_error_of_the_system_is_an_error_for_the_user(repository, number):
    done = run(repository, f"raise OSError({number}, 'said', '/some/path')")
    assert done.returncode == 1 and done.stderr.startswith("error: /some/path: ") and "\n  What to do: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "body", ["raise OSError(errno, 'unknown')".replace("errno", str(errno.EBADF)), "raise KeyError('ours')", "1 / 0"]
)
def test_defects_of_ours_keep_their_traceback(repository, body):
    done = run(repository, body)
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_a_full_disk_is_recognised_in_a_librarys_message(repository):
    for said in (
        "I/O error: No space left on device (os error 28)",
        "PytorchStreamWriter failed: No space left on device",
    ):
        done = run(repository, f"raise RuntimeError({said!r})")
        assert done.returncode == 1 and done.stderr.startswith("error: the disk is full\n  What to do: ")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_old_file_unchanged(repository, small_disk):
    (small_disk / "f").write_text("old")
    done = run(repository, "files.write_text(sys.argv[1], 'x' * 1_000_000)", small_disk / "f")
    assert done.returncode == 1 and f"{small_disk / 'f'}: the disk is full" in done.stderr
    assert [(path.name, path.read_text()) for path in small_disk.iterdir()] == [("f", "old")]


def test_weights_that_do_not_fit_are_an_error_for_the_user(repository, small_disk):
    body = "import torch, safetensors.torch as st; st.save_file({'w': torch.zeros(100_000)}, sys.argv[1])"
    done = run(repository, body, small_disk / "w.safetensors")
    assert done.returncode == 1 and "the disk is full" in done.stderr and "Traceback" not in done.stderr


def test_a_read_only_file_system_is_an_error_for_the_user(repository, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = run(repository, "files.write_text(sys.argv[1], 'x')", small_disk / "f")
    assert done.returncode == 1 and "the file system is read-only" in done.stderr and "Traceback" not in done.stderr


def test_a_folder_in_place_of_a_file_is_named_and_not_the_partial_file(repository, tmp_path):
    (tmp_path / "f").mkdir()
    done = run(repository, "json_files.write_json(sys.argv[1], 1)", tmp_path / "f")
    assert (
        done.returncode == 1 and done.stderr.startswith(f"error: {tmp_path / 'f'}: ") and "partial" not in done.stderr
    )
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_users_words_reach_the_terminal_without_control_sequences(repository):
    done = run(repository, "cli.parser('d').parse_args()", "--x\x1b[31m")
    assert done.returncode == 2 and "\x1b" not in done.stderr and "\\x1b[31m" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_no_unfinished_file(repository, tmp_path, number):
    body = (
        "with files.atomic_path(sys.argv[1]) as partial:\n        partial.write_text('half')\n"
        "        print('writing', flush=True)\n        import time\n        time.sleep(60)"
    )
    command = [sys.executable, "-c", STEP.format(body=body), str(tmp_path / "f")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(
        command, env={"PYTHONPATH": str(repository / "scripts")}, preexec_fn=heed_signals, **pipes
    )
    assert process.stdout.readline() == "writing\n"
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "goes on from what is finished" in said and "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_the_caller_ignores_stays_ignored(repository):
    """As under nohup: SIGHUP is ignored before the step begins."""
    body = "import os, signal; os.kill(os.getpid(), signal.SIGHUP); print('lives')"
    done = run(repository, body, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert done.returncode == 0 and done.stdout == "lives\n"


def test_an_error_that_is_a_defect_is_no_error_for_the_user():
    assert errors.from_os_error(OSError("no number")) is None and cli.as_user_error(ValueError("x")) is None
    known = UserError("p", "h")
    assert cli.as_user_error(known) is known
