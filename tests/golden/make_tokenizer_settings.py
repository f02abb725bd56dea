"""tokenizer_settings.json: the ids that AutoTokenizer gives where files beside a tokenizer.json say something of their own.

Reference: transformers 5.23.0, tokenizers 0.23.3. Each case is a folder: config.json, tiny_llama's tokenizer.json with the
case's changes (`tokenizer`, laid over it), and `files`. `ids`: AutoTokenizer.from_pretrained(folder)(text) for each of
`texts`; `bos`, `eos`: the ids of its named tokens, or null.
"""

import json
import logging
import pathlib
import tempfile

from transformers import AutoTokenizer

from golden_files import DIRECTORY, write_json

TEXTS = ["the <tool>x</tool>", "a <tool> b  </tool>  c", "<|endoftext|>the", " The", "<pad><img>x<tool>"]


def token(content, **flags):
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False,
            "special": True, **flags}


END = {"id": 0, **token("<|endoftext|>")}
TOOL, CLOSE = token("<tool>"), token("</tool>")
GENERIC = {"eos_token": "<|endoftext|>", "tokenizer_class": "PreTrainedTokenizerFast"}


def decoder(*tokens, start=320):
    return {"added_tokens_decoder": {"0": token("<|endoftext|>"), **{str(start + i): t for i, t in enumerate(tokens)}}}


# Name: (tokenizer_config.json, other files, changes of tokenizer.json, model_type)
CASES = {
    "nothing": (None, {}, {}, "llama"),
    "added_tokens_decoder": ({**GENERIC, **decoder(TOOL, CLOSE)}, {}, {}, "llama"),
    "decoder_not_special": ({**GENERIC, **decoder(token("<tool>", special=False), CLOSE)}, {}, {}, "llama"),
    "decoder_strips": ({**GENERIC, **decoder(token("<tool>", lstrip=True), token("</tool>", rstrip=True))}, {}, {}, "llama"),
    "flags_win": ({**GENERIC, **decoder(token("<tool>", lstrip=True, rstrip=True))}, {},
                  {"added_tokens": [END, {"id": 320, **TOOL}]}, "llama"),
    "decoder_of_a_vocabulary_token": ({**GENERIC, "added_tokens_decoder": {"301": token("the", special=False)}}, {}, {}, "llama"),
    "decoder_with_gap": ({**GENERIC, **decoder(TOOL, CLOSE, start=400)}, {}, {}, "llama"),
    "additional_special_tokens": ({**GENERIC, "additional_special_tokens": ["<tool>", "</tool>"]}, {}, {}, "llama"),
    "extra_special_tokens": ({**GENERIC, "extra_special_tokens": ["</tool>", "<tool>"]}, {}, {}, "llama"),
    "extra_special_names": ({**GENERIC, "extra_special_tokens": {"image_token": "<img>"}}, {}, {}, "llama"),
    "both_lists": ({**GENERIC, "extra_special_tokens": ["<img>"], "additional_special_tokens": ["<tool>"]}, {}, {}, "llama"),
    "named_tokens": ({**GENERIC, "bos_token": "<tool>", "pad_token": "<pad>", "image_token": "<img>"}, {}, {}, "llama"),
    "named_with_flags": ({**GENERIC, "pad_token": {"__type": "AddedToken", **token("<tool>", lstrip=True, rstrip=True)}}, {}, {}, "llama"),
    "added_tokens_json": (GENERIC, {"added_tokens.json": {"<tool>": 320, "</tool>": 321}}, {}, "llama"),
    "added_tokens_json_beside_decoder": ({**GENERIC, **decoder(TOOL)}, {"added_tokens.json": {"</tool>": 321}}, {}, "llama"),
    "special_tokens_map": ({"tokenizer_class": "PreTrainedTokenizerFast"},
                           {"special_tokens_map.json": {"bos_token": TOOL, "additional_special_tokens": ["</tool>"],
                                                        "eos_token": "<|endoftext|>"}}, {}, "llama"),
    "special_tokens_map_beside_decoder": ({**GENERIC, **decoder(TOOL)},
                                          {"special_tokens_map.json": {"bos_token": "</tool>"}}, {}, "llama"),
    "gaps": (GENERIC, {}, {"added_tokens": [END, {"id": 400, **TOOL}, {"id": 330, **CLOSE}]}, "llama"),
    "wrong_id": (GENERIC, {}, {"added_tokens": [END, {"id": 330, **token("the", special=False)}]}, "llama"),
    "prefix_of_gpt2": ({"eos_token": "<|endoftext|>", "tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}, {}, {}, "llama"),
    "no_prefix_of_gpt2": ({"eos_token": "<|endoftext|>", "tokenizer_class": "GPT2TokenizerFast", "add_prefix_space": False}, {},
                          {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}}, "gpt2"),
    "prefix_unheeded": ({**GENERIC, "add_prefix_space": True}, {}, {}, "llama"),
    "prefix_of_the_model": ({"eos_token": "<|endoftext|>", "add_prefix_space": True}, {}, {}, "gpt2"),
    "bos_unheeded": ({**GENERIC, "bos_token": "<|endoftext|>", "add_bos_token": True, "add_eos_token": True}, {}, {}, "llama"),
}


def main():
    own = json.loads((DIRECTORY / "tiny_llama/tokenizer.json").read_text())
    cases = {}
    for name, (config, files, changes, model_type) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            files = {"config.json": {"model_type": model_type}, **files}
            if config is not None:
                files["tokenizer_config.json"] = config
            for file, content in {**files, "tokenizer.json": {**own, **changes}}.items():
                (pathlib.Path(folder) / file).write_text(json.dumps(content))
            tokenizer = AutoTokenizer.from_pretrained(folder)
        cases[name] = {"tokenizer": changes, "files": files, "bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id,
                       "ids": [tokenizer(text)["input_ids"] for text in TEXTS]}
    write_json("tokenizer_settings.json", {"texts": TEXTS, "cases": cases})


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    main()
