"""Addresses as they may be shown: a log or a manifest says where something came from, and none of the secrets in it."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from .escaping import terminal_text

#: What stands for a secret.
HIDDEN = "***"
#: An address by its parts. A query and a fragment may hold a token, and so may the user before the host.
ADDRESS = re.compile(
    r"(?P<scheme>[^/?#@]*?://)(?:(?P<user>[^/?#]*)@)?(?P<place>[^?#]*)(?P<query>\?[^#]*)?(?P<fragment>#.*)?",
    re.DOTALL,
)
#: An address with a colon before what is no port, and an @ behind the host's end. Its password may hold a character that ends
#: the host, and nobody can say where it ends.
UNCLEAR = re.compile(r"(?P<scheme>[^/?#@]*?://)(?P<user>[^/?#@:]*:(?!\d*[/?#])[^/?#]*[/?#].*@.*)", re.DOTALL)
#: user@host:path, as ssh and git take it.
SHORT = re.compile(r"(?P<user>[^/@]*)@(?P<place>[^/@:]+:.*)", re.DOTALL)
#: The user by which forges let everybody in: no secret.
PUBLIC = "git"
#: Secrets shorter than this are looked for as whole words alone.
SHORT_SECRET = 6


def masked(address: str) -> str:
    """An address without user, password, query and fragment, each of which may be a secret.

    A local path stays as it is. So does the user "git", by which forges let everybody in.
    Characters that a terminal would obey are written as escapes.
    """
    found = parts_of(address)
    if found is None:
        return terminal_text(address)
    scheme, user, place, query, fragment = found
    before = "" if user is None else f"{user if user == PUBLIC else HIDDEN}@"
    behind = f"?{HIDDEN}" * (query is not None) + f"#{HIDDEN}" * (fragment is not None)
    return terminal_text(f"{scheme}{before}{place}{behind}")


def masked_in(text: str, address: str) -> str:
    """What somebody said about an address, without the address's secrets, decoded or not, wherever they stand in it."""
    text = text.replace(address, masked(address))
    for secret in sorted(secrets_of(address), key=len, reverse=True):
        whole = re.escape(secret) if len(secret) >= SHORT_SECRET else rf"(?<!\w){re.escape(secret)}(?!\w)"
        text = re.sub(whole, HIDDEN, text)
    return terminal_text(text)


def masked_words(text: str) -> str:
    """A text in whose words that are addresses, or the ends of some, nothing may be a secret (``masked``).

    Others' messages hold addresses that we did not give, such as one that is signed for whoever has it.
    """
    return re.sub(r"\S+", masked_word, text)


def masked_word(found: re.Match[str]) -> str:
    """One word, whose query is hidden where it has one, whether or not its host stands before it."""
    word = found[0]
    if "://" in word:
        return masked(word)
    before, _, query = word.partition("?")
    return f"{before}?{HIDDEN}" if "=" in query else word


def parts_of(address: str) -> tuple[str, str | None, str, str | None, str | None] | None:
    """Scheme, user and password, host and path, query, fragment; None of what is no address, such as a local path."""
    if found := UNCLEAR.fullmatch(address):
        return found["scheme"], found["user"], "", None, None
    if found := ADDRESS.fullmatch(address):
        query, fragment = (part and part[1:] for part in (found["query"], found["fragment"]))
        return found["scheme"], found["user"], found["place"], query, fragment
    if found := SHORT.fullmatch(address):
        return "", found["user"], found["place"], None, None
    return None


def secrets_of(address: str) -> set[str]:
    """What ``masked`` hides of an address: whole, in its pieces, and as it reads decoded or quoted."""
    _, user, _, query, fragment = parts_of(address) or ("", None, "", None, None)
    pieces = {user, query, fragment}
    pieces |= {*(user or "").split(":", 1), *re.split("[:/?#@]", user or "")}
    for part in (query, fragment):
        pieces |= {piece.partition("=")[2] or piece for piece in re.split("[&;]", part or "")}
    found = {form for piece in pieces for form in forms_of(piece or "")}
    return found - {"", PUBLIC}


def forms_of(secret: str) -> Iterator[str]:
    """How a secret may stand in a message."""
    yield secret
    yield unquote(secret)
    yield repr(secret)[1:-1]


def without_secrets(settings: dict[str, Any]) -> dict[str, Any]:
    """A configuration as it may be kept beside its results, which are handed on: with its addresses masked."""
    kept = copy.deepcopy(settings)
    entries = [(entry, "url") for entry in kept["datasets"].values() if entry.get("url")]
    entries += [(baseline, "repository") for baseline in kept["baselines"].values()]
    for entry, key in entries:
        entry[key] = masked(entry[key])
    return kept
