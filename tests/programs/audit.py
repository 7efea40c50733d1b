"""Asks pip-audit for known vulnerabilities of the locked development environment; a part of `make lint`.

    python -m tests.programs.audit

Fails where one is known that a newer version fixes. Where pip-audit or its data cannot be reached in time, it says so
and passes: the lint works without a network.
"""

import json
import pathlib
import subprocess
import sys

LOCK = pathlib.Path(__file__).resolve().parents[2] / "requirements-dev.lock"
TIMEOUT_S = 30
_ASK = ("--requirement", str(LOCK), "--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off")


def main(lock_options=_ASK, timeout_s=TIMEOUT_S) -> int:
    """Prints what is known and returns the exit code."""
    command = [sys.executable, "-m", "pip_audit", "--timeout=5", *lock_options]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL
        )
        dependencies = json.loads(result.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print(f"pip-audit: skipped, no answer in {timeout_s} s")
        return 0
    except (ValueError, LookupError, TypeError):
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"pip-audit: skipped, it cannot be run or reach its data ({last[:200]})")
        return 0
    asked = [dependency for dependency in dependencies if "vulns" in dependency]  # the others have a skip_reason
    known = [(dependency, vulnerability) for dependency in asked for vulnerability in dependency["vulns"]]
    for dependency, vulnerability in known:
        fixed = ", ".join(vulnerability["fix_versions"]) or "none yet"
        print(f"{dependency['name']} {dependency['version']}: {vulnerability['id']}, fixed in {fixed}")
    print(f"pip-audit: {len(asked)} of {len(dependencies)} packages asked for, {len(known)} known vulnerabilities")
    return int(any(vulnerability["fix_versions"] for _, vulnerability in known))


if __name__ == "__main__":
    sys.exit(main())
