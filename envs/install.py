#!/usr/bin/env python3
"""Install locks into a virtual environment with uv, or with pip if uv fails; both check the hashes.

uv unpacks in parallel and needs a fifth of pip's time. It does not read pip's settings, so this script passes them on.
It uses only Python's standard library, because nothing else is installed yet.
"""

import argparse
import ast
import os
import shutil
import subprocess
from pathlib import Path

ENVS = Path(__file__).resolve().parent
#: pip's settings, and the variables by which uv takes the same settings.
SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
#: Like pip, which treats all indexes as equal.
UV = ["pip", "install", "--quiet", "--index-strategy", "unsafe-best-match"]
#: Bytecode is compiled on all cores afterwards (compile_all).
PIP = ["-m", "pip", "install", "-qq", "--no-compile"]
STRICT = ["--require-hashes", "--no-deps"]


def main() -> None:
    """Parse flags, install torch's lock, then the others, and compile bytecode."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("folder", type=Path, help="the virtual environment")
    flags.add_argument("locks", nargs="+", help="locks of envs/, without .lock")
    flags.add_argument("--torch-index", help="index for torch-cpu, if pip's own settings have no such build")
    args = flags.parse_args()

    python = args.folder.absolute() / "bin/python"
    tools = [[python, *PIP]]
    uv = args.folder.absolute() / "uv"
    if succeeds([python, *PIP, *STRICT, "--target", uv, *requirements(["build"])], quiet=True):
        tools.insert(0, [uv / "bin/uv", *UV, "--python", python])
    environment = os.environ | uv_settings(pip_settings(python))
    torch = [lock for lock in args.locks if lock == "torch-cpu"]
    others = [lock for lock in args.locks if lock != "torch-cpu"]
    installed = not torch or install(tools, torch, environment, args.torch_index)
    installed = installed and (not others or install(tools, others, environment))
    shutil.rmtree(uv, ignore_errors=True)
    if not installed:
        raise SystemExit(1)
    compile_all(python, args.folder)


def install(tools: list, locks: list[str], environment: dict, other_index: str | None = None) -> bool:
    """Install locks with the first tool that succeeds, from pip's own indexes or else from ``other_index``.

    Only the last attempt prints its errors.
    """
    attempts = [[*tool, *STRICT, *requirements(locks)] for tool in tools]
    if other_index:
        attempts += [[*command, "--index-url", other_index] for command in attempts]
    *earlier, last = attempts
    quietly = (succeeds(command, quiet=True, environment=environment) for command in earlier)
    return any(quietly) or succeeds(last, quiet=False, environment=environment)


def requirements(locks: list[str]) -> list[str]:
    """Locks as flags of pip and uv."""
    return [word for lock in locks for word in ("-r", str(ENVS / f"{lock}.lock"))]


def succeeds(command: list, quiet: bool, environment: dict | None = None) -> bool:
    """Run a command and return whether it succeeds; ``quiet`` hides its output."""
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, env=environment, stdout=output, stderr=output).returncode == 0


def pip_settings(python: Path) -> dict[str, str]:
    """pip's settings by name: files', overridden by those for ``pip install``, overridden by the environment's."""
    listed = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    settings: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.partition(".")
        if section in settings:
            settings[section][key] = ast.literal_eval(value)
    return settings["global"] | settings["install"] | settings[":env:"]


def uv_settings(settings: dict[str, str]) -> dict[str, str]:
    """pip's settings as variables for uv; variables that are already set in the environment stay."""
    variables = {SETTINGS[key]: " ".join(value.split()) for key, value in settings.items() if key in SETTINGS}
    if "UV_FIND_LINKS" in variables:
        variables["UV_FIND_LINKS"] = variables["UV_FIND_LINKS"].replace(" ", ",")
    return {name: value for name, value in variables.items() if name not in os.environ}


def compile_all(python: Path, folder: Path) -> None:
    """Compile the installed packages, with one process per core; files for other Python versions are skipped."""
    subprocess.run([python, "-m", "compileall", "-qq", "-j", "0", "-x", "/tests?/", folder / "lib"])


if __name__ == "__main__":
    main()
