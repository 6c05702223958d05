"""Which of transformers' families can be asked: each built tiny, at random, and held against plain hooks in float64.

    python studies/families.py [--only bert,gpt2] [--seconds 60] [--again refused] [--write docs/models.md]

Every masked, causal and encoder-decoder language model that transformers knows is tried in a process of its own, with a
time limit. What is compared: P(answer), P(answer) with random neurons suppressed, `joint` and integrated gradients
(`dai`, every layer by itself), both at three fixed points. The reference (`tests/slow_reference.py`) runs whole prompts
with hooks and automatic differentiation, on the down-projections that are told by their sizes alone where all are plain
matrices. Results stand in `docs/families.csv`, one row each; what stands there is not tried again. `--write` puts the
table that follows from it into a page.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import logging
import multiprocessing
import os
import re
import resource
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn
from transformers import CONFIG_MAPPING, PretrainedConfig
from transformers.models.auto import modeling_auto
from transformers.pytorch_utils import Conv1D

from factneurons.attribution.attribute import attribute_all
from factneurons.errors import BadModel
from factneurons.facts.types import Prompt
from factneurons.models.adapters import matrix
from factneurons.models.gate import check_model
from factneurons.models.hooks import before, hooked
from factneurons.models.model import Model
from factneurons.models.types import Kind, Query

ROOT = Path(__file__).parents[1]
CACHE = ROOT / "docs" / "families.csv"
BEGIN, END = "<!-- made by studies/families.py -->", "<!-- until here -->"
KINDS: dict[Kind, dict[str, Any]] = {
    "causal": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "cloze": {
        family: name
        for family, name in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES.items()
        if family not in modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES  # loaded as what they are
    },
    "encoder-decoder": modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
}
NAMES: dict[Kind, str] = {"causal": "causal", "cloze": "masked", "encoder-decoder": "encoder-decoder"}
TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-3}
"""Two ways to the same number may part by that share of a layer's largest: many models take some steps in float32."""
LARGEST = 8_000_000
"""Parameters of a model that counts as tiny."""
VOCABULARY, HIDDEN, WIDTH, EXPERT, LAYERS, HEADS = 61, 32, 44, 12, 2, 4
PAD, STOP, MASK, SENTINEL = 0, 1, 3, 4
SIZES = (
    (VOCABULARY, "vocab_size src_vocab_size tgt_vocab_size vocab_size_per_layer_input"),
    (
        HIDDEN,
        "hidden_size d_model n_embd dim emb_dim embed_dim embedding_size embedding_dim word_embed_proj_dim "
        "lru_width attention_hidden_size dim_model",
    ),
    (
        WIDTH,
        "intermediate_size n_inner ffn_dim d_ff hidden_dim d_inner encoder_ffn_dim decoder_ffn_dim dense_dim "
        "feed_forward_size block_ff_dim ffn_hidden_size",
    ),
    (EXPERT, "moe_intermediate_size shared_expert_intermediate_size shared_intermediate_size expert_ffn_hidden_size"),
    (
        LAYERS,
        "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_decoder_layers "
        "num_encoder_layers",
    ),
    (
        HEADS,
        "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads n_routed_experts "
        "num_experts num_local_experts moe_num_experts swa_num_attention_heads",
    ),
    (
        2,
        "num_key_value_heads num_experts_per_tok moe_topk moe_k num_experts_per_token swa_num_key_value_heads "
        "linear_num_key_heads linear_num_value_heads num_kv_heads type_vocab_size",
    ),
    (
        8,
        "head_dim d_kv qk_nope_head_dim qk_rope_head_dim v_head_dim d_head linear_key_head_dim linear_value_head_dim "
        "global_head_dim swa_head_dim rotary_dim mamba_d_state state_size mamba_chunk_size chunk_size index_head_dim",
    ),
    (4, "index_n_heads mamba_n_heads sliding_window window_size hidden_size_per_layer_input"),
    (16, "kv_lora_rank q_lora_rank mamba_d_head qk_head_dim mamba_d_ssm query_pre_attn_scalar"),
    (64, "max_position_embeddings n_positions max_source_positions max_target_positions model_max_length"),
    (
        1,
        "n_group num_group topk_group n_shared_experts moe_num_shared_experts num_shared_experts first_k_dense_replace "
        "mamba_n_groups num_nextn_predict_layers decoder_sparse_step encoder_sparse_step",
    ),
)
SIZE_OF = {name: size for size, names in SIZES for name in names.split()}
FACTORS = {
    "residual_multiplier": 0.4, "embedding_multiplier": 2.0, "logits_scaling": 2.0, "logit_scale": 0.5,
    "scale_emb": 2, "scale_depth": 0.8,
}  # fmt: skip
"""What is 1 where nothing is said and another number in every published model."""
_HYBRID: dict[str, Any] = {"layer_types": ["mamba", "attention"], "mamba_n_heads": 4, "mamba_d_head": 16}
MORE: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1], "mamba_d_head": 16},
    "bailing_hybrid": {"q_lora_rank": 16},
    "deepseek_v2": {"num_experts_per_tok": 2, "topk_method": "greedy", "n_group": 1, "topk_group": 1},
    "dots1": {"n_routed_experts": HEADS, "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1},
    "esm": {"vocab_size": VOCABULARY, "mask_token_id": MASK},
    "falcon_h1": {"mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16},
    "gemma3n_text": {"num_kv_shared_layers": 0, "activation_sparsity_pattern": [0.5, 0.0], "laurel_rank": 8},
    "gemma4_assistant": {"hidden_size_per_layer_input": 0},
    "granitemoehybrid": _HYBRID,
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False},
    "kimi_linear": {"linear_head_dim": 8, "linear_num_heads": HEADS},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "lfm3": {"layer_types": ["conv", "full_attention"]},
    "luke": {"entity_vocab_size": 9, "entity_emb_size": 8},
    "mamba2": {"num_heads": 8, "n_groups": 1},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    "reformer": {"axial_pos_shape": [8, 8], "axial_pos_embds_dim": [16, 16], "attention_head_size": 8,
                 "attn_layers": ["local", "local"], "local_attn_chunk_length": 8},
    "roc_bert": {"pronunciation_vocab_size": 9, "shape_vocab_size": 9, "pronunciation_embed_dim": 8,
                 "shape_embed_dim": 8},
    "xlstm": {"chunk_size": 16, "num_blocks": 2, "ffn_round_up_to_multiple_of": 4},
    "xmod": {"default_language": "en_XX"},
    "zamba": {"layers_block_type": ["mamba", "hybrid"], "attn_layer_period": 2, "attn_layer_offset": 1,
              "use_mamba_kernels": False, "attention_head_dim": 16, "mamba_dt_rank": 4},
    "zamba2": {"layers_block_type": ["mamba", "hybrid"], "n_mamba_heads": 8, "adapter_rank": 4},
    "zaya": {"num_experts_per_tok": 1, "router_hidden_size": 8},
}  # fmt: skip
"""What else a family needs to be tiny: layers of both sorts, and sizes under names of its own."""
DEPTHS = tuple(name for name, size in SIZE_OF.items() if size == LAYERS and "layer" in name)


@dataclass(frozen=True, slots=True)
class Row:
    """What came out for one family.

    Attributes:
        family, kind: its `model_type`, and how it was asked.
        outcome: "verified", "refused", "wrong", "fails" (an error that is no refusal) or "not built".
        passes: "fast", "past" (the plain loop, at target positions alone) or "plain" where it is verified.
        found: "row" or "structure".
        deviation: the largest difference from the reference, as a share of the layer's largest number.
        precision: of model and reference; float32 where the model does not run in float64.
        why: the refusal, the error, what parts, or why the fast passes do not fit.
        version: of transformers.
    """

    family: str
    kind: str
    outcome: str
    passes: str = ""
    found: str = ""
    deviation: str = ""
    precision: str = ""
    why: str = ""
    version: str = transformers.__version__


def tiny_config(config: PretrainedConfig, causal: bool = False) -> PretrainedConfig:
    """A small configuration of the same class: sizes by their names, lists over layers cut to their two ends."""
    old = config.to_dict()
    depth = next((old[name] for name in DEPTHS if isinstance(old.get(name), int)), None)
    new: dict[str, Any] = {}
    for name, value in old.items():
        if isinstance(value, bool):
            continue
        if isinstance(value, int) and name in SIZE_OF:
            new[name] = SIZE_OF[name]
        elif isinstance(value, int) and re.search(r"_token_(id|index)$", name) and value >= VOCABULARY:
            new[name] = MASK + 2 + sum(map(ord, name)) % 3
        elif isinstance(value, list) and len(value) == depth and depth > LAYERS:
            new[name] = _two_sorts(value)
    unsaid = [name for name in ("num_key_value_heads", "head_dim") if name in old and old[name] is None]
    new.update({name: SIZE_OF[name] for name in unsaid})
    if old.get("num_key_value_heads") == old.get("num_attention_heads"):
        new.pop("num_key_value_heads", None)
        new.update({"num_key_value_heads": HEADS} if old.get("num_key_value_heads") else {})
    new.update({name: value for name, value in FACTORS.items() if isinstance(old.get(name), float | int)})
    new.update(MORE.get(config.model_type, {}))
    new.update(pad_token_id=PAD, bos_token_id=STOP, eos_token_id=STOP)
    for name in getattr(type(config), "sub_configs", {}):
        part = getattr(config, name, None)
        if isinstance(part, PretrainedConfig):
            new[name] = tiny_config(part, causal).to_dict()
    if causal and "is_decoder" in vars(config):
        new["is_decoder"] = True
    if getattr(config, "is_encoder_decoder", False):
        new["decoder_start_token_id"] = PAD
    return type(config)(**new)


def _two_sorts(values: list[Any]) -> list[Any]:
    """The two ends of a list over layers, or a layer each of the first two sorts where the ends are of one."""
    other = next((value for value in values if value != values[0]), values[0])
    return [values[0], values[-1] if values[-1] != values[0] else other]


def build(family: str, kind: Kind) -> nn.Module:
    """A tiny model with random weights large enough that every part of it matters, in float32."""
    classes = KINDS[kind][family]
    name = classes if isinstance(classes, str) else classes[0]
    made: Any = getattr(transformers, name)
    whole = CONFIG_MAPPING[family]()
    of_text = not isinstance(whole, made.config_class)
    config = tiny_config(whole.get_text_config() if of_text else whole, causal=kind == "causal")
    with torch.device("meta"):
        size = sum(parameter.numel() for parameter in made(config).parameters())
    if size > LARGEST:
        raise ValueError(f"{size / 1e6:.0f} million parameters remain")
    torch.manual_seed(0)
    module: nn.Module = made(config)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator).to(parameter.dtype)
            parameter.copy_(0.35 * noise if parameter.dim() > 1 else parameter + 0.1 * noise)
    for part in module.modules():
        own: Any = getattr(part, "config", None)
        if hasattr(own, "_experts_implementation"):
            own._experts_implementation = "eager"  # the others know no float64
    return module.eval()


class Tokenizer:
    """As much of a tokenizer as models ask for once queries are made."""

    mask_token_id, eos_token_id, bos_token_id, pad_token_id = MASK, STOP, STOP, PAD
    all_special_ids = (PAD, STOP, MASK, SENTINEL)

    def decode(self, ids: Iterable[int]) -> str:
        """Ids as text."""
        return " ".join(map(str, ids))


def query_of(kind: Kind) -> Query:
    """A prompt of six random tokens and an answer of two."""
    generator = np.random.default_rng(0)
    text, answer = generator.integers(10, VOCABULARY, 6).tolist(), tuple(generator.integers(10, VOCABULARY, 2).tolist())
    make = partial(Query, Prompt("six tokens and ___."), "two")
    if kind == "causal":
        return make(input_ids=(*text, answer[0]), target_positions=(5, 6), answer_ids=answer,
                     replaceable=tuple(range(6)), words=())  # fmt: skip
    if kind == "cloze":
        ids = (2, *text[:3], MASK, MASK, *text[3:], STOP)
        return make(input_ids=ids, target_positions=(4, 5), answer_ids=answer, replaceable=(1, 2, 3, 6, 7, 8),
                     words=())  # fmt: skip
    return make(input_ids=(*text, SENTINEL, STOP), target_positions=(1, 2), answer_ids=answer,
                 replaceable=tuple(range(6)), words=(), decoder_input_ids=(PAD, SENTINEL, answer[0]),
                 encoder_position=6)  # fmt: skip


def downs_by_size(model: Model, query: Query) -> list[nn.Module]:
    """All matrices that are used and lead from a layer's width to the hidden size, in order of use, each once."""
    used: dict[nn.Module, None] = {}
    base = model.backbone.module
    sizes = {(WIDTH, HIDDEN), *((width, model.backbone.hidden_size) for width in model.backbone.widths)}

    def note(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        used.setdefault(module)

    matrices = [part for part in base.modules() if isinstance(part, (nn.Linear, Conv1D))]
    hooks = [before(part, note) for part in matrices if tuple(reversed(matrix(part).shape)) in sizes]
    with hooked(hooks):
        run(base, query)
    return list(used)


@torch.no_grad()
def run(module: nn.Module, query: Query) -> None:
    """The query through the whole model."""
    options = {"decoder_input_ids": torch.tensor([query.decoder_input_ids])} if query.decoder_input_ids else {}
    module(input_ids=torch.tensor([query.input_ids]), **options)


def reference_class() -> Any:
    """The slow reference of the tests."""
    spec = importlib.util.spec_from_file_location("slow_reference", ROOT / "tests" / "slow_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SlowReference


def deviation(found: Any, true: Any) -> float:
    """The largest difference in a layer over that layer's largest number."""
    found, true = np.atleast_2d(np.asarray(found, dtype=float)), np.atleast_2d(np.asarray(true, dtype=float))
    scale = np.abs(true).max(1)
    return float((np.abs(found - true).max(1) / np.where(scale > 0, scale, np.abs(true).max() or 1.0)).max())


def compared(model: Model, query: Query, slow: Any) -> Iterator[tuple[str, float]]:
    """What is compared, and by how much it parts."""
    make, downs = type(slow), slow.downs
    yield "P(answer)", deviation(model.log_probabilities([query]), [slow.log_probability(query)])
    generator = np.random.default_rng(1)
    layers = [generator.integers(model.layer_count, size=size).tolist() for size in (1, 5, 40)]
    sets = [{(layer, int(generator.integers(model.backbone.widths[layer]))) for layer in each} for each in layers]
    true = [np.exp(make(model, downs, dict.fromkeys(neurons, 0.0)).log_probability(query)) for neurons in sets]
    yield "suppression", deviation(model.probabilities_with([query], sets), [true])
    for method, expected in (("joint", slow.joint), ("dai", slow.dai)):
        found = attribute_all(model, [query], method=method, rule="gauss_legendre", points=3)[0].scores
        yield method, deviation(found, expected(query, "gauss_legendre", 3))


def tried(family: str, kind: Kind) -> Row:
    """Build, ask and compare one family."""
    row = Row(family, kind, "not built")
    try:
        module = build(family, kind)
    except Exception as error:  # noqa: BLE001 - whatever a class says of sizes it does not like
        return replace(row, why=one_line(error))
    query = query_of(kind)
    for dtype in TOLERANCE:
        try:
            run(module.to(dtype), query)
            break
        except Exception as error:  # noqa: BLE001
            row = replace(row, why=f"does not run on six tokens: {one_line(error)}")
    else:
        return row
    try:
        model = Model(module, Tokenizer(), name=family, kind=kind)  # type: ignore[arg-type]
        check_model(model.backbone)
        return judged(model, query, row)
    except BadModel as error:
        return replace(row, outcome="refused", why=one_line(error))
    except Exception as error:  # noqa: BLE001 - this is what the study looks for
        return replace(row, outcome="fails", why=one_line(error))


def judged(model: Model, query: Query, row: Row) -> Row:
    """The comparison of a model that is accepted."""
    chosen = [layer.down for layer in model.backbone.layers]
    alone = downs_by_size(model, query)
    row = replace(row, found="row" if model.backbone.adapter.verified else "structure")
    if any(part not in alone for part in chosen) or len(set(alone)) != len(set(chosen)):
        places = f"{len(set(chosen))} down-projections are taken, {len(alone)} matrices of their sizes are used"
        return replace(row, outcome="wrong", why=places)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        parted = dict(compared(model, query, reference_class()(model, chosen)))
    worst = max(parted, key=lambda name: parted[name] if parted[name] == parted[name] else np.inf)
    right = parted[worst] <= TOLERANCE[model.backbone.dtype]
    told = (re.search(r"does not fit \((.*)\); using", str(each.message)) for each in said)
    why = next((match[1] for match in told if match), "") if right else f"{worst} parts from the reference"
    return replace(
        row,
        outcome="verified" if right else "wrong",
        passes=_passes(model),
        deviation=f"{parted[worst]:.0e}",
        precision=str(model.backbone.dtype).removeprefix("torch."),
        why=why,
    )


def _passes(model: Model) -> str:
    trust = model.backbone.fast_path
    return "fast" if trust.fits else "past" if trust.takes_past else "plain"


def one_line(error: BaseException) -> str:
    """An error's name, unless it is a refusal, and the beginning of what it says."""
    text = " ".join(str(error).split())[:200]
    return text if isinstance(error, BadModel) else f"{type(error).__name__}: {text}"


def with_limit(family: str, kind: Kind, seconds: int) -> Row:
    """The same in a process of its own, which ends when its processor time does."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sending.send(tried(family, kind))

    process = context.Process(target=work)
    process.start()
    sending.close()
    limit = 20.0 * seconds  # of a busy machine, or one that waits for something
    try:
        row: Row = receiving.recv() if receiving.poll(limit) else Row(family, kind, "fails", why="waits without end")
    except EOFError:
        process.join(1)
        row = Row(family, kind, "fails", why=f"ended with {process.exitcode}, after {seconds} s at most")
    process.kill()
    process.join()
    return row


def read(path: Path) -> dict[tuple[str, str], Row]:
    """What is known already."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {(each["family"], each["kind"]): Row(**each) for each in csv.DictReader(file)}


def write(path: Path, rows: Iterable[Row]) -> None:
    """All that is known, in order."""
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in sorted(rows, key=lambda row: (row.kind, row.family)))
    partial.replace(path)


def table(rows: Iterable[Row], total: int) -> str:
    """The page's table: families by what came of them."""
    rows = list(rows)
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((f"{row.outcome} {row.passes}".strip(), row.kind), []).append(row)
    titles = {
        "verified fast": "verified, fast passes", "verified past": "verified, plain loop behind the prompt's past",
        "verified plain": "verified, plain loop", "refused": "refused", "wrong": "**wrong**", "fails": "**fails**",
        "wrong fast": "**wrong**", "wrong past": "**wrong**", "wrong plain": "**wrong**",
        "not built": "not built",
    }  # fmt: skip
    lines = [f"{len(rows)} of {total} families tried, transformers {rows[0].version if rows else '-'}.", ""]
    lines += ["| | kind | | families |", "| --- | --- | --- | --- |"]
    for outcome, title in titles.items():
        for kind, name in NAMES.items():
            found = groups.get((outcome, kind), [])
            shown = ", ".join(row.family + ("\\*" if row.found == "structure" else "") for row in found)
            lines += [f"| {title} | {name} | {len(found)} | {shown} |"] if found else []
    lines += ["", "\\* found by structure. Why some are refused or fail:", ""]
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.outcome in ("refused", "fails", "wrong"):
            reasons.setdefault(generic(row), []).append(row.family)
    for why, names in sorted(reasons.items(), key=lambda each: -len(each[1])):
        lines.append(f"- {why}: {', '.join(sorted(set(names)))}")
    unbuilt = {row.family: generic(row) for row in rows if row.outcome == "not built"}
    lines += ["", "Not built:", "", *(f"- {name}: {why}" for name, why in unbuilt.items())] if unbuilt else []
    return "\n".join(lines)


def generic(row: Row) -> str:
    """A reason without the family's name and numbers of its own, so that equal ones stand together."""
    text = re.sub(rf"\b{re.escape(row.family)}\b", "it", row.why.replace(f"this {row.family} model", "it"))
    text = re.sub(r"^it: ", "", re.split(r": looked for|; mixtral|, for a trial pass", text)[0])
    return re.sub(r"layer \d+", "a layer", text).replace("|", "/").rstrip(".")[:140]


def put_into(page: Path, text: str) -> None:
    """The table between its marks in a page."""
    old = page.read_text(encoding="utf-8")
    before_it, rest = old.split(BEGIN)
    after_it = rest.split(END)[1]
    page.write_text(f"{before_it}{BEGIN}\n\n{text}\n\n{END}{after_it}", encoding="utf-8")


def main() -> None:
    """Try what was not tried yet, keep it, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", help="families, by commas")
    parser.add_argument("--seconds", type=int, default=60, help="processor time of one family at most")
    parser.add_argument("--again", default="", help="try also what stands there with this outcome, or 'all'")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--write", type=Path, help="a page that has a place for the table")
    given = parser.parse_args()
    transformers.logging.set_verbosity_error()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    every = [(family, kind) for kind, names in KINDS.items() for family in sorted(names)]
    known = {key: row for key, row in read(given.cache).items() if key in every}
    only = given.only.split(",") if given.only else None
    for family, kind in every:
        done = (family, kind) in known and given.again not in ("all", known[family, kind].outcome)
        if done or (only and family not in only):
            continue
        row = with_limit(family, kind, given.seconds)
        known[family, kind] = row
        write(given.cache, known.values())
        print(f"{family} ({NAMES[kind]}): {row.outcome} {row.passes} {row.deviation} {row.why}".rstrip(), flush=True)
    if given.write:
        put_into(given.write, table(sorted(known.values(), key=lambda row: row.family), len(every)))


if __name__ == "__main__":
    main()
