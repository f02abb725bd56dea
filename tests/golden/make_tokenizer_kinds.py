#!/usr/bin/env python3
"""The kinds of tests/parity/tokenizer_kinds.py with a few hundred texts: the folder tokenizer_kinds/.

Packages and references: see there. Layout: tests/parity/tokenizer_data.py. The character map of the two T5 kinds is a
small one of our own, as T5's has 240 kB. tests/parity/compare_tokenizers.py compares more than 10,000 texts.
"""

import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "parity"))

import tokenizer_corpus  # noqa: E402
import tokenizer_kinds  # noqa: E402
from tokenizer_data import Folder  # noqa: E402

# Full width letters and digits, ligatures, white space, a composed letter and its parts, control characters.
RULES = {
    **{chr(c): chr(c - 0xFEE0) for c in range(0xFF01, 0xFF5F)},
    **{space: " " for space in "\t\n\r\u00a0\u2003\u2028\u3000\u200b\ufeff\ufffd"},
    **{chr(c): "" for c in (*range(1, 9), *range(0xE, 0x20), 0x7F)},
    "\r\n": " ", "ﬁ": "fi", "ﬃ": "ffi", "…": "...", "½": "1⁄2", "e\u0301": "é", "㎏": "kg", "ｶﾞ": "ガ", "ｶ": "カ",
}  # fmt: skip


def main():
    charsmap = tokenizer_kinds.own_character_map(RULES)
    kinds = {**tokenizer_kinds.character_kinds(), **tokenizer_kinds.unigram_kinds(charsmap)}
    byte_level = tokenizer_kinds.byte_level_kinds()
    data = Folder(FOLDER / "tokenizer_kinds", tokenizer_corpus.short_texts())
    for name, tokenizer in {**byte_level, **kinds}.items():
        data.add(name, tokenizer)
    tokenizer_kinds.add_vocabularies(data, byte_level)
    data.finish()


if __name__ == "__main__":
    main()
