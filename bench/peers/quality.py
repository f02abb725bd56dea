"""What both sides computed, in words: speed means little where the answers differ."""

import json


def loss(row, own, others):
    first, last = own[0]["quality"], own[-1]["quality"]
    text = f"{first['tokens']:,} tokens, {first['target_tokens']} targets an epoch; loss {first['loss_before']:.4f}"
    epochs = round(len(last["step_losses"]) / max(1, -(-last["examples"] // 16)))
    text += f", {last['loss_after']:.3f} after {epochs} epochs"
    if others:
        peer = others[0]["quality"]
        text += f"; peer {peer['loss_before']:.4f}, {peer['loss_after']:.3f} after 1"
        text += f"; same ids in {100 * peer['same_ids']:.0f}% of the examples"
    return text


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


TEXTS = {"loss": loss, "tokens": tokens, "texts": texts, "arc": arc, "stream": stream}


def cell(row, own, others):
    return TEXTS[row.quality](row, own, others) if row.quality else ""


def four_bit_accuracy(folder):
    """Accuracies of the same questions by the precision of the weights."""
    lines = ""
    for precision in ("float32", "q8", "q4"):
        for path in sorted(folder.glob(f"arc_{precision}.quiver.*.json")):
            for model, metrics in json.loads(path.read_text())["quality"].items():
                acc, norm = metrics["acc"], metrics["acc_norm"]
                lines += f"| {precision} | {model} | {acc['value']:.4f} | {norm['value']:.4f} | {acc['n']} |\n"
    if not lines:
        return ""
    columns = "| weights | router | acc | acc_norm | questions |\n|---|---|---|---|---|\n"
    return "Multiple choice by how the weights are kept:\n\n" + columns + lines
