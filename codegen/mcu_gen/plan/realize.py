"""A chosen segment as a plan holds it: the tiles of every tensor, its buffers, and the overlaps that it allows."""

from __future__ import annotations

import numpy as np

from mcu_gen.plan.axes import Ranges
from mcu_gen.plan.segment import STATE_BYTES, Family, Option
from mcu_gen.plan.types import Buffer, Overlap, Segment, TileTensor


def segment_of(family: Family, option: Option) -> Segment:
    """The segment of an option."""
    stretch, inside = family.stretch, range(option.first, option.last)
    tensors: dict[str, TileTensor] = {}
    begin, left = _begin(family, option), _left(family, option)
    n_x = family.columns.count - left
    full = [(0, stretch.graph.tensors[n].shape[2]) for n in [option.streamed] if n] * n_x
    for name in family.end.border(option.first):
        if name == option.streamed:
            ranges = family.rows.streamed(name)
            assert ranges is not None
            patch = family.streamed_patch(name)[0]
            tensors[name] = TileTensor(name, False, _pairs(ranges)[begin:], tuple(full), True, patch, 0, resident=True)
        else:
            rows, columns = family.rows.needed(name, option.first), family.columns.needed(name, option.first)
            tensors[name] = TileTensor(name, True, _pairs(rows)[begin:], _pairs(columns)[left:], False, 0, 0)
    for name in [stretch.sites[p].out.name for p in inside]:
        patch = family.rows.most[name] * family.columns.widest[name] * stretch.pixel_bytes(name)
        stays = name in option.resident
        halo = 0 if stays else family.rows.kept_most[name] * stretch.row_bytes(name)
        side = family.rows.most[name] * family.columns.kept_most[name] * stretch.pixel_bytes(name)
        y, x = _pairs(family.rows.y[name])[begin:], _pairs(family.columns.x[name])[left:]
        tensors[name] = TileTensor(
            name, False, y, x, family.rows.keep, patch, halo,
            resident=stays, keep_x=family.columns.keep, side_bytes=side,
        )  # fmt: skip
    out = family.end.output
    y, x = _pairs(family.rows.y[out])[begin:], _pairs(family.columns.x[out])[left:]
    tensors[out] = TileTensor(out, True, y, x, False, 0, 0)
    return Segment(
        first=option.first,
        last=option.last,
        tile_h=family.cut.tile_h,
        tile_w=family.cut.tile_w,
        n_y=family.rows.count - begin,
        n_x=n_x,
        keep_rows=family.cut.keep,
        streamed=option.streamed,
        tensors=tensors,
        macs=option.macs,
        extra_macs=option.extra_macs,
        copied_bytes=option.copied,
    )


def _begin(family: Family, option: Option) -> int:
    """Steps at the front in which nothing of the segment happens (they belong to longer segments)."""
    if not family.rows.keep:
        return 0
    names = [family.stretch.sites[p].out.name for p in range(option.first, option.last + 1)]
    ranges = [family.rows.y[n] for n in names]
    if option.streamed is not None:
        streamed = family.rows.streamed(option.streamed)
        assert streamed is not None
        ranges.append(streamed)
    return min(int(np.argmax(hi > 0)) for _, hi in ranges)


def _left(family: Family, option: Option) -> int:
    """Horizontal steps at the front in which nothing of the segment happens."""
    if not family.columns.keep:
        return 0
    names = [family.stretch.sites[p].out.name for p in range(option.first, option.last + 1)]
    return min(int(np.argmax(family.columns.x[n][1] > 0)) for n in names)


def segment_buffers(family: Family, option: Option, index: int, steps: int) -> tuple[list[Buffer], list[Overlap]]:
    """Buffers of the segment besides the whole tensors, and the overlaps that it allows."""
    found: list[Buffer] = []
    segment = segment_of(family, option)
    for tile in segment.tensors.values():
        if tile.whole:
            continue
        part = family.parts.get(tile.name)
        first, last = (part.born, part.dies) if part is not None else (-1, option.last)
        if tile.resident:
            first, last = (-1 if tile.name == option.streamed else option.first), option.last
        kind = "input" if tile.name == option.streamed else "patch"
        found.append(Buffer(tile.name, tile.patch_bytes, first, last, kind))
        if tile.side_bytes:
            found.append(Buffer(f"{tile.name}.side", tile.side_bytes, option.first, option.last, "halo"))
        if tile.halo_bytes:
            found.append(Buffer(f"{tile.name}.halo", tile.halo_bytes, option.first, option.last, "halo"))
    if option.streamed is not None:
        found.append(Buffer(f"segment{index}.state", STATE_BYTES, -1, steps, "state"))
    overlaps = [
        Overlap(above, below, 0)
        for position, (above, below) in family.in_place.items()
        if position >= option.first and family.parts[above].born >= option.first
    ]
    over = family.lead(option.first, option.streamed)
    if over is not None:
        overlaps.append(Overlap(over[0], family.end.output, over[1], segment=True))
    return found, overlaps


def _pairs(ranges: Ranges) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) for a, b in zip(*ranges, strict=True))
