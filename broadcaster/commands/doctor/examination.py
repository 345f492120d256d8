"""The checks in their order; what cannot be asked because of what was found before is left out."""

import argparse
import os
from collections.abc import Iterator

from ...endpoint import API_ID_VARIABLE, Endpoint, scope_of
from ...errors import ConfigurationError
from ...proxies import is_proxied
from ...registries import Registry
from ...registries.choose import make_registry
from ...registries.dynamodb import DynamoDBRegistry
from ...registries.memory import MemoryRegistry
from ...signing import Credentials
from ...subscription_secret import VARIABLE as SECRET_VARIABLE
from .access import try_access, try_through_proxy
from .event import send_one
from .finding import Finding, good, redact, shorten, split_advice
from .keys import find_credentials
from .living import ask_sample
from .places import find_settings, place_of_registry
from .secret import look_at_secret
from .stores import look_at_registry
from .way import is_vpc_endpoint, look_up, travel

_LONG_ENOUGH = 8  # characters: what is shorter is no secret, and may be a part of any word


class Examination:
    """Looks at a deployment from here. Changes nothing, and shows no secret and no id in full."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._hidden: dict[str, str] = {}

    def findings(self) -> Iterator[Finding]:
        """Yield what was found, check by check."""
        for finding in self._examine():
            yield finding._replace(text=self._redact(finding.text), advice=self._redact(finding.advice))

    def _redact(self, text: str) -> str:
        return redact(text, self._hidden)

    def _hide(self, value: str | None, shown: str = "…") -> None:
        if value and len(value) >= _LONG_ENOUGH:
            self._hidden[value] = shown

    def _examine(self) -> Iterator[Finding]:
        for api_id in (self._given.api_id, os.environ.get(API_ID_VARIABLE)):
            self._hide(api_id, shorten(api_id or ""))
        self._hide(os.environ.get(SECRET_VARIABLE, "").strip())
        endpoint, finding = find_settings(self._given)
        yield finding
        credentials, about_credentials = find_credentials()
        if credentials:
            self._hide(credentials.access_key, shorten(credentials.access_key))
            self._hide(credentials.secret_key)
            self._hide(credentials.token)
        can_ask = False
        if endpoint and is_proxied(endpoint):
            yield good("name", "left to the proxy that is in force (HTTPS_PROXY), and so are TLS and clock")
            yield about_credentials
            if credentials:
                yield (access := try_through_proxy(endpoint))
                can_ask = access.is_ok
        elif endpoint:
            addresses, finding = look_up(endpoint)
            yield finding
            offset = None
            if addresses:
                offset, findings = travel(endpoint)
                yield from findings
            yield about_credentials
            if credentials and offset is not None:
                yield (access := self._try_access(endpoint, credentials, offset, addresses))
                can_ask = access.is_ok
        else:
            yield about_credentials
        yield from self._look_at_lists(endpoint if can_ask else None, scope_of(endpoint) if endpoint else None)

    def _try_access(self, endpoint: Endpoint, credentials: Credentials, offset: float, addresses: list[str]) -> Finding:
        is_private = is_vpc_endpoint(endpoint, addresses)
        return try_access(endpoint, credentials, offset, is_private=is_private, hide=self._redact)

    def _look_at_lists(self, endpoint: Endpoint | None, scope: str | None) -> Iterator[Finding]:
        registry: Registry | None = None
        try:
            registry, _ = make_registry(self._given.registry, scope=scope)
        except ConfigurationError as error:
            yield split_advice("registry", error)
        if registry is not None:
            entries, findings = look_at_registry(registry)
            yield findings[0]._replace(text=f"{findings[0].text} ({place_of_registry(self._given)})")
            yield from findings[1:]
        yield look_at_secret(of_stack=self._given.secret, is_needed=isinstance(registry, DynamoDBRegistry))
        if endpoint and registry is not None and not isinstance(registry, MemoryRegistry) and findings[0].is_ok:
            yield ask_sample(endpoint, entries)
        if self._given.send and endpoint and registry is not None and findings[0].is_ok:
            yield from send_one(self._given, endpoint, registry)
        if registry is not None:
            registry.close()
