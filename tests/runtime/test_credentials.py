"""Tokens: their claims, how long they are cached, and that the official SDK accepts them."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from livekit import api as official

import livekit_connector_sync as lk

SECRET = "a-secret-of-at-least-32-characters"
ROOM_CREATE = (("video", "roomCreate", True),)


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def test_a_token_contains_only_the_grant() -> None:
    clock = Clock()
    token, cached = lk.ApiKeyCredentials("key", SECRET, clock=clock).token(ROOM_CREATE)
    assert not cached
    assert claims_of(token) == {
        "iss": "key",
        "nbf": int(clock.now) - 10,
        "exp": int(clock.now) + 600,
        "video": {"roomCreate": True},
    }


def test_a_token_is_cached_until_a_minute_before_it_expires() -> None:
    clock = Clock()
    credentials = lk.ApiKeyCredentials("key", SECRET, clock=clock)
    first, _ = credentials.token(ROOM_CREATE)
    clock.now += 539
    assert credentials.token(ROOM_CREATE) == (first, True)
    clock.now += 2
    second, cached = credentials.token(ROOM_CREATE)
    assert second != first
    assert not cached


def test_each_set_of_grants_has_its_own_token() -> None:
    credentials = lk.ApiKeyCredentials("key", SECRET)
    rooms = [credentials.token((("video", "room", f"r{n}"),))[0] for n in range(300)]
    assert len(set(rooms)) == 300
    assert claims_of(rooms[7])["video"] == {"room": "r7"}


def test_the_token_cache_is_bounded() -> None:
    credentials = lk.ApiKeyCredentials("key", SECRET)
    rooms = [(("video", "room", f"r{n}"),) for n in range(1_000)]
    for room in rooms:
        credentials.token(room)
    for room in rooms[-10:]:
        assert credentials.token(room)[1] is True
    assert sum(credentials.token(room)[1] for room in reversed(rooms)) < 300


def test_a_forgotten_token_is_signed_again() -> None:
    credentials = lk.ApiKeyCredentials("key", SECRET)
    other = (("video", "roomList", True),)
    credentials.token(ROOM_CREATE)
    credentials.token(other)
    credentials.forget(ROOM_CREATE)
    assert credentials.token(ROOM_CREATE)[1] is False
    assert credentials.token(other)[1] is True


def test_threads_that_sign_at_the_same_time_get_valid_tokens() -> None:
    credentials = lk.ApiKeyCredentials("key", SECRET)
    tokens: list[str] = []
    threads = [
        threading.Thread(target=lambda: tokens.append(credentials.token(ROOM_CREATE)[0]))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 16
    for token in set(tokens):
        lk.TokenVerifier("key", SECRET).verify(token)


def test_token_credentials_send_the_token_unchanged() -> None:
    assert lk.TokenCredentials("abc").token(ROOM_CREATE) == ("abc", False)
    for bad in ("", "a b", "a\n", "tok\u00e9n"):
        with pytest.raises(ValueError, match="token"):
            lk.TokenCredentials(bad)


@pytest.mark.parametrize(
    ("key", "secret", "named"), [("", "s", "api_key"), ("k", "", "api_secret")]
)
def test_a_key_without_a_secret_raises_value_error(key, secret, named) -> None:
    with pytest.raises(ValueError, match=named):
        lk.ApiKeyCredentials(key, secret)


def test_no_secret_is_shown() -> None:
    assert SECRET not in repr(lk.ApiKeyCredentials("key", SECRET))
    assert "abc" not in repr(lk.TokenCredentials("abc"))
    assert SECRET not in repr(lk.AccessToken("key", SECRET))


def test_the_official_sdk_and_we_verify_each_others_tokens() -> None:
    ours = (
        lk.AccessToken("key", SECRET)
        .with_identity("ann")
        .with_name("Ann")
        .with_attributes({"k": "v"})
        .with_grants(lk.VideoGrants(room_join=True, room="r"))
        .with_ttl(timedelta(minutes=5))
        .to_jwt()
    )
    theirs = (
        official.AccessToken("key", SECRET)
        .with_identity("ann")
        .with_name("Ann")
        .with_attributes({"k": "v"})
        .with_grants(official.VideoGrants(room_join=True, room="r"))
        .with_ttl(timedelta(minutes=5))
        .to_jwt()
    )
    assert {**claims_of(ours), "nbf": 0, "exp": 0} == {**claims_of(theirs), "nbf": 0, "exp": 0}
    read = official.TokenVerifier("key", SECRET).verify(ours)
    assert (read.identity, read.video.room) == ("ann", "r")
    read = lk.TokenVerifier("key", SECRET).verify(theirs)
    assert (read.identity, read.video.room, read.video.can_publish) == ("ann", "r", True)


def test_joining_needs_an_identity_and_a_room() -> None:
    token = lk.AccessToken("key", SECRET).with_grants(lk.VideoGrants(room_join=True, room="r"))
    with pytest.raises(ValueError, match="with_identity"):
        token.to_jwt()
    token.with_identity("ann").with_grants(lk.VideoGrants(room_join=True))
    with pytest.raises(ValueError, match=r"VideoGrants\.room"):
        token.to_jwt()


def test_the_official_grants_work_too() -> None:
    token = lk.AccessToken("key", SECRET).with_grants(official.VideoGrants(room_list=True))
    claims = claims_of(token.with_sip_grants(official.SIPGrants(call=True)).to_jwt())
    assert claims["video"]["roomList"] is True
    assert claims["sip"]["call"] is True


def test_an_access_token_is_valid_from_now_for_its_lifetime() -> None:
    before = int(time.time())
    claims = claims_of(lk.AccessToken("key", SECRET).with_ttl(timedelta(minutes=5)).to_jwt())
    assert before <= claims["nbf"] <= time.time()
    assert claims["exp"] - claims["nbf"] == 300


def test_the_verifier_tolerates_clock_skew() -> None:
    token = lk.AccessToken("key", SECRET).with_ttl(timedelta(seconds=-30)).to_jwt()
    assert lk.TokenVerifier("key", SECRET).verify(token)
    with pytest.raises(jwt.ExpiredSignatureError):
        lk.TokenVerifier("key", SECRET, leeway=timedelta(0)).verify(token)
    late = lk.AccessToken("key", SECRET).with_ttl(timedelta(seconds=-90)).to_jwt()
    with pytest.raises(jwt.ExpiredSignatureError):
        lk.TokenVerifier("key", SECRET).verify(late)


def test_a_lifetime_must_be_positive() -> None:
    for ttl in (timedelta(0), timedelta(seconds=-1)):
        with pytest.raises(ValueError, match="ttl must be positive"):
            lk.ApiKeyCredentials("key", SECRET, ttl=ttl)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "other", "exp": 4_000_000_000},
        {"iss": "key"},
        {"iss": "key", "exp": 1_000_000_000},
        {"iss": "key", "exp": 4_000_000_000, "nbf": 3_900_000_000},
        {"exp": 4_000_000_000},
    ],
    ids=["issuer", "no expiry", "expired", "not yet", "no issuer"],
)
def test_the_verifier_rejects_wrong_claims(claims) -> None:
    verifier = lk.TokenVerifier("key", SECRET)
    with pytest.raises(jwt.InvalidTokenError):
        verifier.verify(jwt.encode(claims, SECRET, "HS256"))


def test_the_verifier_rejects_other_signatures_and_algorithms() -> None:
    verifier = lk.TokenVerifier("key", SECRET)
    good = {"iss": "key", "exp": 4_000_000_000}
    with pytest.raises(jwt.InvalidTokenError):
        verifier.verify(jwt.encode(good, SECRET + "x", "HS256"))
    with pytest.raises(jwt.InvalidTokenError):
        verifier.verify(jwt.encode(good, SECRET * 2, "HS512"))
    with pytest.raises(jwt.InvalidTokenError):
        verifier.verify(jwt.encode(good, None, "none"))


def test_livekits_short_development_secret_causes_no_warning() -> None:
    token = lk.AccessToken("devkey", "secret").to_jwt()
    assert lk.TokenVerifier("devkey", "secret").verify(token).raw["iss"] == "devkey"
