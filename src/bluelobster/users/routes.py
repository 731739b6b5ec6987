"""The routes of people: signing in, and what is theirs alone."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from bluelobster.access.credentials import is_same_origin
from bluelobster.access.personal_route import PersonalRoute, SignedIn
from bluelobster.access.route import Database, Reading, Time, Transaction
from bluelobster.http.errors import Forbidden, NotFound
from bluelobster.http.ids import parsed_id
from bluelobster.settings import Settings
from bluelobster.users import cookies, sessions
from bluelobster.users.accept import AcceptRequest, accept, whose
from bluelobster.users.change_password import PasswordRequest, change_password
from bluelobster.users.me import Me, read_me
from bluelobster.users.passwords import Passwords
from bluelobster.users.sessions import NewSession, Origin, Sessions
from bluelobster.users.sign_in import SignInRequest
from bluelobster.users.sign_in import sign_in as sign_in_with_password
from bluelobster.users.throttle import count_try

public = APIRouter(prefix="/api/v1/auth", tags=["USERS"])
router = APIRouter(prefix="/api/v1/auth", tags=["USERS"], route_class=PersonalRoute)

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "It cannot be done as asked"},
    401: {"description": "The email, the password or the token is not right"},
    403: {"description": "The user is disabled, or the request comes from a page of another site"},
    413: {"description": "The body is larger than 1 MiB"},
    429: {"description": "Too many tries; `Retry-After` says when to try again"},
    503: {"description": "A part that is needed does not answer at the moment; try again"},
}


async def passwords_of(request: Request) -> Passwords:
    passwords: Passwords = request.app.state.passwords
    return passwords


async def settings_of(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def origin_of(request: Request) -> Origin:
    return Origin(request.client.host if request.client else "", request.headers.get("User-Agent", ""))


Hashes = Annotated[Passwords, Depends(passwords_of)]
Rules = Annotated[Settings, Depends(settings_of)]
From = Annotated[Origin, Depends(origin_of)]


@public.post("/sign-in", summary="Sign in", responses=REFUSALS)
async def sign_in(
    wanted: SignInRequest,
    request: Request,
    response: Response,
    pool: Database,
    passwords: Hashes,
    rules: Rules,
    origin: From,
    clock: Time,
) -> NewSession:
    """A session, with which every operation can be called as with a key of the user's role. It ends when it was not
    used for 12 hours, and after 30 days at the latest."""
    must_come_from_here(request, wanted.cookie)
    await count_try(request, wanted.email)
    begun = await sign_in_with_password(pool, passwords, wanted, origin, clock, rules.session_days)
    return handed_over(request, response, begun, wanted.cookie, rules)


@public.post("/invitations/accept", summary="Take an invitation", responses=REFUSALS)
async def accept_invitation(
    wanted: AcceptRequest,
    request: Request,
    response: Response,
    pool: Database,
    passwords: Hashes,
    rules: Rules,
    origin: From,
    clock: Time,
) -> NewSession:
    """Use a token from an invitation to an account or a team, or one with which the operator lets you set a password;
    the answer is a session."""
    must_come_from_here(request, wanted.cookie)
    await count_try(request, await whose(pool, wanted, clock.now()))
    begun = await accept(pool, passwords, wanted, origin, clock, rules.session_days)
    return handed_over(request, response, begun, wanted.cookie, rules)


def must_come_from_here(request: Request, cookie: bool) -> None:
    """Another site must not sign its visitors in here as somebody else. Raises Forbidden."""
    if cookie and not is_same_origin(request):
        raise Forbidden("A session comes in a cookie only to a page of this very site")


def handed_over(request: Request, response: Response, begun: NewSession, cookie: bool, rules: Settings) -> NewSession:
    """As a cookie, or in the answer."""
    if not cookie or begun.token is None:
        return begun
    cookies.keep(request, response, begun.token, rules.session_days)
    return begun.model_copy(update={"token": None})


@router.post("/sign-out", summary="Sign out", status_code=204)
async def sign_out(request: Request, response: Response, session: SignedIn, tx: Transaction) -> None:
    """Ends this session."""
    await sessions.end(tx, session, session.id)
    cookies.drop(request, response)


@router.get("/me", summary="Who is signed in")
async def get_me(session: SignedIn, tx: Reading) -> Me:
    """The user, and the accounts and teams in which they may act."""
    return await read_me(tx, session)


@router.put("/password", summary="Change the password", status_code=204)
async def change_my_password(
    wanted: PasswordRequest, request: Request, session: SignedIn, pool: Database, passwords: Hashes
) -> None:
    """All other sessions of the user end."""
    await count_try(request, session.email)
    await change_password(pool, passwords, session, wanted)


@router.get("/sessions", summary="List sessions")
async def list_sessions(session: SignedIn, tx: Reading, rules: Rules, clock: Time) -> Sessions:
    """The user's sessions that have not ended."""
    return await sessions.list_sessions(tx, session, clock.now(), rules.session_idle)


@router.delete("/sessions/{session_id}", summary="End a session", status_code=204)
async def end_session(session_id: str, session: SignedIn, tx: Transaction) -> None:
    """Whoever uses it has to sign in again."""
    if (known := parsed_id(session_id)) is None:
        raise NotFound("session_not_found", "You have no such session")
    await sessions.end(tx, session, known)
