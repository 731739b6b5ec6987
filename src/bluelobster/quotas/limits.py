"""A request to limit an account, or everybody."""

from uuid import UUID

from psycopg.errors import ForeignKeyViolation
from pydantic import Field, StrictBool, model_validator

from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest, NotFound
from bluelobster.http.text import RequestBody
from bluelobster.quotas.limit import forget_limit, parsed, set_limit

HIGHEST = 2**31 - 1


class LimitRequest(RequestBody):
    """The most of something."""

    limit: int | None = Field(None, ge=0, le=HIGHEST, strict=True, description="The most; null: no limit")
    default: StrictBool = Field(False, description="No limit of its own; without `limit`")

    @model_validator(mode="after")
    def _one_of_them(self) -> "LimitRequest":
        if self.default == ("limit" in self.model_fields_set):
            raise ValueError("Give limit, which may be null, or default, as true")
        return self


async def limit(tx: Tx, account_id: UUID | None, quota: str, wanted: LimitRequest) -> None:
    """Raises NotFound for what is no quota, and InvalidRequest where everybody would be left without one."""
    try:
        item, gpu_model = parsed(quota)
    except ValueError as error:
        raise NotFound("quota_not_found", str(error)) from None
    if not wanted.default:
        try:
            async with tx.transaction():
                await set_limit(tx, account_id, item, gpu_model, wanted.limit)
        except ForeignKeyViolation:
            raise NotFound("quota_not_found", f"There is no GPU model {gpu_model}") from None
    elif account_id is None and gpu_model is None:
        raise InvalidRequest("invalid_request", "default: everybody's limit can be a number or null")
    else:
        await forget_limit(tx, account_id, item, gpu_model)
