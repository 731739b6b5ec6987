"""How often somebody may try a password: by the address that they try from, and by whose password it is."""

import hashlib

from fastapi import Request

from bluelobster.access.admission import origin_of
from bluelobster.access.route import admission_of
from bluelobster.http.rate_headers import note_allowance
from bluelobster.http.rates import Rate, TooManyRequests

# Behind one address there may be a whole office.
PEOPLE_BEHIND_AN_ADDRESS = 5


async def count_try(request: Request, whose: str) -> None:
    """One more try of the password of an e-mail address, or of another name. Raises TooManyRequests."""
    rate: Rate = request.app.state.settings.sign_in_rate
    wide = Rate(rate.per_second * PEOPLE_BEHIND_AN_ADDRESS, rate.burst * PEOPLE_BEHIND_AN_ADDRESS)
    host = origin_of(request.client.host if request.client else "")
    name = hashlib.sha256(whose.casefold().encode()).hexdigest()
    for bucket, allowed in ((f"tries:address:{host}", wide), (f"tries:of:{name}", rate)):
        allowance = await admission_of(request).rates.take(bucket, allowed)
        if not allowance.granted:
            note_allowance(request, allowance)
            raise TooManyRequests(allowance)
