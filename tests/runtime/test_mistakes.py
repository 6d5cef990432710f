"""The errors for a mistyped URL, key, header, or option."""

from __future__ import annotations

import pickle
import re
import warnings

import jwt
import pytest

import livekit_connector_sync as lk
from livekit_connector_sync.server import TokenAuthorizer, TwirpApplication

SECRET = "s3cret-of-the-project-with-32-characters"
KEYS = lk.ApiKeyCredentials("key", SECRET)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("https://<your-project>.livekit.cloud", "replace the placeholder"),
        ("wss://your-project.livekit.cloud", "replace the placeholder"),
        ("${LIVEKIT_URL}", "replace the placeholder"),
        ("https://cloud.livekit.io/projects/p_1/settings", "copy the project URL"),
        ("https://a.livekit.cloud\x00", "control character"),
        ("https://a.live\nkit.cloud", "white space"),
        ("a.livekit.cloud", "no scheme"),
        ("APIabcdef", "the order is url, api_key, api_secret"),
        ("ftp://a.livekit.cloud", "malformed"),
        ("https://", "malformed"),
        (f"https://key:{SECRET}@host:99999", "user name, password, or key"),
        (f"key:{SECRET}@host", "user name, password, or key"),
        (f"http//host?api_secret={SECRET}", "no scheme"),
        (f"https://host:{SECRET}", "malformed"),
        (SECRET, "the order is url, api_key, api_secret"),
        ('"https://a.livekit.cloud"', "it is in quotes"),
        ("https://a.livekit.cloud/twirp/livekit.Connector", "leave out /twirp"),
        ("https://a.sip.livekit.cloud", "leave out .sip"),
    ],
)
def test_guarantee_4_the_error_for_a_mistyped_url_does_not_quote_it(url, remedy) -> None:
    with pytest.raises(ValueError, match=remedy) as caught:
        lk.ConnectorClient(url, "key", SECRET)
    assert SECRET not in str(caught.value)
    assert 'url must look like "https://my-project.livekit.cloud"' in str(caught.value)


@pytest.mark.parametrize(
    ("key", "secret", "remedy"),
    [
        ("   ", SECRET, "api_key is blank"),
        ("key", "\t", "api_secret is blank"),
        (f"Bearer {SECRET}", SECRET, 'api_key begins with "Bearer "'),
        ("https://a.livekit.cloud", SECRET, "the order is url, api_key, api_secret"),
        ("a.livekit.cloud", SECRET, "the order is url, api_key, api_secret"),
        ("key", f"{SECRET}\n", "api_secret begins or ends with white space"),
        ("<api-key>", SECRET, "api_key is a placeholder"),
        ("key", "your-api-secret", "api_secret is a placeholder"),
        ("key", f"'{SECRET}'", "api_secret is a placeholder or in quotes"),
        (SECRET, "APIabcdefghijkl", "were the two arguments swapped"),
    ],
)
def test_guarantee_4_the_error_for_a_mistyped_key_does_not_quote_it(key, secret, remedy) -> None:
    with pytest.raises(ValueError, match=remedy) as caught:
        lk.ConnectorClient("https://x", key, secret)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("token", "remedy"),
    [
        (f"Bearer {SECRET}", 'must not begin with "Bearer "'),
        (f"{SECRET}\n", r"is not a JWT: strip\(\) the white space"),
        ("", "is not a JWT"),
        (
            lk.AccessToken("key", SECRET),
            r"is not a JWT: pass the string that to_jwt\(\) returned, not AccessToken",
        ),
    ],
)
def test_guarantee_4_a_mistyped_token_is_explained_and_not_shown(
    token, remedy, monkeypatch
) -> None:
    with pytest.raises(ValueError, match=f"^token {remedy}") as caught:
        lk.TokenCredentials(token)
    assert SECRET not in str(caught.value)
    if isinstance(token, str) and token:
        monkeypatch.setenv("LIVEKIT_TOKEN", token)
        with pytest.raises(ValueError, match=f"^LIVEKIT_TOKEN {remedy}"):
            lk.ConnectorClient("https://x")


def test_a_mistyped_url_is_named_after_its_setting(monkeypatch) -> None:
    monkeypatch.setenv("LIVEKIT_URL", "a.livekit.cloud")
    with pytest.raises(ValueError, match=r"^LIVEKIT_URL must look like .* it has no scheme"):
        lk.ConnectorClient(api_key="key", api_secret=SECRET)


def test_a_cloud_project_without_tls_warns() -> None:
    with pytest.warns(UserWarning, match=r"a\.livekit\.cloud is reached without TLS") as warned:
        lk.ConnectorClient("ws://a.livekit.cloud", "key", SECRET)
    assert len(warned) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lk.ConnectorClient("ws://127.0.0.1:7880", "key", SECRET)


@pytest.mark.parametrize(
    "make",
    [
        lambda: lk.ApiKeyCredentials("key", SECRET),
        lambda: lk.TokenCredentials(SECRET),
        lambda: lk.AccessToken("key", SECRET),
        lambda: lk.TokenVerifier("key", SECRET),
    ],
    ids=["ApiKeyCredentials", "TokenCredentials", "AccessToken", "TokenVerifier"],
)
def test_guarantee_4_objects_that_hold_a_secret_cannot_be_pickled(make) -> None:
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(make())
    assert SECRET not in repr(make())


@pytest.mark.parametrize(
    "name",
    ["Expect", "Upgrade", "TE", "Trailer", "Keep-Alive", "Proxy-Authorization", "proxy-connection"],
)
def test_hop_by_hop_headers_are_rejected(name) -> None:
    client = lk.ConnectorClient("http://127.0.0.1:1", "key", SECRET)
    with pytest.raises(ValueError, match=f"header {name} cannot be set"):
        client.disconnect_whatsapp_call(
            whatsapp_call_id="wacid.1", whatsapp_api_key="k", extra_headers={name: "x"}
        )


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (
            lambda: lk.ConnectorClient("https://x", "k", "s", foo=1),
            "ConnectorClient has no option 'foo'",
        ),
        (
            lambda: lk.LiveKitAPI("https://x", tokn="t"),
            "LiveKitAPI has no option 'tokn': did you mean token?",
        ),
        (lambda: lk.ConnectorClient(time_out=1), "option 'time_out': did you mean timeout?"),
        (
            lambda: lk.LiveKitAPI("https://x", "k", "s", "t"),
            "LiveKitAPI takes url, api_key, api_secret; pass the rest by name",
        ),
    ],
)
def test_an_unknown_option_is_named_with_the_class(make, remedy) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert re.search(remedy, str(caught.value))


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        (
            lambda token: token.with_ttl(60),
            r"ttl must be a timedelta, such as timedelta\(minutes=10",
        ),
        (lambda token: token.with_identity(None), "identity must be a str, not NoneType"),
        (lambda token: token.with_name(5), "name must be a str, not int"),
        (lambda token: token.with_kind(b"sip"), "kind must be a str, not bytes"),
        (lambda token: token.with_metadata({}), "metadata must be a str, not dict"),
        (lambda token: token.with_sha256(b"x"), "sha256 must be a str, not bytes"),
        (lambda token: token.with_room_preset(5), "preset must be a str, not int"),
        (lambda token: token.with_attributes("a=b"), "attributes must be a dict, not str"),
        (
            lambda token: token.with_attributes({"a": 1}),
            "value of attributes must be a str, not int",
        ),
        (
            lambda token: token.with_attributes({1: "a"}),
            "name and value of attributes must be a str",
        ),
        (lambda token: token.with_grants({}), r"grants must be VideoGrants, .*room=.*, not dict"),
        (lambda token: token.with_grants(lk.SIPGrants()), "be VideoGrants, .*, not SIPGrants"),
        (lambda token: token.with_sip_grants({}), r"be SIPGrants, such as SIPGrants\(call=True\)"),
        (lambda token: token.with_agent_grants(None), r"be AgentGrants, .*, not NoneType"),
        (lambda token: token.with_grants(lk.VideoGrants(room=5)), "room of VideoGrants .* str"),
        (
            lambda token: token.with_grants(lk.VideoGrants(room_join="yes")),
            "room_join of VideoGrants must be a bool, not str",
        ),
        (
            lambda token: token.with_grants(lk.VideoGrants(can_publish_sources="camera")),
            "can_publish_sources of VideoGrants must be a list",
        ),
        (lambda token: lk.ApiKeyCredentials("k", "s", ttl=60), "ttl must be a timedelta, not int"),
        (lambda token: lk.ApiKeyCredentials("k", "s", clock=5), "clock must be a function"),
        (lambda token: lk.TokenVerifier("k", "s", leeway=60), "leeway must be a timedelta, such"),
    ],
)
def test_a_wrong_type_in_an_access_token_is_named(call, remedy) -> None:
    with pytest.raises(TypeError) as caught:
        call(lk.AccessToken("key", SECRET))
    assert re.search(remedy, str(caught.value))


@pytest.mark.parametrize("make", [lk.AccessToken, lk.TokenVerifier])
@pytest.mark.parametrize(
    ("key", "secret", "remedy"),
    [
        ("key", f"{SECRET}\n", "api_secret begins or ends with white space"),
        ("key", SECRET.encode(), "api_secret must be a str, not bytes"),
        (5, SECRET, "api_key must be a str, not int"),
    ],
)
def test_guarantee_4_the_error_for_an_access_tokens_mistyped_key_does_not_quote_it(
    make, key, secret, remedy
) -> None:
    with pytest.raises(ValueError, match=remedy) as caught:
        make(key, secret)
    assert SECRET not in str(caught.value)


def test_a_secret_with_white_space_is_named_after_its_setting(monkeypatch) -> None:
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    monkeypatch.setenv("LIVEKIT_API_SECRET", f"{SECRET}\n")
    for make in (lk.AccessToken, lk.TokenVerifier, lambda: lk.ConnectorClient("https://x")):
        with pytest.raises(
            ValueError, match=r"^LIVEKIT_API_SECRET begins or ends with white space"
        ):
            make()


@pytest.mark.parametrize(
    ("token", "remedy"),
    [
        (None, "token must be a str, not NoneType"),
        (lk.AccessToken("key", SECRET), "token must be a str, not AccessToken"),
        ("Bearer a.b.c", 'token begins with "Bearer "'),
    ],
)
def test_a_verifier_explains_what_is_not_a_token(token, remedy) -> None:
    with pytest.raises(jwt.DecodeError, match=remedy):
        lk.TokenVerifier("key", SECRET).verify(token)


@pytest.mark.parametrize(
    ("policy", "options", "remedy"),
    [
        *(
            (lk.RetryPolicy, options, remedy)
            for options, remedy in [
                ({"max_attempts": True}, "max_attempts must be an integer from 1"),
                ({"initial_backoff": "1"}, "initial_backoff must be 0 or more seconds"),
                ({"max_backoff": None}, "max_backoff must be 0 or more seconds"),
                ({"backoff_multiplier": "2"}, "backoff_multiplier must be from 1"),
                ({"jitter": "no"}, "jitter must be True or False"),
                ({"retry_ambiguous": "no"}, "retry_ambiguous must be True or False"),
                ({"retryable_status_codes": None}, "retryable_status_codes must be a set"),
                ({"retryable_status_codes": "unavailable"}, "must be a set of codes, such as"),
                ({"retryable_status_codes": [503]}, "retryable_status_codes: 503 is not"),
            ]
        ),
        *(
            (lk.FailoverPolicy, options, remedy)
            for options, remedy in [
                ({"hosts": "a.example.com"}, "hosts must be a tuple of domains"),
                ({"hosts": None}, "hosts must be a tuple of domains"),
                ({"hosts": ["https://a.example.com"]}, "each of hosts must be a domain"),
                ({"hosts": ["*"]}, "each of hosts must be a domain"),
                ({"hosts": [5]}, "each of hosts must be a domain"),
                ({"allow_http": "no"}, "allow_http must be True or False"),
            ]
        ),
        (lk.ConnectorClient, {"url": "https://x", "validate": "no"}, "validate must be True or"),
        (lk.ConnectorClient, {"url": lk.Channel("https://x", KEYS)}, "call from_channel"),
    ],
)
def test_a_wrong_option_is_named(policy, options, remedy) -> None:
    with pytest.raises(ValueError, match=remedy):
        policy(**options)


@pytest.mark.parametrize("metadata", [5, "x-trace", {"x-trace": "1"}])
def test_the_shape_of_metadata_is_explained(metadata) -> None:
    stub = lk.ConnectorStub(lk.Channel("https://x", KEYS))
    with pytest.raises(
        TypeError, match=r"metadata must be \(name, value\) pairs, not (int|str|dict)"
    ):
        stub.DisconnectWhatsAppCall(lk.DisconnectWhatsAppCallRequest(), metadata=metadata)


def test_an_unknown_enum_constant_is_answered_with_the_known_ones() -> None:
    known = "use one of TWILIO_CALL_DIRECTION_INBOUND, TWILIO_CALL_DIRECTION_OUTBOUND"
    with pytest.raises(AttributeError, match=f"TwilioCallDirection has no INBOUND: {known}"):
        lk.TwilioCallDirection.INBOUND  # noqa: B018
    with pytest.raises(ValueError, match=f"TwilioCallDirection has no value 'INBOUND': {known}"):
        lk.TwilioCallDirection("INBOUND")
    client = lk.ConnectorClient("https://x", "key", SECRET)
    with pytest.raises(ValueError, match=f"twilio_call_direction: .* has no 7; {known}"):
        client.connect_twilio_call(room_name="r", twilio_call_direction=7)


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda: TwirpApplication(lk.ConnectorServicer), "not the class ConnectorServicer"),
        (lambda: TwirpApplication(object()), "servicers must be instances .*, not object"),
        (lambda: TwirpApplication(authorize=TokenAuthorizer), "authorize must be a function"),
        (lambda: TwirpApplication(max_body="4MB"), "max_body must be a number of bytes"),
        (lambda: TokenAuthorizer("key", ""), "api_secret is empty"),
    ],
)
def test_what_a_server_cannot_work_with_is_named(make, remedy, monkeypatch) -> None:
    monkeypatch.setenv("LIVEKIT_API_SECRET", SECRET)  # is for clients
    with pytest.raises((TypeError, ValueError), match=remedy):
        make()
