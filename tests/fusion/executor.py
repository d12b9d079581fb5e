"""A plan executed in NumPy inside an arena of bytes: the reference for what fused code has to do.

Every tensor, patch and line buffer lives at its planned offset, so a tile that reads rows it does not have, or a
buffer that another one has overwritten, gives wrong bits.  An operator on a tile is evaluated on a whole tensor in
which everything outside its patch is noise, and a second time with other noise: results that differ came from outside.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mcu_gen.graph import Node, Tensor, operator
from mcu_gen.plan.types import Plan, Segment, Step, TileTensor


class ArenaExecutor:
    """Runs a plan once; ``arena`` is uint8 [arena_bytes]."""

    def __init__(self, plan: Plan, seed: int = 0) -> None:
        self.plan = plan
        self.rng = np.random.default_rng(seed)
        self.arena = self.rng.integers(0, 256, plan.arena_bytes, dtype=np.uint8)
        #: pixels computed by each step in segments, and bytes copied per segment
        self.pixels: dict[int, int] = {}
        self.copied = [0] * len(plan.segments)

    @property
    def macs(self) -> list[int]:
        """Multiply-accumulates done, per segment; the pixels of a layer cost the same on average."""
        found = []
        for segment in self.plan.segments:
            total = 0
            for step in self.plan.steps[segment.first : segment.last + 1]:
                tiling = step.kernel.tiling(step.node, self.plan.target)
                tiled = step.node.x if tiling is not None and tiling.kind == "reduce" else step.node.y
                pixels = tiled.shape[1] * tiled.shape[2]
                total += operator(step.node.type).macs(step.node) * self.pixels.get(step.index, 0) // pixels
            found.append(total)
        return found

    def view(self, buffer: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Elements at the start of a buffer, writable."""
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        assert count <= self.plan.buffers[self.plan.aliases.get(buffer, buffer)].bytes, f"{buffer} is too small"
        at = self.plan.offset(buffer)
        assert at + count <= len(self.arena)
        return self.arena[at : at + count].view(dtype).reshape(shape)

    def tensor(self, t: Tensor) -> np.ndarray:
        return self.view(t.name, t.shape, t.dtype.numpy)

    def noise(self, t: Tensor) -> np.ndarray:
        if t.dtype.is_float:
            return self.rng.uniform(-9, 9, t.shape).astype(t.dtype.numpy)
        low, high = t.dtype.limits
        return self.rng.integers(low, high + 1, t.shape).astype(t.dtype.numpy)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        graph = self.plan.graph
        for name in graph.inputs:
            if name != self.plan.streamed:
                self.tensor(graph.tensors[name])[...] = inputs[name]
        starts = {s.first: (k, s) for k, s in enumerate(self.plan.segments)}
        position = 0
        while position < len(self.plan.steps):
            if position in starts:
                number, segment = starts[position]
                SegmentRun(self, number, segment, inputs).run()
                position = segment.last + 1
            else:
                self.layer(self.plan.steps[position])
                position += 1
        return {n: self.tensor(graph.tensors[n]).copy() for n in graph.outputs}

    def layer(self, step: Step) -> None:
        node = step.node
        values = [None if t is None else t.data if t.is_constant else self.tensor(t).copy() for t in node.inputs]
        self.scribble(step)
        for t, y in zip(node.outputs, operator(node.type).evaluate(node, values), strict=True):
            self.tensor(t)[...] = y

    def scribble(self, step: Step) -> None:
        """Scratch holds anything after a step."""
        if step.scratch is not None:
            size = self.plan.buffers[step.scratch].bytes
            self.view(step.scratch, (size,), np.dtype(np.uint8))[...] = self.rng.integers(0, 256, size)


class SegmentRun:
    """One segment: patches, line buffers, and the two loops over tiles."""

    def __init__(self, run: ArenaExecutor, number: int, segment: Segment, inputs: Mapping[str, np.ndarray]) -> None:
        self.exe, self.number, self.segment, self.inputs = run, number, segment, inputs
        self.steps = run.plan.steps[segment.first : segment.last + 1]
        self.last_reader: dict[str, int] = {}
        #: what a reducing operator at the end has been given, and where
        self.taken: np.ndarray | None = None
        self.given = np.zeros(0, bool)
        for step in self.steps:
            for t in step.node.inputs:
                if t is not None and t.name in segment.tensors:
                    self.last_reader[t.name] = step.index

    def run(self) -> None:
        for i in range(self.segment.n_y):
            for j in range(self.segment.n_x):
                streamed = self.segment.streamed
                if streamed is not None and j == 0:
                    self.push(self.segment.tensors[streamed], i)
                for step in self.steps:
                    self.step(step, i, j)

    def info(self, tile: TileTensor) -> Tensor:
        return self.exe.plan.graph.tensors[tile.name]

    def patch(self, tile: TileTensor, i: int, j: int) -> np.ndarray:
        """The part of a tensor that is in memory: a copy-free view [rows, columns, C]."""
        t = self.info(tile)
        (y0, y1), (x0, x1) = tile.y[i], tile.x[j]
        if tile.whole:
            return self.exe.tensor(t)[0, y0:y1, x0:x1]
        return self.exe.view(tile.name, (y1 - y0, x1 - x0, t.shape[3]), t.dtype.numpy)

    def halo(self, tile: TileTensor, rows: int) -> np.ndarray:
        t = self.info(tile)
        return self.exe.view(f"{tile.name}.halo", (rows, t.shape[2], t.shape[3]), t.dtype.numpy)

    def count(self, tile: TileTensor, rows: int) -> None:
        """Rows are copied, in as many pieces as there are tiles."""
        t = self.info(tile)
        self.exe.copied[self.number] += rows * t.bytes // t.shape[1]

    def load(self, tile: TileTensor, i: int, j: int) -> None:
        """Kept rows to the front of the patch."""
        if not tile.keep or tile.whole or i == 0:
            return
        lo, hi = tile.kept(i - 1)
        if hi <= lo:
            return
        assert lo == tile.y[i][0], "kept rows are the first ones of the patch"
        x0, x1 = self.fresh_x(tile, j), tile.x[j][1]
        if tile.resident:
            if j == 0:
                shift = tile.y[i][0] - tile.y[i - 1][0]
                before = self.patch(tile, i - 1, j)
                kept = before[shift:].copy()
                self.patch(tile, i, j)[: hi - lo] = kept
                if shift:
                    self.count(tile, hi - lo)
        else:
            kept = self.halo(tile, hi - lo)[:, x0:x1]
            self.patch(tile, i, j)[: hi - lo, x0 - tile.x[j][0] :] = kept
            if j == 0:
                self.count(tile, hi - lo)

    @staticmethod
    def fresh_x(tile: TileTensor, j: int) -> int:
        """First column that a tile computes."""
        return max(tile.x[j][0], tile.x[j - 1][1]) if tile.keep_x and j > 0 else tile.x[j][0]

    def side(self, tile: TileTensor, i: int, columns: int) -> np.ndarray:
        t = self.info(tile)
        rows = tile.y[i][1] - tile.y[i][0]
        if rows == 0:  # all that readers see of it is padding: there may be no buffer
            return np.zeros((0, columns, t.shape[3]), t.dtype.numpy)
        self.exe.copied[self.number] += rows * columns * t.bytes // (t.shape[1] * t.shape[2])
        return self.exe.view(f"{tile.name}.side", (rows, columns, t.shape[3]), t.dtype.numpy)

    def load_side(self, tile: TileTensor, i: int, j: int) -> None:
        """Columns kept from the tile to the left to the front of the patch."""
        kept = self.fresh_x(tile, j) - tile.x[j][0]
        if kept > 0:
            self.patch(tile, i, j)[:, :kept] = self.side(tile, i, kept)

    def save_side(self, tile: TileTensor, i: int, j: int) -> None:
        """Columns that the tile to the right uses again."""
        if not tile.keep_x or j + 1 == self.segment.n_x:
            return
        start = max(tile.x[j + 1][0], tile.x[j][0])
        if tile.x[j][1] > start:
            self.side(tile, i, tile.x[j][1] - start)[...] = self.patch(tile, i, j)[:, start - tile.x[j][0] :]

    def save(self, tile: TileTensor, i: int, j: int) -> None:
        """Rows that the next step uses again to the line buffer."""
        lo, hi = tile.kept(i)
        if not tile.keep or tile.whole or tile.resident or hi <= lo:
            return
        x0, x1 = tile.x[j]
        if j + 1 < self.segment.n_x:
            x1 = min(x1, tile.x[j + 1][0])
        first = lo - tile.y[i][0]
        self.halo(tile, hi - lo)[:, x0:x1] = self.patch(tile, i, j)[first:, : x1 - x0]
        if j == 0:
            self.count(tile, hi - lo)

    def push(self, tile: TileTensor, i: int) -> None:
        """The caller gives the next rows of a streamed input."""
        self.load(tile, i, 0)
        lo, hi = tile.fresh(i)
        self.patch(tile, i, 0)[lo - tile.y[i][0] :] = self.inputs[tile.name][0, lo:hi]

    def step(self, step: Step, i: int, j: int) -> None:
        out = self.segment.tensors[step.node.y.name]
        tiling = step.kernel.tiling(step.node, self.exe.plan.target)
        if tiling is not None and tiling.kind == "reduce":
            self.reduce(step, out, i, j)
        else:
            self.compute(step, out, i, j)
        for name, last in self.last_reader.items():
            if last == step.index:
                self.save(self.segment.tensors[name], i, j)
                self.save_side(self.segment.tensors[name], i, j)

    def compute(self, step: Step, out: TileTensor, i: int, j: int) -> None:
        self.load(out, i, j)
        self.load_side(out, i, j)
        (y0, y1), (x0, x1) = out.fresh(i), (self.fresh_x(out, j), out.x[j][1])
        if y1 > y0 and x1 > x0:
            result = self.evaluate(step.node, i, j)[0, y0:y1, x0:x1]
            self.exe.scribble(step)
            self.patch(out, i, j)[y0 - out.y[i][0] : y1 - out.y[i][0], x0 - out.x[j][0] :] = result
            self.exe.pixels[step.index] = self.exe.pixels.get(step.index, 0) + (y1 - y0) * (x1 - x0)

    def reduce(self, step: Step, out: TileTensor, i: int, j: int) -> None:
        """Hands rows and columns of the input to an operator that gives its output after the last of them."""
        node = step.node
        tile = self.segment.tensors[node.x.name]
        if self.taken is None:
            self.taken, self.given = self.exe.noise(node.x), np.zeros(node.x.shape[1:3], bool)
            self.exe.scribble(step)
            assert step.scratch is not None
            self.sums = self.view_of_scratch(step).copy()
        assert np.array_equal(self.view_of_scratch(step), self.sums), "the sums were overwritten"
        (y0, y1), (x0, x1) = out.fresh(i), out.x[j]
        (top, _), (left, _) = tile.y[i], tile.x[j]
        part = (slice(y0, y1), slice(x0, x1))
        assert not self.given[part].any(), "a pixel is handed over twice"
        self.given[part] = True
        self.exe.pixels[step.index] = self.exe.pixels.get(step.index, 0) + (y1 - y0) * (x1 - x0)
        self.taken[0][part] = self.patch(tile, i, j)[y0 - top : y1 - top, x0 - left : x1 - left]
        if (i + 1, j + 1) == (self.segment.n_y, self.segment.n_x):
            assert self.given.all(), "a pixel is missing"
            self.exe.tensor(node.y)[...] = operator(node.type).evaluate(
                node, [self.taken, *(None if t is None else t.data for t in node.inputs[1:])]
            )[0]

    def view_of_scratch(self, step: Step) -> np.ndarray:
        assert step.scratch is not None
        return self.exe.view(step.scratch, (self.exe.plan.buffers[step.scratch].bytes,), np.dtype(np.uint8))

    def evaluate(self, node: Node, i: int, j: int) -> np.ndarray:
        """The operator on what its inputs' patches hold, noise elsewhere."""
        results = []
        for _ in range(2):
            values: list[np.ndarray | None] = []
            for t in node.inputs:
                if t is None or t.is_constant:
                    values.append(None if t is None else t.data)
                    continue
                tile = self.segment.tensors[t.name]
                full = self.exe.noise(t)
                (y0, y1), (x0, x1) = tile.y[i], tile.x[j]
                full[0, y0:y1, x0:x1] = self.patch(tile, i, j)
                values.append(full)
            results.append(operator(node.type).evaluate(node, values)[0])
        out = self.segment.tensors[node.y.name]
        (y0, y1), (x0, x1) = out.fresh(i), (self.fresh_x(out, j), out.x[j][1])
        same = np.array_equal(results[0][0, y0:y1, x0:x1], results[1][0, y0:y1, x0:x1], equal_nan=node.y.dtype.is_float)
        assert same, f"{node.name} reads what is not in its patch (step {i}, {j})"
        return results[0]
