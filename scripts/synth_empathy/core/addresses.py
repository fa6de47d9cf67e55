"""Addresses without their secrets, for logs and manifests that record the origin of a file."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from .escaping import terminal_text

#: The text that replaces a secret.
HIDDEN = "***"
#: An address by its parts. The query, the fragment and the user before the host may each hold a token.
ADDRESS = re.compile(
    r"(?P<scheme>[^/?#@]*?://)(?:(?P<user>[^/?#]*)@)?(?P<place>[^?#]*)(?P<query>\?[^#]*)?(?P<fragment>#.*)?", re.DOTALL
)
#: An address with a colon that begins no port, and an @ after the end of the host. Its password may contain a
#: character that ends the host, so that the end of the password is ambiguous.
UNCLEAR = re.compile(r"(?P<scheme>[^/?#@]*?://)(?P<user>[^/?#@:]*:(?!\d*[/?#])[^/?#]*[/?#].*@.*)", re.DOTALL)
#: user@host:path, as ssh and git take it.
SHORT = re.compile(r"(?P<user>[^/@]*)@(?P<place>[^/@:]+:.*)", re.DOTALL)
#: The user as whom forges let everybody in: not a secret.
PUBLIC = "git"
#: Shorter secrets are found only as whole words.
SHORT_SECRET = 6


def masked(address: str) -> str:
    """An address without user, password, query and fragment, each of which may be a secret.

    A local path is unchanged. So is the user "git", as whom forges let everybody in. Control characters become
    escapes.
    """
    parts = parts_of(address)
    if parts is None:
        return terminal_text(address)
    scheme, user, place, query, fragment = parts
    before = "" if user is None else f"{user if user == PUBLIC else HIDDEN}@"
    behind = f"?{HIDDEN}" * (query is not None) + f"#{HIDDEN}" * (fragment is not None)
    return terminal_text(f"{scheme}{before}{place}{behind}")


def masked_in(text: str, address: str) -> str:
    """A text about an address, without the address's secrets, encoded or decoded, anywhere in it."""
    text = text.replace(address, masked(address))
    for secret in sorted(secrets_of(address), key=len, reverse=True):
        whole = re.escape(secret) if len(secret) >= SHORT_SECRET else rf"(?<!\w){re.escape(secret)}(?!\w)"
        text = re.sub(whole, HIDDEN, text)
    return terminal_text(text)


def masked_words(text: str) -> str:
    """A text whose addresses, or ends of addresses, have no secrets (``masked``).

    Messages of other programs contain addresses that we did not give, such as a signed one.
    """
    return re.sub(r"\S+", masked_word, text)


def masked_word(match: re.Match[str]) -> str:
    """One word without a query; it may be only the end of an address, without a host."""
    word = match[0]
    if "://" in word:
        return masked(word)
    before, _, query = word.partition("?")
    return f"{before}?{HIDDEN}" if "=" in query else word


def parts_of(address: str) -> tuple[str, str | None, str, str | None, str | None] | None:
    """Scheme, user and password, host and path, query, fragment; None for a local path."""
    if match := UNCLEAR.fullmatch(address):
        return match["scheme"], match["user"], "", None, None
    if match := ADDRESS.fullmatch(address):
        query, fragment = (part and part[1:] for part in (match["query"], match["fragment"]))
        return match["scheme"], match["user"], match["place"], query, fragment
    if match := SHORT.fullmatch(address):
        return "", match["user"], match["place"], None, None
    return None


def secrets_of(address: str) -> set[str]:
    """The secrets that ``masked`` hides: whole, in pieces, decoded and quoted."""
    _, user, _, query, fragment = parts_of(address) or ("", None, "", None, None)
    pieces = {user, query, fragment}
    pieces |= {*(user or "").split(":", 1), *re.split("[:/?#@]", user or "")}
    for part in (query, fragment):
        pieces |= {piece.partition("=")[2] or piece for piece in re.split("[&;]", part or "")}
    return {form for piece in pieces for form in forms_of(piece or "")} - {"", PUBLIC}


def forms_of(secret: str) -> Iterator[str]:
    """The forms in which a message may contain a secret."""
    yield secret
    yield unquote(secret)
    yield repr(secret)[1:-1]


def without_secrets(settings: dict[str, Any]) -> dict[str, Any]:
    """A configuration with masked addresses: it is kept with results, which others receive."""
    public = copy.deepcopy(settings)
    for entry in public["datasets"].values():
        if entry.get("url"):
            entry["url"] = masked(entry["url"])
    for baseline in public["baselines"].values():
        baseline["repository"] = masked(baseline["repository"])
    return public
