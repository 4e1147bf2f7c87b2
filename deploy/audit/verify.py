#!/usr/bin/env python3
"""Checks landfall's evidence without landfall: Python's standard library and ssh-keygen.

    verify.py --signers FILE BUNDLE                         what `landfall audit export` wrote
    verify.py --signers FILE --against CHECKPOINT LEDGER…   copies of ledger.db, held against a
                                                            checkpoint that was kept elsewhere

FILE is an allowed-signers file that you trust (ssh-keygen(1)). Formats: RFC 6962 for the tree, C2SP
tlog-checkpoint for the text that is signed, SSHSIG for signatures. Exit code 0: all is right; 1: not.
"""
import argparse, base64, hashlib, json, pathlib, sqlite3, subprocess, sys, tempfile, uuid
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Wrong(Exception):
    pass


def leaf(record):
    return hashlib.sha256(b"\0" + record).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def push(tree, level, digest):
    """Puts a complete subtree over 2**level leaves to the right of a tree."""
    while tree and tree[-1][0] == level:
        level, digest = level + 1, node(tree.pop()[1], digest)
    tree.append((level, digest))


def root(tree):
    digest = tree[-1][1] if tree else hashlib.sha256(b"").digest()
    for _, left in reversed(tree[:-1]):
        digest = node(left, digest)
    return digest


def climb(digest, index, size, path):
    """The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2)."""
    last = size - 1
    for sibling in map(bytes.fromhex, path):
        if index & 1 or index == last:
            digest = node(sibling, digest)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            digest = node(digest, sibling)
        index, last = index >> 1, last >> 1
    return digest if index == last == 0 else None


def need(fits, what):
    if not fits:
        raise Wrong(what)


def signed(text, signature, kind, signers):
    with tempfile.NamedTemporaryFile() as file:
        file.write(signature)
        file.flush()
        who = signers.read_text().split()[0]
        command = ["ssh-keygen", "-Y", "verify", "-n", kind, "-I", who, "-f", signers, "-s", file.name]
        ran = subprocess.run(command, input=text, capture_output=True)
    need(ran.returncode == 0, f"{kind} is not signed by {who}: {ran.stdout.decode().strip()}")


def checkpoint(text, signature, signers):
    signed(text, signature, "landfall-checkpoint", signers)
    origin, size, digest = text.decode().split("\n")[:3]
    return origin.rpartition("/")[2], int(size), base64.b64decode(digest, validate=True)


def micros(text):
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def ledger(path, log, size, digest):
    wal = pathlib.Path(f"{path}-wal").exists()
    db = sqlite3.connect(f"file:{path}?mode=ro" + ("" if wal else "&immutable=1"), uri=True)
    need(db.execute("SELECT id FROM log").fetchall() == [(log,)], "it is another log")
    claimed = {n: (log, n, r) for n, r in db.execute("SELECT size, root FROM checkpoint")} | {size: (log, size, digest)}
    for n, text in db.execute("SELECT size, text FROM checkpoint"):
        origin, told, told_root = text.split("\n")[:3]
        same = (origin.rpartition("/")[2], int(told), base64.b64decode(told_root, validate=True)) == claimed[n]
        need(same, f"its checkpoint over {n} events does not say what it is filed under, or what was signed")
    tree, count, received = [], 0, 0
    for sequence, at, arrival, record, hashed in db.execute("SELECT * FROM event ORDER BY sequence"):
        count += 1
        need(sequence == count, f"event {count} is missing")
        need(leaf(record.encode()) == hashed, f"event {count} is not what was hashed")
        told = json.loads(record)
        about = told.get("arrival")
        filed = told["sequence"], micros(told["at"]), about and uuid.UUID(about).bytes
        need(filed == (sequence, at, arrival), f"event {count} is filed under something else")
        push(tree, 0, hashed)
        need(count not in claimed or root(tree) == claimed[count][2], f"the first {count} events are not those that were signed")
        if told["event"]["kind"] == "received":
            received += 1
            row = db.execute("SELECT sender, feed, size_bytes, digest FROM arrival WHERE id = ?", (arrival,)).fetchone()
            event = told["event"]
            want = event["sender"], event["feed"], event["size_bytes"], bytes.fromhex(event["digest"])
            need(row == want, f"arrival {about} is not what event {count} recorded")
    need(count >= max(claimed), f"it has {count} events; {max(claimed)} were signed")
    need(db.execute("SELECT count(*) FROM arrival").fetchone() == (received,), "an arrival has no event")
    return f"{count} events, the first {size} as they were signed"


def receipt(path, folder, signers):
    text = path.read_bytes()
    signed(text, pathlib.Path(f"{path}.sig").read_bytes(), "landfall-receipt", signers)
    told = json.loads(text)
    proof = told["proof"]
    _, size, digest = checkpoint(proof["checkpoint"].encode(), proof["checkpoint_signature"].encode(), signers)
    record = proof["received"]["record"].encode()
    for part, hashed in ("received", leaf(record)), ("outcome", bytes.fromhex(proof["outcome"]["hash"])):
        index, way = proof[part]["event"] - 1, proof[part]["path"]
        need(0 <= index < size and climb(hashed, index, size, way) == digest, f"{path.name}: the proof leads elsewhere")
    event = json.loads(record)
    same = event["arrival"] == told["arrival"] and event["event"]["digest"] == told["sha256"]
    need(same, f"{path.name}: the proof is of another file")


def bundle(folder, signers):
    sums = (folder / "SHA256SUMS").read_bytes()
    signed(sums, (folder / "SHA256SUMS.sig").read_bytes(), "landfall-sums", signers)
    listed = dict(reversed(line.split("  ", 1)) for line in sums.decode().splitlines())
    there = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file() and p.parent / p.name != folder / "SHA256SUMS" and p.name != "SHA256SUMS.sig"}
    need(listed.keys() == there.keys(), f"files too many or missing: {sorted(listed.keys() ^ there.keys())}")
    for name, path in there.items():
        need(hashlib.file_digest(path.open("rb"), "sha256").hexdigest() == listed[name], f"{name} is altered")
    log, size, digest = checkpoint((folder / "checkpoint").read_bytes(), (folder / "checkpoint.sig").read_bytes(), signers)
    proof, tree = json.loads((folder / "proof.json").read_bytes()), []
    for level, hashed in proof["before"]:
        push(tree, level, bytes.fromhex(hashed))
    records = (folder / "events.jsonl").read_bytes().split(b"\n")[:-1]
    for sequence, record in enumerate(records, sum(1 << level for level, _ in proof["before"]) + 1):
        need(json.loads(record)["sequence"] == sequence, f"event {sequence} is missing")
        push(tree, 0, leaf(record))
    for level, hashed in proof["after"]:
        push(tree, level, bytes.fromhex(hashed))
    need(root(tree) == digest and sum(1 << level for level, _ in tree) == size, "the events are not those that were signed")
    receipts = sorted(folder.glob("receipts/*.receipt.json"))
    for path in receipts:
        receipt(path, folder, signers)
    return f"{len(records)} events of log {log} without a gap, {len(receipts)} receipts, {len(there)} files"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signers", type=pathlib.Path, required=True)
    parser.add_argument("--against", type=pathlib.Path)
    parser.add_argument("paths", nargs="+", type=pathlib.Path)
    given, bad = parser.parse_args(), 0
    signature = given.against and pathlib.Path(f"{given.against}.sig").read_bytes()
    head = given.against and checkpoint(given.against.read_bytes(), signature, given.signers)
    for path in given.paths:
        try:
            print(f"{path}: right:", ledger(path, *head) if head else bundle(path, given.signers))
        except (Wrong, sqlite3.Error, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            bad += 1
            print(f"{path}: WRONG: {error}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
