"""The installer of the environments: uv gets pip's settings, and pip takes over if uv fails."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("install", Path(__file__).resolve().parents[1] / "envs/install.py")
install = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(install)

LISTED = r"""
global.index-url='https://index.invalid/simple'
global.extra-index-url='\nhttps://more.invalid/simple\nfile:///wheels/simple'
global.cert='/certificates.crt'
install.index-url='https://install.invalid/simple'
freeze.timeout='10'
:env:.find-links='/wheels /more'
:env:.cert='/other.crt'
"""


@pytest.fixture
def python(tmp_path):
    """An interpreter whose pip lists settings."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{LISTED}END\n")
    program.chmod(0o755)
    return program


def test_uv_gets_pips_settings(python, monkeypatch):
    for name in install.SETTINGS.values():
        monkeypatch.delenv(name, raising=False)
    assert install.uv_settings(install.pip_settings(python)) == {
        "UV_DEFAULT_INDEX": "https://install.invalid/simple",
        "UV_INDEX": "https://more.invalid/simple file:///wheels/simple",
        "UV_FIND_LINKS": "/wheels,/more",
        "SSL_CERT_FILE": "/other.crt",
    }
    monkeypatch.setenv("SSL_CERT_FILE", "/mine.crt")
    assert "SSL_CERT_FILE" not in install.uv_settings(install.pip_settings(python))


def tool(folder, name, accepted):
    """A program that records its calls, and succeeds if one of ``accepted`` is among its arguments."""
    program = folder / name
    program.write_text(
        f"#!{sys.executable}\nimport sys\nprint('complaint of {name}', file=sys.stderr)\n"
        f"open({str(folder / 'calls')!r}, 'a').write('{name} ' + ' '.join(sys.argv[1:]) + chr(10))\n"
        f"sys.exit(not any(word in sys.argv for word in {accepted!r}))\n"
    )
    program.chmod(0o755)
    return [program]


@pytest.mark.parametrize(
    ("uv", "pip", "called", "installed", "printed"),
    [
        (["-r"], [], ["uv"], True, ""),
        ([], ["-r"], ["uv", "pip"], True, ""),
        (["elsewhere"], [], ["uv", "pip", "uv"], True, ""),
        ([], ["elsewhere"], ["uv", "pip", "uv", "pip"], True, "complaint of pip"),
        ([], [], ["uv", "pip", "uv", "pip"], False, "complaint of pip"),
    ],
)
def test_each_tool_tries_each_index_and_only_the_last_prints_errors(
    tmp_path, capfd, uv, pip, called, installed, printed
):
    tools = [tool(tmp_path, "uv", uv), tool(tmp_path, "pip", pip)]
    assert install.install(tools, ["torch-cpu"], dict(os.environ), "elsewhere") == installed
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == called
    assert all(f"--require-hashes --no-deps -r {install.ENVS}/torch-cpu.lock" in call for call in calls)
    assert capfd.readouterr().err.strip() == printed
