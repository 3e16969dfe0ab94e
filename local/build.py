"""Builds the deployable bundle without a container, bytecode included: `python -m local.build [architecture]`."""

import compileall
import io
import os
import py_compile
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("SharedLayer", "DependenciesLayer")
_SAM = ROOT / ".venv-sam" / "bin" / "sam"


class BuildError(Exception):
    """`sam build` or the compilation failed; what they said stands on stderr."""


def build(architecture: str, target: Path) -> Path:
    """`sam build` into `target`, which it empties first; the result is what `sam deploy` uploads.

    The interpreter that runs this has to be of the Lambda runtime's version and to have pip beside it.
    """
    command = [
        *(str(_SAM), "build", "--template-file", str(ROOT / "template.yaml"), "--build-dir", str(target)),
        *("--no-cached", "--no-use-container", "--parameter-overrides", f"Architecture={architecture}"),
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "SAM_CLI_TELEMETRY": "0"}
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise BuildError(finished.stderr[-4000:])
    _compile(target)
    return target


def layer_megabytes(build_directory: Path) -> float:
    """Zipped size of the layers that every function loads, in MB of 1,000,000 bytes."""
    return sum(_zipped_bytes(build_directory / layer) for layer in LAYERS) / 1_000_000


def _compile(build_directory: Path) -> None:
    """`sam build` ships no bytecode, so that every cold start would compile all it imports.

    The hash is not checked, because a zip's time stamps would make bytecode of the usual kind stale.
    """
    for part in filter(Path.is_dir, build_directory.iterdir()):
        compiled = compileall.compile_dir(
            part,
            quiet=1,
            workers=1,
            stripdir=str(part),
            prependdir="/opt" if part.name.endswith("Layer") else "/var/task",
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        if not compiled:
            raise BuildError(f"{part.name} does not compile")


def _zipped_bytes(directory: Path) -> int:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(filter(Path.is_file, directory.rglob("*"))):
            archive.write(path, path.relative_to(directory))
    return buffer.getbuffer().nbytes


def main(arguments: list[str]) -> int:
    architecture = arguments[0] if arguments else os.environ.get("ARCHITECTURE", "arm64")
    try:
        target = build(architecture, ROOT / ".aws-sam" / "build")
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"built for {architecture} in {target}; layers {layer_megabytes(target):.1f} MB zipped\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
