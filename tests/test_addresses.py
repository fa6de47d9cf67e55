"""Addresses in logs and manifests: they show the origin of a file, and no secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_empathy.core.addresses import masked, masked_in, masked_words, without_secrets

SHOWN = {
    "https://example.org/ed.tar.gz": "https://example.org/ed.tar.gz",
    "https://example.org:8080/a@v1": "https://example.org:8080/a@v1",
    "https://example.org/@scope/x": "https://example.org/@scope/x",
    "file:///data/x.tar.gz": "file:///data/x.tar.gz",
    "git@example.org:owner/name.git": "git@example.org:owner/name.git",
    "ssh://git@example.org/owner/name": "ssh://git@example.org/owner/name",
    "/data/a@b:c": "/data/a@b:c",
    "../standin": "../standin",
    "notaurl": "notaurl",
    "": "",
    "https://me:secret@example.org/x": "https://***@example.org/x",
    "https://secret@example.org/x": "https://***@example.org/x",
    "https://me:a@secret@example.org/x": "https://***@example.org/x",
    "https://example.org/x?token=secret": "https://example.org/x?***",
    "https://example.org/x?token=secret#secret": "https://example.org/x?***#***",
    "https://example.org?secret": "https://example.org?***",
    "hg::https://me:secret@example.org/x": "hg::https://***@example.org/x",
    "secret@example.org:owner/name": "***@example.org:owner/name",
    "git:secret@example.org:owner/name": "***@example.org:owner/name",
    "https://me:sec/ret@example.org/x": "https://***@",
    "https://me:sec?ret#@example.org/x": "https://***@",
    "https://me:secret@example.org/x?to=a@b": "https://***@",
    "https://[::1/x?secret": "https://[::1/x?***",
    "https://example.org/\x1b[2J\n": "https://example.org/\\x1b[2J\\n",
}


@pytest.mark.parametrize("address", SHOWN)
def test_an_address_is_shown_without_its_secrets(address):
    assert masked(address) == SHOWN[address]


WORD = st.text("abcXYZ019_-.~!$&'()*+,;=%", min_size=1, max_size=12)


@given(WORD, WORD, WORD, st.sampled_from(["https", "http", "ssh", "ftp"]))
def test_no_secret_is_left_in_an_address_or_in_a_text_about_it(user, password, token, scheme):
    user, password, token = f"u<{user}", f"p<{password}", f"t<{token}"  # none is a part of another text by chance
    address = f"{scheme}://{user}:{password}@example.org/path?a=1&key={token}"
    assert masked(address) == f"{scheme}://***@example.org/path?***"
    said = masked_in(f"cannot read {address}: {password}@example.org is no port, key={token!r}, user {user}", address)
    assert not [secret for secret in (user, password, token) if secret in said]
    assert said.startswith("cannot read ") and "is no port" in said


def test_no_secret_is_left_in_addresses_in_messages_of_other_programs():
    said = "403 for url: https://me:secret@cdn.example.org/x?Expires=1&Signature=secret (ID: 1)\n"
    said += "  /repos/a/b?key=secret#secret is gone"
    assert masked_words(said) == "403 for url: https://***@cdn.example.org/x?*** (ID: 1)\n  /repos/a/b?*** is gone"
    plain = "see 'https://example.org/a/b'.\n\nIs it open? (a=b)"
    assert masked_words(plain) == plain


def test_a_text_about_an_address_without_secrets_is_unchanged():
    said = "fatal: git: 'https://example.org/a.git' is not there (git, 404)"
    assert masked_in(said, "https://example.org/a.git") == said
    assert masked_in(said, "git@example.org:a") == said


def test_a_decoded_password_is_hidden():
    assert masked_in("p@ss:word? p%40ss%3Aword?", "https://me:p%40ss%3Aword@example.org/") == "***? ***?"


def test_the_configuration_is_kept_with_its_addresses_masked():
    settings = {
        "datasets": {"ed": {"url": "https://me:secret@example.org/", "x": 1}, "mine": {"file": "x.jsonl"}},
        "baselines": {"seek": {"repository": "https://secret@example.org/"}},
    }
    kept = without_secrets(settings)
    assert kept == {
        "datasets": {"ed": {"url": "https://***@example.org/", "x": 1}, "mine": {"file": "x.jsonl"}},
        "baselines": {"seek": {"repository": "https://***@example.org/"}},
    }
    assert "secret" in settings["datasets"]["ed"]["url"]
