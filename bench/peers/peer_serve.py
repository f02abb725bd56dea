"""Load on a server of OpenAI's completions, Quiver's or llama.cpp's: clients that stream at the same time.

Quiver is started as `quiver serve`; llama.cpp's server is the one inside the package xllamacpp. Every request has a
prompt of its own; all ask for the same number of greedy tokens and none ends before.
"""

import http.client
import json
import os
import pathlib
import queue
import re
import statistics
import subprocess
import sys
import threading
import time

import peer

LLAMA = """
import sys, time, xllamacpp
gguf, threads, slots = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
params = xllamacpp.CommonParams()
params.model.path = gguf
params.n_parallel = slots
params.n_ctx = 512 * slots
params.port = 0
params.warmup = True
for cpu in (params.cpuparams, params.cpuparams_batch):
    cpu.n_threads = threads
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
while True:
    time.sleep(1)
"""


class Server:
    """A server as a child, until the block ends."""

    def __init__(self, options):
        if options.server == "quiver":
            command = [options.program, "--threads", str(options.threads), "--quiet", "serve", options.gguf]
            command += ["--port", "0", "--max-batch", str(options.clients)]
            if options.library:
                command += ["--library", options.library, "--router", "arrow"]
        else:
            command = [sys.executable, "-c", LLAMA, options.gguf, str(options.threads), str(options.clients)]
        self.child = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __enter__(self):
        line = self.child.stdout.readline().decode()
        self.address = re.sub(r"^.*http://", "", line).strip().strip("/")
        if not self.address:
            raise RuntimeError("the server did not start")
        for _ in range(600):
            if self.answers():
                return self
            time.sleep(0.2)
        raise RuntimeError(f"nothing answers at {self.address}")

    def answers(self):
        try:
            connection = http.client.HTTPConnection(self.address, timeout=5)
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def __exit__(self, *_):
        self.child.terminate()
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()


def prompts_of(path, count, characters):
    """Texts of about `characters`, which begin differently."""
    sources = [row["source"] for row in peer.read_json_lines(path)]
    texts = []
    for i in range(count):
        text = f"{i}. "
        step = i
        while len(text) < characters:
            text += sources[(37 * step) % len(sources)] + " "
            step += 1
        texts.append(text[:characters].strip())
    return texts


def stream(address, model, prompt, new_tokens):
    """(seconds to the first text, seconds to the end, new tokens) of one request."""
    body = {"model": model, "prompt": prompt, "max_tokens": new_tokens, "temperature": 0, "stream": True}
    body |= {"stream_options": {"include_usage": True}, "ignore_eos": True}
    connection = http.client.HTTPConnection(address, timeout=600)
    start = time.perf_counter()
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {answer.read()[:300]}")
    first, tokens = None, 0
    for line in answer:
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        if first is None and event["choices"] and event["choices"][0].get("text"):
            first = time.perf_counter() - start
        if event.get("usage"):
            tokens = event["usage"]["completion_tokens"]
    connection.close()
    total = time.perf_counter() - start
    return first if first is not None else total, total, tokens


def load(address, model_of, prompts, clients, new_tokens):
    """(new tokens a second, times to the first text)."""
    waiting = queue.Queue()
    for item in enumerate(prompts):
        waiting.put(item)
    results, failures = [], []

    def client():
        while True:
            try:
                place, prompt = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                results.append(stream(address, model_of(place), prompt, new_tokens))
            except Exception as error:  # said below
                failures.append(error)

    start = time.perf_counter()
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    seconds = time.perf_counter() - start
    return sum(tokens for _, _, tokens in results) / seconds, [first for first, _, _ in results]


def main():
    parser = peer.arguments(__doc__)
    parser.add_argument("--server", choices=["quiver", "llama"], required=True)
    parser.add_argument("--program", help="quiver")
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--library", help="of experts, for Quiver")
    parser.add_argument("--texts", required=True, help="JSON lines whose `source` the prompts are made of")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=48)
    parser.add_argument("--new-tokens", type=int, default=64)
    options = parser.parse_args()
    # Every run has texts of its own, so that none is found in a cache.
    texts = iter(prompts_of(options.texts, 8 * options.requests, 640))
    rows = []

    with Server(options) as server:

        def measure(name, clients, requests, model_of):
            prompts = [next(texts) for _ in range(requests)]
            rate, firsts = load(server.address, model_of, prompts, clients, options.new_tokens)
            rows.append(peer.measurement(f"{name}, {clients} clients", "new tokens/s", [rate]))
            rows.append(peer.measurement(f"first text, {name}, {clients} clients", "s", [statistics.median(firsts)]))
            late = sorted(firsts)[int(0.95 * (len(firsts) - 1))]
            rows.append(peer.measurement(f"first text p95, {name}, {clients} clients", "s", [late]))

        load(server.address, lambda _: "base", [next(texts) for _ in range(2)], 2, 8)  # warm-up
        measure("base", options.clients, options.requests, lambda _: "base")
        measure("base", 1, 4, lambda _: "base")
        if options.server == "quiver" and options.library:
            experts = sorted(path.name for path in pathlib.Path(options.library).iterdir() if path.is_dir())
            experts = [name for name in experts if not name.startswith(".")]
            of = lambda place: f"expert:{experts[place % len(experts)]}"
            measure("experts", options.clients, options.requests, of)
            measure("arrow", options.clients, options.requests, lambda _: "arrow")
    peer.publish(options.out, options.threads, rows, {})


if __name__ == "__main__":
    # Both servers' threads wait awake for as long as Quiver's program asks for: llama.cpp's gain by it, too.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    main()
