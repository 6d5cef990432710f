"""The errors for a mistyped URL, key, header, or option."""

from __future__ import annotations

import pickle
import re
import warnings

import pytest

import livekit_connector_sync as lk

SECRET = "s3cret-of-the-project-with-32-characters"


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
    ],
)
def test_guarantee_4_the_error_for_a_mistyped_key_does_not_quote_it(key, secret, remedy) -> None:
    with pytest.raises(ValueError, match=remedy) as caught:
        lk.ConnectorClient("https://x", key, secret)
    assert SECRET not in str(caught.value)


def test_a_token_with_the_bearer_prefix_is_rejected() -> None:
    with pytest.raises(ValueError, match='token must not begin with "Bearer "'):
        lk.TokenCredentials("Bearer abc")


def test_a_cloud_project_without_tls_warns() -> None:
    with pytest.warns(UserWarning, match=r"a\.livekit\.cloud is reached without TLS"):
        lk.ConnectorClient("ws://a.livekit.cloud", "key", SECRET)
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
        (lambda token: lk.ApiKeyCredentials("k", "s", ttl=60), "ttl must be a timedelta, not int"),
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
