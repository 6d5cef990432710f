"""Where options come from, which ones are rejected, and one client per alias."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests
from django.core.exceptions import ImproperlyConfigured

from livekit_connector_sync import UNSET, Channel, ConnectorClient, UnaryUnaryClientInterceptor
from livekit_connector_sync.contrib.django import (
    clients,
    get_calling_client,
    get_client,
    get_settings,
)
from livekit_connector_sync.emulator import ConnectorEmulator

Configure = Callable[..., None]
OPTIONS = {"URL": "https://dict.example", "API_KEY": "key", "API_SECRET": "dict-secret"}


def channel_of(client: ConnectorClient) -> Channel:
    assert isinstance(client.channel, Channel)
    return client.channel


def test_the_dict_overrides_flat_settings_which_override_the_environment(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEKIT_URL", "https://environment.example")
    monkeypatch.setenv("META_APP_SECRET", "from the environment")
    monkeypatch.setenv("META_VERIFY_TOKEN", "from the environment")
    configure(
        LIVEKIT_CONNECTOR=OPTIONS,
        LIVEKIT_CONNECTOR_URL="https://flat.example",
        LIVEKIT_CONNECTOR_META_VERIFY_TOKEN="flat",
        LIVEKIT_CONNECTOR_TIMEOUT=3,
    )
    settings = get_settings()
    assert settings.url == "https://dict.example"
    assert settings.meta_verify_token == "flat"
    assert settings.meta_app_secret == "from the environment"
    assert settings.timeout == 3
    configure(LIVEKIT_CONNECTOR={"API_KEY": "key", "API_SECRET": "secret"})
    assert get_settings().url == "https://flat.example"


def test_credentials_in_the_settings_override_the_environments(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEKIT_TOKEN", "a.b.c")
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    configure(LIVEKIT_CONNECTOR=OPTIONS)
    assert get_settings().token is None
    configure(LIVEKIT_CONNECTOR={"URL": "https://dict.example"})
    assert get_settings().token == "a.b.c"
    assert get_settings().api_key is None


def test_none_counts_as_not_given_except_for_timeout_and_retry(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEKIT_URL", "https://environment.example")
    limits = {"TIMEOUT": None, "RETRY": None}
    configure(LIVEKIT_CONNECTOR={"URL": None, "API_KEY": "k", "API_SECRET": "s", **limits})
    assert get_settings().url == "https://environment.example"
    assert (get_settings().timeout, get_settings().retry) == (None, None)
    configure(LIVEKIT_CONNECTOR=OPTIONS)
    assert get_settings().timeout is UNSET


def test_an_empty_text_counts_as_not_given(configure: Configure) -> None:
    configure(
        LIVEKIT_CONNECTOR={**OPTIONS, "URL": ""}, LIVEKIT_CONNECTOR_URL="https://flat.example"
    )
    assert get_settings().url == "https://flat.example"


def test_a_token_overrides_the_flat_key(configure: Configure) -> None:
    configure(
        LIVEKIT_CONNECTOR={"URL": "https://dict.example", "TOKEN": "a.b.c"},
        LIVEKIT_CONNECTOR_API_KEY="key",
        LIVEKIT_CONNECTOR_API_SECRET="secret",
    )
    assert (get_settings().token, get_settings().api_key) == ("a.b.c", None)


def test_a_path_can_be_a_path_object(configure: Configure, tmp_path: Path) -> None:
    pair = [tmp_path / "cert.pem", tmp_path / "key.pem"]
    configure(LIVEKIT_CONNECTOR={**OPTIONS, "VERIFY": tmp_path / "ca.pem", "CERT": pair})
    assert get_settings().verify == str(tmp_path / "ca.pem")
    assert get_settings().cert == (str(pair[0]), str(pair[1]))


class Counting(UnaryUnaryClientInterceptor):
    """Counts the calls of all its objects."""

    calls: ClassVar[list[str]] = []

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        self.calls.append(details.method)
        return continuation(details, request)


def make_session() -> requests.Session:
    session = requests.Session()
    session.headers["X-Team"] = "support"
    return session


def test_a_session_and_interceptors_from_the_settings(
    use: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "site_hooks", sys.modules[Counting.__module__])
    monkeypatch.setattr(Counting, "calls", [])
    with ConnectorEmulator() as emulator:
        use(
            emulator,
            SESSION="site_hooks.make_session",
            INTERCEPTORS=[Counting(), "site_hooks.Counting"],
        )
        get_client().connect_twilio_call(
            room_name="r", twilio_call_direction="TWILIO_CALL_DIRECTION_INBOUND"
        )
        assert emulator.requests[0].headers["x-team"] == "support"
    assert Counting.calls == ["livekit.Connector/ConnectTwilioCall"] * 2


def test_an_alias_has_a_client_of_metas_api(use: Any, configure: Configure) -> None:
    number = {
        "WHATSAPP_PHONE_NUMBER_ID": "106540352242922",
        "WHATSAPP_API_KEY": "graph-token",
        "WHATSAPP_CLOUD_API_VERSION": "23.0",
    }
    with ConnectorEmulator() as emulator:
        sales = {**number, "GRAPH_URL": emulator.url, "RETRY": None, "TIMEOUT": 5}
        configure(LIVEKIT_CONNECTOR={"default": {**OPTIONS, **number}, "sales": sales})
        client = get_calling_client("sales")
        assert client is get_calling_client("sales")
        assert client is not get_calling_client()
        assert get_client() is not get_calling_client()
        assert not client.call_permission("15551234567").can_start_call
        emulator.grant_call_permission("15551234567")
        assert client.call_permission("15551234567").can_start_call
    assert get_calling_client().url == "https://graph.facebook.com/v23.0/106540352242922"
    clients.close()
    with pytest.raises(ValueError, match="closed"):
        client.call_permission("15551234567")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"WHATSAPP_API_KEY": ""}, "WHATSAPP_API_KEY is missing"),
        ({"WHATSAPP_PHONE_NUMBER_ID": ""}, "WHATSAPP_PHONE_NUMBER_ID is missing"),
        ({"WHATSAPP_CLOUD_API_VERSION": "v23.0"}, "api_version is malformed"),
        ({"GRAPH_URL": "graph.example"}, "url must look like"),
        ({"TIMEOUT": "10"}, "timeout .* number"),
        ({"RETRY": 3}, "retry must be a RetryPolicy"),
    ],
)
def test_a_wrong_option_of_metas_api_is_named_with_its_alias(
    options: dict[str, Any], named: str, configure: Configure
) -> None:
    number = {
        "WHATSAPP_PHONE_NUMBER_ID": "106540352242922",
        "WHATSAPP_API_KEY": "hush",
        "WHATSAPP_CLOUD_API_VERSION": "23.0",
    }
    configure(LIVEKIT_CONNECTOR={"sales": {**number, **options}})
    with pytest.raises(ImproperlyConfigured, match=f"alias 'sales': .*{named}") as caught:
        get_calling_client("sales")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("option", ["SESSION", "INTERCEPTORS"])
def test_a_dotted_path_that_does_not_exist_is_named(option: str, configure: Configure) -> None:
    path = "no.such.thing"
    configure(LIVEKIT_CONNECTOR={**OPTIONS, option: path if option == "SESSION" else [path]})
    with pytest.raises(ImproperlyConfigured, match=rf"{option} names 'no\.such\.thing'"):
        get_client()


def test_override_settings_reaches_the_client(configure: Configure) -> None:
    configure(LIVEKIT_CONNECTOR=OPTIONS)
    client = get_client()
    assert get_client() is client
    configure(LIVEKIT_CONNECTOR={**OPTIONS, "URL": "https://other.example"})
    assert channel_of(get_client()).url == "https://other.example"


def test_aliases_are_independent_and_only_the_default_reads_the_environment(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("META_APP_SECRET", "of the default")
    monkeypatch.setenv("LIVEKIT_API_KEY", "of the default")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "of the default")
    configure(
        LIVEKIT_CONNECTOR={
            "default": {"URL": "https://one.example"},
            "sales": {**OPTIONS, "URL": "https://two.example"},
            "bare": {"URL": "https://three.example"},
        }
    )
    assert channel_of(get_client()).url == "https://one.example"
    assert channel_of(get_client("sales")).url == "https://two.example"
    assert get_settings().meta_app_secret == "of the default"
    assert get_settings("sales").meta_app_secret is None
    with pytest.raises(ImproperlyConfigured, match=r"'bare'.*API_KEY"):
        get_client("bare")
    with pytest.raises(ImproperlyConfigured, match=r"'seles'.*'sales'"):
        get_client("seles")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"LIVEKIT_CONNECTOR": {"API_KEYS": "k"}}, "'API_KEYS': did you mean 'API_KEY'"),
        ({"LIVEKIT_CONNECTOR": {"url": "k"}}, "'url': did you mean 'URL'"),
        ({"LIVEKIT_CONNECTOR": {"sales": {"X": 1}}}, "alias 'sales' has no option 'X'"),
        ({"LIVEKIT_CONNECTOR": {"URL": "x", "sales": {}}}, "'sales'"),
        ({"LIVEKIT_CONNECTOR": {"default": {}, "URL": "x"}}, "options .URL. are mixed with al"),
        ({"LIVEKIT_CONNECTOR": {"default": {}, "PROXIES": {}}}, "options .PROXIES. are mixed"),
        ({"LIVEKIT_CONNECTOR": [], "LIVEKIT_CONNECTOR_URL": "x"}, "must be a dict"),
        ({"LIVEKIT_CONNECTOR_URI": "x"}, "'URI': did you mean 'URL'"),
        ({"LIVEKIT_CONNECTOR": {"WHATSAPP_PHONE_NUMBER_ID": 17}}, "PHONE_NUMBER_ID .* string"),
        ({"LIVEKIT_CONNECTOR": {"META_APP_SECRET": b"x"}}, "META_APP_SECRET .* string"),
        ({"LIVEKIT_CONNECTOR": {"META_APP_SECRET": [b"x"]}}, "META_APP_SECRET .* list of strings"),
        (
            {"LIVEKIT_CONNECTOR": {"WHATSAPP_API_KEY": ["x"]}},
            "WHATSAPP_API_KEY .* string, not list",
        ),
        ({"LIVEKIT_CONNECTOR": {"AGENTS": "one"}}, "AGENTS .* list"),
        ({"LIVEKIT_CONNECTOR": {"AGENTS": [1]}}, "AGENTS .* list"),
        ({"LIVEKIT_CONNECTOR": {"INTERCEPTORS": "a.b"}}, "INTERCEPTORS .* list"),
        ({"LIVEKIT_CONNECTOR": {"VALIDATE": "no"}}, "VALIDATE .* True or False, not str"),
        ({"LIVEKIT_CONNECTOR": {"LIVEKIT_WEBHOOK_KEYS": {"k": 1}}}, "KEYS .* dict of strings"),
    ],
)
def test_a_wrong_setting_is_named(
    settings: dict[str, Any], named: str, configure: Configure
) -> None:
    configure(**settings)
    with pytest.raises(ImproperlyConfigured, match=named):
        get_settings()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"TIMEOUT": "10"}, "timeout .* number"),
        ({"API_SECRET": b"x"}, "api_secret .* str"),
        ({"RETRY": 3}, "retry .* RetryPolicy"),
        ({"FAILOVER": "yes"}, "failover .* FailoverPolicy"),
        ({"VERIFY": 17}, "verify .* path"),
        ({"CERT": 17}, "cert.* certificate"),
        ({"PROXIES": "x"}, "proxies .* mapping"),
        ({"SESSION": 17}, "SESSION names 17.* not callable"),
        ({"SESSION": "builtins.dict"}, "session .*Session"),
        ({"INTERCEPTORS": [17]}, "interceptors .* interceptor"),
    ],
)
def test_an_option_that_the_client_rejects_is_named_with_its_alias(
    options: dict[str, Any], named: str, configure: Configure
) -> None:
    configure(LIVEKIT_CONNECTOR={"sales": {**OPTIONS, **options}})
    with pytest.raises(ImproperlyConfigured, match=f"alias 'sales': .*{named}"):
        get_client("sales")


def test_an_empty_webhook_key_counts_as_not_given(configure: Configure) -> None:
    keys = {"old": "", "": "a secret", "new": "its secret"}
    configure(LIVEKIT_CONNECTOR={**OPTIONS, "LIVEKIT_WEBHOOK_KEYS": keys})
    assert set(get_settings().webhook_keys()) == {"new", OPTIONS["API_KEY"]}


@pytest.mark.parametrize(
    "option",
    ["META_APP_SECRET", "META_VERIFY_TOKEN", "TWILIO_AUTH_TOKEN", "WHATSAPP_API_KEY", "API_SECRET"],
)
@pytest.mark.parametrize("secret", ["hush\n", " hush", "\t"])
def test_white_space_around_a_secret_is_rejected(
    option: str, secret: str, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(LIVEKIT_CONNECTOR={"default": OPTIONS, "sales": {**OPTIONS, option: secret}})
    with pytest.raises(ImproperlyConfigured, match=f"(?i){option}.* white space|blank") as caught:
        get_client("sales")
    assert "sales" in str(caught.value)
    assert "hush" not in str(caught.value)
    if option != "API_SECRET":
        monkeypatch.setenv(option, secret)
        configure(LIVEKIT_CONNECTOR=OPTIONS)
        with pytest.raises(ImproperlyConfigured, match=f"{option} .* white space"):
            get_settings()


@pytest.mark.parametrize("option", ["META_APP_SECRET", "META_VERIFY_TOKEN", "TWILIO_AUTH_TOKEN"])
def test_a_secret_may_be_several_without_white_space(option: str, configure: Configure) -> None:
    configure(LIVEKIT_CONNECTOR={**OPTIONS, option: ["old", "", None, "new"]})
    assert getattr(get_settings(), option.lower()) == ("old", "new")
    configure(LIVEKIT_CONNECTOR={**OPTIONS, option: ("old", "hush ")})
    with pytest.raises(ImproperlyConfigured, match=f"{option} .* white space") as caught:
        get_settings()
    assert "hush" not in str(caught.value)


def test_white_space_around_a_webhook_key_is_rejected(configure: Configure) -> None:
    for keys in ({"key": "hush "}, {"key ": "hush"}):
        configure(LIVEKIT_CONNECTOR={**OPTIONS, "LIVEKIT_WEBHOOK_KEYS": keys})
        with pytest.raises(ImproperlyConfigured, match=r"LIVEKIT_WEBHOOK_KEYS .* white space"):
            get_settings()


def test_guarantee_4_settings_cannot_be_pickled_or_shown(configure: Configure) -> None:
    configure(LIVEKIT_CONNECTOR={**OPTIONS, "WEBHOOK_URL": "hush", "TOKEN": "hush", "URL": "hush"})
    settings = get_settings()
    assert repr(settings) == "Settings('default')"
    for copy_of in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="Settings can't be pickled"):
            copy_of(settings)


def test_no_secret_is_shown(configure: Configure) -> None:
    secrets = ("API_SECRET", "TOKEN", "WHATSAPP_API_KEY", "META_APP_SECRET", "TWILIO_AUTH_TOKEN")
    configure(
        LIVEKIT_CONNECTOR={
            "URL": "https://x.example",
            "LIVEKIT_WEBHOOK_KEYS": {"k": "hush"},
            "META_VERIFY_TOKEN": "hush",
            **dict.fromkeys(secrets, "hush"),
        }
    )
    assert "hush" not in repr(get_settings())
    with pytest.raises(ImproperlyConfigured) as caught:
        get_client()
    assert "hush" not in str(caught.value)
