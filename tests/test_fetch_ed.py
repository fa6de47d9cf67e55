"""ED out of its archive: given as a file, or downloaded, and checked either way."""

import gzip
import hashlib
import http.server
import io
import re
import tarfile
import threading

import pytest

import fetch_ed
from synth_empathy.core.errors import UserError

FILES = {f"{split}.csv": f"{split}'s rows".encode() for split in ("train", "valid", "test")}


@pytest.fixture
def archive(tmp_path):
    """An archive laid out as ED's, with a file that is not wanted."""
    folder = tmp_path / "empatheticdialogues"
    folder.mkdir()
    for name, text in (FILES | {"README": b"not wanted"}).items():
        (folder / name).write_bytes(text)
    path = tmp_path / "ed.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, "empatheticdialogues")
    return path


@pytest.mark.parametrize("given", ["archive", "url"])
def test_the_three_files_come_out_of_the_checked_archive_and_nothing_else(given, archive, tmp_path, step):
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    where = ["--archive", archive] if given == "archive" else ["--url", archive.as_uri()]
    done = step("fetch_ed.py", *where, "--sha256", sha256, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    left = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.name.endswith(".csv")}
    assert left == FILES
    made = {path.name for path in (tmp_path / "out").iterdir() if path.suffix != ".sha256"}
    assert made - FILES.keys() <= {"empatheticdialogues.tar.gz"}


def test_an_archive_without_one_of_the_files_is_refused(tmp_path, step):
    (tmp_path / "train.csv").write_text("rows")
    with tarfile.open(tmp_path / "ed.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "train.csv", "empatheticdialogues/train.csv")
    sha256 = hashlib.sha256((tmp_path / "ed.tar.gz").read_bytes()).hexdigest()
    done = step("fetch_ed.py", "--archive", tmp_path / "ed.tar.gz", "--sha256", sha256, "--output", tmp_path / "out")
    assert done.returncode == 1 and "holds no valid.csv, test.csv" in done.stderr
    assert not (tmp_path / "out").exists()


def tar_of(path, *members, mode="w"):
    """An archive of ED's files as far as ``members``, pairs of an entry and its content, do not give them."""
    with tarfile.open(path, mode) as tar:
        for name, text in FILES.items():
            if name not in {entry.name for entry, _ in members}:
                entry = tarfile.TarInfo(name)
                entry.size = len(text)
                tar.addfile(entry, io.BytesIO(text))
        for entry, text in members:
            tar.addfile(entry, io.BytesIO(text))
    return path.read_bytes()


def entry(name, size=0, **fields):
    found = tarfile.TarInfo(name)
    found.size = size
    for field, value in fields.items():
        setattr(found, field, value)
    return found


#: name: (how an archive's bytes are made at a path, what is said of them)
ARCHIVES = {
    "no archive at all": (lambda path: b"<html>Not Found</html>" * 99, "is no tar archive"),
    "an empty file": (lambda path: b"", "is no tar archive"),
    "a gzip file of something else": (lambda path: gzip.compress(b"text" * 999), "is no tar archive"),
    "a gzip file cut short": (
        lambda path: tar_of(path, mode="w:gz")[:100],
        "is no tar archive that can be read to its end",
    ),
    "a tar cut short": (lambda path: tar_of(path)[:600], "unexpected end of data"),
    "gzip with a changed byte": (lambda path: spoilt(tar_of(path, mode="w:gz")), "is no tar archive"),
    "xz with a changed byte": (lambda path: spoilt(tar_of(path, mode="w:xz")), "is no tar archive"),
    "a device": (
        lambda path: tar_of(path, (entry("test.csv", type=tarfile.CHRTYPE), b"")),
        "test.csv is no plain file but a link",
    ),
    "a link": (
        lambda path: tar_of(path, (entry("test.csv", type=tarfile.SYMTYPE, linkname="/etc/passwd"), b"")),
        "test.csv is no plain file",
    ),
    "a hard link": (
        lambda path: tar_of(path, (entry("test.csv", type=tarfile.LNKTYPE, linkname="train.csv"), b"")),
        "test.csv is no plain file",
    ),
    "a folder": (
        lambda path: tar_of(path, (entry("x/test.csv", type=tarfile.DIRTYPE), b"")),
        "test.csv is no plain file",
    ),
    "a file twice": (lambda path: tar_of(path, (entry("other/test.csv", 1), b"x")), "other/test.csv is there twice"),
    "a huge file": (
        lambda path: claimed(entry("test.csv", 1 << 40)),
        "test.csv: with it, the files come to 1,099,511,627,776 bytes",
    ),
    "a huge file that is not wanted": (
        lambda path: claimed(entry("README", 1 << 40)),
        "README: with it, the files come to",
    ),
    "a terminal's escapes in a name": (lambda path: claimed(entry("\x1b[2J", 1 << 40)), "\\x1b[2J: with it"),
}


def spoilt(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


def claimed(entry):
    """A header, and little of what it claims."""
    return entry.tobuf() + bytes(2048)


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_cannot_be_read_is_refused_though_its_checksum_is_right(name, tmp_path):
    make, fragment = ARCHIVES[name]
    content = make(tmp_path / "making")
    (tmp_path / "ed.tar.gz").write_bytes(content)
    with pytest.raises(UserError, match=re.escape(fragment)) as refused:
        fetch_ed.unpack(tmp_path / "ed.tar.gz", hashlib.sha256(content).hexdigest(), tmp_path / "out")
    assert "\x1b" not in str(refused.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("url", "fragment"),
    [
        ("notaurl", "notaurl could not be downloaded: unknown url type: 'notaurl'"),
        ("http://[::1/x", "http://[::1/x could not be downloaded: Invalid IPv6 URL"),
        ("http://localhost:port/x", "could not be downloaded: nonnumeric port: 'port'"),
        ("http://", "could not be downloaded: <urlopen error no host given>"),
        ("http:///x", "could not be downloaded: <urlopen error no host given>"),
        ("gopher://localhost/x", "could not be downloaded: <urlopen error unknown url type: gopher>"),
        ("http://localhost/a b", "holds a blank, a control character"),
        ("http://localhost/\n", "holds a blank, a control character"),
        ("http://exämple.org/", "a letter beyond ASCII"),
        ("http://" + "a" * 70 + ".org/", "could not be downloaded"),
        ("http://" + "." * 9 + "/", "could not be downloaded"),
        ("file:///", "could not be downloaded"),
    ],
)
def test_an_address_that_is_none_is_refused(url, fragment, tmp_path):
    with pytest.raises(UserError, match=re.escape(fragment)):
        fetch_ed.download(url, tmp_path / "ed.tar.gz")


@pytest.fixture
def server():
    """A server on this machine; returns its address, and takes what it is to answer."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.wfile.write(server.answer)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("answer", "fragment"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", "4 of 99 bytes came"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", "could not be downloaded: IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhalf", "could not be downloaded: "),
        (b"no HTTP at all\r\n", "could not be downloaded: no HTTP at all"),
        (b"", "could not be downloaded: Remote end closed connection"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "could not be downloaded: HTTP Error 403: Forbidden"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", "could not be downloaded: got more than 100 headers"),
        (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", "could not be downloaded: HTTP Error 302"),
    ],
)
def test_an_answer_that_is_none_or_ends_early_is_refused(answer, fragment, server, tmp_path):
    server.answer = answer
    with pytest.raises(UserError, match=re.escape(fragment)) as refused:
        fetch_ed.download(f"http://127.0.0.1:{server.server_port}/ed.tar.gz?token=secret", tmp_path / "ed.tar.gz")
    assert "secret" not in str(refused.value) and "/ed.tar.gz?***" in refused.value.problem


@pytest.mark.parametrize("user", ["me:secret@", "secret@", "me:sec/secret@"])
def test_a_password_in_an_address_is_not_sent_and_not_printed(user, server, tmp_path, capsys):
    with pytest.raises(UserError, match="could not be downloaded") as refused:
        fetch_ed.download(f"http://{user}127.0.0.1:{server.server_port}/ed.tar.gz?key=secret", tmp_path / "ed.tar.gz")
    assert "secret" not in str(refused.value) + capsys.readouterr().out


def test_by_the_command_line_a_token_is_sent_and_printed_nowhere_and_what_fails_is_said(
    archive, server, tmp_path, step
):
    flags = ["--url", f"http://127.0.0.1:{server.server_port}/ed.tar.gz?key=secret", "--output", tmp_path / "out"]
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % archive.stat().st_size + archive.read_bytes()
    other = step("fetch_ed.py", *flags, "--sha256", "0" * 64)
    assert other.returncode == 1 and other.stderr.startswith("error: the archive") and "What to do: " in other.stderr
    assert not list((tmp_path / "out").glob("*"))
    done = step("fetch_ed.py", *flags, "--sha256", hashlib.sha256(archive.read_bytes()).hexdigest())
    assert done.returncode == 0 and {path.name for path in (tmp_path / "out").iterdir()} >= FILES.keys()
    assert "secret" not in done.stdout + done.stderr + other.stdout + other.stderr
    assert f"downloading http://127.0.0.1:{server.server_port}/ed.tar.gz?***\n" in done.stdout
