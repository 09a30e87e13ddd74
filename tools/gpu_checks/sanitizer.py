"""compute-sanitizer over the kernel tests, after each tool was seen to find a planted fault."""

import re
import shutil

from gpu_checks.correctness import TestLog
from gpu_checks.session import OutOfTime, Skipped

FAULTS = {"memcheck": "out_of_bounds", "racecheck": "race", "initcheck": "uninitialised",
          "synccheck": "barrier"}
SUMMARY = re.compile(r"(?:ERROR SUMMARY: (\d+) error|RACECHECK SUMMARY: (\d+) hazard)")
FOUND = 86  # exit code that says: something was found
PLACES = ("/usr/local/cuda/bin", "/usr/local/cuda/compute-sanitizer")


def find_sanitizer():
    path = shutil.which("compute-sanitizer")
    for place in PLACES:
        path = path or shutil.which("compute-sanitizer", path=place)
    if not path:
        raise Skipped("compute-sanitizer is not on this machine")
    return path


def findings(text):
    """How many errors or hazards the summary names; None without a summary."""
    counts = [int(errors or hazards) for errors, hazards in SUMMARY.findall(text)]
    return sum(counts) if counts else None


def sanitizer(session, record):
    path, planted = find_sanitizer(), session.program("planted_faults")
    tests = session.program("cuda_tests")
    record["tools"] = {}
    for position, (tool, fault) in enumerate(FAULTS.items()):
        command = [path, "--tool", tool, "--error-exitcode", FOUND, "--print-limit", 10]
        found = record["tools"][tool] = check_tool(session, command, planted, fault)
        if found["status"] == "watching":
            share = session.left() / (len(FAULTS) - position)  # what one leaves, the next may use
            check_tests(session, found, [*command, tests, *record_filter(session)], share)
        session.say(f"  {tool}: {found['status']}")
        session.save()
    states = {found["status"] for found in record["tools"].values()}
    record["status"] = next(state for state in ("failed", "not running", "stopped", "passed")
                            if state in states)


def record_filter(session):
    return [f"--gtest_filter={session.sanitizer_filter}"] if session.sanitizer_filter else []


def check_tool(session, command, planted, fault):
    """Whether the tool finds its planted fault, and nothing where there is none."""
    with_fault = session.run([*command, planted, fault], 30)
    without = session.run([*command, planted, "none"], 30)
    controls = {"found_in_planted": findings(with_fault.output),
                "found_in_clean": findings(without.output)}
    working = controls["found_in_planted"] and controls["found_in_clean"] == 0
    if working and without.succeeded and not with_fault.succeeded:
        return controls | {"status": "watching"}
    return controls | {"status": "not running",
                       "reason": f"planted {fault}: {with_fault.reason()}; "
                                 f"none: {without.reason()}"}


def check_tests(session, found, command, limit):
    log = TestLog()
    try:
        finished = session.run(command, limit, on_line=log.read)
    except OutOfTime:
        found |= {"status": "stopped", "tests": 0}
        return
    found |= {"tests": len(log.outcomes), "found": findings(finished.output)}
    reports = [line for line in finished.output.splitlines() if line.startswith("=========")]
    seen = found["found"] or (finished.code == FOUND) or any(
        "Error:" in line or "Invalid __" in line or "hazard" in line for line in reports[:-1])
    if seen:
        found |= {"status": "failed", "report": reports[:40]}
    elif finished.code is None:
        found |= {"status": "stopped", "reason": f"in {log.current}: {finished.reason()[:200]}"}
    elif not finished.succeeded or found["found"] is None or not log.names("OK"):
        found |= {"status": "not running", "reason": finished.reason()}
    else:
        found["status"] = "passed"
