"""`factneurons worker`: join a run that others work on."""

from __future__ import annotations

from contextlib import chdir, nullcontext
from pathlib import Path
from typing import Annotated

import factneurons as fn
from factneurons.cli.console import say
from factneurons.cli.options import Fields, Loading, RunFolder, settings_as_options
from factneurons.cli.sharing import again, shared
from factneurons.runs.status import start_to_join

EXAMPLES: dict[str, tuple[str, ...]] = {
    "worker": ("factneurons worker runs/capital",),
}


@shared
@settings_as_options
def worker(run: RunFolder, *, loading: Annotated[Loading, Fields("device trust_remote_code allow_pickle")]) -> None:
    """Join a run that other processes work on, here or on other machines that see its folder.

    The run knows its command: model, facts and settings are those it was begun with.
    """
    from factneurons.cli.app import application

    start = start_to_join(fn.Run.open(run))
    if start is None:
        say(f"{run}: nothing is left to do")
        return
    folder = Path(run).absolute()
    changes: dict[str, object] = {"statements": None}
    changes |= {"trust_remote_code": loading.trust_remote_code, "allow_pickle": loading.allow_pickle}
    if loading.device is not None:
        changes["device"] = loading.device
    with chdir(start.directory) if Path(start.directory).is_dir() else nullcontext():
        again(start.arguments, folder, application, **changes)
