"""Renders fused segments: loops over tiles and pointer arithmetic around ordinary kernel calls.

Where a tensor of the segment is, and which rows and columns of it a tile holds, is said by
:class:`mcu_gen.plan.types.TileTensor`.  The bounds of every vertical and horizontal step are tables in flash, so odd
sizes, borders and branches with different receptive fields need no special case in the C.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mcu_gen.graph import Node, Tensor
from mcu_gen.kernels import In, InputList, Out, Scratch, Tiling
from mcu_gen.plan.types import Plan, Segment, Step, TileTensor


@dataclass(frozen=True)
class _Columns:
    """Columns of a bounds table: tensors whose bounds are the same share one."""

    bounds: list[tuple[tuple[int, int], ...]]

    def index(self, bounds: tuple[tuple[int, int], ...]) -> int:
        if bounds not in self.bounds:
            self.bounds.append(bounds)
        return self.bounds.index(bounds)


class SegmentWriter:
    """The C of one segment.

    Args:
        plan: the plan.
        segment: one of its segments.
        number: which.
        net: C prefix.
        location: C expression of the address of a tensor that lies whole in the arena or in flash.
        fields: parameters of a kernel call by name.
    """

    def __init__(self, plan: Plan, segment: Segment, number: int, net: str, location: Callable[[Tensor], str]) -> None:
        self.plan, self.segment, self.number, self.net = plan, segment, number, net
        self.location = location
        self.rows = _Columns([])
        self.columns = _Columns([])
        self.steps = [s for s in plan.steps if segment.first <= s.index <= segment.last]

    # -- expressions ---------------------------------------------------------------------------------------------------

    def tile(self, tensor: Tensor) -> TileTensor | None:
        return self.segment.tensors.get(tensor.name)

    def y(self, t: TileTensor, row: str, end: int) -> str:
        """Bound of the rows of ``t`` in the step that ``row`` (``y``, ``before``, ``next``) names."""
        return f"{row}[{self.rows.index(t.y)}][{end}]"

    def x(self, t: TileTensor, end: int, *, following: bool = False) -> str:
        """Bound of the columns of ``t``."""
        if self.segment.n_x == 1:
            return str(t.x[0][end])
        return f"{'x_next' if following else 'x'}[{self.columns.index(t.x)}][{end}]"

    def fresh_x(self, t: TileTensor) -> str:
        """First column that a tile computes: those before it are kept from the tile to the left."""
        if not t.keep_x or self.segment.n_x == 1:
            return self.x(t, 0)
        return f"{self.net}_max({self.x(t, 0)}, x_before[{self.columns.index(t.x)}][1])"

    def fresh_width(self, t: TileTensor) -> str:
        """Columns that a tile computes."""
        return self.width(t) if self.fresh_x(t) == self.x(t, 0) else f"({self.x(t, 1)} - {self.fresh_x(t)})"

    def width(self, t: TileTensor) -> str:
        if self.segment.n_x == 1:
            return str(t.x[0][1] - t.x[0][0])
        return f"({self.x(t, 1)} - {self.x(t, 0)})"

    @staticmethod
    def pixel(tensor: Tensor) -> int:
        """Bytes of a pixel."""
        return tensor.shape[3] * tensor.dtype.size

    def address(self, tensor: Tensor, row: str, column: str) -> str:
        """Byte address of a pixel of the map: in the patch, or in the whole tensor."""
        t = self.segment.tensors.get(tensor.name)
        if t is None or t.whole:  # a constant has no tiles
            offset = f"(({row}) * {tensor.shape[2]} + {column}) * {self.pixel(tensor)}"
            base = self.location(tensor)
            return f"({base if t is not None else f'(const uint8_t *){base}'} + {offset})"
        base = f"ARENA + {self.plan.offset(tensor.name)}"
        offset = f"(({row}) - {self.y(t, 'y', 0)}) * {self.width(t)}"
        if column != self.x(t, 0):
            offset = f"({offset} + {column} - {self.x(t, 0)})"
        return f"({base} + {offset} * {self.pixel(tensor)})"

    # -- line buffers --------------------------------------------------------------------------------------------------

    def _halo(self, name: str) -> int:
        return self.plan.offset(f"{name}.halo")

    def load(self, tensor: Tensor, *, row: str = "y", before: str = "before") -> str | None:
        """Statement that brings the rows kept by the step before to the front of the patch."""
        t = self.segment.tensors[tensor.name]
        if not t.halo_bytes:
            return None
        rows = f"(int32_t){self.y(t, before, 1)} - {self.y(t, row, 0)}"
        pixel, full = self.pixel(tensor), tensor.shape[2] * self.pixel(tensor)
        start = self.fresh_x(t)
        target = f"ARENA + {self.plan.offset(tensor.name)}"
        if start != self.x(t, 0):
            target += f" + ({start} - {self.x(t, 0)}) * {pixel}"
        return (
            f"{self.net}_copy_rows({target}, {self.width(t)} * {pixel}, "
            f"ARENA + {self._halo(tensor.name)} + {start} * {pixel}, {full}, {rows}, {self.fresh_width(t)} * {pixel});"
        )

    def load_side(self, tensor: Tensor) -> str | None:
        """Statement that brings the columns kept by the tile to the left to the front of the patch."""
        t = self.segment.tensors[tensor.name]
        if not t.side_bytes:
            return None
        pixel, rows = self.pixel(tensor), f"{self.y(t, 'y', 1)} - {self.y(t, 'y', 0)}"
        kept = f"{self.net}_max(x_before[{self.columns.index(t.x)}][1] - {self.x(t, 0)}, 0) * {pixel}"
        return (
            f"if (j > 0u) {self.net}_copy_rows(ARENA + {self.plan.offset(tensor.name)}, {self.width(t)} * {pixel}, "
            f"ARENA + {self.plan.offset(f'{tensor.name}.side')}, {kept}, {rows}, {kept});"
        )

    def save_side(self, tensor: Tensor) -> str | None:
        """Statement that keeps the columns that the tile to the right needs again."""
        t = self.segment.tensors[tensor.name]
        if not t.side_bytes:
            return None
        pixel, rows = self.pixel(tensor), f"{self.y(t, 'y', 1)} - {self.y(t, 'y', 0)}"
        start = f"{self.net}_max({self.x(t, 0, following=True)}, {self.x(t, 0)})"
        kept = f"{self.net}_max({self.x(t, 1)} - {start}, 0) * {pixel}"
        return (
            f"if (!last_column) {self.net}_copy_rows(ARENA + {self.plan.offset(f'{tensor.name}.side')}, {kept}, "
            f"{self.address(tensor, self.y(t, 'y', 0), start)}, {self.width(t)} * {pixel}, {rows}, {kept});"
        )

    def save(self, tensor: Tensor) -> str | None:
        """Statement that keeps the rows that the next step needs again."""
        t = self.segment.tensors[tensor.name]
        if not t.halo_bytes:
            return None
        pixel, full = self.pixel(tensor), tensor.shape[2] * self.pixel(tensor)
        first = f"{self.net}_max({self.y(t, 'next', 0)}, {self.y(t, 'y', 0)})"
        end = self.x(t, 1)
        if self.segment.n_x > 1:  # the next tile saves what both have; it may begin behind the end of this one
            end = f"(last_column ? {end} : {self.net}_min({end}, {self.x(t, 0, following=True)}))"
        start = self.x(t, 0)
        return (
            f"{self.net}_copy_rows(ARENA + {self._halo(tensor.name)} + {start} * {pixel}, {full}, "
            f"{self.address(tensor, first, start)}, {self.width(t)} * {pixel}, "
            f"{self.y(t, 'y', 1)} - {first}, ({end} - {start}) * {pixel});"
        )

    # -- steps ---------------------------------------------------------------------------------------------------------

    def step(self, step: Step, params: dict[str, Any]) -> dict[str, Any]:
        """What the template needs of one operator."""
        tiling = step.kernel.tiling(step.node, self.plan.target)
        assert tiling is not None, f"{step.node.name} cannot be tiled"
        out = self.segment.tensors[step.node.y.name]
        lo = f"{self.net}_max({self.y(out, 'y', 0)}, {self.y(out, 'before', 1)})" if out.keep else self.y(out, "y", 0)
        body = (
            self._window(step, params) if tiling.kind == "window"
            else self._place(step, tiling) if tiling.kind == "place"
            else self._run(step, tiling)
        )  # fmt: skip
        loads = [] if out.whole else [self.load(step.node.y), self.load_side(step.node.y)]
        saves = [keep(t) for t in self._last_uses(step) for keep in (self.save, self.save_side)]
        begin, end = self.fresh_x(out), self.x(out, 1)
        some_columns = begin == self.x(out, 0) and all(lo < hi for lo, hi in out.x)
        return {
            "index": step.index,
            "kernel": step.kernel.name,
            "lo": lo,
            "hi": self.y(out, "y", 1),
            "columns": None if some_columns else f"{begin} < {end}",
            "loads": [s for s in loads if s],
            "saves": [s for s in saves if s],
            **body,
        }

    def _last_uses(self, step: Step) -> list[Tensor]:
        """Tile tensors of which ``step`` is the last consumer in the segment."""
        found: list[Tensor] = []
        for tensor in step.node.inputs:
            t = None if tensor is None else self.tile(tensor)
            if tensor is None or t is None or t.whole or any(f.name == tensor.name for f in found):
                continue
            users = [s.index for s in self.steps if any(i is not None and i.name == tensor.name for i in s.node.inputs)]
            if max(users) == step.index:
                found.append(tensor)
        return found

    def _window(self, step: Step, params: dict[str, Any]) -> dict[str, Any]:
        node = step.node
        x, y = node.x, node.y
        tx, ty = self.segment.tensors[x.name], self.segment.tensors[y.name]
        top = f"{params['pad_top']} - lo * {params['stride_h']}"
        left = f"{params['pad_left']} - {self.fresh_x(ty)} * {params['stride_w']}"
        if tx.whole:
            source = self.location(x)
            fields = [("in_h", str(x.shape[1])), ("in_w", str(x.shape[2])), ("in_pitch", str(x.shape[2])),
                      ("pad_top", top), ("pad_left", left)]  # fmt: skip
        else:
            source = f"ARENA + {self.plan.offset(x.name)}"
            rows = f"{self.y(tx, 'y', 1)} - {self.y(tx, 'y', 0)}"
            fields = [("in_h", rows), ("in_w", self.width(tx)), ("in_pitch", self.width(tx))]
            fields += [("pad_top", f"{top} + {self.y(tx, 'y', 0)}"), ("pad_left", f"{left} + {self.x(tx, 0)}")]
        pitch = str(y.shape[2]) if ty.whole else self.width(ty)
        fields += [("out_h", "hi - lo"), ("out_w", self.fresh_width(ty)), ("out_pitch", pitch)]
        target = self.address(y, "lo", self.fresh_x(ty))
        pointers = {0: f"(const void *)({source})"}
        return {"fields": fields, "by_row": False, "before": [], "args": self._arguments(step, pointers, target)}

    def _place(self, step: Step, tiling: Tiling) -> dict[str, Any]:
        """A rectangle named by where it lies in the map; so are the inputs, whole or the part that a patch holds."""
        node, pointers = step.node, {}
        ty = self.segment.tensors[node.y.name]
        begins: list[tuple[str, str, str]] = []
        for i in self._inputs(step):
            t = node.input(i)
            tx = self.tile(t)
            if tx is None or tx.whole:
                begins.append(("0", "0", str(t.shape[2])))
            else:
                begins.append((self.y(tx, "y", 0), self.x(tx, 0), self.width(tx)))
                pointers[i] = f"(const void *)(ARENA + {self.plan.offset(t.name)})"
        pitch = str(node.y.shape[2]) if ty.whole else self.width(ty)
        fields = [("out_top", "lo"), ("out_left", self.fresh_x(ty)), ("out_h", "hi - lo"),
                  ("out_w", self.fresh_width(ty)), ("out_pitch", pitch)]  # fmt: skip
        before = []
        for name, values in zip(("in_top", "in_left", "in_pitch"), zip(*begins, strict=True), strict=True):
            if tiling.several:
                before.append(f"const int32_t {name}[{len(values)}] = {{{', '.join(values)}}};")
            fields.append((name, name if tiling.several else values[0]))
        if tiling.several:
            before += self._lists(step, pointers)
        target = self.address(node.y, "lo", self.fresh_x(ty))
        args = self._arguments(step, pointers, target)
        return {"fields": fields, "by_row": False, "before": before, "args": args}

    def _inputs(self, step: Step) -> list[int]:
        """Indices of the inputs that the kernel takes, in the order of its arguments."""
        taken = [a.indices if isinstance(a, InputList) else (a.index,) for a in self._call_args(step)
                 if isinstance(a, (In, InputList))]  # fmt: skip
        return [i for indices in taken for i in indices]

    def _lists(self, step: Step, pointers: dict[int, str]) -> list[str]:
        """Declarations of the lists of inputs that the kernel takes."""
        found = []
        for item in (a for a in self._call_args(step) if isinstance(a, InputList)):
            items = ", ".join(self._pointer(step.node, i, pointers) for i in item.indices)
            found.append(f"const void *const inputs[{len(item.indices)}] = {{{items}}};")
        return found

    def _run(self, step: Step, tiling: Tiling) -> dict[str, Any]:
        node = step.node
        out = self.segment.tensors[node.y.name]
        activations = {
            i: t for i, t in enumerate(node.inputs)
            if t is not None
            and (self._same_map(node, t) if tiling.kind == "run" else t.data is None and self.tile(t) is not None)
        }  # fmt: skip
        tiles = [self.segment.tensors[t.name] for t in activations.values() if t.data is None]
        constants = len(tiles) < len(activations)
        tiles += [] if tiling.kind == "reduce" else [out]
        # Rows follow each other without a gap where a tile has the full width of the map.
        full = out.x == ((0, next(iter(activations.values()), node.y).shape[2]),)
        together = all(t.x == out.x and not t.keep_x and (full or not t.whole) for t in tiles)
        together = together and (full or not (constants or tiling.position))
        row = "lo" if together else "r"
        pointers = {i: f"(const void *){self.address(t, row, self.fresh_x(out))}" for i, t in activations.items()}
        pixels = f"{'(hi - lo) * ' if together else ''}{self.fresh_width(out)} * {tiling.per_pixel}"
        count = pixels if tiling.signed else f"(uint32_t)({pixels})"
        before = [f"const uint32_t count = {count};"] if tiling.indirect else []
        fields = [(tiling.field, "&count" if tiling.indirect else count)]
        if tiling.kind == "reduce":
            fields.append(("part", self._part(together, out, node.x.shape)))
            if tiling.position:
                fields.append((tiling.position, f"{row} * {node.x.shape[2]} + {self.fresh_x(out)}"))
            target = f"({self.location(node.y)})"
        else:
            target = self.address(node.y, row, self.fresh_x(out))
        args = self._arguments(step, pointers, target)
        before += self._lists(step, pointers)
        return {"fields": fields, "by_row": not together, "before": before, "args": args}

    def _part(self, together: bool, out: TileTensor, map: tuple[int, ...]) -> str:
        """Which call of a reducing kernel it is, for a map [1, H, W, C]: bit 0 the first, bit 1 the last."""
        rows, columns = map[1:3]
        first, last = ["lo == 0" if together else "r == 0"], [f"hi == {rows}" if together else f"r + 1 == {rows}"]
        if self.segment.n_x > 1:
            # not the first and last tile of the segment: where columns are kept, the map begins later
            first.append(f"{self.fresh_x(out)} == 0")
            last.append(f"{self.x(out, 1)} == {columns}")
        return f"({' && '.join(first)} ? 1u : 0u) | ({' && '.join(last)} ? 2u : 0u)"

    @staticmethod
    def _same_map(node: Node, tensor: Tensor) -> bool:
        return len(tensor.shape) == 4 and tensor.shape[1:3] == node.y.shape[1:3]

    def _call_args(self, step: Step) -> tuple[Any, ...]:
        return step.kernel.call(step.node, self.plan.target).args

    def _pointer(self, node: Node, index: int, pointers: dict[int, str]) -> str:
        tensor = node.input(index)
        return pointers.get(
            index, f"(const void *)({self.location(tensor)})" if tensor.data is None else self.location(tensor)
        )

    def _arguments(self, step: Step, pointers: dict[int, str], target: str) -> str:
        out: list[str] = []
        for arg in self._call_args(step):
            if isinstance(arg, In):
                out.append(self._pointer(step.node, arg.index, pointers))
            elif isinstance(arg, Out):
                out.append(f"(void *){target}")
            elif isinstance(arg, Scratch):
                out.append("NULL" if step.scratch is None else f"(void *)(ARENA + {self.plan.offset(step.scratch)})")
            elif isinstance(arg, InputList):
                out.append("inputs")
        return ", ".join(out)

    # -- the whole -----------------------------------------------------------------------------------------------------

    def data(self, params: dict[int, dict[str, Any]]) -> dict[str, Any]:
        """Variables of ``templates/network/_segment.j2``."""
        segment = self.segment
        steps = [self.step(s, params[s.index]) for s in self.steps]
        streamed = self._streamed()
        advance = self._advance()
        tables = [list(b) for b in self.rows.bounds]
        last = [(b[-1][1], b[-1][1]) for b in tables]
        return {
            "number": self.number,
            "first": segment.first,
            "last": segment.last,
            "steps": steps,
            "n_y": segment.n_y,
            "n_x": segment.n_x,
            "y_columns": len(tables),
            "y_table": [[(0, 0)] * len(tables), *[[b[i] for b in tables] for i in range(segment.n_y)], last],
            "x_columns": len(self.columns.bounds),
            "x_table": [
                [(0, 0)] * len(self.columns.bounds),
                *[[b[j] for b in self.columns.bounds] for j in range(segment.n_x)],
            ],
            "streamed": streamed,
            "advance": advance,
        }

    def _advance(self) -> list[str]:
        """Statements between two vertical steps: rows that stay in their patch move to its front; what was kept of rows
        that the caller pushes is brought back before more of them arrive."""
        found = []
        for t in self.segment.tensors.values():
            tensor = self.plan.graph.tensors[t.name]
            if t.resident and any(t.kept(i)[0] < t.kept(i)[1] for i in range(self.segment.n_y)):
                row_bytes = (t.x[0][1] - t.x[0][0]) * self.pixel(tensor)
                patch = f"ARENA + {self.plan.offset(t.name)}"
                first = f"{self.net}_max({self.y(t, 'next', 0)}, {self.y(t, 'y', 0)})"
                found.append(
                    f"mg_copy({patch}, {patch} + ({first} - {self.y(t, 'y', 0)}) * {row_bytes}, "
                    f"(uint32_t)({self.net}_max({self.y(t, 'y', 1)} - {first}, 0) * {row_bytes}));"
                )
            elif t.name == self.segment.streamed:
                refill = self.load(tensor, row="next", before="y")
                found += [refill] if refill else []
        return found

    def _streamed(self) -> dict[str, Any] | None:
        name = self.segment.streamed
        if name is None:
            return None
        tensor = self.plan.graph.tensors[name]
        t = self.segment.tensors[name]
        row_bytes = tensor.shape[2] * self.pixel(tensor)
        return {
            "name": name,
            "rows": tensor.shape[1],
            "row_bytes": row_bytes,
            "column": self.rows.index(t.y),
            "patch": f"ARENA + {self.plan.offset(name)}",
            "state": self.plan.offset(f"segment{self.number}.state"),
        }
