#!/usr/bin/env python3
"""A server under random clients for a long time: no good request fails, and its memory does not grow.

    soak.py --quiver build/quiver --base smollm2-135m --library LIBRARY [--seconds 1200]

Clients complete, chat, stream, choose routers and experts, cancel, vanish, send garbage, read and write slowly; beside
them adapters are loaded and unloaded, and the library, a copy, is changed and read again (SIGHUP).

Memory is VmRSS of /proc/PID/status, taken once a second once every model was used and the caches are full. From the 120th second on (a quarter of a shorter run) it may
grow by 2%: the median of the last 60 s against that of the 60 s from there on (a tenth of a shorter run). The server gives
back what it freed while it decodes nothing.
"""

import argparse
import collections
import json
import pathlib
import shutil
import signal
import sys
import tempfile
import threading
import time

import clients
from served_program import Samples, ServedProgram

MOST_SHOWN = 10


class Record:
    """What was done and what failed, of all threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self.done = collections.Counter()
        self.failures = []

    def add(self, name):
        with self._lock:
            self.done[name] += 1

    def fail(self, what):
        with self._lock:
            self.failures.append(what)
            if len(self.failures) <= MOST_SHOWN:
                print(f"FAILED {what}", flush=True)

    def run(self, name, action, *arguments):
        """Does it; a failure of a good request is one, whatever it looks like."""
        try:
            self.add(action(*arguments) or name)
        except Exception as error:  # said, and counted
            self.fail(f"{name}: {type(error).__name__}: {error}")


def library_copy(options, folder):
    """The library but for one expert, which stands beside it, and below a loading root three experts as adapters.
    The names of those that stay, and of the one that comes and goes."""
    shutil.copytree(options.library, folder / "library")
    *names, visitor = sorted(path.parent.name for path in (folder / "library").glob("*/adapter_config.json"))
    for name in names[:3]:
        shutil.copytree(folder / "library" / name, folder / "adapters" / name, ignore=shutil.ignore_patterns("artefacts"))
    (folder / "library" / visitor).rename(folder / visitor)
    return names, visitor


def server_arguments(options, folder):
    arguments = [options.base, "--library", folder / "library", "--router", options.routers]
    arguments += ["--allow-loading", "--loading-root", folder / "adapters", "--max-queue", 512]
    return [*arguments, "--cache-memory", "96M", "--drain-seconds", 20, *options.serve.split()]


def known_answers(address, models):
    """What base and experts say alone: nothing may change that."""
    texts = {}
    for model in models:
        for prompt in clients.PROMPTS[:2]:
            body = {"model": model, "prompt": prompt, "max_tokens": 12, "temperature": 0}
            texts[model, prompt] = clients.answer(address, "/v1/completions", body)["choices"][0]["text"]
    return texts


def warm_up(address, models):
    """Every model once, and more texts than the caches hold, so that a slow machine has what stays in two minutes, too."""
    for i, model in enumerate(models * 3):
        body = {"model": model, "prompt": f"{i} {clients.PROMPTS[-1]}", "max_tokens": 1}
        clients.answer(address, "/v1/completions", body)


def use_adapter(address, turn, names):
    """Loads an adapter, uses it and unloads it, after which its name is nobody's."""
    name, guest = names[turn % 3], f"guest-{turn % 2}"
    load = {"lora_name": guest, "lora_path": name}
    for path, body in (("/v1/load_lora_adapter", load), ("/v1/unload_lora_adapter", {"lora_name": guest})):
        status, text = clients.request(address, "POST", path, body)
        if status != 200:
            raise clients.Wrong(f"{path}: {status} {text[:300]}")
        if path == "/v1/load_lora_adapter":
            clients.answer(address, "/v1/completions", {"model": guest, "prompt": "a", "max_tokens": 4})
    status, _ = clients.request(address, "POST", "/v1/completions", {"model": guest, "prompt": "a", "max_tokens": 1})
    if status != 404:
        raise clients.Wrong(f"an adapter that was unloaded: {status}, not 404")


def change_library(server, folder, visitor):
    """An expert comes into the library, is served, and leaves it."""

    def wait_for(is_there):
        end = time.monotonic() + 120
        while time.monotonic() < end:
            models = json.loads(clients.request(server.address, "GET", "/v1/models")[1])["data"]
            if any(model["id"] == f"expert:{visitor}" for model in models) == is_there:
                return
            time.sleep(0.2)
        health = clients.request(server.address, "GET", "/health")[1]
        raise clients.Wrong(f"an expert {'came' if is_there else 'left'}, and the server did not see it in 120 s: {health}")

    (folder / visitor).rename(folder / "library" / visitor)
    server.signal(signal.SIGHUP)
    wait_for(True)
    clients.answer(server.address, "/v1/completions", {"model": f"expert:{visitor}", "prompt": "a", "max_tokens": 4})
    (folder / "library" / visitor).rename(folder / visitor)
    server.signal(signal.SIGHUP)
    wait_for(False)


def check_health(address):
    status, text = clients.request(address, "GET", "/health", timeout=60)
    if status != 200 or json.loads(text)["status"] != "ok":
        raise clients.Wrong(f"/health: {status} {text[:200]}")


def repeat(is_over, pause, action):
    turn = 0
    while not is_over.wait(pause):
        action(turn)
        turn += 1


def load(options, server, folder, experts, record):
    """All of it until the time is over; the samples of that time."""
    names, visitor = experts
    models = ["base", *options.routers.split(","), *(f"expert:{name}" for name in names)]
    expected = known_answers(server.address, ["base", *models[-4:]])
    warm_up(server.address, models)
    samples, is_over = Samples(server), threading.Event()
    everybody = [clients.Client(server.address, models, expected, options.seed + i) for i in range(options.clients)]
    tasks = [(0, lambda _, client=client: record.run("client", client.act)) for client in everybody]
    tasks.append((1, lambda _: record.run("health", check_health, server.address)))
    tasks.append((2, lambda turn: record.run("load and unload", use_adapter, server.address, turn, names)))
    tasks.append((7, lambda _: record.run("hang up", server.signal, signal.SIGHUP)))
    tasks.append((45, lambda _: record.run("library", change_library, server, folder, visitor)))
    threads = [threading.Thread(target=repeat, args=(is_over, *task)) for task in tasks]
    for thread in threads:
        thread.start()
    is_over.wait(options.seconds)
    is_over.set()
    samples.stop()
    for thread in threads:
        thread.join()
    return samples


def check_idle(server, record):
    """Nothing is left running behind clients that are gone."""
    end = time.monotonic() + 60
    while True:
        text = clients.request(server.address, "GET", "/metrics")[1].decode()
        gauges = [line for line in text.splitlines() if line.startswith(("vllm:num_requests_running{", "vllm:num_requests_waiting{"))]
        if len(gauges) == 2 and all(float(line.split()[-1]) == 0 for line in gauges):
            return
        if time.monotonic() > end:
            record.fail(f"a minute after the last client: {gauges}")
            return
        time.sleep(0.5)


def check_memory(options, samples, record):
    last = samples.rows()[-1][0]
    begin = min(120, last / 4)
    window = min(60, last / 10)
    (early, early_descriptors), (late, descriptors) = samples.median(begin, begin + window), samples.median(last - window, last)
    growth = 100 * (late / early - 1)
    print(f"memory: {early / 1024:.1f} MiB at {begin:.0f} s, {late / 1024:.1f} MiB at the end ({growth:+.2f}%), "
          f"most {max(row[1] for row in samples.rows()) / 1024:.1f} MiB; descriptors {early_descriptors:.0f} and {descriptors:.0f}")
    if growth > options.growth:
        record.fail(f"memory grew by {growth:.2f}%, more than {options.growth}%")
    if descriptors > early_descriptors + 4 * options.clients:
        record.fail(f"descriptors grew from {early_descriptors:.0f} to {descriptors:.0f}")


def check_log(server, record):
    for entry in server.logged():
        if entry.get("status", 0) >= 500:
            record.fail(f"the log has {entry}")
        if "Sanitizer" in entry.get("text", ""):
            record.fail(f"the server says {entry['text']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quiver", default="build/quiver")
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--library", required=True, help="with what its routers need; it is copied")
    parser.add_argument("--routers", default="prompt,arrow")
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--growth", type=float, default=2, help="percent of memory; a build with sanitizers needs more")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", default="", help="further arguments of `quiver serve`, in one word")
    parser.add_argument("--rows", help="a file for the samples: seconds, KiB, descriptors")
    options = parser.parse_args()
    if not pathlib.Path(options.library, "library.json").exists():
        parser.error(f"{options.library} is no library; `make quickstart` makes out/quickstart/library")
    record = Record()
    with tempfile.TemporaryDirectory(prefix="quiver-soak-") as scratch:
        folder = pathlib.Path(scratch)
        experts = library_copy(options, folder)
        server = ServedProgram(options.quiver, server_arguments(options, folder), folder)
        try:
            samples = load(options, server, folder, experts, record)
            record.run("idle", check_idle, server, record)
        finally:
            status = server.end(60)
        if status != 0:
            record.fail(f"after SIGTERM the server ended with {status}")
        check_memory(options, samples, record)
        check_log(server, record)
    if options.rows:
        pathlib.Path(options.rows).write_text("".join(f"{t:.0f} {kib} {fds}\n" for t, kib, fds in samples.rows()))
    print(f"{options.seconds:.0f} s: " + ", ".join(f"{count} {name}" for name, count in sorted(record.done.items())))
    print(f"{len(record.failures)} failures")
    sys.exit(1 if record.failures else 0)


if __name__ == "__main__":
    main()
