"""How often somebody may try a password: by the address that they try from, and by whose password it is."""

import hashlib

from fastapi import Request

from bluelobster.access.admission import origin_of
from bluelobster.access.route import admission_of
from bluelobster.http.rate_headers import note_allowance
from bluelobster.http.rates import Rate, TooManyRequests

# Behind one address there may be a whole office.
PEOPLE_BEHIND_AN_ADDRESS = 5


async def count_try(request: Request, whose: str | None = None) -> None:
    """One more try to be let in, by the password of an e-mail address or by a token. Raises TooManyRequests."""
    rate: Rate = request.app.state.settings.sign_in_rate
    wide = Rate(rate.per_second * PEOPLE_BEHIND_AN_ADDRESS, rate.burst * PEOPLE_BEHIND_AN_ADDRESS)
    host = origin_of(request.client.host if request.client else "")
    buckets = [(f"tries:address:{host}", wide)]
    if whose is not None:
        buckets.append((f"tries:of:{hashlib.sha256(whose.casefold().encode()).hexdigest()}", rate))
    for bucket, allowed in buckets:
        allowance = await admission_of(request).rates.take(bucket, allowed)
        if not allowance.granted:
            note_allowance(request, allowance)
            raise TooManyRequests(allowance)
