#!/usr/bin/env python3
"""Golden values for Rouge-L, its stemmer and exact match: generated texts and what the reference makes of them.

Reference: rouge-score 0.1.2 (RougeScorer(["rougeL"], use_stemmer=True)), nltk's PorterStemmer in its default mode,
           Python's str methods for exact match (lower, no ASCII punctuation, single spaces).
Run:       pip install rouge-score==0.1.2 nltk && python make_rouge.py
Writes:    rouge.json   {"pairs": [{prediction, reference, rouge_l, exact_match}, ...], "stems": {word: stem}}
"""

import json
import random
import string
from pathlib import Path

from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer

PAIRS = 500

# The words at which NLTK leaves plain Porter, and the words of Porter's own examples.
SPECIAL = """sky skies die dies died dying lie lies lied lying tie ties tied tying news inning innings outing outings
canning cannings howe proceed proceeds exceed exceeded succeed succeeding flies flied spied spy try tried enjoy enjoyed
enjoyment happy happily fully hopefully carefulli radically formally geology theology archaeology apology possibly
ably nobly caresses ponies caress cats feed agreed plastered bled motoring sing conflated troubled sized hopping tanned
falling hissing fizzed failing filing relational conditional rational valency hesitancy digitizer conformably
differently vilely analogously vietnamization predication operator feudalism decisiveness hopefulness callousness
formality sensitivity sensibility triplicate formative formalize electricity electrical goodness revival allowance
inference airliner gyroscopic adjustable defensible irritant replacement adjustment dependent adoption homologous
communism activate angularity effective bowdlerize probate rate cease controlling rolling owed used aged added""".split()
PLAIN = """the a of and to in is was it for on with at by from as answer question passage river army battle Napoleon
crossing crossed crosses running ran runner national nations nationality generalization generalizations organized
organization Microsoft photosynthesis water's don't can't U.S.A e.g. co-operate 110,000 3.14 1809 2nd x1 42""".split()
ODD = ["", "-", "...", "naïve", "café", "Über", "ÉCOLE", "straße", "日本語", "İstanbul", "300\u212A", "ΟΔΟΣ", "a\u00a0b",
       "x_y", "\n", "\t", "🙂", "ﬁne", "e\u0301tude", "\u2028"]
SUFFIXES = """s es ed ing er ly y ness ful ization ational tional alli entli eli ousli ation ator alism iveness fulness
ousness aliti iviti biliti fulli logi icate ative alize iciti ical ance ence able ible ant ement ment ent sion tion ou
ism ate iti ous ive ize eed ied ies sses ll le bly""".split()


def invented_word(rng):
    body = "".join(rng.choice("abcdeiouylstwx") for _ in range(rng.randint(0, 5)))
    return body + rng.choice(SUFFIXES)


def random_text(rng):
    def word():
        kind = rng.random()
        if kind < 0.45:
            return rng.choice(PLAIN)
        if kind < 0.8:
            return rng.choice(SPECIAL)
        return invented_word(rng) if kind < 0.93 else rng.choice(ODD)

    return " ".join(word() for _ in range(rng.randint(0, 18)))


def altered(rng, text):
    words = text.split(" ")
    for _ in range(rng.randint(0, 4)):
        position = rng.randrange(len(words))
        action = rng.randrange(5)
        if action == 0:
            words.insert(position, rng.choice(SPECIAL))
        elif action == 1 and len(words) > 1:
            del words[position]
        elif action == 2:
            words[position] = words[position].upper()
        elif action == 3:
            words[position] += rng.choice([".", ",", "!", "s", "ing", "-"])
        else:
            rng.shuffle(words)
    return " ".join(words)


def normalized(text):
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(kept.split())


def main():
    rng = random.Random(0)
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
    pairs = []
    while len(pairs) < PAIRS:
        reference = random_text(rng)
        prediction = altered(rng, reference) if rng.random() < 0.7 else random_text(rng)
        pairs.append({
            "prediction": prediction,
            "reference": reference,
            "rouge_l": scorer.score(reference, prediction)["rougeL"].fmeasure,
            "exact_match": int(normalized(prediction) == normalized(reference)),
        })
    stemmer = PorterStemmer()
    words = sorted({word.lower() for word in SPECIAL} | {invented_word(rng) for _ in range(1500)})
    golden = {"pairs": pairs, "stems": {word: stemmer.stem(word) for word in words}}
    path = Path(__file__).with_name("rouge.json")
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
