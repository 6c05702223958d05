"""`push_to_hub`: a planted model or an edit, from its folder to the Hugging Face Hub, with a model card."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi

from factneurons.editing.storage import DESCRIPTION, EDIT_FILES, StoredEdit
from factneurons.errors import BadSetting
from factneurons.models.files import file_hash, fingerprint, first_line, weight_files
from factneurons.planted.truth import TRUTH, Truth

_CARD = "README.md"
_FACTS = "facts.jsonl"


def push_to_hub(
    folder: Path | str,
    repo: str,
    *,
    private: bool = True,
    create: bool = True,
    licence: str | None = None,
    api: HfApi | None = None,
) -> str:
    """Push a planted model's folder, or an edit's, to the Hugging Face Hub in one commit; nothing else ever does.

    Its own files go, and nothing else that lies in the folder. They go as they are, but where truth.json or edit.json
    names a model by a folder of this machine: there its last part stays. A model card is written for them: what it is,
    how it was made, the SHA-256 of every file, and whose licence holds.

    Args:
        folder: what `plant` or `Edit.save` wrote.
        repo: "OWNER/NAME".
        private: whether only its owner sees the new repository.
        create: make the repository, which must not exist yet; False: it exists, and stays as visible as it is.
        licence: the Hub's short name of the licence, for instance "mit"; None: the card says that none is given.
        api: who pushes; None: `HfApi()`, with the token of `hf auth login` or HF_TOKEN.

    Returns:
        Where it is now.

    Raises:
        BadSetting: neither a planted model nor an edit, a wrong name, or the Hub refuses; says why.
        BadRun: a damaged truth.json.
        BadModel: a planted model without safetensors.
    """
    place = Path(folder)
    files, about = _contents(place)
    card = _card(repo, about, {name: _hash(file) for name, file in files.items()}, licence)
    pusher = api or HfApi()
    operations = [CommitOperationAdd(name, file) for name, file in {**files, _CARD: card.encode()}.items()]
    with _in_one_line(repo):
        if create:
            pusher.create_repo(repo, private=private, exist_ok=False)
        return str(pusher.create_commit(repo, operations, commit_message=about[0]).commit_url)


def _contents(place: Path) -> tuple[dict[str, Path | bytes], list[str]]:
    """The files to push by name, and what there is to say of them, the shortest first."""
    if (place / TRUTH).is_file():
        weight_files(place)  # refuses pickles
        names = {*fingerprint(place), TRUTH, *((_FACTS,) if (place / _FACTS).is_file() else ())}
        return _files(place, names, TRUTH, "base"), _planted(Truth.load(place))
    if (place / DESCRIPTION).is_file():
        return _files(place, EDIT_FILES, DESCRIPTION, "model"), _edit(StoredEdit.load(place))
    raise BadSetting(f"{place} holds neither a planted model ({TRUTH}) nor an edit ({DESCRIPTION}): nothing is pushed")


def _files(place: Path, names: Iterable[str], told: str, model: str) -> dict[str, Path | bytes]:
    """The files by name; of the one that tells of the model its text, if that names the model by a path."""
    files: dict[str, Path | bytes] = {name: place / name for name in sorted(names)}
    record = json.loads((place / told).read_text(encoding="utf-8"))
    name = _without_path(record[model])
    if name != record[model]:
        files[told] = (json.dumps({**record, model: name}, ensure_ascii=False, indent=1) + "\n").encode()
    return files


def _hash(file: Path | bytes) -> str:
    return hashlib.sha256(file).hexdigest() if isinstance(file, bytes) else file_hash(file)


def _planted(truth: Truth) -> list[str]:
    regimes = Counter(planted.regime for planted in truth.facts)
    counted = ", ".join(f"{count} {regime}" for regime, count in sorted(regimes.items()))
    return [
        "A model with planted facts",
        f"Facts were planted in {_named(truth.base)}: new MLP neurons that are known to carry them. It is for judging "
        "methods that look for such neurons, not for use as a language model.",
        f"Made by `factneurons plant`, seed {truth.seed}. Planted facts: {counted or 'none'}; "
        f"{len(truth.rejected)} could not be planted.",
        f"`{TRUTH}` says which neurons carry which fact (`fn.Truth.load(folder)`). Plain transformers loads the model.",
    ]


def _edit(edit: StoredEdit) -> list[str]:
    about = edit.description
    what = f"the weights of {len(edit.neurons)} neurons" if edit.neurons else "all weights"
    return [
        "An edit of a model",
        f"It changes {what} ({about.extent}, {about.dtype}) of {_named(about.model)} by {edit.size:.3g} of their "
        "length.",
        f"Made by factneurons, {_code(about.kind)}; relation {_code(about.relation)}, {len(about.facts)} facts, "
        f"neurons found by {_code(about.neurons_from)}.",
        "`fn.Edit.load(folder).apply(model)` applies it, and refuses any model but the one with the identity "
        f"{_code(about.model_hash)}.",
        *(f"Note: {_code(note)}" for note in about.notes),
    ]


def _card(repo: str, about: Sequence[str], hashes: Mapping[str, str], licence: str | None) -> str:
    from factneurons import __version__

    given = [f"license: {json.dumps(licence)}"] if licence else []
    head = ["---", *given, "tags:", "- factneurons", "---"]
    rows = [f"| {_code(name)} | `{sha256}` |" for name, sha256 in hashes.items()]
    own = f"Given as {_code(licence)} by who pushed it." if licence else "None is given here."
    return "\n".join(
        [
            *head,
            f"# {repo.rpartition('/')[2]}",
            "\n\n".join(["", f"{about[0]}.", *about[1:], ""]),
            "## Files\n\n| file | SHA-256 |\n| --- | --- |",
            *rows,
            f"\n## Licence\n\n{own} What is made from a model's weights stays under the licence of that model too.",
            f"\nWritten by factneurons {__version__}.\n",
        ]
    )


def _named(model: str) -> str:
    return _code(_without_path(model))


def _without_path(model: str) -> str:
    """A model's name; of a folder its last part: the path is nobody's business. A name on the Hub has one slash."""
    path = Path(model.replace("\\", "/"))
    on_the_hub = len(path.parts) <= 2 and not path.is_absolute() and path.parts[:1] not in [("..",), ("~",), (".",)]
    return model if on_the_hub and not path.is_dir() else path.resolve().name


def _code(text: str) -> str:
    """A text that is nothing but text, on one line."""
    return f"`{' '.join(text.split()).replace('`', chr(39)).replace('|', '/')}`"


@contextmanager
def _in_one_line(repo: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the client's errors have no base in common
        raise BadSetting(f"{repo}: it could not be pushed: {first_line(error)}") from error
