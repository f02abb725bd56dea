"""Small tokenizers of every kind that the model families use, trained on tokenizer_corpus.py's texts.

Packages: tokenizers 0.23.3; sentencepiece 0.2.3 for Unigram, its character map and the GGUF vocabularies of model
"llama"; transformers 5.23.0 for the merges of those.
"""

import collections
import io
import json
import tempfile

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizer_corpus import training_texts
from tokenizer_data import SentencePieceReference
from transformers.tokenization_utils_base import generate_merges

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
MARK = "▁"
BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]
USER_DEFINED = ["\n\n", "\n\n\n", "\t\t", *(MARK * count for count in range(2, 9)), "<start_of_turn>", "<|end|>"]
# Kinds of byte_level_kinds() that a GGUF file's `tokenizer.ggml.pre` names.
PRE_NAMES = ("gpt-2", "phi-2", "smollm", "llama-bpe", "qwen2")
# Kinds whose ids depend on the properties of characters: classes of expressions, normalizers, white space.
CHARACTER_KINDS = ("gpt-2", "llama-bpe", "qwen2", "t5", "unigram_bytes", "unigram_stripped")


def special(text, **settings):
    return AddedToken(text, special=True, normalized=False, **settings)


def plain(text, **settings):
    return AddedToken(text, special=False, **settings)


# ---- byte-level BPE

def some_of(merges):
    """Without every fifth: leaves tokens that only `ignore_merges` gives."""
    return [merge for index, merge in enumerate(merges) if index % 5]


def byte_level_model(ignore_merges=False):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator(training_texts(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return models.BPE(model["vocab"], some_of(merges) if ignore_merges else merges, ignore_merges=ignore_merges)


def byte_level(pre_tokenizer, added, normalizer=None, **settings):
    tokenizer = Tokenizer(byte_level_model(**settings))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens(added)
    return tokenizer


def byte_level_kinds():
    words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)

    def split(pattern):
        return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), letters])

    end = AddedToken("<|endoftext|>", special=True, normalized=True)
    chat = [special(text) for text in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")]
    runs = [plain(" " * count) for count in range(9, 1, -1)] + [plain("\t" * count) for count in range(4, 1, -1)]
    return {
        "gpt-2": byte_level(words, [end]),
        "phi-2": byte_level(words, [end, *runs]),
        "smollm": byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(True), words]), chat),
        "llama-bpe": byte_level(split(LLAMA3), [special("<|begin_of_text|>"), special("<|end|>")], ignore_merges=True),
        "qwen2": byte_level(split(QWEN2), chat, normalizers.NFC()),
        "byte_level_prefix": byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), chat),
    }


# ---- BPE over characters

def common_characters(count):
    """The trainer's own choice among equally frequent characters is another one in every run."""
    frequencies = collections.Counter(MARK + "".join(training_texts()).replace(" ", MARK))
    return sorted(frequencies, key=lambda character: (-frequencies[character], character))[:count]


def character_model(words, byte_fallback, fuse_unk, ignore_merges):
    """Control tokens, perhaps the bytes, and what is merged: with WORDS in words that begin with the mark, without
    across spaces."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=words)
    first = ["<unk>", "<s>", "</s>", *(BYTE_TOKENS if byte_fallback else [])]
    trainer = trainers.BpeTrainer(
        vocab_size=700 + len(first),
        special_tokens=first,
        initial_alphabet=common_characters(200),
        limit_alphabet=200,
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_texts(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return models.BPE(
        model["vocab"],
        some_of(merges) if ignore_merges else merges,
        unk_token="<unk>",
        byte_fallback=byte_fallback,
        fuse_unk=fuse_unk,
        ignore_merges=ignore_merges,
    )


def from_marks(*last):
    return decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(), *last])


def characters(
    normalizer, pre_tokenizer, decoder, added, words=False, byte_fallback=True, fuse_unk=True, ignore_merges=False
):
    tokenizer = Tokenizer(character_model(words, byte_fallback, fuse_unk, ignore_merges))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    if decoder is not None:
        tokenizer.decoder = decoder
    tokenizer.add_tokens(added)
    return tokenizer


def character_kinds():
    controls = [special("<unk>"), special("<s>"), special("</s>")]
    marks = normalizers.Replace(" ", MARK)
    legacy = normalizers.Sequence([normalizers.Prepend(MARK), marks])
    strip = decoders.Strip(" ", 1, 0)

    def metaspace(scheme, split):
        return pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)

    turns = [special(text) for text in ("<bos>", "<start_of_turn>")]
    runs = [plain(text, normalized=False) for text in ("\n\n", "\n\n\n", MARK * 2, MARK * 3, "\t\t")]
    phi3 = [special("<|endoftext|>"), special("<|end|>", rstrip=True), plain("</s>", rstrip=True)]
    return {
        "llama2_legacy": characters(legacy, None, from_marks(strip), controls),
        "llama2_first": characters(None, metaspace("first", False), from_marks(strip), controls),
        "mistral_always": characters(None, metaspace("always", False), from_marks(strip), controls),
        "metaspace_split": characters(None, metaspace("always", True), decoders.Metaspace(), controls),
        "metaspace_first_split": characters(
            None, metaspace("first", True), decoders.Metaspace(prepend_scheme="first"), controls
        ),
        "metaspace_never": characters(
            None, metaspace("never", True), decoders.Metaspace(prepend_scheme="never"), controls
        ),
        "phi3": characters(legacy, None, from_marks(strip), [*controls[:2], *phi3]),
        "gemma": characters(
            marks, pre_tokenizers.Split(" ", "merged_with_previous"), from_marks(), [*controls, *turns, *runs]
        ),
        "unknown_fused": characters(legacy, None, from_marks(strip), controls, words=True, byte_fallback=False),
        "unknown_single": characters(legacy, None, None, controls, words=True, byte_fallback=False, fuse_unk=False),
        "whole_words": characters(
            None, metaspace("always", True), from_marks(strip), controls, words=True, ignore_merges=True
        ),
    }


# ---- SentencePiece

def sentencepiece_model(**settings):
    """A serialised model; the same in every run, as one thread trains it."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(training_texts()),
        model_writer=written,
        num_threads=1,
        minloglevel=2,
        hard_vocab_limit=False,
        **settings,
    )
    return written.getvalue()


def pieces_of(processor):
    """Token, score and the GGUF token type of every id."""
    kinds = []
    for index in range(processor.vocab_size()):
        kind = 2 if processor.is_unknown(index) else 3 if processor.is_control(index) else 1
        kinds.append(6 if processor.is_byte(index) else kind)
    count = range(processor.vocab_size())
    return [processor.id_to_piece(index) for index in count], [processor.get_score(index) for index in count], kinds


def protobuf_field(data, wanted):
    """The first length-delimited field WANTED of a serialised message."""
    at = 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 2:
            length = varint()
            if key >> 3 == wanted:
                return data[at : at + length]
            at += length
        elif key & 7 == 0:
            varint()
        else:
            at += {1: 8, 5: 4}[key & 7]
    raise ValueError(f"no field {wanted}")


def character_map(model):
    """ModelProto.normalizer_spec.precompiled_charsmap."""
    return protobuf_field(protobuf_field(model, 3), 2)


def unigram_pieces(byte_fallback):
    model = sentencepiece_model(
        model_type="unigram",
        vocab_size=1200,
        byte_fallback=byte_fallback,
        character_coverage=0.98,
        normalization_rule_name="identity",
    )
    tokens, scores, _ = pieces_of(sentencepiece.SentencePieceProcessor(model_proto=model))
    return list(zip(tokens, scores))


def unigram(byte_fallback, normalizer, pre_tokenizer, added):
    tokenizer = Tokenizer(models.Unigram(unigram_pieces(byte_fallback), unk_id=0, byte_fallback=byte_fallback))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = from_marks(decoders.Strip(" ", 1, 0)) if byte_fallback else decoders.Metaspace()
    tokenizer.add_tokens(added)
    return tokenizer


def unigram_kinds(charsmap):
    """CHARSMAP is what the normalizer Precompiled of two of them holds."""
    added = [special("</s>"), special("<pad>"), special("<extra_id_0>", lstrip=True)]
    spaces = [normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), MARK)]
    return {
        "t5": unigram(
            False,
            normalizers.Sequence([normalizers.Precompiled(charsmap), *spaces]),
            pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
            added,
        ),
        "t5_metaspace": unigram(
            False,
            normalizers.Sequence([normalizers.Precompiled(charsmap), *spaces]),
            pre_tokenizers.Metaspace(prepend_scheme="first"),
            added,
        ),
        "unigram_bytes": unigram(
            True,
            normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Lowercase()]),
            pre_tokenizers.Metaspace(),
            added,
        ),
        "unigram_stripped": unigram(
            True, normalizers.Strip(), pre_tokenizers.Metaspace(prepend_scheme="never", split=False), added
        ),
    }


# ---- GGUF vocabularies

def byte_level_vocabulary(pre, tokenizer):
    """The `tokenizer.ggml.*` entries of a converted byte-level tokenizer."""
    file = json.loads(tokenizer.to_str())
    tokens = [tokenizer.id_to_token(index) for index in range(tokenizer.get_vocab_size())]
    kinds = [1] * len(tokens)
    for token in file["added_tokens"]:
        kinds[token["id"]] = 3 if token["special"] else 4
    merges = [" ".join(merge) for merge in file["model"]["merges"]]
    return {"model": "gpt2", "pre": pre, "tokens": tokens, "token_types": kinds, "merges": merges}


class SentencePiece:
    """A GGUF vocabulary of model "llama", and its two references. The GGUF of a Gemma has spaces for marks in its
    USER_DEFINED tokens, which are looked for in the text as it is."""

    def __init__(self, add_space_prefix, user_defined=()):
        model = sentencepiece_model(
            model_type="bpe",
            vocab_size=1300,
            byte_fallback=True,
            character_coverage=0.98,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=add_space_prefix,
            allow_whitespace_only_pieces=not add_space_prefix,
            user_defined_symbols=list(user_defined),
        )
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        tokens, scores, kinds = pieces_of(self.processor)
        for symbol in user_defined:
            index = tokens.index(symbol)
            tokens[index], kinds[index] = symbol.replace(MARK, " "), 4
        self.vocabulary = {
            "model": "llama",
            "tokens": tokens,
            "scores": scores,
            "token_types": kinds,
            "add_space_prefix": add_space_prefix,
        }

    def converted(self):
        """What transformers' LlamaConverter makes of the model, GemmaConverter's without the added space."""
        tokens = self.vocabulary["tokens"]
        ids = {token: index for index, token in enumerate(tokens)}
        merges = generate_merges(ids, dict(zip(tokens, self.vocabulary["scores"])))
        tokenizer = Tokenizer(models.BPE(ids, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        marks = normalizers.Replace(" ", MARK)
        if self.vocabulary["add_space_prefix"]:
            tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(MARK), marks])
            tokenizer.decoder = from_marks(decoders.Strip(" ", 1, 0))
        else:
            tokenizer.normalizer = marks
            tokenizer.decoder = from_marks()
        tokenizer.add_tokens([special("<unk>"), special("<s>"), special("</s>")])
        return tokenizer


def add_vocabularies(data, kinds):
    """Adds the GGUF vocabularies to a tokenizer_data.Folder that has KINDS, those of byte_level_kinds() among them."""
    for pre in PRE_NAMES:
        data.add_vocabulary(f"gguf_{pre}", byte_level_vocabulary(pre, kinds[pre]), pre)
    for name, add_space_prefix in (("gguf_llama", True), ("gguf_gemma", False)):
        source = SentencePiece(add_space_prefix)
        data.add_vocabulary(name, source.vocabulary, source.converted())
        data.add_reference(f"{name}_sentencepiece", name, SentencePieceReference(source.processor))
    source = SentencePiece(False, USER_DEFINED)
    # A mark in a text is to SentencePiece a space, to us and llama.cpp none that such a token could begin with.
    data.add_vocabulary("gguf_user_defined", source.vocabulary, SentencePieceReference(source.processor, [MARK]))


def nmt_nfkc():
    """SentencePiece's own character map, the one of T5."""
    return character_map(sentencepiece_model(model_type="char", vocab_size=100, normalization_rule_name="nmt_nfkc"))


def own_character_map(rules):
    """A character map of {text: what it becomes}."""
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        for source, target in rules.items():
            file.write("\t".join(" ".join(f"{ord(c):x}" for c in text) for text in (source, target)) + "\n")
        file.flush()
        return character_map(
            sentencepiece_model(model_type="char", vocab_size=100, normalization_rule_tsv=file.name)
        )
