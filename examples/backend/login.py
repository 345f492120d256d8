"""A login in its simplest honest form, where yours would be: one user, whose password the environment gives.

A browser signs in with `POST /session` and gets a signed cookie that scripts cannot read. Other pages cannot use it:
browsers leave it out of requests from other sites (`SameSite=Lax`), and every endpoint takes JSON alone, for which a
page of another origin, another port included, has to ask first and is not answered. curl uses `-u demo:PASSWORD`; no
answer of ours asks a browser for that, so none ever remembers it.
"""

import os
import secrets
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, Field
from starlette.middleware.sessions import SessionMiddleware

USER = "demo"
PASSWORD = "DEMO_PASSWORD"  # noqa: S105 - the variable's name
SESSION_HOURS = 12


class Credentials(BaseModel):
    user: Annotated[str, Field(max_length=100)]
    password: Annotated[str, Field(max_length=200)]


class SilentBasic(HTTPBasic):
    """Takes `curl -u`, and never asks a browser for a password, also not after a header that is malformed."""

    def make_authenticate_headers(self) -> dict[str, str]:
        return {}


def is_right(user: str, password: str) -> bool:
    right = os.environ.get(PASSWORD)
    if not right:
        return False  # nobody gets in by having none
    given = f"{user}:{password}".encode()
    return secrets.compare_digest(given, f"{USER}:{right}".encode())  # takes as long for a nearly right one


def user_of(request: Request) -> str | None:
    user: str | None = request.session.get("user")
    return user


def signed_in(
    request: Request, basic: Annotated[HTTPBasicCredentials | None, Depends(SilentBasic(auto_error=False))]
) -> str:
    """Return the user's name, or answer 401."""
    user = user_of(request)
    if user is not None:
        return user
    if basic is not None and is_right(basic.username, basic.password):
        return basic.username
    raise HTTPException(401, "sign in first: POST /session with user and password, or curl -u user:password")


SignedIn = Annotated[str, Depends(signed_in)]


def sign_in(credentials: Credentials, request: Request) -> None:
    """Begin a session."""
    if not is_right(credentials.user, credentials.password):
        raise HTTPException(401, "the user name or the password is wrong")
    request.session["user"] = credentials.user


def sign_out(request: Request) -> None:
    """End the session in this browser. Events end with its connection, which the page closes."""
    request.session.clear()


def install(app: FastAPI) -> None:
    """Add the endpoints, and sessions whose key several workers share if `SESSION_KEY` is set."""
    app.add_middleware(
        SessionMiddleware,
        secret_key=os.environ.get("SESSION_KEY") or secrets.token_hex(),
        session_cookie="apigw_broadcaster_example",  # cookies are shared by all ports of a host
        max_age=SESSION_HOURS * 3600,
        same_site="lax",
        https_only=bool(os.environ.get("HTTPS")),  # set it wherever the backend is behind TLS
    )
    app.add_api_route("/session", sign_in, methods=["POST"], status_code=204)
    app.add_api_route("/session", sign_out, methods=["DELETE"], status_code=204)
