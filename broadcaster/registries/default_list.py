"""The list in memory of a process, which its synchronous and its asyncio default broadcasters share.

Whoever registers with one and broadcasts with the other would else reach nobody, and nothing would say why.
"""

import os
from weakref import WeakValueDictionary

from ..log import logger
from . import Registry
from .choose import VARIABLE
from .memory import MemoryRegistry

# By API and stage. A list lives for as long as a broadcaster uses it.
_lists: "WeakValueDictionary[str, MemoryRegistry]" = WeakValueDictionary()


def default_list(
    api_id: object = None,
    *_: object,
    registry: object = None,
    region: object = None,
    stage: object = None,
    endpoint_url: object = None,
    **others: object,
) -> object:
    """Return this process's list for an endpoint where the registry is in memory; else the registry as it was given.

    Takes the arguments of a broadcaster, which checks them.

    Raises:
        ConfigurationError: the endpoint is missing or malformed.
    """
    url = os.environ.get(VARIABLE) or "memory://" if registry is None else registry
    if url != "memory://":
        return registry
    from ..endpoint import resolve_endpoint, scope_of  # only now: `import broadcaster` is to cost little

    endpoint = resolve_endpoint(api_id, region=region, stage=stage, endpoint_url=endpoint_url)  # type: ignore[arg-type]
    return _lists.setdefault(scope_of(endpoint), MemoryRegistry())


def warn_if_dropped(before: Registry, after: Registry) -> None:
    """Say on the logger `broadcaster` that a default list with connections in it is used no longer."""
    if before is after or not any(before is each for each in list(_lists.values())):
        return
    count = before.count()
    if count:
        logger().warning(
            "init_broadcaster was called again for another API, stage or registry. What was registered in memory "
            "before is dropped, %d in all; it gets nothing until it registers again.",
            count,
        )
