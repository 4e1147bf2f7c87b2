"""Runs each suite against both servers and compares them, check by check."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
# These two test sshd, its ForceCommand and ChrootDirectory, not an SFTP server.
OPENSSH_LEFT_OUT = {"sftp-chroot.sh", "sftp-uri.sh"}


def openssh(work, server, folder, log):
    """{check: passed} of OpenSSH's regress/sftp*.sh."""
    [regress] = sorted(work.glob("openssh-*/regress"))[-1:]
    results = {}
    for script in sorted(regress.glob("sftp*.sh")):
        if script.name in OPENSSH_LEFT_OUT:
            continue
        place = folder / script.stem
        place.mkdir()
        frame = [HERE / "openssh-frame.sh", place, script, server]
        done = run(["sh", *map(str, frame)], place, log)
        for line in done.splitlines():
            result, _, check = line.partition("\t")
            name = unique(f"{script.stem}: {check}", results)
            results[name] = result == "pass"
    return results


def pkgsftp(work, server, folder, log):
    """{check: passed} of pkg/sftp's tests."""
    command = [work / "pkgsftp.test", "-test.v", "-test.timeout=300s", "-integration"]
    command += ["-sftp", server, "-sftp_client", shutil.which("sftp")]
    # Some of its tests read files of its own folder.
    source = Path("/usr/share/gocode/src/github.com/pkg/sftp")
    place = folder / "sftp"
    shutil.copytree(source, place)
    done = run(list(map(str, command)), place, log)
    return {
        name: result == "PASS"
        for result, name in re.findall(r"^\s*--- (PASS|FAIL): (\S+)", done, re.M)
    }


def paramiko(work, server, folder, log):
    """{check: passed} of paramiko's tests/test_sftp*.py."""
    [source] = sorted(work.glob("paramiko-*/tests"))[-1:]
    shutil.copytree(source, folder / "tests")
    # Its own fixture serves from memory; this one starts the server on a socket.
    with open(folder / "tests/conftest.py", "a") as conftest:
        conftest.write((HERE / "paramiko_fixture.py").read_text())
    report = folder / "report.xml"
    command = [work / "python/bin/python", "-m", "pytest", "-q", f"--junit-xml={report}"]
    command += ["tests/test_sftp.py", "tests/test_sftp_big.py"]
    run(list(map(str, command)), folder, log, SFTP_SERVER=str(server))
    results = {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        if case.find("skipped") is None:
            failed = case.find("failure") is not None or case.find("error") is not None
            results[case.get("name")] = not failed
    return results


def run(command, folder, log, **environment):
    """What a command printed; what it said of errors goes to the log."""
    environment = {**os.environ, **environment}
    with open(log, "a") as errors:
        done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=errors, text=True,
                              errors="replace", timeout=900)
        errors.write(done.stdout)
    return done.stdout


def unique(name, taken):
    count = 2
    numbered = name
    while numbered in taken:
        numbered, count = f"{name} ({count})", count + 1
    return numbered


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--plain", type=Path, required=True)
    parser.add_argument("suites", nargs="+")
    asked = parser.parse_args()
    suites = {"openssh": openssh, "pkgsftp": pkgsftp, "paramiko": paramiko}
    worse, differences = False, []
    print(f"{'suite':10} {'checks':>6} {'landfall':>9} {'sshd':>5}")
    for suite in asked.suites:
        results = []
        for server in (asked.plain, asked.reference):
            log = asked.work / f"{suite}.{server.name}.log"
            log.write_text("")
            with tempfile.TemporaryDirectory(prefix="suite-") as folder:
                results.append(suites[suite](asked.work, server, Path(folder), log))
        ours, theirs = results
        passed = [sum(result.values()) for result in results]
        print(f"{suite:10} {len(ours.keys() | theirs.keys()):6} {passed[0]:9} {passed[1]:5}")
        worse |= passed[0] < passed[1] or not theirs
        for check in sorted(ours.keys() | theirs.keys()):
            told = {True: "passes", False: "fails", None: "was not run"}
            if ours.get(check) != theirs.get(check):
                differences.append(f"{suite}: {check}: landfall {told[ours.get(check)]}, "
                                   f"sshd {told[theirs.get(check)]}")
            elif not ours[check]:
                differences.append(f"{suite}: {check}: both fail")
    print("\n".join(["", "what differs, and what fails with both:", *differences]))
    print(f"\nlogs: {asked.work}/*.log")
    sys.exit(1 if worse else 0)


main()
