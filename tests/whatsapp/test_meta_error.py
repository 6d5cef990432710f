"""`meta_error` finds Meta's error, whatever LiveKit puts around it, and no other."""

from __future__ import annotations

import json
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

import livekit_connector_sync as lk
from livekit_connector_sync.whatsapp import MetaError, meta_error

TEXT = "No approved call permission from the receiver"
GRAPH = json.dumps(
    {
        "error": {
            "message": f"(#138006) {TEXT}",
            "type": "OAuthException",
            "code": 138006,
            "error_subcode": 2494010,
            "error_data": {"messaging_product": "whatsapp", "details": 'ask "first"'},
            "fbtrace_id": "AbC-d_1",
        }
    }
)
WHOLE = MetaError(138006, 2494010, TEXT, 'ask "first"', "AbC-d_1")
GO_QUOTED = json.dumps(GRAPH)  # as Go's %q writes it


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (f"(#138006) {TEXT} fbtrace_id AbC", MetaError(138006, message=TEXT, trace_id="AbC")),
        (f"whatsapp api call failed: (#138006) {TEXT}", MetaError(138006, message=TEXT)),
        (
            f"dial: (#138006) {TEXT} (fbtrace_id: AbC)",
            MetaError(138006, message=TEXT, trace_id="AbC"),
        ),
        (
            f"meta error 138006: {TEXT}, trace id: AbC",
            MetaError(138006, message=TEXT, trace_id="AbC"),
        ),
        (f"code: 138006, message: {TEXT}", MetaError(138006, message=TEXT)),
        (f"{TEXT} (code 138006)", MetaError(138006, message=TEXT)),
        (GRAPH, WHOLE),
        (f"graph api: 401 Unauthorized: {GRAPH}", WHOLE),
        (f"twirp error: {GO_QUOTED} (attempt 1)", WHOLE),
        (f'{{"status": 401, "body": {GRAPH}}}', WHOLE),
        (f'{{"status": 401, "body": {GO_QUOTED}}}', WHOLE),
        (f"{{not JSON}} {GRAPH}", WHOLE),
        (
            GRAPH[: GRAPH.index(', "error_data')],
            MetaError(138006, 2494010, TEXT),
        ),
        (str(json.loads(GRAPH)), MetaError(138006, 2494010, TEXT, trace_id="AbC-d_1")),
        (
            'failed: {"code": 138021, "title": "Media", "error_data": {"details": "no audio"}}',
            MetaError(138021, message="Media", details="no audio"),
        ),
        (
            "Meta's rate limit: (#138005)",
            MetaError(138005, message="Meta's rate limit", retryable=True),
        ),
        ("whatsapp error code: 190", MetaError(190, message="whatsapp error")),
    ],
)
def test_the_error_in_a_message(message: str, expected: Optional[MetaError]) -> None:
    found = meta_error(lk.InvalidArgument(message))
    assert found == expected


@pytest.mark.parametrize(
    "message",
    [
        "",
        "timed out after 10 s, while connecting, in attempt 1",
        "call not found: no call has the id 'wacid.138006'",
        "the room whatsapp-138006 does not exist",
        "15550138006 is busy",
        "whatsapp api request failed, status code: 400",
        "sip code: 486",
        '{"code": 5, "message": "not found", "details": []}',
        '{"code": "internal", "msg": "whatsapp"}',
        '{"error": {"code": true}}',
        '{"error": "denied"}',
    ],
)
def test_other_errors_have_none(message: str) -> None:
    assert meta_error(lk.InvalidArgument(message)) is None


def test_what_is_not_an_error_has_none() -> None:
    for other in (None, GRAPH, object(), KeyError("x"), ValueError(GRAPH)):
        assert meta_error(other) is None


def test_a_subclass_with_odd_attributes() -> None:
    error = lk.TwirpError(GRAPH)
    error.metadata = None  # type: ignore[assignment]
    assert meta_error(error) == WHOLE
    error.message = None  # type: ignore[assignment]
    assert meta_error(error) is None


def test_a_message_made_to_be_slow_or_deep() -> None:
    for text in ('{"a":' * 20_000, "{" * 20_000, "[" * 20_000, "(#" * 20_000, "code" * 10_000):
        assert meta_error(lk.InvalidArgument(f"meta {text}")) is None


pieces = st.lists(
    st.one_of(
        st.text(),
        st.sampled_from(
            (
                *"{}[]\"'\\:,(#) ",
                "code",
                "error",
                "fbtrace_id",
                "138006",
                "(#1",
                "meta",
                "error_data",
            )
        ),
        st.integers(-5, 10**12).map(str),
    )
).map("".join)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(("error", "errors", "code", "message", "error_data", "fbtrace_id"))
            | st.text(),
            inner,
        )
    ),
)


@given(pieces | json_values.map(json.dumps) | st.tuples(pieces, json_values).map(repr))
def test_it_never_raises(message: str) -> None:
    found = meta_error(lk.InvalidArgument(message))
    if found is not None:
        assert 0 <= found.code < 10**9
        for text in (found.message, found.details, found.trace_id):
            assert isinstance(text, str)


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.text(), st.integers(0, 10**9 - 1)
)
def test_graphs_json_is_found_behind_any_text(prefix: str, details: str, code: int) -> None:
    error = {"code": code, "message": "m", "error_data": {"details": details}, "fbtrace_id": "A"}
    document = json.dumps({"error": error})
    found = meta_error(lk.InvalidArgument(prefix.replace("{", "(") + document))
    assert found is not None
    assert (found.code, found.message, found.trace_id) == (code, "m", "A")
