#!/usr/bin/env python3
"""Compares every kind of tokenizer with Hugging Face `tokenizers` and SentencePiece on more than 10,000 texts.

    compare_tokenizers.py FOLDER TEST_PROGRAM

FOLDER is filled with texts and expected values (some 200 MB); TEST_PROGRAM, build/release/tests/quiver_text_shared_test,
reads them from $QUIVER_PARITY_DATA and prints what it compared. Packages: see tokenizer_kinds.py.
"""

import os
import pathlib
import subprocess
import sys

import tokenizer_corpus
import tokenizer_kinds
from tokenizer_data import Folder


def main():
    folder, program = pathlib.Path(sys.argv[1]), sys.argv[2]
    charsmap = tokenizer_kinds.nmt_nfkc()
    kinds = {
        **tokenizer_kinds.byte_level_kinds(),
        **tokenizer_kinds.character_kinds(),
        **tokenizer_kinds.unigram_kinds(charsmap),
    }
    texts = tokenizer_corpus.many_texts()
    data = Folder(folder / "texts", texts)
    for name, tokenizer in kinds.items():
        data.add(name, tokenizer)
    tokenizer_kinds.add_vocabularies(data, kinds)
    data.finish()

    characters = [f"a{character}1 {character}".encode() for character in tokenizer_corpus.every_character()]
    data = Folder(folder / "characters", characters)
    for name in tokenizer_kinds.CHARACTER_KINDS:
        data.add(name, kinds[name])
    data.finish()

    result = subprocess.run(
        [program, "--gtest_filter=TokenizerParity.*"], env={**os.environ, "QUIVER_PARITY_DATA": str(folder)}
    )
    sys.exit(result.returncode)


if __name__ == "__main__":
    main()
