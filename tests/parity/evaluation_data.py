"""Small made-up data sets in the layouts that the hub has, for every task of `quiver eval all`.

Every text is drawn from a seeded generator. Some rows are awkward on purpose: white space at the ends, empty texts,
characters of several bytes, three and five options, numbers for labels, contexts longer than a small model's positions.
"""

import json
import pathlib
import random

import pyarrow
import pyarrow.parquet

WORDS = """the a small red boat river stone chef salted soup oak cold wind reads letter seven apples train leaves
before noon child opens window quiet garden lamp glass breaks floor teacher asks why iron sinks wood floats""".split()
UNICODE = ["naïve café", "Ångström", "東京 の 川", "¿qué?", "🙂 smile", "Ωmega", "ﬁre", "e\u0301a"]
LETTERS = "ABCDE"


class Texts:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def words(self, least, most):
        return " ".join(self.random.choices(WORDS, k=self.random.randint(least, most)))

    def sentence(self, least=4, most=12):
        text = self.words(least, most)
        if self.random.random() < 0.2:
            text += " " + self.random.choice(UNICODE)
        return text.capitalize() + self.random.choice([".", "?", "!", ""])

    def option(self):
        return self.random.choice([self.words(1, 4), self.words(1, 2), self.random.choice(UNICODE)])

    def options(self, count):
        options = []
        while len(options) < count:
            option = self.option()
            if option not in options:
                options.append(option)
        return options


def awkward(texts, index, text):
    """Every fifth text has white space in a place where it matters."""
    kinds = [text + " ", " " + text, text + "  ", text + "\n", text.replace(" ", "  ", 1), text + "\u00a0"]
    return kinds[index // 5 % len(kinds)] if index % 5 == 4 else text


def arc_rows(texts, count):
    for index in range(count):
        options = 3 if index % 7 == 3 else 5 if index % 7 == 5 else 4
        labels = [str(i + 1) for i in range(options)] if index % 6 == 2 else list(LETTERS[:options])
        yield {
            "id": f"made_{index}",
            "question": awkward(texts, index, texts.sentence()),
            "choices": {"text": texts.options(options), "label": labels},
            "answerKey": texts.random.choice(labels),
        }


def piqa_rows(texts, count):
    for index in range(count):
        goal = awkward(texts, index, texts.sentence())
        if index == 7:
            goal = " ".join([goal] * 20)
        first, second = (awkward(texts, index + shift, texts.sentence(2, 6)) for shift in (0, 2))
        yield {"goal": goal, "sol1": first, "sol2": second, "label": texts.random.randint(0, 1)}


def hellaswag_rows(texts, count):
    for index in range(count):
        label = "" if index % 6 == 1 else texts.words(1, 3).capitalize()
        first = texts.sentence()
        if index % 4 == 2:
            first = "[header] " + first + " [title] " + texts.words(2, 4) + " [step] " + texts.words(2, 5)
        second = texts.random.choice(["", texts.words(1, 4), "then McDonald " + texts.words(1, 2), "Éva Runs"])
        endings = [awkward(texts, index + i, texts.words(3, 8)) + "." for i in range(4)]
        if index % 4 == 2:
            endings[1] += " [substeps] " + texts.words(2, 3) + "  [x"
        yield {
            "ind": index,
            "activity_label": label,
            "ctx_a": first,
            "ctx_b": second,
            "ctx": first + " " + second,
            "endings": endings,
            "source_id": f"made~{index}",
            "split": "val",
            "label": str(texts.random.randint(0, 3)),
        }


def winogrande_rows(texts, count):
    for index in range(count):
        one, two = texts.options(2)
        if index % 5 == 4:
            one += " "
        rest = awkward(texts, index + 1, texts.words(2, 6)) + "."
        sentence = texts.words(3, 8).capitalize() + " _ " + rest
        if index % 6 == 3:
            sentence = sentence.replace(" _ ", " _'s ") + " A _ more."
        yield {"sentence": sentence, "option1": one, "option2": two, "answer": texts.random.choice("12")}


def openbookqa_rows(texts, count):
    for index in range(count):
        key = texts.random.choice(LETTERS[:4])
        yield {
            "id": f"made-{index}",
            "question_stem": awkward(texts, index, texts.sentence()),
            "choices": {"text": texts.options(4), "label": list(LETTERS[:4])},
            "answerKey": " " + key if index % 8 == 6 else key,
        }


def boolq_rows(texts, count):
    for index in range(count):
        passage = " ".join(texts.sentence() for _ in range(40 if index == 5 else 2))
        yield {
            "question": awkward(texts, index, texts.words(4, 8)),
            "passage": awkward(texts, index + 2, passage),
            "idx": index,
            "label": texts.random.randint(0, 1),
        }


def mmlu_rows(texts, count, subject):
    for index in range(count):
        yield {
            "question": awkward(texts, index, texts.sentence()),
            "subject": subject,
            "choices": texts.options(4),
            "answer": texts.random.randint(0, 3),
        }


def bbh_rows(texts, count):
    for _ in range(count):
        values = [texts.random.choice([True, False]) for _ in range(2)]
        word = texts.random.choice(["and", "or"])
        target = all(values) if word == "and" else any(values)
        yield {"input": f"{values[0]} {word} {values[1]} is", "target": str(target)}


def write_rows(path, rows):
    """Parquet or JSON lines, by the extension."""
    rows = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


MMLU_SUBJECTS = ("abstract_algebra", "high_school_us_history")
BBH_SUBTASKS = ("boolean_expressions", "navigate")


def write_all(folder, count):
    """Fills FOLDER, in the hub's layouts, Parquet and JSON lines by turns; `count` questions a task."""
    folder = pathlib.Path(folder)
    whole = "-00000-of-00001.parquet"
    write_rows(folder / f"ai2_arc/ARC-Easy/test{whole}", arc_rows(Texts(1), count))
    write_rows(folder / "ai2_arc/ARC-Challenge/test.jsonl", arc_rows(Texts(2), count))
    write_rows(folder / f"piqa/data/validation{whole}", piqa_rows(Texts(3), count))
    write_rows(folder / f"hellaswag/data/validation{whole}", hellaswag_rows(Texts(4), count))
    write_rows(folder / "winogrande/winogrande_xl/validation.jsonl", winogrande_rows(Texts(5), count))
    write_rows(folder / f"openbookqa/main/test{whole}", openbookqa_rows(Texts(6), count))
    write_rows(folder / f"super_glue/boolq/validation{whole}", boolq_rows(Texts(7), count))
    for seed, subject in enumerate(MMLU_SUBJECTS, 8):
        texts = Texts(seed)
        write_rows(folder / f"mmlu/{subject}/test{whole}", mmlu_rows(texts, count // 2, subject))
        write_rows(folder / f"mmlu/{subject}/dev{whole}", mmlu_rows(texts, 5, subject))
    for seed, subtask in enumerate(BBH_SUBTASKS, 10):
        write_rows(folder / f"bbh/{subtask}/test{whole}", bbh_rows(Texts(seed), count // 4))
