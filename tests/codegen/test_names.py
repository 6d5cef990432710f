"""The pure parts that text of any kind goes through."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen import layout, names
from codegen.compile import declared_services


@pytest.mark.parametrize(
    ("rpc", "method"),
    [
        ("DialWhatsAppCall", "dial_whatsapp_call"),
        ("ListSIPInboundTrunk", "list_sip_inbound_trunk"),
        ("CreateSIPParticipant", "create_sip_participant"),
        ("StartRoomCompositeEgress", "start_room_composite_egress"),
        ("CreateAgentV2", "create_agent_v2"),
        ("PerformRpc", "perform_rpc"),
    ],
)
def test_client_methods(rpc: str, method: str) -> None:
    assert names.client_method(rpc) == method


@settings(deadline=None)
@given(st.lists(st.from_regex(r"[A-Z][a-z]+", fullmatch=True), min_size=1))
def test_capitalised_words_become_the_words(words: list[str]) -> None:
    rpc = "".join(words)
    if "WhatsApp" not in rpc:
        assert names.client_method(rpc) == "_".join(words).lower()


def test_enums_that_share_a_name_are_told_apart() -> None:
    paths = [
        ("Dial", "Kind"),
        ("Accept", "Kind"),
        ("Dial", "State"),
        ("Reason",),
        ("End", "Reason"),
    ]
    assert names.export_names(paths, ["State"]) == {
        ("Dial", "Kind"): "DialKind",
        ("Accept", "Kind"): "AcceptKind",
        ("Dial", "State"): "DialState",
        ("Reason",): "Reason",
        ("End", "Reason"): "EndReason",
    }


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.just("\n")))
def test_any_comment_makes_a_docstring_that_says_it(comment: str) -> None:
    """Comments of other services' protos may hold quotes, backslashes, anything."""
    lines = layout.docstring("\n".join(layout.paragraphs(comment, "    ")), "    ")
    tree = ast.parse("\n".join(["class X:", *lines]))
    assert isinstance(tree.body[0], ast.ClassDef)
    text = ast.get_docstring(tree.body[0]) or ""
    assert text.split() == comment.split()


@pytest.mark.parametrize(
    ("text", "services"),
    [
        ("package a.b; service C { }", ["a.b.C"]),
        ("service C{}", ["C"]),
        ("// service A {\n/* package x; service B { */ package a;\nservice C {\n}", ["a.C"]),
        ("message M { string service = 1; } message myservice {}", []),
    ],
)
def test_services_are_found_without_compiling(text: str, services: list[str]) -> None:
    assert declared_services(text) == services
