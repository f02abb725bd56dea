"""What is measured of Quiver's server beside itself: `quiver generate`, prefixes, loading under load, idle clients."""

import contextlib
import json
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time

import peer
import serve_client


def as_generate(options, address, prompts):
    """One client beside `quiver generate` without batches, on the same prompts, in turns. What generate takes to start and
    to load is in its run over the first prompt alone, which is subtracted."""
    tokens, gaps, served, generated = 0, [], [], []

    def generate(texts):
        with tempfile.TemporaryDirectory() as folder:
            source, out = pathlib.Path(folder, "prompts.jsonl"), pathlib.Path(folder, "texts.jsonl")
            source.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
            command = [options.program, "--threads", options.threads, "--quiet", "generate", options.gguf, "--input", source]
            command += ["--batch-size", 1, "--max-new-tokens", options.new_tokens, "--out", out]
            seconds, _ = peer.seconds_of(lambda: subprocess.run([str(word) for word in command], check=True))
            return seconds, [row["completion"] for row in peer.read_json_lines(out)]

    for turn in range(2):
        bodies = [{"model": "base", "prompt": f"{turn} {text}", "max_tokens": options.new_tokens} for text in prompts]
        answers = [serve_client.stream(address, body) for body in bodies]
        alone, _ = generate([bodies[0]["prompt"]])
        together, texts = generate([body["prompt"] for body in bodies])
        if texts != [answer.text for answer in answers]:
            raise RuntimeError("the server's texts are not those of quiver generate")
        tokens = sum(answer.tokens for answer in answers[1:])
        served.append(tokens / sum(answer.end - answer.begin for answer in answers[1:]))
        generated.append(tokens / (together - alone))
        gaps += [gap for answer in answers for gap in answer.gaps]
    gaps.sort()
    late = gaps[int(0.99 * (len(gaps) - 1))]
    return [
        peer.measurement("as generate, 1 client", "new tokens/s", served),
        peer.measurement("quiver generate", "new tokens/s", generated),
        peer.measurement("gap between tokens, 1 client", "s", [statistics.median(gaps)]),
        peer.measurement("gap p99 over median, 1 client", "times the median", [late / statistics.median(gaps)]),
    ]


def prefixes(options, address, texts, tokens=1000, requests=64):
    """Prompts with one beginning of 1,000 tokens beside prompts of as many tokens that share nothing; one new token."""
    ids = json.loads(serve_client.post(address, "/tokenize", {"prompt": " ".join(texts)}))["tokens"]
    cut = lambda i: [ids[(i * tokens + j) % len(ids)] for j in range(tokens)]
    ends = [ids[i : i + 10] for i in range(requests)]
    alphabet = sorted(set(ids))  # the first token alone makes a beginning another
    rows = []
    for name, begins in (
        ("other prefixes", [[alphabet[i], *cut(i)[1:]] for i in range(requests)]),
        ("one prefix", [[alphabet[requests], *cut(0)[1:]]] * requests),
    ):
        bodies = [{"model": "base", "prompt": begin + end, "max_tokens": 1} for begin, end in zip(begins, ends)]
        seconds, answers = serve_client.at_once(
            options.clients, lambda body: json.loads(serve_client.post(address, "/v1/completions", body)), bodies
        )
        usage = [answer["usage"] for answer in answers]
        run = sum(one["prompt_tokens"] - one["prompt_tokens_details"]["cached_tokens"] for one in usage)
        rows.append(peer.measurement(f"prefill, {name}", "s", [seconds]))
        rows.append(peer.measurement(f"prompt tokens run, {name}", "tokens", [run]))
    return rows


@contextlib.contextmanager
def streams(address, bodies):
    """Streams that all run while the block does; gives what has come of each."""
    over, failures = threading.Event(), []
    followed = [serve_client.Streamed(0) for _ in bodies]

    def follow(body, streamed):
        try:
            serve_client.stream(address, body, streamed, lambda: not over.is_set())
            if not over.is_set():
                failures.append(RuntimeError("a stream ended before what was measured"))
        except Exception as error:  # raised below
            failures.append(error)

    threads = [threading.Thread(target=follow, args=pair) for pair in zip(bodies, followed)]
    for thread in threads:
        thread.start()
    try:
        while not failures and any(len(streamed.arrivals) < 4 for streamed in followed):
            time.sleep(0.05)
        yield followed
    finally:
        over.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def longest_gap(followed, begin, end):
    """Of all streams, of gaps that lie between two times or across one of them."""
    gaps = [0]
    for streamed in followed:
        for earlier, later in zip(streamed.arrivals, streamed.arrivals[1:]):
            if later > begin and earlier < end:
                gaps.append(later - earlier)
    return max(gaps)


def loading(options, address, root, experts, seconds=3.0, loads=8):
    """The longest gap between tokens of 16 running streams, base and experts, and the same while another expert is loaded and
    unloaded; both twice, in turn."""
    shutil.copytree(pathlib.Path(options.library) / experts[-1], root / "guest", ignore=shutil.ignore_patterns("artefacts"))
    models = ["base", *(f"expert:{name}" for name in experts[:-1])]
    # As many tokens as fit into the server's usual cache for all streams at once.
    bodies = [
        {"model": models[i % len(models)], "prompt": f"{i}.", "max_tokens": 1350, "ignore_eos": True}
        for i in range(options.clients)
    ]
    quiet, busy = [], []
    with streams(address, bodies) as followed:
        for _ in range(2):
            begin = time.perf_counter()
            time.sleep(seconds)
            quiet.append((begin, time.perf_counter()))
            begin = time.perf_counter()
            for _ in range(loads):
                serve_client.post(address, "/v1/load_lora_adapter", {"lora_name": "guest", "lora_path": "guest"})
                time.sleep(seconds / loads / 2)
                serve_client.post(address, "/v1/unload_lora_adapter", {"lora_name": "guest"})
                time.sleep(seconds / loads / 2)
            busy.append((begin, time.perf_counter()))
            time.sleep(0.5)
    without = [1000 * longest_gap(followed, *window) for window in quiet]
    within = [1000 * longest_gap(followed, *window) for window in busy]
    return [
        peer.measurement("longest gap, 16 streams", "ms", without),
        peer.measurement("longest gap, 16 streams, loading", "ms", within),
        peer.measurement("stall by loading", "ms", [max(0.0, max(within) - max(without))]),
    ]


@contextlib.contextmanager
def idle_connections(address, count=512):
    """So many connections, each of which has asked for one thing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * count)), hard))
    host, port = address.rsplit(":", 1)
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(contextlib.closing(socket.create_connection((host, int(port)), timeout=60)))
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
            if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("an idle connection was refused")
        yield


def many_library(source, folder, count):
    """A library of so many experts with the weights of one, which cost no disk."""
    source = pathlib.Path(source).resolve()
    first = next(iter(sorted(source.glob("*/adapter_config.json")))).parent
    record = json.loads((first / "expert.json").read_text())
    for i in range(count):
        name = f"expert_{i:04}"
        (folder / name).mkdir(parents=True)
        for part in ("adapter_config.json", "adapter_model.safetensors"):
            os.link(first / part, folder / name / part)
        (folder / name / "expert.json").write_text(json.dumps(record | {"name": name, "tasks": [name]}))
    shutil.copy(source / "library.json", folder)
    return (first / "adapter_model.safetensors").stat().st_size


def many_experts(options, count=1000, resident=50, asked=200):
    """A library of 1,000 experts with memory for 50: the start, an expert that is not in memory, and the memory."""
    # Beside the library: a hard link stays on its disk.
    with tempfile.TemporaryDirectory(dir=pathlib.Path(options.library).resolve().parent) as folder:
        size = many_library(options.library, pathlib.Path(folder, "library"), count)
        more = ["--library", pathlib.Path(folder, "library"), "--expert-memory", resident * size]
        begin = time.perf_counter()
        with serve_client.quiver_server(options, *more) as server:
            start = time.perf_counter() - begin

            def ask(number):
                body = {"model": f"expert:expert_{number:04}", "prompt": "The", "max_tokens": 1}
                return peer.seconds_of(lambda: serve_client.post(server.address, "/v1/completions", body))[0]

            ask(0)
            cold, warm, memory = [], [], []
            for number in range(1, asked):
                cold.append(1000 * ask(number))
                warm.append(1000 * ask(number))
                if number in (resident, asked - 1):
                    memory.append(peer.memory_mib(server.child.pid, "VmRSS"))
    beyond = [late - early for late, early in zip(cold, warm)]
    return [
        peer.measurement(f"start, {count} experts", "s", [start]),
        peer.measurement("expert not in memory", "ms", [max(0.0, statistics.median(beyond))]),
        peer.measurement("expert in memory, one token", "ms", [statistics.median(warm)]),
        peer.measurement(f"memory after {asked} experts beyond that after {resident}", "MiB", [memory[1] - memory[0]]),
    ]
