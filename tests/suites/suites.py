"""Runs each suite against all servers and compares them, check by check.

The servers: the plain one on the door's codec as a program (codec), the same behind the door's
transport and lanes (door), and OpenSSH's sftp-server as a program (sshd).
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
# These two test sshd, its ForceCommand and ChrootDirectory, not an SFTP server.
OPENSSH_LEFT_OUT = {"sftp-chroot.sh", "sftp-uri.sh"}
# Seconds after which one of OpenSSH's scripts, and each of the other suites, is stopped. What it had
# said by then counts, and that it was stopped is a check that failed. The slowest, sftp.sh, sends and
# fetches its file in pieces of five bytes: a minute on a quiet machine, many on a busy one.
SCRIPT_LIMIT = 900
SUITE_LIMIT = 900


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
        done, ended = run(["sh", *map(str, frame)], place, log, SCRIPT_LIMIT)
        if not ended:
            results[f"{script.stem}: comes to its end"] = False
        for line in done.splitlines():
            result, _, check = line.partition("\t")
            name = unique(f"{script.stem}: {check}", results)
            results[name] = result == "pass"
    return results


def pkgsftp(work, server, folder, log):
    """{check: passed} of pkg/sftp's tests."""
    command = [work / "pkgsftp.test", "-test.v", f"-test.timeout={SUITE_LIMIT // 2}s",
               "-integration"]
    command += ["-sftp", server, "-sftp_client", shutil.which("sftp")]
    # Some of its tests read files of its own folder.
    source = Path("/usr/share/gocode/src/github.com/pkg/sftp")
    shutil.copytree(source, folder, dirs_exist_ok=True)
    done, ended = run(list(map(str, command)), folder, log, SUITE_LIMIT)
    results = {
        name: result == "PASS"
        for result, name in re.findall(r"^\s*--- (PASS|FAIL): (\S+)", done, re.M)
    }
    return results if ended else {**results, "comes to its end": False}


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
    _, ended = run(list(map(str, command)), folder, log, SUITE_LIMIT, SFTP_SERVER=str(server))
    if not ended:
        return {"comes to its end": False}
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
        leads.unlink()
        try:
            door.wait(timeout=60)
        except subprocess.TimeoutExpired:
            door.kill()
            print("the door did not end when it was asked to", file=sys.stderr)


def run(command, folder, log, limit, **environment):
    """What a command printed, and whether it ended by itself; what it said of errors goes to the log.

    Its children are stopped with it: one of them alone would keep its output open for ever.
    """
    environment = {**os.environ, **environment}
    with open(log, "a") as errors, \
            subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace",
                             start_new_session=True) as running:
        try:
            printed, ended = running.communicate(timeout=limit)[0], True
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            printed, ended = running.communicate()[0], False
        errors.write(printed)
        if not ended:
            errors.write(f"\nstopped after {limit} seconds: {' '.join(command)}\n")
    return printed, ended


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
            with tempfile.TemporaryDirectory(prefix="suite-") as parent:
                folder = Path(parent, "sftp")
                folder.mkdir()
                with start(path, folder) as leads:
                    results[server] = suites[suite](asked.work, leads, folder, log)
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
