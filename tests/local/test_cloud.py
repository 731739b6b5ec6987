"""What `up` says of where it is."""

import pytest

from bluelobster.local.cloud import url_here


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("cloud.example", "http://cloud.example:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),  # noqa: S104
        ("::1", "http://[::1]:8080"),
        ("::", "http://[::1]:8080"),
    ],
)
def test_the_api_is_found_where_it_listens(host: str, url: str) -> None:
    assert url_here(host, 8080) == url
