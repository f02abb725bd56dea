#!/usr/bin/env python3
"""Golden values for the share of the oracle and its bootstrap interval.

Reference: numpy 2.4 (numpy.percentile over the draws of its MT19937, whose raw stream is std::mt19937's) for the exact
           interval; scipy 1.17 (scipy.stats.bootstrap, paired, percentile) for an interval from other draws.
Writes:    share_of_oracle.json   [{router, base, oracle, share, low, high, scipy_low, scipy_high}, ...]
"""

import numpy
import scipy.stats
from golden_files import write_json

DRAWS = 1000
SEED = 42


def share(router, base, oracle, axis=-1):
    gain = oracle.sum(axis) - base.sum(axis)
    return (router.sum(axis) - base.sum(axis)) / gain


def case(random, prompts, router_quality):
    base = random.random(prompts) * 20
    oracle = base + random.random(prompts) * 100
    oracle = numpy.minimum(oracle, 100)
    router = numpy.where(random.random(prompts) < router_quality, oracle, base * random.random(prompts))
    raw = numpy.random.RandomState(SEED).randint(0, 2**32, size=(DRAWS, prompts), dtype=numpy.uint64)
    drawn = (raw * prompts) >> 32
    shares = share(router[drawn], base[drawn], oracle[drawn])
    low, high = numpy.percentile(shares, [2.5, 97.5])
    other = scipy.stats.bootstrap((router, base, oracle), share, paired=True, vectorized=True, n_resamples=20000,
                                  confidence_level=0.95, method="percentile", rng=numpy.random.default_rng(0))
    return {
        "router": router.tolist(), "base": base.tolist(), "oracle": oracle.tolist(),
        "share": share(router, base, oracle), "low": low, "high": high,
        "scipy_low": other.confidence_interval.low, "scipy_high": other.confidence_interval.high,
    }


def main():
    random = numpy.random.default_rng(7)
    write_json("share_of_oracle.json", [case(random, 40, 0.8), case(random, 60, 0.3), case(random, 7, 0.5)])


if __name__ == "__main__":
    main()
