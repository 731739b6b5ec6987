"""The body of a standard launch, as the contract describes it."""

from typing import Annotated

from pydantic import AfterValidator, Field

from bluelobster.http.patterns import pattern
from bluelobster.http.text import RequestBody
from bluelobster.ssh_keys.public_key import SshKey
from bluelobster.ssh_keys.registered import KeyNames
from bluelobster.user_data.rules import UserData

WITHOUT_SHELL_CHARACTERS = pattern(
    "^[^ \"'`;|<>{}\\\\]*$", "Must not contain spaces, quotes, backticks, backslashes or any of ; | < > { }"
)
USERNAME = pattern("^[a-zA-Z][a-zA-Z0-9-]*$", "Must begin with a letter and have only letters, digits and hyphens")
NAME = pattern(
    "^[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]$",
    "Must have only letters, digits and hyphens, at least two, and no hyphen at either end",
)
TEMPLATE_NAME = pattern(
    "^[A-Z0-9-]+$", "Must have only capital letters, digits and hyphens; /api/v1/instances/templates lists all"
)
METADATA_ENTRIES = 64
METADATA_KEY = 128
METADATA_VALUE = 1024


def bounded_metadata(metadata: dict[str, str] | None) -> dict[str, str] | None:
    """At most 64 entries, keys of 1 to 128 and values of up to 1024 characters; ValueError otherwise."""
    if metadata is None:
        return None
    if len(metadata) > METADATA_ENTRIES:
        raise ValueError(f"at most {METADATA_ENTRIES} entries are kept")
    for key, value in metadata.items():
        if not 1 <= len(key) <= METADATA_KEY:
            raise ValueError(f"keys have 1 to {METADATA_KEY} characters")
        if len(value) > METADATA_VALUE:
            raise ValueError(f"the value of {key!a} is longer than {METADATA_VALUE} characters")
    return metadata


Metadata = Annotated[dict[str, str] | None, AfterValidator(bounded_metadata)]


class LaunchInstanceRequest(RequestBody):
    """A launch of one of the instance types."""

    region: str = Field(description="Region to launch in", json_schema_extra={"example": "us-east-1"})
    instance_type: str = Field(description="Size and price, by name", json_schema_extra={"example": "gpu_1x_a4000"})
    ssh_key: SshKey = Field(None, description="SSH public key; a Linux template needs this or a password")
    password: Annotated[str, Field(min_length=8, max_length=64, pattern=WITHOUT_SHELL_CHARACTERS)] | None = Field(
        None, description="Password of the account; made up and shown once when a Windows template gets none"
    )
    username: str = Field(
        description="Name of the account on the machine",
        min_length=1,
        max_length=32,
        pattern=USERNAME,
        json_schema_extra={"example": "myusername"},
    )
    name: Annotated[str, Field(max_length=64, pattern=NAME)] | None = Field(
        None, description="Name of the instance; generated when left out"
    )
    metadata: Metadata = Field(
        None,
        description="Your own key-value pairs, kept and returned as they are",
        json_schema_extra={"example": {"department": "research", "owner": "john.doe", "project": "ml-training"}},
    )
    template_name: Annotated[str, Field(pattern=TEMPLATE_NAME)] | None = Field(
        None,
        description="Operating system, from /instances/templates; by default chosen to suit the instance type",
        json_schema_extra={"example": "UBUNTU-22-04-NV"},
    )
    iso_url: str | None = Field(
        None,
        description="Image to boot from instead of a template",
        json_schema_extra={"example": "https://example.com/windows10.iso"},
    )
    ssh_key_names: KeyNames = Field(None, description="SSH keys that the account registered, by name")
    user_data: UserData = Field(None, description="cloud-init user data: #cloud-config, a script or a MIME multipart")
