"""What a call can end in, in the words and status codes of the Proxmox VE API."""

from collections.abc import Mapping


class ApiError(Exception):
    """An answer other than success. The first line of `message` becomes the HTTP reason phrase."""

    def __init__(self, message: str, *, status: int = 500, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.errors = errors

    @property
    def reason(self) -> str:
        """The reason phrase, which is also what a task that ends in this error shows as its exit status."""
        return self.message.split("\n", 1)[0]

    def body(self) -> dict[str, object]:
        """The JSON document of the answer."""
        body: dict[str, object] = {"data": None, "message": self.message}
        if self.errors is not None:
            body["errors"] = dict(self.errors)
        return body


class Unauthorized(Exception):
    """No or wrong credentials: 401 with an empty body, `reason` being the reason phrase."""

    def __init__(self, reason: str, *, failed_login: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.failed_login = failed_login


def failed(text: str) -> ApiError:
    """500, as everything that goes wrong inside a call."""
    return ApiError(f"{text}\n")


def bad_parameters(errors: Mapping[str, str]) -> ApiError:
    """400 with the reason for each parameter."""
    return ApiError("Parameter verification failed.\n", status=400, errors=errors)


def forbidden(detail: str | None = None) -> ApiError:
    """403; `detail` is usually `path, privilege`."""
    suffix = f" ({detail})" if detail else ""
    return ApiError(f"Permission check failed{suffix}\n", status=403)


def missing_config(node: str, vmid: int) -> ApiError:
    """The answer about a VM that does not exist, from calls that read its configuration."""
    return failed(f"Configuration file 'nodes/{node}/qemu-server/{vmid}.conf' does not exist")


def missing_file(node: str, vmid: int) -> ApiError:
    """The answer about a VM that does not exist, from calls that look for its process first."""
    return failed(f"unable to find configuration file for VM {vmid} on node '{node}'")
