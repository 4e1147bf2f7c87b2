"""The converter against DuckDB and Polars, called by `tests/bench/convert`.

Each conversion is a process of its own, so that wall, CPU and peak memory are its own (wait4(2)).
What other tools are asked for is what their manuals show for a CSV to zstd Parquet, level 3.
"""

import argparse
import concurrent.futures
import hashlib
import os
import random
import resource
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

HOME = Path("target/bench-convert")
DATA = HOME / "data"
OUT = HOME / "out"
LANDFALL = os.environ.get("LANDFALL", "target/release/landfall")
MIB = 1 << 20

DUCKDB = """
import sys, duckdb
source, target, options = sys.argv[1:]
duckdb.sql(f"copy (from read_csv('{source}'{options})) to '{target}' (format parquet, codec zstd, compression_level 3)")
"""
POLARS = """
import sys, polars
source, target, options = sys.argv[1:]
scan = polars.scan_csv(source, try_parse_dates=True, infer_schema_length=None if options else 100)
scan.sink_parquet(target, compression="zstd", compression_level=3)
"""

POLARS_EXCEL = """
import sys, polars
source, target, _ = sys.argv[1:]
polars.read_excel(source).write_parquet(target, compression="zstd", compression_level=3)
"""

WORDS = [
    "amber", "anchor", "border", "café", "carrier", "depot", "exprès", "ferry", "Größe", "harbour",
    "invoice", "jetty", "käse", "ledger", "manifest", "naïve", "order", "pallet", "quay", "route",
    "São", "ship", "tonne", "über", "vessel", "wharf", "日本", "zone", "parcel", "customs",
]


def lineitem():
    """TPC-H lineitem, scale 1: 6 million rows of 16 columns."""
    path = DATA / "lineitem.csv"
    if not path.exists():
        tpchgen = HOME / "python/bin/tpchgen-cli"
        subprocess.run([tpchgen, "csv", "-s", "1", "--tables=lineitem", f"--output-dir={DATA}"], check=True)
    return path


def text(rng):
    words = " ".join(rng.choices(WORDS, k=rng.randint(2, 6)))
    kind = rng.random()
    if kind < 0.15:
        return f'"{words}, {rng.choice(WORDS)}"'
    if kind < 0.2:
        return f'"{words}\n{rng.choice(WORDS)}"'
    if kind < 0.25:
        return f'"{words} ""{rng.choice(WORDS)}"""'
    return words


def wide_row(rng, row):
    day = f"20{rng.randint(10, 26)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    cells = [str(row), f"{rng.randint(0, 99999):05}", f"{rng.randint(0, 10**9):010}", text(rng)]
    for _ in range(4):
        cells.append(text(rng))
    for _ in range(6):
        cells.append("" if rng.random() < 0.2 else str(rng.randint(-(10**6), 10**6)))
    for _ in range(6):
        cells.append(f"{rng.randint(-(10**5), 10**5) or 1}.{rng.randint(0, 99):02}")
    cells += [day, f"{day} {rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"]
    for _ in range(2):
        cells.append("" if rng.random() < 0.5 else day)
    for _ in range(6):
        cells.append(rng.choice(WORDS))
    for _ in range(4):
        cells.append(str(rng.randint(0, 50)))
    for _ in range(4):
        cells.append(f"{rng.getrandbits(48):012x}x")
    cells += ["true" if rng.random() < 0.5 else "false", "" if rng.random() < 0.9 else "note"]
    return cells


def wide():
    """500 MB of 40 columns: quotes, line ends and unicode in text, nulls, leading zeros, decimals."""
    return made("wide.csv", 500_000_000, "c{}", 40, wide_row)


def late_row(rng, row):
    code = str(row * 7 % 100_003) if row < 7_920_000 else f"A{row}"
    return [str(row), code, f"{rng.randint(0, 9999)}.{rng.randint(0, 99):02}", "x"]


def late():
    """A column of whole numbers that holds text in the last 1 %."""
    return made("late.csv", 217_000_000, "c{}", 4, late_row, 8_000_000)


def made(name, size, header, columns, row, rows_max=10**9):
    path = DATA / name
    if path.exists():
        return path
    rng, rows = random.Random(name), 0
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as out:
        out.write(",".join(header.format(n) for n in range(columns)) + "\n")
        while out.tell() < size and rows < rows_max:
            for _ in range(2000):
                out.write(",".join(row(rng, rows)) + "\n")
                rows += 1
    partial.rename(path)
    return path


def workbook():
    """A workbook of one sheet: 300,000 rows of 12 columns, numbers, dates and shared strings."""
    import datetime

    import xlsxwriter

    path = DATA / "book.xlsx"
    if path.exists():
        return path
    rng = random.Random("book")
    book = xlsxwriter.Workbook(str(path), {"constant_memory": False})
    sheet, dates = book.add_worksheet("data"), book.add_format({"num_format": "yyyy-mm-dd"})
    sheet.write_row(0, 0, [f"c{n}" for n in range(12)])
    first = datetime.date(2010, 1, 1)
    for row in range(1, 300_001):
        sheet.write_row(row, 0, [row, rng.randint(0, 10**6), rng.randint(-500, 500), rng.random() * 1000])
        sheet.write_row(row, 4, [rng.choice(WORDS) for _ in range(3)])
        sheet.write(row, 7, f"{rng.choice(WORDS)} {row}")
        sheet.write_datetime(row, 8, first + datetime.timedelta(days=rng.randint(0, 6000)), dates)
        sheet.write_row(row, 9, [rng.randint(0, 99) / 4, rng.random() < 0.5, rng.choice(WORDS)])
    book.close()
    return path


def measure_workbook(rounds):
    """Landfall against Polars, which reads a workbook by fastexcel."""
    import pyarrow.parquet as parquet

    OUT.mkdir(parents=True, exist_ok=True)
    source = apart(workbook)
    tools = {"landfall": landfall, "Polars": other("polars", POLARS_EXCEL, "")}
    runs = {name: [] for name in tools}
    for _ in range(rounds):
        for name, tool in tools.items():
            target, command, _ = tool(source, False)
            runs[name].append(Run(command, target))
            if runs[name][-1].failed:
                sys.exit(f"{name} fails: {runs[name][-1].failed}")
            rows = parquet.read_metadata(target).num_rows
            if rows != 300_000:
                sys.exit(f"{name} wrote {rows} rows")
    own = medians(runs["landfall"])
    print(f"\nworkbook: {source.stat().st_size / 1e6:.0f} MB, 300,000 rows of 12 columns, {rounds} rounds")
    print(f"{'':24} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9} {'MB':>7}   ratios of landfall to it")
    for name in tools:
        theirs = medians(runs[name])
        ratios = "  ".join(f"{a / b:.2f}" for a, b in zip(own, theirs))
        print(f"{name:24} {theirs[0]:8.2f} {theirs[1]:8.2f} {theirs[2]:9.0f} {theirs[3]:7.1f}   {ratios}")


class Run:
    """One process: seconds, CPU seconds, peak MiB, output MB."""

    def __init__(self, command, target, hashed=None):
        target.unlink(missing_ok=True)
        hashing = threading.Thread(target=digest, args=(hashed,)) if hashed else None
        before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if hashing:
            hashing.start()
            hashing.join()
        log = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        self.wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF)
        self.cpu = used.ru_utime + used.ru_stime
        if hashing:
            self.cpu += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.peak = used.ru_maxrss * 1024 / MIB
        process.returncode = os.waitstatus_to_exitcode(status)
        self.failed = None if process.returncode == 0 else log.decode()[-300:]
        self.size = target.stat().st_size / 1e6 if target.exists() else 0.0


def digest(path):
    with open(path, "rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def landfall(source, shipped):
    target = OUT / "landfall" / f"{source.stem}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [LANDFALL, "convert", "--force", "-o", target.parent, source]
    if shipped:
        command.insert(2, "--provenance")
    return target, command, source if shipped else None


def other(name, program, options):
    def made(source, _shipped):
        target = OUT / f"{source.stem}.{name}.parquet"
        return target, [sys.executable, "-c", program, source, target, options], None

    return made


def apart(function, *arguments):
    """Calls a function in a process of its own: a child's peak memory counts from its parent's."""
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()


def sums(target):
    """Rows, and for each column the sum of its numbers or of its texts' lengths."""
    import duckdb
    import pyarrow.parquet as parquet

    table = parquet.read_table(target)
    columns = [name for name in table.column_names if not name.startswith("_lf_")]
    parts = [f"count(*) + {table.num_rows} - {parquet.read_metadata(target).num_rows}"]
    described = duckdb.sql(f"describe from '{target}'").fetchall()
    for name, kind, *_ in described:
        if name not in columns:
            continue
        number = kind.startswith(("BIGINT", "DECIMAL", "DOUBLE", "INTEGER"))
        value = f'round(sum("{name}")::double, 2)' if number else f'sum(length("{name}"::varchar))'
        parts.append(f"{value}, count(\"{name}\")")
    return duckdb.sql(f"select {', '.join(parts)} from '{target}'").fetchall()[0]


def check(case, tool, target, expected):
    """Landfall's rows and sums against those of DuckDB reading every cell as text."""
    found = apart(sums, target)
    if found[0] != expected:
        sys.exit(f"{case}: {tool} wrote {found[0]} rows, not {expected}")
    return found


def rows_of(source):
    import duckdb

    read = f"read_csv('{source}', all_varchar = true, parallel = false)"
    return duckdb.sql(f"select count(*) from {read}").fetchall()[0][0]


def measure(case, source, tools, rounds, shipped):
    OUT.mkdir(parents=True, exist_ok=True)
    rows = apart(rows_of, source)
    runs, texts = {name: [] for name in tools}, None
    for _ in range(rounds):
        for name, tool in tools.items():
            target, command, hashed = tool(source, shipped)
            runs[name].append(Run(command, target, hashed))
    for name, tool in tools.items():
        if not any(run.failed for run in runs[name]):
            found = check(case, name, tool(source, shipped)[0], rows)
            if name == "landfall":
                texts = found
    apart(verify, source, tools["landfall"](source, shipped)[0], texts)
    own = medians(runs["landfall"])
    print(f"\n{case}: {source.stat().st_size / 1e6:.0f} MB, {rows:,} rows, {rounds} rounds")
    print(f"{'':24} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9} {'MB':>7}   ratios of landfall to it")
    for name in tools:
        failed = next((run.failed for run in runs[name] if run.failed), None)
        if failed:
            print(f"{name:24} fails: {failed.strip().splitlines()[-1][:90]}")
            continue
        theirs = medians(runs[name])
        ratios = "  ".join(f"{a / b:.2f}" for a, b in zip(own, theirs))
        print(f"{name:24} {theirs[0]:8.2f} {theirs[1]:8.2f} {theirs[2]:9.0f} {theirs[3]:7.1f}   {ratios}")


def medians(runs):
    return [statistics.median(getattr(run, what) for run in runs) for what in ("wall", "cpu", "peak", "size")]


def verify(source, target, found):
    """Every column's sum, or length of text, as DuckDB finds it in the source read as text."""
    import duckdb

    described = duckdb.sql(f"describe from '{target}'").fetchall()
    parts = ["count(*)"]
    for name, kind, *_ in described:
        if name.startswith("_lf_"):
            continue
        number = kind.startswith(("BIGINT", "DECIMAL", "DOUBLE", "INTEGER"))
        cell = f"nullif(\"{name}\", '')" if kind != "VARCHAR" else f'"{name}"'
        value = f"round(sum(try_cast({cell} as {kind}))::double, 2)" if number else f"sum(length({cell}))"
        parts.append(f"{value}, count({cell})")
    expected = duckdb.sql(
        f"select {', '.join(parts)} from read_csv('{source}', all_varchar = true, header = true, delim = ',', quote = '\"', escape = '\"')"
    ).fetchall()[0]
    for at, (a, b) in enumerate(zip(found, expected)):
        if a != b and not (isinstance(a, float) and abs(a - b) <= 1e-9 * abs(b)):
            sys.exit(f"{source.name}: figure {at} is {a}, DuckDB finds {b} in the source")


def repeat(base, path, size):
    """Writes a file's records again and again, under one header, up to a size."""
    with path.open("wb") as out, base.open("rb") as source:
        out.write(source.readline())
        first = source.tell()
        while out.tell() < size:
            lines = source.readlines(4 * MIB)
            out.writelines(lines)
            if not lines:
                source.seek(first)


def sizes(gigabytes):
    """Peak memory of lineitem's rows repeated to a size."""
    base = lineitem()
    print(f"\n{'GB':>5} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9} {'MB':>8}")
    for size in gigabytes:
        path = DATA / "sized.csv"
        repeat(base, path, int(size * 1e9))
        target, command, _ = landfall(path, shipped=False)
        run = Run(command, target)
        print(f"{size:5} {run.wall:8.2f} {run.cpu:8.2f} {run.peak:9.0f} {run.size:8.0f} {run.failed or ''}")
        path.unlink()
        target.unlink(missing_ok=True)


def small(count):
    folder, out = DATA / "small", OUT / "small"
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        rows = "".join(
            f"{n},{row},{n * 31 % 99_999:05},{row * 7}.{n % 100:02},2026-11-{row + 1:02},text {row}\n"
            for row in range(20)
        )
        (folder / f"f{n:06}.csv").write_text("file,row,code,amount,day,text\n" + rows)
    files = sorted(folder.glob("f*.csv"))[:count]
    subprocess.run(["rm", "-rf", out], check=True)
    run = Run([LANDFALL, "convert", "--force", "-o", out, *files], out / "none")
    print(f"\n{count} small files: {count / run.wall:.0f} files/s, {run.cpu:.2f} s CPU, {run.peak:.0f} MiB {run.failed or ''}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("only", nargs="?", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shipped", action="store_true")
    parser.add_argument("--sizes", type=lambda text: [float(part) for part in text.split(",")])
    parser.add_argument("--small", type=int)
    parser.add_argument("--workbook", action="store_true")
    arguments = parser.parse_args()
    DATA.mkdir(parents=True, exist_ok=True)
    if arguments.sizes:
        return sizes(arguments.sizes)
    if arguments.small:
        return small(arguments.small)
    if arguments.workbook:
        return measure_workbook(arguments.rounds)
    plain = {"landfall": landfall, "DuckDB": other("duckdb", DUCKDB, ""), "Polars": other("polars", POLARS, "")}
    whole = {"DuckDB, whole file": other("duckdb-whole", DUCKDB, ", sample_size = -1")}
    cases = {
        "lineitem": (lineitem, plain | whole),
        "wide": (wide, plain),
        "late": (late, plain | whole),
    }
    for case, (data, tools) in cases.items():
        if arguments.shipped:
            tools.pop("DuckDB, whole file", None)
        if arguments.only in case:
            measure(case, data(), tools, arguments.rounds, arguments.shipped)


main()
