"""What `make bench-peers` runs, and the rows that come out of it.

An experiment is one `quiver bench` command, or a script, and the peers' scripts on the same inputs, in turn. {names} are filled in by
run.py; `turns` says who runs when: Q is Quiver, P every peer.
"""

import dataclasses
import typing


@dataclasses.dataclass(frozen=True)
class Experiment:
    key: str
    quiver: str
    peers: dict[str, str] = dataclasses.field(default_factory=dict)  # name -> script and arguments
    turns: str = "QPQ"
    own: str = ""  # script and arguments that measure Quiver, where that is not `quiver bench`


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: a measurement of Quiver's file against one of a peer's, or of Quiver's own."""

    title: str
    experiment: str
    quiver: str  # name of the measurement
    unit: str
    against: str = ""  # the peer's measurement; of Quiver itself where `peer` is empty; "": the figure stands alone
    peer: str = ""  # key into Experiment.peers
    peer_name: str = ""  # as the table calls it
    at_least: float | None = None  # of the ratio
    at_most: float | None = None
    on_figure: bool = False  # the target is about the figure, not the ratio
    lower_is_better: bool = False
    limit: str = ""  # "share": of the matrix products; "products": of a step with all weights
    quality: str = ""  # which text describes what was computed


GENERATE = (
    "generate {model} --library {library} --combine output --data {data} --tasks {task_a} --router base,arrow"
)
BATCH_SIZE = 16
TRAIN = f"train {{model}} --data {{data}} --limit 100 --batch-size {BATCH_SIZE} --dump-ids {{ids}}"
ARC = "arc {model} --data {arc} --library {library} --combine output"
ARC_OF_FOLDER = ARC.replace("{model}", "{hf}") + " --limit 500 --router base,arrow"
PEER_TEXTS = "peer_generate.py --model {hf} --quiver {latest}"
PEER_TRAIN = {"peft": "peer_train.py --model {hf} --ids {ids} --epochs 1"}
PEER_ARC = "peer_arc.py --model {hf} --data {arc} --limit 300"

SERVE = "peer_serve.py --gguf {gguf} --texts {texts}"

EXPERIMENTS = [
    Experiment("train_a", TRAIN + " --tasks {task_a} --epochs 2", PEER_TRAIN),
    Experiment("train_b", TRAIN + " --tasks {task_b} --epochs 2", PEER_TRAIN),
    Experiment("experts", "train {model} --data {data} --tasks {tasks} --limit 32 --epochs 1 --experts 8", turns="Q"),
    Experiment(
        "gates",
        "train {model} --data {data} --tasks {tasks} --experts 8 --gates --gate-steps 10 --dump-ids {ids}",
        {"loop": "peer_gates.py --model {hf} --ids {ids} --steps 2"},
    ),
    Experiment(
        "generate",
        GENERATE,
        {
            "transformers": PEER_TEXTS + " --name base",
            "peft": PEER_TEXTS + " --name {arrow_output} --experts {experts}",
        },
    ),
    Experiment("route", "route {model} --data {data} --experts 10,256 --repetitions 9", turns="Q"),
    Experiment(
        "routers",
        "generate {model} --data {data} --tasks {task_a} --router oracle,uniform,arrow,phatgoose --max-new-tokens 32",
        turns="Q",
    ),
    Experiment(
        "arc",
        ARC + " --limit 300 --router base,arrow",
        {"lm_eval": PEER_ARC, "peft": PEER_ARC + " --experts {experts}"},
        turns="QP",
    ),
    Experiment(
        "stream",
        GENERATE + " --batch-size 1 --repetitions 5",
        {"llama": "peer_llama.py --gguf {gguf} --quiver {latest}"},
    ),
    Experiment("arc_float32", ARC_OF_FOLDER, turns="Q"),
    Experiment("arc_blocks", ARC + " --limit 500 --router base,arrow", turns="Q"),
    Experiment("arc_q8", ARC_OF_FOLDER + " --precision q8", turns="Q"),
    Experiment(
        "serve",
        "",
        {"llama": SERVE + " --server llama"},
        own=SERVE + " --server quiver --program {program} --library {served}",
    ),
    Experiment("start", "", turns="Q"),
    Experiment("library", "library --experts 10000", turns="Q"),
]

RATE = {"unit": "real tokens/s"}
STEP = {"unit": "ms a step", "lower_is_better": True}
SECONDS = {"unit": "s", "lower_is_better": True}
TRANSFORMERS = {"peer": "transformers", "peer_name": "transformers"}
PEFT = {"peer": "peft", "peer_name": "PEFT"}
LLAMA = {"peer": "llama", "peer_name": "llama.cpp"}


def training(title, experiment, ratio, memory_mib, share=None):
    work, peak = "useful work, share of the limit", "peak memory"
    return [
        Row(
            title,
            experiment,
            "training",
            **RATE,
            against="training",
            **PEFT,
            at_least=ratio,
            limit="share",
            quality="loss",
        ),
        Row(f"{title}: useful work against the GEMM rate", experiment, work, "", at_least=share, on_figure=True),
        Row(f"{title}: {peak}", experiment, peak, "MiB", peak, **PEFT, at_most=memory_mib, on_figure=True),
    ]


def serving():
    """A server's rows: prompts of about 160 tokens, 64 new ones."""
    rate = dict(experiment="serve", unit="new tokens/s", quality="processor")
    seconds = dict(experiment="serve", unit="s", lower_is_better=True, quality="processor")
    figure = dict(experiment="serve", on_figure=True, quality="processor")
    llama = dict(peer="llama", peer_name="llama.cpp's server")
    rows = []
    for clients, at_least in ((16, 3), (1, 1.3)):
        name = f"base, {clients} clients"
        title = f"server, {clients} clients, base" if clients > 1 else "server, 1 client, base"
        first, late = f"first text, {name}", f"first text p95, {name}"
        rows.append(Row(title, quiver=name, against=name, at_least=at_least, **rate, **llama))
        rows.append(Row(f"{title}: first text", quiver=first, against=first, at_least=2, **seconds, **llama))
        if clients > 1:
            rows.append(Row(f"{title}: first text, 95th percentile", quiver=late, against=late, at_least=2, **seconds, **llama))
    for name, title, at_least in (
        ("experts", "every request another of 10 experts", 0.90),
        ("prompt", "router `prompt`", 0.95),
        ("arrow", "Arrow", 0.85),
    ):
        title, own, base = f"server, 16 clients, {title}", f"{name}, 16 clients", f"base beside {name}, 16 clients"
        rows.append(Row(title, quiver=own, against=base, at_least=at_least, **rate))
    generate = dict(quiver="as generate, 1 client", against="quiver generate", at_least=1)
    rows.append(Row("server, 1 client, beside `quiver generate`", **generate, **rate))
    gap = dict(quiver="gap p99 over median, 1 client", unit="times the median", at_most=2)
    rows.append(Row("server, 1 client: gaps between tokens, 99th percentile", **gap, **figure))
    prefix = dict(quiver="prefill, one prefix", against="prefill, other prefixes", at_least=8)
    rows.append(Row("server, 64 prompts with one beginning of 1,000 tokens", **prefix, **seconds))
    idle = dict(quiver="base, 512 idle connections", against="base, no idle connections", at_least=0.95)
    rows.append(Row("server, 16 clients beside 512 idle connections", **idle, **rate))
    many = [
        dict(quiver="start, 1000 experts", unit="s", at_most=3),
        dict(quiver="expert not in memory", unit="ms", at_most=50),
        dict(quiver="memory after 200 experts beyond that after 50", unit="MiB"),
    ]
    for title, row in zip(("start", "an expert that is not in memory", "growth of the server's memory"), many):
        rows.append(Row(f"server, 1,000 experts, memory for 50: {title}", **row, **figure))
    return rows


def routing(experts, at_most):
    rows = []
    for router in ("arrow", "phatgoose"):
        for combine in ("output", "parameter"):
            for batch in ("8x256 tokens", "8 prompts"):
                name = f"{experts} experts, {router}, {combine}, {batch}"
                figure = {"quiver": name + ", against base", "unit": "times the base's time", "on_figure": True}
                rows.append(Row(f"forward pass, {name}", "route", **figure, at_most=at_most))
    return rows


ROWS: list[Row] = [
    *training("LoRA training, {task_a}", "train_a", 4.5, 3 * 1024, share=0.75),
    *training("LoRA training, {task_b}", "train_b", 2.5, 4 * 1024),
    Row(
        "8 experts trained in one call",
        "experts",
        "in one call",
        **RATE,
        against="one after the other",
        at_least=1.15,
        quality="several",
    ),
    Row(
        "PhatGOOSE gates of 8 experts",
        "gates",
        "gate training",
        **RATE,
        against="gate training",
        peer="loop",
        peer_name="PyTorch loop",
        at_least=4,
        quality="tokens",
    ),
    Row(
        "prefill of 8 ragged prompts, base",
        "generate",
        "prefill, base",
        **RATE,
        against="prefill",
        **TRANSFORMERS,
        at_least=2.2,
    ),
    Row(
        "decode, batch 8, base",
        "generate",
        "decode, base",
        **STEP,
        against="decode",
        **TRANSFORMERS,
        at_least=3.5,
        limit="products",
        quality="texts",
    ),
    Row("prefill, 10 experts, Arrow", "generate", "prefill, arrow, output", **RATE, against="prefill", **PEFT),
    Row(
        "decode, batch 8, 10 experts, Arrow",
        "generate",
        "decode, arrow, output",
        **STEP,
        against="decode",
        **PEFT,
        at_least=5,
        limit="products",
        quality="texts",
    ),
    Row(
        "the same beside its own base",
        "generate",
        "decode, arrow, output",
        **STEP,
        against="decode, base",
        at_most=1.10,
    ),
    *routing(10, 1.08),
    *routing(256, 1.25),
    Row(
        "oracle, uniform, Arrow and PhatGOOSE evaluated in one call",
        "routers",
        "evaluation, all routers in one call",
        **SECONDS,
        against="evaluation, one router",
        at_most=2.5,
    ),
    Row(
        "multiple choice ({arc_name}), 300 questions, base",
        "arc",
        "base",
        "questions/s",
        "questions",
        "lm_eval",
        "lm-eval",
        at_least=3.5,
        quality="arc",
    ),
    Row(
        "multiple choice ({arc_name}), 300 questions, 10 experts, Arrow",
        "arc",
        "arrow, output",
        "questions/s",
        "questions",
        "peft",
        "lm-eval over PEFT",
        at_least=3.5,
        quality="arc",
    ),
    Row(
        "decode, one stream, 4-bit weights, base",
        "stream",
        "decode, base",
        **STEP,
        against="decode",
        **LLAMA,
        quality="stream",
    ),
    Row(
        "decode, one stream, 4-bit weights, 10 experts, Arrow",
        "stream",
        "decode, arrow, output",
        **STEP,
        against="decode",
        peer="llama",
        peer_name="llama.cpp without experts",
        at_least=1.2,
    ),
    *serving(),
    Row("`quiver --version`", "start", "version", **SECONDS, at_most=0.3, on_figure=True),
    Row("`quiver library ls`, 10 experts", "start", "library ls", **SECONDS, at_most=0.3, on_figure=True),
    Row("10,000 experts: names", "library", "list", **SECONDS, at_most=1, on_figure=True),
    Row("10,000 experts: Arrow prototypes", "library", "arrow prototypes", "experts/s", at_least=300, on_figure=True),
    Row("10,000 experts: MBC into 100 clusters", "library", "cluster", **SECONDS, quality="clusters"),
]
