#!/usr/bin/env python3
"""Install locks into a virtual environment by uv, or by pip where uv cannot; the hashes are checked either way.

uv unpacks in parallel and takes a fifth of pip's time. It does not read pip's settings, so they are passed on; where
it fails all the same, pip installs. Python's standard library only: nothing else is there yet.
"""

import argparse
import ast
import os
import shutil
import subprocess
from pathlib import Path

ENVS = Path(__file__).resolve().parent
#: pip's settings, and the variables that tell uv the same.
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
#: As pip, which takes every index for equal.
UV = ["pip", "install", "--quiet", "--index-strategy", "unsafe-best-match"]
#: Bytecode is compiled on all cores afterwards (compile_all).
PIP = ["-m", "pip", "install", "-qq", "--no-compile"]
STRICT = ["--require-hashes", "--no-deps"]


def main() -> None:
    """Parse flags, install torch's lock, then the others, and compile what was installed."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("folder", type=Path, help="the virtual environment")
    flags.add_argument("locks", nargs="+", help="locks of envs/, without .lock")
    flags.add_argument("--torch-index", help="where torch-cpu is looked for if pip's settings know no such build")
    args = flags.parse_args()

    python = args.folder.absolute() / "bin/python"
    tools = [[python, *PIP]]
    uv = args.folder.absolute() / "uv"
    if run([python, *PIP, *STRICT, "--target", uv, *requirements(["build"])], quiet=True):
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


def install(tools: list, locks: list[str], environment: dict, elsewhere: str | None = None) -> bool:
    """Install locks by the first tool that can, from the places that pip knows, else from an index elsewhere.

    Only the last try may complain.
    """
    tries = [[*tool, *STRICT, *requirements(locks)] for tool in tools]
    if elsewhere:
        tries += [[*command, "--index-url", elsewhere] for command in tries]
    return any(run(command, quiet=command is not tries[-1], environment=environment) for command in tries)


def requirements(locks: list[str]) -> list[str]:
    """Locks as flags that pip and uv share."""
    return [word for lock in locks for word in ("-r", str(ENVS / f"{lock}.lock"))]


def run(command: list, quiet: bool, environment: dict | None = None) -> bool:
    """Whether a command succeeds; ``quiet`` keeps what it prints from the terminal."""
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, env=environment, stdout=output, stderr=output).returncode == 0


def pip_settings(python: Path) -> dict[str, str]:
    """pip's settings by their names: its files', then those for ``pip install``, then the environment's, which win."""
    listed = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.partition(".")
        if section in found:
            found[section][key] = ast.literal_eval(value)
    return found["global"] | found["install"] | found[":env:"]


def uv_settings(settings: dict[str, str]) -> dict[str, str]:
    """pip's settings as the variables that uv reads; what the caller's environment says to uv wins."""
    told = {SETTINGS[key]: " ".join(value.split()) for key, value in settings.items() if key in SETTINGS}
    if "UV_FIND_LINKS" in told:
        told["UV_FIND_LINKS"] = told["UV_FIND_LINKS"].replace(" ", ",")
    return {name: value for name, value in told.items() if name not in os.environ}


def compile_all(python: Path, folder: Path) -> None:
    """Compile what was installed, one process a core; files that are no Python of this version are passed over."""
    subprocess.run([python, "-m", "compileall", "-qq", "-j", "0", "-x", "/tests?/", folder / "lib"])


if __name__ == "__main__":
    main()
