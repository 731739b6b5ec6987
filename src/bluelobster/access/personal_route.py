"""A route for whoever is signed in, wherever they may act: about themselves, and so not for keys."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from bluelobster.access.credentials import COOKIE
from bluelobster.access.permissions import OPERATIONS
from bluelobster.access.route import admission_of, clock_of, pool_of
from bluelobster.access.sessions import Session
from bluelobster.http.errors import Forbidden, NotFound
from bluelobster.http.text import CONTROL

BEARER = HTTPBearer(
    scheme_name="Session", auto_error=False, description="The session that `POST /api/v1/auth/sign-in` answers with"
)
SESSION_COOKIE = APIKeyCookie(
    name=COOKIE, scheme_name="SessionCookie", auto_error=False, description="The same session, kept by a browser"
)


class PersonalRoute(APIRoute):
    """Finds out who is signed in before the body is parsed."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()
        refusal = OPERATIONS[self.endpoint.__name__].refusal

        async def identify_first(request: Request) -> Response:
            now = clock_of(request).now()
            session = await admission_of(request).admit(request, pool_of(request), now)
            if not isinstance(session, Session):
                raise Forbidden(refusal)
            if CONTROL.search(request.scope["path"]):
                raise NotFound("not_found", "Nothing has a name with control characters")
            admission_of(request).note_use(session, request.client.host if request.client else "", now)
            request.state.session = session
            return await answer(request)

        return identify_first


async def session_of(
    request: Request,
    _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
    _cookie: Annotated[str | None, Security(SESSION_COOKIE)],
) -> Session:
    session: Session = request.state.session
    return session


SignedIn = Annotated[Session, Depends(session_of)]
