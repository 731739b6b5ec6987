"""The routes of signing in through an identity provider."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from bluelobster.access.route import Database, Time
from bluelobster.db.pool import transaction
from bluelobster.http.errors import InvalidRequest, NotFound
from bluelobster.http.text import CleanText
from bluelobster.settings import Settings
from bluelobster.users import cookies, sessions
from bluelobster.users.oidc import attempt
from bluelobster.users.oidc.enter import enter
from bluelobster.users.oidc.id_token import NotBelieved
from bluelobster.users.oidc.provider import Provider
from bluelobster.users.routes import REFUSALS, From, Rules
from bluelobster.users.throttle import count_try

CALLBACK = "/api/v1/auth/oidc/callback"
COOKIE = "bluelobster_oidc"
BEGINNING: dict[int | str, dict[str, Any]] = {
    303: {"description": "To the identity provider"},
    404: {"description": "No identity provider is set up"},
    429: REFUSALS[429],
    503: REFUSALS[503],
}
END: dict[int | str, dict[str, Any]] = {
    **REFUSALS,
    303: {"description": "Signed in, with a cookie; to the web console"},
    404: BEGINNING[404],
}

router = APIRouter(prefix="/api/v1/auth/oidc", tags=["USERS"])


async def provider_of(request: Request) -> Provider:
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise NotFound("no_identity_provider", "No identity provider is set up here; sign in by password")
    return provider


Known = Annotated[Provider, Depends(provider_of)]
Text = Annotated[CleanText | None, Query(max_length=4096)]


@router.get("/start", summary="Sign in through the identity provider", status_code=303, responses=BEGINNING)
async def begin_oidc_sign_in(request: Request, provider: Known, pool: Database, rules: Rules, clock: Time) -> Response:
    """For browsers: leads to the identity provider, and back signed in."""
    await count_try(request)
    async with transaction(pool) as tx:
        begun = await attempt.begin(tx, clock.now())
    response = RedirectResponse(await provider.where_to(begun, callback_of(request, rules)), 303)
    # Lax: coming back from the provider is a way from another site.
    response.set_cookie(
        COOKIE,
        begun.secret,
        max_age=attempt.MINUTES * 60,
        path=CALLBACK,
        secure=cookies.must_be_secure(request),
        httponly=True,
        samesite="lax",
    )
    return response


@router.get("/callback", summary="Come back from the identity provider", status_code=303, responses=END)
async def end_oidc_sign_in(
    request: Request,
    provider: Known,
    pool: Database,
    rules: Rules,
    origin: From,
    clock: Time,
    state: Text = None,
    code: Text = None,
    error: Text = None,
) -> Response:
    """Where the identity provider leads the browser."""
    async with transaction(pool) as tx:
        ended = await attempt.end(tx, request.cookies.get(COOKIE), state or "", clock.now())
    if error:
        raise NotBelieved("The identity provider did not let you in; sign in again")
    if not code:
        raise InvalidRequest("invalid_request", "code: the identity provider gave none; sign in again")
    identity = await provider.identity(code, ended, callback_of(request, rules), clock.now())
    async with transaction(pool) as tx:
        user = await enter(tx, identity, clock.now())
        begun = await sessions.begin(tx, user.id, origin, clock.now(), rules.session_days)
    response = RedirectResponse(rules.signed_in_url, 303)
    cookies.keep(request, response, begun.token or "", rules.session_days)
    response.delete_cookie(COOKIE, path=CALLBACK)
    return response


def callback_of(request: Request, rules: Settings) -> str:
    """As the provider knows it, and as it must be said to it both times."""
    return f"{(rules.public_url or str(request.base_url)).rstrip('/')}{CALLBACK}"
