"""Finished rows survive a kill at any byte, serve every part, and never reach a step that would make other rows."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_empathy.core import files
from synth_empathy.core.errors import UserError
from synth_empathy.core.provenance import sha256_json
from synth_empathy.core.resumable import FinishedChunks, FinishedRows

DECIDES = {"model": "abc", "sampling": {"temperature": 0.8}}


def asked_for(ids):
    return {row_id: f"hash of {row_id}" for row_id in ids}


def opened(root, part="0-of-2", decides=DECIDES, step="generate", ids="abcdef"):
    return FinishedRows(root, step, decides=decides, part=part, asked=asked_for(ids))


def test_rows_are_on_the_disk_at_once(tmp_path):
    rows = opened(tmp_path)
    rows.add({"id": "a", "text": "x\u2028y\nz"})
    row = {"id": "a", "text": "x\u2028y\nz", "asked": "hash of a"}
    assert json.loads(rows.path.read_bytes()) == row | {"sum": sha256_json(row)}
    assert opened(tmp_path).rows == rows.rows == {"a": {"id": "a", "text": "x\u2028y\nz"}}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), min_size=1, max_size=4), st.data())
def test_a_kill_at_any_byte_costs_only_the_unfinished_row(tmp_path_factory, texts, data):
    root = tmp_path_factory.mktemp("state")
    ids = [*map(str, range(len(texts))), "new"]
    rows = opened(root, ids=ids)
    for number, text in enumerate(texts):
        rows.add({"id": str(number), "text": text})
    whole = rows.path.read_bytes()
    kept = whole[: data.draw(st.integers(0, len(whole)))]
    rows.path.write_bytes(kept)

    again = opened(root, ids=ids)
    finished = kept.count(b"\n")
    expected = [{"id": str(number), "text": text} for number, text in enumerate(texts)][:finished]
    assert list(again.rows.values()) == expected
    again.add({"id": "new", "text": "after"})  # on a line of its own
    third = opened(root, ids=ids)
    assert list(third.rows) == [*map(str, range(finished)), "new"]
    assert third.path.read_bytes().count(b"\n") == finished + 1


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 12)), st.integers(1, 6), st.integers(1, 6), st.sets(st.integers(0, 12), max_size=4))
def test_with_another_number_of_parts_no_finished_row_is_made_again(tmp_path_factory, done, before, after, changed):
    """Rows are finished in one number of parts; with another number, each is found by the part that needs it."""
    root = tmp_path_factory.mktemp("state")
    asked = asked_for(map(str, range(13)))
    for part in range(before):
        with FinishedRows(root, "generate", decides=DECIDES, part=str(part), asked=asked) as rows:
            for number in sorted(done):
                if number % before == part:
                    rows.add({"id": str(number)})
    asked |= {str(number): "another message" for number in changed}
    found = {}
    for part in range(after):
        wanted = {row_id: hash_ for row_id, hash_ in asked.items() if int(row_id) % after == part}
        with FinishedRows(root, "generate", decides=DECIDES, part=str(part), asked=wanted) as rows:
            assert rows.rows.keys() <= wanted.keys()  # no other row is held
            found |= rows.rows
    assert found == {str(number): {"id": str(number)} for number in done - changed}


def test_a_torn_line_of_another_part_is_ignored_and_left(tmp_path):
    other = opened(tmp_path, "1-of-2")
    other.add({"id": "b"})
    torn = other.path.read_bytes() + b'{"id": "c", "te'  # that job may be writing it just now
    other.path.write_bytes(torn)
    assert opened(tmp_path).rows == {"b": {"id": "b"}}
    assert other.path.read_bytes() == torn


def test_a_damaged_line_costs_its_row_alone(tmp_path):
    rows = opened(tmp_path)
    rows.add({"id": "a"})
    rows.path.write_bytes(b'{"id": "\xff\n' + rows.path.read_bytes())
    assert opened(tmp_path).rows == {"a": {"id": "a"}}


DAMAGE = {
    "a changed text": lambda line: line.replace(b"right", b"wrong"),
    "a changed id": lambda line: line.replace(b'"id": "a"', b'"id": "b"'),
    "no checksum": lambda line: line[: line.index(b', "sum"')] + b"}\n",
    "no id": lambda line: line.replace(b'"id": "a", ', b""),
    "no hash of its input": lambda line: line.replace(b'"asked"', b'"ask"'),
    "a list": lambda line: b'["id", "asked", "sum"]\n',
    "a number": lambda line: b"3\n",
    "deep nesting": lambda line: b"[" * 100_000 + b"]" * 100_000 + b"\n",
    "a key twice": lambda line: line.replace(b'"text"', b'"id": "b", "text"'),
    "an empty line": lambda line: b"\n",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_row_is_made_again_and_said(tmp_path, capsys, damage):
    rows = opened(tmp_path)
    rows.add({"id": "a", "text": "right"})
    rows.add({"id": "c", "text": "kept"})
    first, second = rows.path.read_bytes().splitlines(keepends=True)
    rows.path.write_bytes(DAMAGE[damage](first) + second)
    assert opened(tmp_path).rows == {"c": {"id": "c", "text": "kept"}}
    assert "generate: 1 finished rows in" in capsys.readouterr().out


def zeroed(path):
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))


def cut(path):
    path.write_bytes(path.read_bytes()[:-8])


def without_seal(path):
    files.seal_of(path).unlink()


def empty_seal(path):
    files.seal_of(path).write_bytes(b"")


@pytest.mark.parametrize("damage", [zeroed, cut, without_seal, empty_seal])
def test_a_damaged_chunk_is_made_again(tmp_path, damage):
    chunks = FinishedChunks(tmp_path, "embed", DECIDES, 2)
    vectors = np.arange(8, dtype=np.float32).reshape(2, 4)
    for number in (0, 1):
        chunks.save(number, vectors + number)
    damage(chunks.path(0))
    assert not chunks.has(0) and chunks.has(1) and not chunks.has(2)
    assert (chunks.load(1) == vectors + 1).all()
    if files.seal_of(chunks.path(0)).exists():
        with pytest.raises(UserError, match="has changed since it was written"):
            chunks.load(0)
    chunks.save(0, vectors)
    assert chunks.has(0)


def test_a_character_torn_in_two_is_no_fault(tmp_path):
    other = opened(tmp_path, "1-of-2")
    other.add({"id": "b"})
    other.path.write_bytes(other.path.read_bytes() + '{"id": "é'.encode()[:-1])
    assert opened(tmp_path).rows == opened(tmp_path, "1-of-2").rows == {"b": {"id": "b"}}


def test_rows_added_are_seen_by_the_adder(tmp_path):
    rows = opened(tmp_path)
    rows.add({"id": "a", "text": "old"})
    rows.add({"id": "a", "text": "new"})
    assert rows.rows == opened(tmp_path).rows == {"a": {"id": "a", "text": "new"}}


@pytest.mark.parametrize(
    "change",
    [
        {"decides": DECIDES | {"model": "abd"}},
        {"decides": {"model": "abc", "sampling": {"temperature": 0.9}}},
        {"step": "respond"},
    ],
)
def test_another_key_sees_none(tmp_path, change):
    opened(tmp_path).add({"id": "a"})
    assert opened(tmp_path, **change).rows == {}
    assert set(opened(tmp_path).rows) == {"a"}


def test_the_order_of_what_decides_does_not(tmp_path):
    opened(tmp_path).add({"id": "a"})
    assert set(opened(tmp_path, decides=dict(reversed(DECIDES.items()))).rows) == {"a"}
