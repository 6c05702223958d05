"""Counts of p-values against the corrections themselves."""

from factneurons.findings.significance import significant
from factneurons.statistics import benjamini_hochberg, holm


def test_counts_by_hand():
    found = significant([0.001, 0.02, 0.03, 0.05, 0.5])
    assert (found.tested, found.nominal, found.by_chance) == (5, 4, 0.25)
    assert found.corrected == 1  # 5 * 0.001; 4 * 0.02 is too much
    assert found.discovered == 3
    assert found.corrected == (holm([0.001, 0.02, 0.03, 0.05, 0.5]) <= 0.05).sum()
    assert found.discovered == (benjamini_hochberg([0.001, 0.02, 0.03, 0.05, 0.5]) <= 0.05).sum()


def test_no_p_values():
    found = significant([])
    assert (found.tested, found.nominal, found.corrected, found.discovered) == (0, 0, 0, 0)
