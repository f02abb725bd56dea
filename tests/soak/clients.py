"""What clients do to a server: good requests, whose answers are checked, and everything else."""

import contextlib
import http.client
import json
import random
import socket
import struct
import time

HEADERS = {"Content-Type": "application/json"}
PROMPTS = ["Class of an eel:", "Reverse the word: lamp", "The river flows through the town and", "Which is larger, 3 or 7?",
           "A long text about ships, harbours, cranes and the people who work there. " * 12 + "Summary:"]


class Wrong(Exception):
    """A good request got a wrong answer."""


def request(address, method, path, body=None, timeout=600):
    """(status, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, HEADERS if body is not None else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def answer(address, path, body):
    status, text = request(address, "POST", path, body)
    if status != 200:
        raise Wrong(f"{path} {json.dumps(body)[:200]}: {status} {text[:300]}")
    return json.loads(text)


def events(address, path, body):
    """The objects of a stream, which must have an end."""
    connection = http.client.HTTPConnection(address, timeout=600)
    with contextlib.closing(connection):
        connection.request("POST", path, json.dumps(body | {"stream": True}), HEADERS)
        reply = connection.getresponse()
        if reply.status != 200:
            raise Wrong(f"{path} as a stream, {json.dumps(body)[:200]}: {reply.status} {reply.read()[:300]}")
        for line in reply:
            if line.startswith(b"data: [DONE]"):
                return
            if line.startswith(b"data: "):
                event = json.loads(line[6:])
                if "error" in event:
                    raise Wrong(f"{path} as a stream, {json.dumps(body)[:200]}: {event}")
                yield event
    raise Wrong(f"{path}: a stream without an end")


def raw(address, seconds=60):
    host, port = address.rsplit(":", 1)
    return contextlib.closing(socket.create_connection((host, int(port)), timeout=seconds))


def post_bytes(path, body):
    text = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


class Client:
    """One client. Every method of `ACTIONS` is one thing that it does."""

    def __init__(self, address, models, expected, seed):
        self.address, self.models, self.expected = address, models, expected
        self.random = random.Random(seed)

    def greedy(self):
        """A request whose answer is known, or not."""
        key = self.random.choice(sorted(self.expected)) if self.random.random() < 0.7 else None
        model, prompt = key or (self.random.choice(self.models), self.random.choice(PROMPTS))
        return {"model": model, "prompt": prompt, "max_tokens": 12, "temperature": 0}, self.expected.get(key)

    def complete(self):
        body, expected = self.greedy()
        text = answer(self.address, "/v1/completions", body)["choices"][0]["text"]
        if expected is not None and text != expected:
            raise Wrong(f"{body['model']}, {body['prompt'][:40]!r}: {text!r} and not {expected!r}")

    def stream(self):
        body, expected = self.greedy()
        chunks = list(events(self.address, "/v1/completions", body | {"stream_options": {"include_usage": True}}))
        text = "".join(chunk["choices"][0]["text"] for chunk in chunks if chunk["choices"])
        if expected is not None and text != expected:
            raise Wrong(f"{body['model']} as a stream, {body['prompt'][:40]!r}: {text!r} and not {expected!r}")
        if "usage" not in chunks[-1]:
            raise Wrong("a stream without its usage")

    def sample(self):
        body = {"model": self.random.choice(self.models), "prompt": [self.random.choice(PROMPTS), "x"], "n": 2}
        body |= {"max_tokens": self.random.randrange(1, 24), "temperature": 1.2, "seed": 5, "logprobs": 3}
        body |= {"stop": ["\n", "qu"], "return_routing": self.random.choice([True, False, "slots"])}
        if len(answer(self.address, "/v1/completions", body)["choices"]) != 4:
            raise Wrong("two answers to two prompts are four")

    def chat(self):
        body = {"model": self.random.choice(self.models), "messages": [{"role": "user", "content": "<|im_end|> hello"}]}
        body |= {"max_tokens": 10}
        if self.random.random() < 0.5:
            list(events(self.address, "/v1/chat/completions", body))
        else:
            answer(self.address, "/v1/chat/completions", body)

    def own_router(self):
        experts = [model.removeprefix("expert:") for model in self.models if model.startswith("expert:")]
        chosen = self.random.sample(experts, min(2, len(experts)))
        router = {"experts": {name: 0.5 for name in chosen}} if self.random.random() < 0.5 else {"name": "arrow", "top_k": 1}
        answer(self.address, "/v1/completions", {"prompt": self.random.choice(PROMPTS), "max_tokens": 6, "router": router})

    def look(self):
        ids = answer(self.address, "/tokenize", {"prompt": "Ein Fluß"})["tokens"]
        answer(self.address, "/detokenize", {"tokens": ids})
        answer(self.address, "/v1/completions", {"prompt": ids, "max_tokens": 1, "echo": True, "logprobs": 1})
        answer(self.address, "/v1/embeddings", {"input": ["a", "b c"]})
        for path in ("/v1/models", "/metrics", "/lora-adapters", "/"):
            if request(self.address, "GET", path)[0] != 200:
                raise Wrong(path)

    def write_slowly(self):
        with raw(self.address, 600) as connection:
            text = post_bytes("/v1/completions", {"prompt": "slow", "max_tokens": 2})
            for begin in range(0, len(text), 8):
                connection.sendall(text[begin:begin + 8])
                time.sleep(0.02)
            if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                raise Wrong("a slow writer's request failed")

    def cancel(self):
        body = {"model": self.random.choice(self.models), "prompt": self.random.choice(PROMPTS), "max_tokens": 200}
        stream = events(self.address, "/v1/completions", body | {"ignore_eos": True})
        for _ in zip(range(self.random.randrange(8)), stream):
            pass
        stream.close()

    def vanish(self):
        """Leaves before, within or after its request, with or without a word."""
        text = post_bytes("/v1/completions", {"prompt": self.random.choice(PROMPTS), "max_tokens": 100, "n": 2})
        with raw(self.address) as connection:
            connection.sendall(text[: self.random.randrange(len(text) + 1)])
            if self.random.random() < 0.5:  # RST instead of FIN
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            time.sleep(self.random.random())

    def read_slowly(self):
        """Takes a few bytes now and then, and leaves before the end."""
        with raw(self.address) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            body = {"prompt": "a", "max_tokens": 300, "stream": True, "logprobs": 20, "ignore_eos": True}
            connection.sendall(post_bytes("/v1/completions", body))
            for _ in range(30):
                if not connection.recv(64):
                    break
                time.sleep(0.1)

    def send_garbage(self):
        text = bytearray(post_bytes("/v1/completions", {"prompt": "a", "max_tokens": 3}))
        if self.random.random() < 0.3:
            text = bytearray(self.random.randbytes(self.random.randrange(1, 5000)))
        for _ in range(self.random.randrange(6)):
            text[self.random.randrange(len(text))] = self.random.randrange(256)
        with raw(self.address) as connection, contextlib.suppress(OSError):
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            status = connection.recv(12)
            if status and not status.startswith(b"HTTP/1.1 "):
                raise Wrong(f"garbage got {status!r}")

    def ask_wrongly(self):
        asked = self.random.choice([({"model": "nobody", "prompt": "a"}, 404), ({"prompt": "a", "max_tokens": -1}, 400),
                                    ({"prompt": "a" * 200_000}, 400), ({"promt": "a"}, 400), ({"prompt": [[999999]]}, 400)])
        status, text = request(self.address, "POST", "/v1/completions", asked[0])
        if status != asked[1] or not json.loads(text)["error"]["message"]:
            raise Wrong(f"{json.dumps(asked[0])[:80]}: {status}, not {asked[1]}: {text[:200]}")

    # With how often each is done. What is above the line must not fail.
    ACTIONS = [(complete, 6), (stream, 6), (sample, 3), (chat, 3), (own_router, 3), (look, 1), (write_slowly, 1),
               (cancel, 4), (vanish, 4), (read_slowly, 1), (send_garbage, 4), (ask_wrongly, 2)]

    def act(self):
        """Does one thing; its name."""
        actions, weights = zip(*self.ACTIONS)
        action = self.random.choices(actions, weights)[0]
        action(self)
        return action.__name__
