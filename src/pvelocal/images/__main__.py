"""`python -m pvelocal.images`: lists and builds images."""

import argparse
import os
import sys
import time
from pathlib import Path

from pvelocal.images.catalogue import IMAGES, Image
from pvelocal.images.errors import BuildError
from pvelocal.qemu.programs import ProgramMissing, apt_command


def default_cache() -> Path:
    """Where downloads are kept: below $BLUELOBSTER_CACHE, or in the user's cache directory."""
    home = os.environ.get("BLUELOBSTER_CACHE")
    return Path(home).expanduser() if home else Path("~/.cache/bluelobster").expanduser()


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 1 when it fails."""
    parser = argparse.ArgumentParser(prog="python -m pvelocal.images", description="Images for local guests.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="names of the images, and what building them needs")
    build = commands.add_parser("build", help="build an image")
    build.add_argument("name", choices=sorted(IMAGES), help="the image")
    build.add_argument("--out", type=Path, required=True, metavar="FILE", help="the qcow2 file to write")
    build.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR", help="keeps downloads")
    options = parser.parse_args(arguments)
    if options.command == "list":
        for image in IMAGES.values():
            print(_line(image))
        return 0
    return _build(IMAGES[options.name], options.out.absolute(), options.cache.absolute())


def _build(image: Image, target: Path, cache: Path) -> int:
    started = time.monotonic()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        image.build(target, cache, _progress)
    except (BuildError, ProgramMissing, OSError) as error:
        print(f"{image.name} could not be built: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    size = target.stat().st_size / 1e6
    _progress(f"{image.name}: {target} ({size:.0f} MB) in {time.monotonic() - started:.0f} s")
    return 0


def _line(image: Image) -> str:
    missing = image.missing_packages
    state = f"needs: {apt_command(missing)}" if missing else "ready to build"
    return f"{image.name:<12} {image.description}; {state}"


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
