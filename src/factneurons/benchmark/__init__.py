"""Every method and every clusterer, judged by models whose neurons are known because they were put there.

contestants   who is judged
judging       one planted model judged
run           all models planted and judged, resumable
summary       means with intervals over models, paired comparisons
tables        the same as text
page          one HTML file with figures, and CSV files
"""

from factneurons.benchmark.judging import judge
from factneurons.benchmark.page import write_results
from factneurons.benchmark.run import BenchmarkSettings, run_benchmark
from factneurons.benchmark.summary import by_regime, comparisons, confusion, summary

__all__ = [
    "BenchmarkSettings",
    "by_regime",
    "comparisons",
    "confusion",
    "judge",
    "run_benchmark",
    "summary",
    "write_results",
]
