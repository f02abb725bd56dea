"""What the peer scripts share: the clock, the memory, and a JSON file of the form that `quiver bench` writes."""

import argparse
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import time

PACKAGES = ["torch", "transformers", "peft", "lm_eval", "llama-cpp-python", "xllamacpp"]


def arguments(description):
    """A parser with what every script takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", required=True)
    return parser


def read_json_lines(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines()]


def seconds_of(function):
    """(seconds, result) of one call."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def processor():
    """What the processor calls itself, and how many cores there are."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "")
    width = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, {width}"


def start_peak_memory():
    pathlib.Path("/proc/self/clear_refs").write_text("5")


def memory_mib(process, kind):
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def peak_memory_mib():
    return memory_mib("self", "VmHWM")


def measurement(name, unit, values):
    values = list(values)
    return {
        "name": name,
        "unit": unit,
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "n": len(values),
        "values": values,
    }


def publish(path, threads, measurements, quality):
    """Writes the file; the memory is the largest since start_peak_memory()."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    document = {
        "versions": versions,
        "threads": threads,
        "measurements": measurements,
        "peak_memory_mib": peak_memory_mib(),
        "quality": quality,
    }
    pathlib.Path(path).write_text(json.dumps(document, indent=1) + "\n")
    for row in measurements:
        print(f"{row['name']}: {row['median']:.3f} {row['unit']} (n={row['n']})", flush=True)
