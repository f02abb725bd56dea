"""Load on a server of OpenAI's completions, Quiver's or llama.cpp's: clients that stream at the same time.

Quiver is started as `quiver serve`; llama.cpp's server is the one inside the package xllamacpp. Every request has a
prompt of its own; all ask for the same number of greedy tokens and none ends before.
"""

import os
import pathlib
import statistics
import tempfile

import peer
import serve_client
import serve_own

PARTS = ["load", "routers", "generate", "prefixes", "loading", "idle", "many"]


class Load:
    """The loads on one server. Every request has a text of its own, so that none is found in a cache."""

    def __init__(self, options, address):
        self.options, self.address = options, address
        self.texts = iter(serve_client.prompts_of(options.texts, 20 * options.requests, 640))

    def bodies(self, count, model_of):
        shared = {"max_tokens": self.options.new_tokens, "ignore_eos": True}
        return [{"model": model_of(place), "prompt": next(self.texts), **shared} for place in range(count)]

    def rate(self, clients, requests, model_of=lambda _: "base"):
        return serve_client.load(self.address, self.bodies(requests, model_of), clients)

    def measured(self, name, clients, requests, model_of=lambda _: "base"):
        """Rows of one load."""
        rate, answers = self.rate(clients, requests, model_of)
        firsts = sorted(answer.first for answer in answers)
        late = firsts[int(0.95 * (len(firsts) - 1))]
        return [
            peer.measurement(f"{name}, {clients} clients", "new tokens/s", [rate]),
            peer.measurement(f"first text, {name}, {clients} clients", "s", [statistics.median(firsts)]),
            peer.measurement(f"first text p95, {name}, {clients} clients", "s", [late]),
        ]

    def beside_base(self, name, model_of):
        """A router's load, with the base's before and behind it."""
        clients, requests = self.options.clients, self.options.requests
        rows = self.measured(name, clients, requests, model_of)
        again, _ = self.rate(clients, requests)
        return [*rows, peer.measurement(f"base beside {name}, {clients} clients", "new tokens/s", [again])]

    def beside_idle(self, connections=512):
        clients, requests = self.options.clients, self.options.requests
        alone, among = [], []
        for _ in range(2):
            alone.append(self.rate(clients, requests)[0])
            with serve_own.idle_connections(self.address, connections):
                among.append(self.rate(clients, requests)[0])
        return [
            peer.measurement("base, no idle connections", "new tokens/s", alone),
            peer.measurement(f"base, {connections} idle connections", "new tokens/s", among),
        ]


def experts_of(library):
    return sorted(path.parent.name for path in pathlib.Path(library).glob("*/adapter_config.json"))[:10]


def measure(options, address, parts, root):
    """Rows of the parts."""
    load = Load(options, address)
    load.rate(2, 2)  # warm-up
    clients, requests = options.clients, options.requests
    rows = []
    if "load" in parts:
        rows += load.measured("base", clients, requests) + load.measured("base", 1, max(2, requests // 6))
    if options.server == "llama":
        return rows
    experts = experts_of(options.library)
    if "routers" in parts:
        of = lambda place: f"expert:{experts[place % len(experts)]}"
        load.rate(clients, len(experts), of)  # they are read
        rows += load.beside_base("experts", of)
        rows += load.beside_base("prompt", lambda _: "prompt")
        rows += load.beside_base("arrow", lambda _: "arrow")
    if "generate" in parts:
        texts = [next(load.texts) for _ in range(max(2, requests // 5))]
        rows += serve_own.as_generate(options, address, texts)
    if "idle" in parts:
        rows += load.beside_idle()
    if "loading" in parts:
        rows += serve_own.loading(options, address, root, experts)
    if "prefixes" in parts:
        texts = serve_client.prompts_of(options.texts, 400, 640)
        rows += serve_own.prefixes(options, address, texts)
    return rows


def main():
    parser = peer.arguments(__doc__)
    parser.add_argument("--server", choices=["quiver", "llama"], required=True)
    parser.add_argument("--program", help="quiver")
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--library", help="of experts, for Quiver, with what prompt and arrow need")
    parser.add_argument("--texts", required=True, help="JSON lines whose `source` the prompts are made of")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=48)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    options = parser.parse_args()
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        if options.server == "quiver":
            more = ["--library", options.library, "--router", "prompt,arrow", "--allow-loading", "--loading-root", root]
            server = serve_client.quiver_server(options, *more)
        else:
            server = serve_client.llama_server(options)
        with server:
            rows = measure(options, server.address, parts, root)
        if options.server == "quiver" and "many" in parts:
            rows += serve_own.many_experts(options)
    peer.publish(options.out, options.threads, rows, {"processor": peer.processor()})


if __name__ == "__main__":
    # Both servers' threads wait awake for as long as Quiver's program asks for: llama.cpp's gain by it, too.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    main()
