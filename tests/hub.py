"""A model hub on loopback that the real client can use: it serves one repository at one revision."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from synth_empathy.core.model_sources import git_hash
from synth_empathy.core.provenance import sha256_file


@contextmanager
def serve(folder: Path, repository: str, revision: str, damage: str | None = None):
    """Serve the files of a folder; yields the address. The last byte of the file named ``damage`` is changed."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET(body=False)

        def do_GET(self, body=True):
            path = unquote(urlsplit(self.path).path)
            if path in (f"/api/models/{repository}/revision/{revision}", f"/api/models/{repository}"):
                self.answer_json(describe(files, repository, revision), body)
            elif path.startswith(f"/api/models/{repository}/tree/{revision}"):
                self.answer_json(tree(files), body)
            elif (name := path.removeprefix(f"/{repository}/resolve/{revision}/")) in files:
                content = files[name].read_bytes()
                if name == damage:
                    content = content[:-1] + bytes([content[-1] ^ 1])
                self.answer(content, {"ETag": f'"{etag(files[name])}"', "X-Repo-Commit": revision}, body)
            else:
                code = "RevisionNotFound" if repository in path else "RepoNotFound"
                self.answer(b"{}", {"X-Error-Code": code}, body, 404)

        def answer_json(self, value, body):
            self.answer(json.dumps(value).encode(), {"Content-Type": "application/json"}, body)

        def answer(self, content, headers, body, status=200):
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def large(path: Path) -> bool:
    """Whether the hub keeps a file outside git, under its SHA-256."""
    return path.suffix == ".safetensors"


def etag(path: Path) -> str:
    return sha256_file(path) if large(path) else git_hash(path)


def pointer(path: Path) -> dict:
    return {"sha256": sha256_file(path), "size": path.stat().st_size, "pointerSize": 134}


def describe(files, repository, revision):
    names = {"_id": "1", "id": repository, "modelId": repository, "sha": revision}
    return names | {"private": False, "tags": [], "siblings": [sibling(name, path) for name, path in files.items()]}


def sibling(name, path):
    """A file as the hub lists it."""
    described = {"rfilename": name, "size": path.stat().st_size}
    if large(path):
        return described | {"blobId": hashlib.sha1(b"pointer").hexdigest(), "lfs": pointer(path)}
    return described | {"blobId": git_hash(path)}


def tree(files):
    return [
        {"type": "file", "path": name, "size": path.stat().st_size, "oid": git_hash(path)}
        | ({"lfs": {"oid": sha256_file(path), "size": path.stat().st_size, "pointerSize": 134}} if large(path) else {})
        for name, path in files.items()
    ]
