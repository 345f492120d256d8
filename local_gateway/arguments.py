"""The command line's options, faults among them."""

import argparse
import random
from pathlib import Path

from .connections.table import SOCKET_BUFFER
from .faults import ACCOUNT_BURST, ACCOUNT_RATE, HANDSHAKE_RATE, Faults
from .limits import LAMBDA_CONCURRENCY


def parser() -> argparse.ArgumentParser:
    """Make the parser of `python -m local_gateway`."""
    made = argparse.ArgumentParser(
        prog="python -m local_gateway",
        description="Serve the WebSocket API of a synthesized CDK stack on this machine, as API Gateway and Lambda do.",
    )
    _add_serving(made.add_argument_group("what is served, and where"))
    _add_lambdas(made.add_argument_group("its Lambdas"))
    _add_faults(made.add_argument_group("faults, all off by default; a share is between 0, never, and 1, always"))
    return made


def faults_of(given: argparse.Namespace) -> Faults:
    """Return the faults that were asked for."""
    faults = Faults(
        lost_disconnects=given.lose_disconnects,
        half_open=given.half_open,
        half_open_delay=given.half_open_delay,
        post_errors=given.post_errors,
        cold_start=given.cold_start,
        lambda_delay=given.lambda_delay,
        reorder=given.reorder,
        chance=random.Random(given.seed),  # noqa: S311 - dice for faults, not for keys
    )
    if given.throttle is not None:
        faults.throttle_account(*given.throttle)
    if given.throttle_handshakes is not None:
        faults.throttle_handshakes(given.throttle_handshakes)
    return faults


def _add_serving(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--assembly", type=Path, default=Path("cdk.out"), help="folder that 'cdk synth' wrote, or one template file")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=8080, help="port to listen on, 0 for any that is free (default: %(default)s)")
    add(
        "--url-port",
        type=int,
        default=0,
        metavar="PORT",
        help="port of the template's first function URL, the others have those above it (default: any that are free)",
    )
    add("--api", metavar="LOGICAL_ID", help="which WebSocket API, when there are several")
    add("--stage", metavar="NAME", help="which stage, when there are several")
    add("--region", help="region of a stack that names none (default: AWS_REGION, or else us-east-1)")
    add("--unsigned", action="store_true", help="take calls to @connections without checking their signatures")
    add(
        "--speed",
        type=_positive,
        default=1.0,
        metavar="N",
        help="let idle time and connection life pass N times as fast",
    )
    add("--serial", action="store_true", help="handle the messages of one connection one after the other")
    add(
        "--socket-buffer",
        type=int,
        default=SOCKET_BUFFER,
        metavar="BYTES",
        help="what may wait for one slow client before posts to it get 429 (default: %(default)s)",
    )
    add("--summary", action="store_true", help="log one line a second for all posts, instead of one for each")
    add("--quiet", action="store_true", help="no log")


def _add_lambdas(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--env", metavar="NAME=VALUE", type=_variable, action="append", default=[], help="add to their environment")
    add(
        "--source",
        metavar="FOLDER",
        type=_folder,
        action="append",
        default=[],
        help="take those files of an asset from here that are here too, so that an edit takes effect at once",
    )
    add("--recycle-after", type=int, metavar="EVENTS", help="replace each environment after so many events")
    add(
        "--lambda-concurrency",
        type=_count,
        metavar="N",
        help="refuse events beyond so many at once, as Lambda does, instead of letting them wait for a process",
    )


def _add_faults(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--lose-disconnects", type=_share, default=0.0, metavar="SHARE", help="do not invoke $disconnect")
    add("--half-open", type=_share, default=0.0, metavar="SHARE", help="clients that vanish once they are connected")
    add(
        "--half-open-delay",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="how long a post to such a client takes",
    )
    add("--post-errors", type=_share, default=0.0, metavar="SHARE", help="answer calls to @connections with 500")
    add(
        "--throttle",
        nargs="?",
        type=_rate_and_burst,
        const=(ACCOUNT_RATE, ACCOUNT_BURST),
        metavar="RATE/BURST",
        help="the account's throttle, in requests a second and at once (10000/5000 if not given)",
    )
    add(
        "--throttle-handshakes",
        nargs="?",
        type=_positive,
        const=HANDSHAKE_RATE,
        metavar="RATE",
        help="the account's throttle of new connections a second (500 if not given)",
    )
    add("--cold-start", type=_seconds, default=0.0, metavar="SECONDS", help="added to the start of each environment")
    add("--lambda-delay", type=_seconds, default=0.0, metavar="SECONDS", help="added before each event")
    add("--reorder", type=_seconds, default=0.0, metavar="SECONDS", help="hold each message back for up to this")
    add("--seed", type=int, help="repeat a run's chances")


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no folder")
    return Path(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= LAMBDA_CONCURRENCY):
        raise argparse.ArgumentTypeError(f"{text!r}: it takes a whole number between 1 and {LAMBDA_CONCURRENCY}")
    return int(text)


def _share(text: str) -> float:
    return _number(text, 0.0, 1.0, "a share is between 0 and 1")


def _seconds(text: str) -> float:
    return _number(text, 0.0, 3600.0, "it takes seconds, between 0 and 3600")


def _positive(text: str) -> float:
    return _number(text, 1e-6, 1e9, "it takes a number above 0")


def _rate_and_burst(text: str) -> tuple[float, float]:
    rate, _, burst = text.partition("/")
    return _positive(rate), _positive(burst or rate)


def _number(text: str, least: float, most: float, right: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r}: {right}")
    return value
