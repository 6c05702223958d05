"""`factneurons degenerate`: the main job's second half."""

from __future__ import annotations

from typing import Annotated

import factneurons as fn
from factneurons.cli import show
from factneurons.cli.options import (
    Fields,
    Loading,
    RunFolder,
    RunModel,
    SkipBad,
    settings_as_options,
)
from factneurons.cli.sharing import shared
from factneurons.cli.terminal import Terminal

EXAMPLES: dict[str, tuple[str, ...]] = {
    "degenerate": ("factneurons degenerate runs/capital",),
}

_FIELDS = Fields(
    "clusterer span max_span connection similarity scale gate fold_norm_gain "
    "comparison.missing persistence tau1 cover filter t_low t_sufficient t_high halving seed"
)


@shared
@settings_as_options
def degenerate(
    run: RunFolder,
    *,
    settings: Annotated[fn.DegeneracySettings, _FIELDS],
    skip_bad: SkipBad = False,
    tests: Annotated[fn.InterventionSettings, Fields("draws unrelated seed")],
    model: RunModel = None,
    loading: Annotated[Loading, Fields("device device_map trust_remote_code allow_pickle")],
) -> None:
    """Find the degenerate knowledge neurons of a run's facts, and test them.

    Degenerate: groups of a fact's neurons that can each be spared, that each suffice, and that are only together
    needed.
    """
    loaded = loading.model_of(run, model)
    fn.run_degenerate(
        run,
        loaded,
        settings=settings,
        tests=tests,
        skip_bad=skip_bad,
        progress=Terminal({"degenerate": show.degeneracy, "test_degenerate": show.effects_of_degenerate}),
    )
    show.next_command("report", run)
