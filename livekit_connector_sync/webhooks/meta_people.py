"""Finds the person at the other end of a WhatsApp call, who may hide their phone number.

Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .._runtime import fields

__all__ = ["People", "Person"]


class Person(NamedTuple):
    """A WhatsApp user. The names are those of the events' fields; values that Meta omits are ""."""

    user_id: str
    parent_user_id: str
    username: str = ""
    contact_name: str = ""

    def contradicts(self, other: Person) -> bool:
        """Return whether two persons have different user ids."""
        pairs = zip(self[:2], other[:2])
        return any(mine and theirs and mine != theirs for mine, theirs in pairs)


class People:
    """The people of a change, listed in its `contacts` for all its calls together."""

    def __init__(self, value: dict[str, Any]) -> None:
        self._known: dict[str, Person] = {}  # by the ids and the number
        persons = []
        for contact in fields.mappings(value, "contacts"):
            person = Person(
                user_id=fields.text(contact, "user_id"),
                parent_user_id=fields.text(contact, "parent_user_id"),
                username=fields.text(contact, "profile", "username"),
                contact_name=fields.text(contact, "profile", "name"),
            )
            persons.append(person)
            # Skip empty texts: two people who hide their numbers must not match each other.
            for key in filter(None, (*person[:2], fields.text(contact, "wa_id"))):
                self._known.setdefault(key, person)
        self._only = persons if len(persons) == 1 and _is_about_one(value) else []

    def find(self, update: dict[str, Any], *numbers: str) -> Person:
        """Return the person of a call, a status, or a message.

        The person's contact has the user id of the update, or one of the numbers. Meta can write a
        number differently in the two places. If there is one contact and one call, they belong
        together.
        """
        own = Person(_first(update, _ID_FIELDS), _first(update, _PARENT_FIELDS))
        by_id = [self._known[each] for each in own[:2] if each in self._known]
        by_number = [self._known[each] for each in numbers if each in self._known]
        guesses = [each for each in (*by_number, *self._only) if not each.contradicts(own)]
        for known in (*by_id, *guesses):
            return known._replace(
                user_id=known.user_id or own.user_id,
                parent_user_id=known.parent_user_id or own.parent_user_id,
            )
        return own


_ID_FIELDS = ["from_user_id", "to_user_id", "recipient_user_id"]
# Meta's documentation spells the name in both ways.
_PARENT_FIELDS = [
    name
    for role in ("from", "to", "recipient")
    for name in (f"{role}_parent_user_id", f"parent_{role}_user_id")
]


def _is_about_one(value: dict[str, Any]) -> bool:
    """Return whether a change is about one call, or one message."""
    lists = (fields.mappings(value, name) for name in ("calls", "statuses", "messages"))
    ids = [fields.text(update, "id") for updates in lists for update in updates]
    return len(ids) == 1 or (len(set(ids)) == 1 and "" not in ids)


def _first(update: dict[str, Any], names: list[str]) -> str:
    """Return the first of some fields that is not empty."""
    return next(filter(None, (fields.text(update, name) for name in names)), "")
