"""Signing in, tokens, who one is, and where things are."""

from __future__ import annotations

from typing import Any, cast

from fastapi import APIRouter, Response

from entrepot.kernel.context import Visit
from entrepot.kernel.errors import InvalidInput, MethodNotAllowed
from entrepot.kernel.identity import SignInRefused, credentials_of, revoke_own, sign_in
from entrepot.modules.archive import schemas
from entrepot.modules.archive.answers import NO_STORE, archive_base, form_of, render
from entrepot.modules.archive.bodies import read_body
from entrepot.modules.archive.documents import render_object

__all__ = ["add_routes"]

READ = ["GET", "HEAD"]
SIGN_IN_BYTES = 16 * 2**10
"""A name and a password are far smaller."""
TAGS: list[Any] = ["archive: account"]


def add_routes(routes: APIRouter) -> None:
    """Add the routes of accounts and the root."""
    routes.add_api_route(
        "/", show_roots, methods=READ, tags=TAGS, summary="The collections",
        responses={200: {"model": schemas.Roots}},
    )  # fmt: skip
    routes.add_api_route("/health/", show_health, methods=READ, tags=TAGS, summary="The archive is alive")
    routes.add_api_route(
        "/profile/", show_profile, methods=READ, tags=TAGS, summary="Who you are",
        responses={200: {"model": schemas.Profile}},
    )  # fmt: skip
    routes.add_api_route(
        "/api-token-auth/",
        give_token,
        methods=["POST"],
        tags=TAGS,
        summary="Sign in",
        responses={200: {"model": schemas.TokenOut}, 400: {"model": schemas.Problem}},
        openapi_extra={"requestBody": schemas.request_body(schemas.SignIn)},
    )
    routes.add_api_route(
        "/api-token-auth/", own_token, methods=["GET"], tags=TAGS, summary="The token that you came with",
        responses={200: {"model": schemas.TokenOut}, 405: {"model": schemas.Problem}},
    )  # fmt: skip
    routes.add_api_route(
        "/revoke_token/", revoke, methods=["POST"], tags=TAGS, summary="Make your token stop working",
        responses={200: {"model": schemas.Message}},
    )  # fmt: skip


async def show_roots(visit: Visit) -> Response:
    """Give the addresses of the collections."""
    form, base = form_of(visit), archive_base(visit)
    await visit.caller()
    roots = {name: f"{base}/{name}/" for name in ("frames", "versions", "thumbnails")}
    return await render(visit, render_object(roots), form)


async def show_health(visit: Visit) -> Response:
    """Answer as long as the process lives."""
    return await render(visit, '"ok"', form_of(visit))


async def show_profile(visit: Visit) -> Response:
    """Tell who you are; the anonymous have an empty name."""
    form = form_of(visit)
    caller = await visit.caller()
    profile: dict[str, object] = {} if caller.is_anonymous else {"proposals": sorted(caller.projects)}
    members = {"username": caller.username, "profile": render_object(profile)}
    return await render(visit, render_object({**members, "is_staff": caller.is_staff}), form)


async def give_token(visit: Visit) -> Response:
    """Give a token for a name and password; who has come with a token gets that one."""
    form = form_of(visit)
    credentials = credentials_of(visit.request.scope)
    if credentials is not None:
        await visit.caller()
        return await render(visit, render_object({"token": credentials.secret}), form, cache=NO_STORE)
    username, password = await read_body(visit.request, _name_and_password, most=SIGN_IN_BYTES)
    try:
        token = await sign_in(visit.process.database, username, password)
    except SignInRefused as error:
        raise InvalidInput.of({"non_field_errors": [error.detail]}) from error
    return await render(visit, render_object({"token": token}), form, cache=NO_STORE)


def _name_and_password(body: object) -> tuple[str, str]:
    members = cast("dict[str, object]", body) if isinstance(body, dict) else {}
    wrong: dict[str, object] = {}
    for name in ("username", "password"):
        value = members.get(name)
        if name not in members or value is None:
            wrong[name] = ["This field is required."]
        elif not isinstance(value, str):
            wrong[name] = ["Not a valid string."]
        elif not value:
            wrong[name] = ["This field may not be blank."]
    if wrong:
        raise InvalidInput.of(wrong)
    return cast("str", members["username"]), cast("str", members["password"])


async def own_token(visit: Visit) -> Response:
    """Give the token that the caller came with; signing in takes POST."""
    credentials = credentials_of(visit.request.scope)
    if credentials is None:
        raise MethodNotAllowed('Method "GET" not allowed.', headers={"Allow": "POST, OPTIONS"})
    form = form_of(visit)
    await visit.caller()
    return await render(visit, render_object({"token": credentials.secret}), form, cache=NO_STORE)


async def revoke(visit: Visit) -> Response:
    """Revoke the token that the caller came with, and all that signing in has given."""
    form = form_of(visit)
    await revoke_own(visit.process.database, await visit.caller())
    return await render(visit, render_object({"message": "API token revoked."}), form)
