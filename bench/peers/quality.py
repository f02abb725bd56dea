"""What both sides computed, in words: speed means little where the answers differ."""

import json
from statistics import mean

from experiments import BATCH_SIZE


def loss(row, own, others):
    """Before training, over the steps of the first epoch, and after the last: mean losses per target token."""
    mine, peer = own[0]["quality"], others[0]["quality"] if others else None
    steps = -(-mine["examples"] // BATCH_SIZE)
    epochs = len(mine["step_losses"]) // steps
    text = f"{mine['tokens']:,} tokens and {mine['target_tokens']} targets an epoch"
    text += f"; loss before {mine['loss_before']:.4f}, in the first epoch {mean(mine['step_losses'][:steps]):.3f}"
    text += f", after {epochs} {mine['loss_after']:.3f}"
    if peer:
        text += f"; peer {peer['loss_before']:.4f}, {mean(peer['step_losses'][:steps]):.3f}"
        text += f", after {len(peer['step_losses']) // steps} {peer['loss_after']:.3f}"
        text += f"; same ids in {100 * peer['same_ids']:.0f}% of the examples"
    return text


def several(row, own, others):
    last = own[-1]
    alone = next(m["median"] for m in last["measurements"] if m["name"] == "peak memory, one after the other")
    text = f"{last['quality']['tokens']:,} tokens; peak memory {last['peak_memory_mib']:,.0f} MiB"
    return text + f", {alone:,.0f} one after the other"


def tokens(row, own, others):
    text = f"{own[0]['quality']['tokens']:,} tokens in {own[0]['quality']['steps']} steps"
    if others:
        text += f"; peer {others[0]['quality']['tokens']:,} in {others[0]['quality']['steps']}"
    return text


def texts(row, own, others):
    if not others:
        return ""
    peer = others[0]["quality"]
    return f"{peer['equal_texts']} of {peer['texts']} texts equal, token by token"


def arc(row, own, others):
    mine = own[0]["quality"][row.quiver]
    text = f"acc {mine['acc']['value']:.4f}, acc_norm {mine['acc_norm']['value']:.4f}"
    if others:
        peer = others[0]["quality"]
        text += f"; peer {peer['acc']['value']:.4f}, {peer['acc_norm']['value']:.4f}"
        pairs = list(zip(mine["acc"]["chosen"], peer["acc"]["chosen"]))
        text += f"; same answer to {sum(a == b for a, b in pairs)} of {len(pairs)}"
    return text


def stream(row, own, others):
    if not others:
        return ""
    peer = others[0]["quality"]
    return f"the first {peer['same_tokens']} of {peer['tokens']} tokens equal"


def clusters(row, own, others):
    found = own[0]["quality"]
    return f"{found['clustering_memory_mib']:,.0f} MiB of memory; {100 * found['purity']:.0f}% pure"


def processor(row, own, others):
    """Where a server was measured, which need not be where all else was."""
    return "on " + ", or ".join(sorted({document["quality"]["processor"] for document in own + others}))


TEXTS = {
    "loss": loss,
    "several": several,
    "tokens": tokens,
    "texts": texts,
    "arc": arc,
    "stream": stream,
    "clusters": clusters,
    "processor": processor,
}


def cell(row, own, others):
    return TEXTS[row.quality](row, own, others) if row.quality else ""


WEIGHTS = {
    "arc_float32": "float32",
    "arc_blocks": "4 bits, the file's blocks",
    "arc_q8": "8 bits, rounded (`--precision q8`)",
}


def accuracy_by_weights(folder):
    """Accuracies of the same questions by how the weights are kept."""
    lines = ""
    for experiment, weights in WEIGHTS.items():
        for path in sorted(folder.glob(f"{experiment}.quiver.*.json")):
            for model, metrics in json.loads(path.read_text())["quality"].items():
                acc, norm = metrics["acc"], metrics["acc_norm"]
                lines += f"| {weights} | {model} | {acc['value']:.4f} | {norm['value']:.4f} | {acc['n']} |\n"
    if not lines:
        return ""
    columns = "| weights | router | acc | acc_norm | questions |\n|---|---|---|---|---|\n"
    return "Multiple choice by how the weights are kept:\n\n" + columns + lines
