"""Two readers of the same films: exact McNemar, the difference of paired proportions, agreement beyond chance."""

import math

import numpy as np
from numpy.typing import ArrayLike

from biostatistics.intervals import estimate, normal_quantile, wilson_interval
from schemas.estimate import Estimate


def mcnemar_p(first_only: int, second_only: int) -> float:
    """Two-sided p-value of the exact test that two readers are right, or positive, equally often.

    Only films on which they differ count: of these, the first reader's are binomial with probability 1/2.

    Args:
        first_only: films that the first reader alone has right.
        second_only: films that the second reader alone has right.

    Raises:
        ValueError: a count is negative.

    Source: McNemar, Psychometrika 12 (1947) 153-157; exact form: Fagerland, Lydersen and Laake, BMC Med. Res. Methodol.
        13 (2013) 91, equation 3.
    """
    if min(first_only, second_only) < 0:
        msg = f"counts of films are not negative, unlike {first_only} and {second_only}"
        raise ValueError(msg)
    films = first_only + second_only
    tail = sum(math.comb(films, few) for few in range(min(first_only, second_only) + 1))
    return min(1.0, float(2 * tail / 2**films))


def paired_difference(both: int, first_only: int, second_only: int, neither: int) -> Estimate:
    """The first reader's share minus the second's, on the same films, with its 95 % interval.

    Wilson's intervals of the two shares are put together with the correlation that the films show; it holds where no
    film is discordant, unlike Wald's interval, which then has no width.

    Args:
        both: films that both have right.
        first_only: films that the first reader alone has right.
        second_only: films that the second reader alone has right.
        neither: films that neither has right.

    Raises:
        ValueError: there is no film.

    Source: Newcombe, Stat. Med. 17 (1998) 2635-2650, method 10.
    """
    films = both + first_only + second_only + neither
    first = wilson_interval(both + first_only, films)
    second = wilson_interval(both + second_only, films)
    margins = (both + first_only) * (second_only + neither) * (both + second_only) * (first_only + neither)
    product = both * neither - first_only * second_only
    # Newcombe's continuity correction, for a positive correlation alone.
    corrected = max(product - films / 2, 0) if product > 0 else product
    phi = corrected / math.sqrt(margins) if margins else 0.0

    def half(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))

    difference = (first_only - second_only) / films
    low = difference - half(first.value - first.low, second.high - second.value)
    high = difference + half(first.high - first.value, second.value - second.low)
    return estimate(difference, max(-1.0, low), min(1.0, high))


def kappa(counts: ArrayLike) -> Estimate | None:
    """Cohen's kappa: agreement of two readers beyond what their own frequencies would give by chance.

    Args:
        counts: int [K, K], films that the first reader put into the category of the row, the second into the column's.

    Returns:
        With its 95 % interval, cut at -1 and 1; None where both put every film into one and the same category, so that
        chance alone would agree always.

    Raises:
        ValueError: the table is not square, or holds no film.

    Source: Cohen, Educ. Psychol. Meas. 20 (1960) 37-46; large-sample error: Fleiss, Cohen and Everitt, Psychol. Bull.
        72 (1969) 323-327, equation 8.
    """
    table = np.asarray(counts, np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or table.sum() == 0:  # noqa: PLR2004 - rows and columns
        msg = f"a table of {table.shape} with {table.sum():g} films shows no agreement; it takes a square of categories"
        raise ValueError(msg)
    films = table.sum()
    shares = table / films
    rows = shares.sum(axis=1)
    columns = shares.sum(axis=0)
    observed = float(np.trace(shares))
    expected = float(rows @ columns)
    if math.isclose(expected, 1.0):
        return None
    value = (observed - expected) / (1 - expected)
    diagonal = np.diag(shares) @ (1 - (rows + columns) * (1 - value)) ** 2
    # Off the diagonal the film of row i and column j counts with the share of column i and of row j.
    sums = (columns[:, None] + rows[None]) ** 2 * shares
    off_diagonal = (1 - value) ** 2 * (sums.sum() - np.trace(sums))
    variance = (diagonal + off_diagonal - (value - expected * (1 - value)) ** 2) / (films * (1 - expected) ** 2)
    half = normal_quantile(0.95) * math.sqrt(max(0.0, float(variance)))
    return estimate(value, max(-1.0, value - half), min(1.0, value + half))
