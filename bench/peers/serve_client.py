"""A server of OpenAI's completions as a child, Quiver's or llama.cpp's, and clients that stream from it."""

import concurrent.futures
import contextlib
import dataclasses
import http.client
import json
import re
import subprocess
import sys
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
    """A server until the block ends."""

    def __init__(self, command):
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


def quiver_server(options, *more):
    command = [options.program, "--threads", options.threads, "--quiet", "serve", options.gguf, "--port", 0]
    return Server([*command, "--max-batch", options.clients, *more])


def llama_server(options):
    return Server([sys.executable, "-c", LLAMA, options.gguf, options.threads, options.clients])


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


def post(address, path, body):
    """The answer to one request, which must succeed."""
    with contextlib.closing(http.client.HTTPConnection(address, timeout=600)) as connection:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}: {text[:300]}")
        return text


@dataclasses.dataclass
class Streamed:
    """One request's answer. Times are of the same clock as time.perf_counter()."""

    begin: float
    end: float = 0
    arrivals: list[float] = dataclasses.field(default_factory=list)  # of events with text
    tokens: int = 0
    text: str = ""

    @property
    def first(self):
        """Seconds to the first text."""
        return (self.arrivals[0] if self.arrivals else self.end) - self.begin

    @property
    def gaps(self):
        return [later - earlier for earlier, later in zip(self.arrivals, self.arrivals[1:])]


def stream(address, body, streamed=None, goes_on=lambda: True):
    """Follows one stream while `goes_on`; writes into `streamed`, if given, as it comes."""
    streamed = streamed or Streamed(0)
    body = {"temperature": 0, "stream": True, "stream_options": {"include_usage": True}} | body
    with contextlib.closing(http.client.HTTPConnection(address, timeout=600)) as connection:
        streamed.begin = time.perf_counter()
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {answer.read()[:300]}")
        for line in answer:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if "error" in event:
                raise RuntimeError(str(event))
            if event["choices"] and event["choices"][0].get("text"):
                streamed.arrivals.append(time.perf_counter())
                streamed.text += event["choices"][0]["text"]
            if event.get("usage"):
                streamed.tokens = event["usage"]["completion_tokens"]
            if not goes_on():
                break
        streamed.end = time.perf_counter()
    return streamed


def at_once(clients, action, items):
    """(seconds, results) of the action on every item, by so many clients."""
    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        results = list(pool.map(action, items))
    return time.perf_counter() - begin, results


def load(address, bodies, clients):
    """(new tokens a second, answers) of streams by so many clients."""
    seconds, answers = at_once(clients, lambda body: stream(address, body), bodies)
    return sum(answer.tokens for answer in answers) / seconds, answers
