"""Writes what tests/text/reference_folder.h reads: texts, tokenizers and what the references make of them.

    texts.jsonl    one text a line: {"text": ...}, or {"hex": ...} where its bytes are no UTF-8
    kinds.json     {NAME: {"source": SOURCE, "expected": EXPECTED}}, both files of this folder
    SOURCE         a tokenizer.json, or GGUF vocabulary entries by the names of quiver::GgufVocabulary
    EXPECTED       one array a text, null where there is no reference:
                     the ids;
                     the spans in bytes of the text, two numbers each: bytes from the end of the one before, length;
                     the ids decoded, null where that is the text;
                     the same without special tokens, null where that is no different
"""

import json
import pathlib
import types

from tokenizer_corpus import decoded
from tokenizers import Tokenizer


def _write_lines(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def expectation(tokenizer, data):
    text, places = decoded(data)
    if isinstance(tokenizer, SentencePieceReference) and not tokenizer.reads(text):
        return None
    encoding = tokenizer.encode(text, add_special_tokens=False)
    spans, previous = [], 0
    for begin, end in encoding.offsets:
        # An empty range at the end of the text has no character to begin at.
        first = places[begin][0] if begin < len(places) else len(data)
        last = places[end - 1][1] if end > begin else first
        spans += [first - previous, last - first]
        previous = last
    whole = tokenizer.decode(encoding.ids, skip_special_tokens=False)
    skipped = tokenizer.decode(encoding.ids, skip_special_tokens=True)
    return [encoding.ids, spans, None if whole == text else whole, None if skipped == whole else skipped]


class SentencePieceReference:
    """A SentencePieceProcessor under the names that expectation() uses. It gives no offsets that are comparable."""

    def __init__(self, processor, unread=()):
        self._processor = processor
        controls = (i for i in range(processor.vocab_size()) if processor.is_control(i) or processor.is_unknown(i))
        self._unread = [*(processor.id_to_piece(index) for index in controls), *unread]

    def reads(self, text):
        """SentencePiece does not look for control tokens in texts."""
        return not any(part in text for part in self._unread)

    def encode(self, text, add_special_tokens):
        return types.SimpleNamespace(ids=self._processor.encode(text), offsets=[])

    def decode(self, ids, skip_special_tokens):
        return self._processor.decode(ids)


class Folder:
    def __init__(self, path, texts):
        self._path = pathlib.Path(path)
        self._path.mkdir(parents=True, exist_ok=True)
        self._texts = texts
        self._kinds = {}
        lines = []
        for data in texts:
            try:
                lines.append({"text": data.decode()})
            except UnicodeDecodeError:
                lines.append({"hex": data.hex()})
        _write_lines(self._path / "texts.jsonl", lines)

    def add(self, name, tokenizer):
        """A tokenizer.json."""
        _write_lines(self._path / f"{name}.json", [json.loads(tokenizer.to_str())])
        # Read back: the reference of the very settings in the file.
        self._add(name, f"{name}.json", self._expect(name, Tokenizer.from_str(tokenizer.to_str())))

    def add_vocabulary(self, name, vocabulary, tokenizer):
        """A GGUF vocabulary that must do what TOKENIZER does, or what the kind of that name did."""
        _write_lines(self._path / f"{name}.json", [vocabulary])
        expected = f"{tokenizer}.expected.jsonl" if isinstance(tokenizer, str) else self._expect(name, tokenizer)
        self._add(name, f"{name}.json", expected)

    def add_reference(self, name, other, tokenizer):
        """The source of the kind OTHER, compared with one more reference."""
        self._add(name, f"{other}.json", self._expect(name, tokenizer))

    def _expect(self, name, tokenizer):
        file = f"{name}.expected.jsonl"
        _write_lines(self._path / file, (expectation(tokenizer, data) for data in self._texts))
        return file

    def _add(self, name, source, expected):
        self._kinds[name] = {"source": source, "expected": expected}

    def finish(self):
        _write_lines(self._path / "kinds.json", [self._kinds])
