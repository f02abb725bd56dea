"""Texts for comparing tokenizers: deterministic, many scripts, and what breaks tokenizers.

English text and code come from the sources of transformers 5.23.0. A text is bytes, as some are no UTF-8; a reference
that takes `str` reads it as decoded() does.
"""

import codecs
import importlib.util
import pathlib
import random
import unicodedata

SENTENCES = [
    "An expert library keeps one small adapter for each task; a router picks the experts of every token.",
    "It's what they'll say: we've trained, I'm sure, and you'd agree that it DOESN'T cost 1,000 times more.",
    "Der Übersetzer fügte fünf Wörter hinzu. Les élèves étudient à l'école. El niño comió piñas mañana.",
    "Маленькие модели учатся быстро. Слова делятся на части. Ελληνικά γράμματα, τόνοι και σίγμα ΟΔΥΣΣΕΥΣ.",
    "小さなモデルは速く学ぶ。模型可以组合。안녕하세요, 작은 모델입니다.",
    "مرحبا بالعالم. नमस्ते दुनिया. שלום עולם. สวัสดีชาวโลก. வணக்கம் உலகம். გამარჯობა მსოფლიო.",
    "for (int i = 0; i < 10; ++i) {\n    total += weights[i];\n}\n",
    "I'M HE'S they'RE 'S 'T 'LL 'ſ don’t ’s l'été rock'n'roll ''' 's's",
    "3.14159 1,000,000 ４５ ² ½ Ⅷ ١٢٣ ४५६ 007 0x1F 2nd 10⁹ ①②",
    "İstanbul ıI ẞß ǅ ﬁ ﬃ ℃ ㎏ ™ … ½ ﷺ ㍿ ﾊﾝｶｸ ｶﾞ Ａｂｃ",
]

# First and last code point of what words of a script are drawn from.
SCRIPTS = {
    "latin": (0x41, 0x7A), "latin extended": (0xC0, 0x24F), "greek": (0x370, 0x3FF), "cyrillic": (0x400, 0x52F),
    "armenian": (0x530, 0x58F), "hebrew": (0x591, 0x5F4), "arabic": (0x600, 0x6FF), "devanagari": (0x900, 0x97F),
    "bengali": (0x980, 0x9FE), "tamil": (0xB82, 0xBFA), "thai": (0xE01, 0xE5B), "tibetan": (0xF00, 0xFDA),
    "georgian": (0x10A0, 0x10FF), "hangul jamo": (0x1100, 0x11FF), "ethiopic": (0x1200, 0x137C),
    "khmer": (0x1780, 0x17F9), "greek extended": (0x1F00, 0x1FFE), "hiragana": (0x3041, 0x309F),
    "katakana": (0x30A0, 0x30FF), "han": (0x4E00, 0x9FFF), "hangul": (0xAC00, 0xD7A3), "gothic": (0x10330, 0x1034A),
    "mathematical": (0x1D400, 0x1D7FF), "compatibility": (0xF900, 0xFAFF), "half width": (0xFF01, 0xFFEE),
    "superscripts": (0x2070, 0x209C), "enclosed": (0x2460, 0x24FF), "symbols": (0x2190, 0x2BFF),
}  # fmt: skip

EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🇩🇪", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "❤️", "1️⃣", "✓", "🧑🏿‍🚀", "🫠", "☺", "🏳️‍🌈"]
MARKS = [chr(c) for c in (0x300, 0x301, 0x308, 0x323, 0x327, 0x345, 0x5B0, 0x64E, 0x93C, 0x94D, 0x3099, 0x20DD)]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2003", "\u2028", "\u0085", "\u200b", "\u202f"]
CONTROLS = [chr(c) for c in (*range(1, 32), 0x7F, 0x8F, 0x9F, 0xAD, 0x200D, 0x200E, 0xFEFF, 0xFFFD, 0xFFFF)]
SPECIALS = [
    "<s>", "</s>", "<unk>", "<pad>", "<bos>", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|end|>",
    "<|begin_of_text|>", "<start_of_turn>", "<extra_id_0>", "<0x0A>", "<0xE2>", "▁", "▁▁", "Ġ", "Ċ", "<|im_en", "<s",
]  # fmt: skip
BROKEN = [b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\x80"]
# Long enough that quadratic time shows.
LONG_BYTES = 40_000


def decoded(data):
    """The text that `data` is read as, and for each of its characters the bytes [begin, end) it stands for."""
    broken = []

    def note(error):
        broken.append((error.start, error.end))
        return "\ufffd", error.end

    codecs.register_error("note", note)
    text = data.decode(errors="note")
    places, at = [], 0
    gaps = dict(broken)
    for character in text:
        end = gaps.get(at, at + len(character.encode()))
        places.append((at, end))
        at = end
    return text, places


def _word(draw, script):
    first, last = SCRIPTS[script]
    letters = [chr(draw.randint(first, last)) for _ in range(draw.randint(1, 8))]
    return "".join(letter for letter in letters if unicodedata.category(letter) not in ("Cn", "Cs"))


def _mixed(draw):
    """A text of some of everything."""
    parts = []
    for _ in range(draw.randint(1, 9)):
        kind = draw.choice("wwwwwsssedcmnpx")
        if kind == "w":
            parts.append(_word(draw, draw.choice(list(SCRIPTS))))
        elif kind == "s":
            parts.append(draw.choice(SPACES) * draw.choice([1, 1, 1, 2, 5]))
        elif kind == "e":
            parts.append(draw.choice(EMOJI))
        elif kind == "d":
            parts.append(str(draw.randint(0, 10 ** draw.randint(1, 9))))
        elif kind == "c":
            parts.append(draw.choice(CONTROLS))
        elif kind == "m":
            parts.append(draw.choice("aeinoุकか") + "".join(draw.choices(MARKS, k=draw.randint(1, 4))))
        elif kind == "n":
            parts.append(unicodedata.normalize(draw.choice(["NFD", "NFKD", "NFC"]), draw.choice(SENTENCES))[:20])
        elif kind == "p":
            parts.append("".join(draw.choices("!?.,;:'\"()[]{}<>/\\|@#$%^&*-_=+~`", k=draw.randint(1, 5))))
        else:
            parts.append(draw.choice(SPECIALS))
    return "".join(parts)


def _package_lines(draw, count):
    """Lines of transformers' Python sources, several together now and then."""
    folder = pathlib.Path(importlib.util.find_spec("transformers").origin).parent
    lines = []
    for name in ("generation/utils.py", "modeling_utils.py", "tokenization_utils_base.py", "configuration_utils.py"):
        lines += (folder / name).read_text(encoding="utf-8").splitlines(keepends=True)
    starts = [draw.randrange(len(lines) - 3) for _ in range(count)]
    return ["".join(lines[start : start + draw.choice([1, 1, 1, 2, 3])]).rstrip("\n") for start in starts]


def training_texts():
    """What the tokenizers of tokenizer_kinds.py are trained on."""
    draw = random.Random(1)
    return SENTENCES * 3 + _package_lines(draw, 400) + [_word(draw, script) for script in SCRIPTS for _ in range(9)]


def short_texts():
    """A few hundred texts that hold every kind."""
    draw = random.Random(2)
    texts = [sentence.encode() for sentence in SENTENCES]
    texts += [b"", b" ", b"  ", b"\n", b"a", b" a", b"  a", b"a ", "▁".encode(), " ▁a".encode(), b"\x00", b"\x00a\x00"]
    texts += [(special + "a " + special + special + " b").encode() for special in SPECIALS]
    texts += [("x" + space * 3 + "y" + space).encode() for space in SPACES]
    texts += [b"a" + part + b"b " + part + part for part in BROKEN]
    texts += [_mixed(draw).encode() for _ in range(110)]
    return texts


def many_texts():
    """More than 10,000 texts, those of short_texts() first."""
    draw = random.Random(3)
    texts = short_texts()
    texts += [line.encode() for line in _package_lines(draw, 3500)]
    texts += [" ".join(_word(draw, script) for _ in range(6)).encode() for script in SCRIPTS for _ in range(60)]
    texts += [_mixed(draw).encode() for _ in range(4500)]
    for _ in range(700):
        data = bytearray(_mixed(draw).encode())
        for _ in range(draw.randint(1, 4)):
            at = draw.randint(0, len(data))
            data[at : at + draw.randint(0, 1)] = draw.choice(BROKEN)
        texts.append(bytes(data))
    texts += [(space * draw.randint(1, 70) + "x" + space * draw.randint(1, 70)).encode() for space in SPACES * 6]
    for _ in range(300):
        texts.append(b"\n" * draw.randint(0, 9) + b" " * draw.randint(0, 9) + b"a" * draw.randint(0, 9))
    long_line = "".join(_mixed(draw) for _ in range(LONG_BYTES // 20))
    texts += [b"a" * LONG_BYTES, b" " * LONG_BYTES, b"ab " * (LONG_BYTES // 3), long_line.encode()]
    return texts


def every_character():
    """The code points of planes 0 and 1 and the tags, newer ones than any table among them; of the large blocks of
    look-alikes every 97th."""
    large = [(0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xD800, 0xF8FF), (0x17000, 0x18CFF)]
    alike = [range(first, last + 1) for first, last in large]
    for code_point in [*range(0x20000), *range(0xE0000, 0xE0200), 0x2A6DE, 0x2B739, 0x2EBF0, 0x30000, 0x323AF]:
        if any(code_point in block for block in alike) and code_point % 97:
            continue
        if unicodedata.category(chr(code_point)) not in ("Cs", "Co"):
            yield chr(code_point)
