"""The examples in the help texts, in one place: a test runs every one of them."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "locate": (
        'factneurons locate --model pocket-gpt2 --facts "bundled?relation=capital&lang=en" --out runs/capital',
        "factneurons locate --model pocket-bert --facts facts.jsonl --method dai --out runs/own-facts --skip-bad",
        'factneurons locate --model pocket-gpt2 --facts "bundled?relation=capital&lang=en,zh" --out runs/two-languages',
    ),
    "degenerate": ("factneurons degenerate runs/capital",),
    "experiment list": ("factneurons experiment list",),
    "experiment E1": (
        'factneurons experiment E1 --model pocket-gpt2 --facts "bundled?sample=60&seed=1" --out runs/experiments',
    ),
    "experiment E2": (
        'factneurons experiment E2 --model pocket-gpt2 --facts "bundled?joined=yes&sample=60&seed=1" '
        "--out runs/two-languages-shared",
    ),
    "experiment E3": (
        'factneurons experiment E3 --model pocket-gpt2 --facts "bundled?joined=yes&sample=60&seed=1" '
        "--out runs/two-languages-shared",
    ),
    "experiment E4": (
        'factneurons experiment E4 --model pocket-bert --facts "bundled?relation=capital,currency&lang=en" '
        "--out runs/checks-bert",
    ),
    "experiment E8": (
        'factneurons experiment E8 --model pocket-gpt2 --facts "bundled?relation=capital,currency&lang=en" '
        "--out runs/checks-gpt2",
    ),
    "experiment E12": (
        'factneurons experiment E12 --model pocket-gpt2 --facts "bundled?lang=en&sample=60" --methods amig --draws 5 '
        "--out runs/updates",
    ),
    "experiment E13": (
        "factneurons experiment E13 --model pocket-gpt2 --facts "
        '"bundled?relation=dynasty_founder,province_capital&lang=en&reverse=yes" --methods amig --draws 5 '
        "--out runs/edits",
    ),
    "experiment E14": (
        'factneurons experiment E14 --model pocket-gpt2 --facts "bundled?sample=60&seed=1" --out runs/experiments',
    ),
    "languages": ("factneurons languages runs/two-languages",),
    "check": ("factneurons check runs/capital --statements statements.txt",),
    "edit": (
        "factneurons edit pocket-gpt2 --fact capital/spain --to Paris --out edits/spain",
        "factneurons edit pocket-gpt2 --fact capital/spain --to Paris --languages en,zh --out edits/both --dry-run",
    ),
    "delta show": ("factneurons delta show edits/spain",),
    "delta list": ("factneurons delta list edits",),
    "delta apply": ("factneurons delta apply pocket-gpt2 edits/spain --out models/edited",),
    "delta undo": ("factneurons delta undo models/edited edits/spain --out models/as-it-was",),
    "delta stack": ("factneurons delta stack edits/spain --out edits/stack",),
    "report": (
        "factneurons report runs/capital",
        "factneurons report runs/capital --out capital.html --max-facts 10 --png",
    ),
    "verify": ("factneurons verify runs/capital",),
    "doctor": ("factneurons doctor pocket-llama --prompt-tokens 300",),
    "facts describe": (
        "factneurons facts describe bundled",
        "factneurons facts describe templama:val.jsonl --model pocket-gpt2",
    ),
    "plant": (
        "factneurons plant pocket-gpt2 --out models/planted --seed 0",
        "factneurons plant random-llama --out models/planted-llama --mix single=2,conjunctive=1 --steps 400",
        "factneurons plant pocket-gpt2 --out models/own --facts new.jsonl --regime degenerate",
    ),
    "benchmark": (
        "factneurons benchmark --out benchmarks/small --small",
        "factneurons benchmark --out benchmarks/gpt2 --base pocket-gpt2 --seeds 0-2 --grouped-by true,amig,dai",
    ),
    "pocket list": ("factneurons pocket list",),
    "pocket path": ("factneurons pocket path pocket-gpt2",),
    "pocket train": ("factneurons pocket train pocket-gpt2 --out models/small --size s",),
}
"""Command -> command lines that work, given a file of facts."""


def shown(command: str) -> str:
    """The examples of a command as the end of its help text, each on a line of its own."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in EXAMPLES[command])
