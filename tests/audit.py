"""Asks PyPI's advisory service about the pinned packages: `make audit`. No network is no failure, a known fault is one.

pip-audit has no database of its own and can be given none: without the service nothing can be said, and that is said.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PINNED = Path(__file__).parent.parent / "constraints.txt"


def verdict(printed: str, said: str = "") -> tuple[int, list[str]]:
    """The exit code and the lines to print for what pip-audit printed as JSON, and said on standard error."""
    try:
        packages = json.loads(printed)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = next(iter(reversed(said.strip().splitlines())), "pip-audit printed no report")
        return 0, [f"not audited: {reason}"]
    faults = [
        f"{package['name']} {package['version']}: {fault['id']}, mended in {' or '.join(fault['fix_versions'])}"
        for package in packages
        for fault in package.get("vulns", ())
    ]
    skipped = [package for package in packages if "skip_reason" in package]
    lines = [f"{len(packages) - len(skipped)} packages audited, {len(faults)} known faults", *faults]
    if skipped:
        lines.append(f"{len(skipped)} not audited, for instance: {skipped[0]['skip_reason']}")
    return int(bool(faults)), lines


def main() -> None:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(PINNED), "--no-deps", "--disable-pip"]
    try:
        done = subprocess.run(
            [*command, "--format", "json", "--progress-spinner", "off"],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        code, lines = verdict(done.stdout, done.stderr)
    except subprocess.TimeoutExpired:
        code, lines = 0, ["not audited: the advisory service does not answer"]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
