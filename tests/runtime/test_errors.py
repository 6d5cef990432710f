"""Errors hold only plain values, and keep all attributes between processes."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

import livekit_connector_sync as lk

CLASSES = [cls for cls in lk.TwirpError.__subclasses__() if cls.__module__ == lk.errors.__name__]


def an_error(cls: type[lk.TwirpError]) -> lk.TwirpError:
    return cls(
        "no such call",
        {"argument": "whatsapp_call_id"},
        404,
        "request-1",
        "livekit.Connector/ConnectWhatsAppCall",
        2,
        True,
        False,
    )


def facts(error: lk.TwirpError) -> tuple[object, ...]:
    return (
        type(error),
        error.code,
        error.message,
        error.metadata,
        error.status,
        error.request_id,
        error.method,
        error.attempts,
        error.maybe_sent,
        error.safe_to_retry,
        str(error),
    )


def test_there_is_one_class_for_each_of_twirps_codes() -> None:
    assert {cls.code for cls in CLASSES} == set(lk.StatusCode)
    assert len(CLASSES) == len(lk.StatusCode)


@pytest.mark.parametrize(
    "through",
    [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_guarantee_3_errors_keep_all_attributes_in_pickles_and_copies(through) -> None:
    for error in map(an_error, [lk.TwirpError, *CLASSES]):
        assert facts(through(error)) == facts(error)


def test_errors_survive_celerys_json_result_backend() -> None:
    for error in map(an_error, CLASSES):
        # celery.backends.base stores the class's name and the args, and calls the class with them.
        args = json.loads(json.dumps(error.args))
        assert facts(type(error)(*args)) == facts(error)


def test_a_code_equals_its_value_on_the_wire() -> None:
    assert lk.NotFound().code == "not_found"
    assert f"{lk.StatusCode.NOT_FOUND}" == str(lk.StatusCode.NOT_FOUND) == "not_found"


def test_both_spellings_of_data_loss_are_parsed() -> None:
    assert lk.StatusCode("dataloss") is lk.StatusCode("data_loss") is lk.StatusCode.DATA_LOSS


def test_deadline_exceeded_is_a_timeout_error_with_all_attributes() -> None:
    error = an_error(lk.DeadlineExceeded)
    assert isinstance(error, TimeoutError)
    assert str(error).startswith("deadline_exceeded: no such call (livekit.Connector/")
    assert pickle.loads(pickle.dumps(error)).args == error.args


def test_from_code_returns_the_codes_subclass() -> None:
    error = lk.TwirpError.from_code("resource_exhausted", "slow down", status=429)
    assert type(error) is lk.ResourceExhausted
    assert (error.message, error.status) == ("slow down", 429)
    with pytest.raises(ValueError, match="teapot"):
        lk.TwirpError.from_code("teapot")


def test_any_text_of_a_server_can_be_printed() -> None:
    assert str(lk.Internal("\ud800 broken")).encode("utf-8")
