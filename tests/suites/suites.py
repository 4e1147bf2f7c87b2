"""Runs each suite against all servers and compares them, check by check.

The servers: the plain one on the door's codec as a program (codec), the same behind the door's
transport and lanes (door), and OpenSSH's sftp-server as a program (sshd).
"""

import argparse
import contextlib
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


@contextlib.contextmanager
def program(path, _folder):
    """A server that is a program, speaking over its standard input and output."""
    yield path


@contextlib.contextmanager
def over_ssh(plain, folder):
    """The plain server behind the door, and a program that leads to it and leaves options aside."""
    door = subprocess.Popen([plain, "--over-ssh"], cwd=folder, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    port, key = door.stdout.readline().split()
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR",
               "IdentitiesOnly=yes", "IdentityAgent=none"]
    options = " ".join(f"-o {option}" for option in options)
    # Closed, or it could not be run; outside the suite's folder, which it may list.
    written, leads = tempfile.mkstemp(prefix="door-")
    os.close(written)
    leads = Path(leads)
    leads.write_text(f"#!/bin/sh\nexec ssh -F /dev/null {options} -i {key} -p {port} "
                     "-s acme@127.0.0.1 sftp\n")
    leads.chmod(0o755)
    try:
        yield leads
    finally:
        door.stdin.close()
        door.wait(timeout=60)
        leads.unlink()


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
    servers = {"codec": (program, asked.plain), "door": (over_ssh, asked.plain),
               "sshd": (program, asked.reference)}
    worse, differences = False, []
    print(f"{'suite':10} {'checks':>6}" + "".join(f"{server:>7}" for server in servers))
    for suite in asked.suites:
        results = {}
        for server, (start, path) in servers.items():
            log = asked.work / f"{suite}.{server}.log"
            log.write_text("")
            # The server and the suite share a folder: some checks name files relative to it.
            with tempfile.TemporaryDirectory(prefix="suite-") as folder, \
                    start(path, folder) as leads:
                results[server] = suites[suite](asked.work, leads, Path(folder), log)
        checks = sorted(set().union(*results.values()))
        passed = {server: sum(result.values()) for server, result in results.items()}
        print(f"{suite:10} {len(checks):6}" + "".join(f"{passed[s]:7}" for s in servers))
        worse |= passed["codec"] < passed["sshd"] or not passed["sshd"]
        for check in checks:
            told = {True: "passes", False: "fails", None: "was not run"}
            outcomes = {server: told[results[server].get(check)] for server in servers}
            if set(outcomes.values()) != {"passes"}:
                in_words = ", ".join(f"{server} {outcome}" for server, outcome in outcomes.items())
                differences.append(f"{suite}: {check}: {in_words}")
    print("\n".join(["", "what does not pass everywhere:", *differences]))
    print(f"\nlogs: {asked.work}/*.log")
    sys.exit(1 if worse else 0)


main()
