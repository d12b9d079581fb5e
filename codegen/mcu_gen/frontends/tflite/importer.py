"""From the records of a model file to a :class:`~mcu_gen.graph.Graph` that has passed every check."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from mcu_gen.errors import ModelFileError, UnsupportedModelError
from mcu_gen.frontends.tflite.constants import fold_constant
from mcu_gen.frontends.tflite.operators import ARITY, LEGACY_FIX, MOVERS, by_builtin, why_unsupported
from mcu_gen.frontends.tflite.parse import RawModel, RawOp, RawTensor
from mcu_gen.frontends.tflite.tensors import (
    MAX_TENSOR_BYTES,
    Findings,
    convert_tensor,
    needs_quantization,
    unique_names,
    used_tensors,
)
from mcu_gen.graph import DType, Graph, Node, Op, Operator, Tensor, TensorType, check

_MAX_CONSTANT_BYTES = 1 << 30
_MAX_LISTED = 50

#: What a rule of an operator may raise on inputs that no rule foresaw (too few, of another rank...).
_MISFIT = (AssertionError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def import_model(model: RawModel, name: str) -> Graph:
    """The graph of a model.

    Raises:
        ModelFileError: the model contradicts itself.
        UnsupportedModelError: it holds something that is not supported; all of it is listed.
    """
    return _Importer(model, name).run()


class _Importer:
    def __init__(self, model: RawModel, name: str) -> None:
        self.model = model
        self.graph = Graph(name)
        self.findings = Findings()
        self.names = unique_names(model.tensors)
        self.operators = by_builtin()
        #: tensors that could be converted, by index in the file
        self.tensors: dict[int, Tensor] = {}

    def run(self) -> Graph:
        self._check_roles()
        if not self.findings.broken:
            self._convert_tensors()
            for raw in self.model.ops:
                self._convert_op(raw)
            self._check_interface()
        self._raise_findings()
        graph = self.graph
        graph.inputs = [self.names[i] for i in self.model.inputs]
        graph.outputs = [self.names[i] for i in self.model.outputs]
        ends = {*graph.inputs, *graph.outputs}
        graph.aliases = {
            alias: self.names[i]
            for alias, i in self.model.aliases.items()
            if self.names[i] in ends and alias not in self.names
        }
        named = {*ends, *(n for op in graph.ops for n in (*op.inputs, *op.outputs) if n is not None)}
        graph.tensors = {t.name: t for t in self.tensors.values() if t.name in named}
        graph.warnings = self.findings.warnings
        return graph

    # -- who writes what, in which order

    def _is_constant(self, tensor: RawTensor) -> bool:
        return len(tensor.data) > 0

    def _check_roles(self) -> None:
        """Every tensor has exactly one origin, and is written before it is read."""
        model, broken = self.model, self.findings.broken
        tensors, names = model.tensors, self.names
        written = Counter(i for op in model.ops for i in op.outputs)
        for i in (i for i, n in Counter(model.inputs).items() if n > 1):
            broken.append(f"tensor {names[i]} is an input of the model twice")
        for i in dict.fromkeys(model.inputs):
            if self._is_constant(tensors[i]):
                broken.append(f"input {names[i]} holds constant data")
            if tensors[i].variable:
                broken.append(f"input {names[i]} is a variable as well")
            if i in written:
                broken.append(f"input {names[i]} is written by an operator")
        for i, count in written.items():
            if count > 1:
                broken.append(f"tensor {names[i]} is written by {count} operators")
            if self._is_constant(tensors[i]):
                broken.append(f"tensor {names[i]} holds constant data and is written by an operator")
        for i in used_tensors(model):
            if tensors[i].variable and self._is_constant(tensors[i]):
                broken.append(f"variable {names[i]} holds constant data")
        known = {*model.inputs, *(t.index for t in tensors if t.variable or self._is_constant(t))}
        reported: set[int] = set()
        for number, op in enumerate(model.ops):
            for i in sorted({*op.inputs} & {*op.outputs}):
                broken.append(f"operator {number} ({op.builtin}) reads and writes tensor {names[i]}")
            for i in op.inputs:
                late = i in written
                # Operators that are unknown here may have inputs for their own use, such as scratch.
                if i < 0 or i in known or i in reported or not (late or op.builtin in self.operators):
                    continue
                reported.add(i)
                why = (
                    "is written only later (operators unsorted or cyclic)"
                    if late
                    else "nothing writes: its data are missing"
                )
                broken.append(f"operator {number} ({op.builtin}) reads tensor {names[i]}, which {why}")
            known.update(op.outputs)
        broken.extend(
            f"output {names[i]} is written by no operator and holds no data"
            for i in dict.fromkeys(model.outputs)
            if i not in known
        )

    # -- tensors

    def _convert_tensors(self) -> None:
        total = 0
        for i in used_tensors(self.model):
            raw = self.model.tensors[i]
            total += len(raw.data)
            if total > _MAX_CONSTANT_BYTES:
                self.findings.unsupported.append(f"the constants take more than {_MAX_CONSTANT_BYTES:,} bytes")
                return
            tensor = convert_tensor(raw, self.names[i], self._is_constant(raw), self.findings)
            if tensor is not None:
                self.tensors[i] = tensor

    # -- operators

    def _convert_op(self, raw: RawOp) -> None:
        label = self.names[raw.outputs[0]] if raw.outputs else f"operator without outputs ({raw.builtin})"
        where = f"layer {label}"
        folded = fold_constant(raw, self.tensors)
        if folded is not None and self.model.tensors[raw.outputs[0]].type == DType.of(folded).value:
            index = raw.outputs[0]
            self.tensors[index] = Tensor(self.names[index], folded.shape, DType.of(folded), None, folded)
            return
        impl = self.operators.get(raw.builtin)
        if impl is None:
            self.findings.unsupported.append(f"{where}: {why_unsupported(raw.builtin, raw.custom)}")
            self.findings.hint("`mcu-gen ops` lists the supported operators and their rules")
            return
        if raw.problem:
            self.findings.broken.append(f"{where} ({raw.builtin}): {raw.problem}")
            return
        fewest, most = ARITY.get(raw.builtin, (0, 1 << 16))
        first = impl.file_inputs[0] if impl.file_inputs else 0
        absent = first < len(raw.inputs) and raw.inputs[first] < 0
        if not raw.outputs or not fewest <= len(raw.inputs) <= most or absent:
            self.findings.broken.append(
                f"{where} ({raw.builtin}) has {len(raw.inputs)} inputs and {len(raw.outputs)} outputs"
                + (f", and its {'data' if first else 'first'} input is absent" if absent else "")
            )
            return
        if any(i >= 0 and i not in self.tensors for i in (*raw.inputs, *raw.outputs)):
            return  # the findings name the tensor
        self._judge(raw, impl, label)

    def _judge(self, raw: RawOp, impl: Operator, label: str) -> None:
        where = f"layer {label} ({raw.builtin})"
        try:
            attrs = impl.attributes(self._options(raw))
        except _MISFIT as error:
            self.findings.broken.append(f"{where}: its options make no sense ({type(error).__name__}: {error})")
            return
        wild = [k for k, v in attrs.items() if isinstance(v, float) and not math.isfinite(v)]
        if wild:
            self.findings.broken.append(f"{where}: option {wild[0]} is {attrs[wild[0]]}")
            return
        inputs = impl.from_file([None if i < 0 else self.names[i] for i in raw.inputs])
        states = tuple(name for name in (inputs[i] for i in impl.state_inputs) if name is not None)
        op = Op(label, impl.name, inputs, (*(self.names[i] for i in raw.outputs), *states), attrs)
        by_name = {self.names[i]: self.tensors[i] for i in raw.inputs if i >= 0}
        node = Node(
            op,
            tuple(None if n is None else by_name[n] for n in op.inputs),
            (*(self.tensors[i] for i in raw.outputs), *(by_name[n] for n in states)),
        )
        reasons = self._general_reasons(node, raw, impl)
        if not reasons:
            try:
                reasons = check(node)
            except _MISFIT as error:
                reasons = [f"its inputs do not fit the operator ({type(error).__name__}: {error})"]
        if reasons:
            self.findings.unsupported.extend(f"{where}: {r}" for r in reasons)
            return
        try:
            inferred = impl.infer(node)
        except _MISFIT as error:
            self.findings.broken.append(f"{where}: {error}")
            return
        if self._shapes_agree(raw, inferred[: len(inferred) - len(states)], where):
            self.graph.ops.append(op)

    def _options(self, raw: RawOp) -> dict[str, Any]:
        """The options; ``intermediates`` holds (scale, zero point) of the operator's intermediate tensors, or None."""
        found = []
        for i in raw.intermediates:
            quant = self.model.tensors[i].quant
            single = quant is not None and len(quant.scale) == 1 == len(quant.zero_point)
            found.append((float(quant.scale[0]), int(quant.zero_point[0])) if quant is not None and single else None)
        return {**raw.options, "intermediates": tuple(found)}

    def _general_reasons(self, node: Node, raw: RawOp, impl: Operator) -> list[str]:
        """Rules that hold for every operator."""
        reasons = []
        parameters = [node.inputs[i] for i in impl.parameter_inputs if node.has_input(i)]
        if node.x.dtype is DType.FLOAT32 and any(p is not None and p.dtype is DType.INT8 for p in parameters):
            self.findings.hint(
                "quantize the float model with calibration data: mcu-gen quantize MODEL --calib X.npz -o OUT"
            )
            return ['8-bit weights with float activations (dynamic-range, "hybrid" quantization) are not supported']
        types = {t.dtype for t in (node.x, node.y, *parameters) if t is not None}
        if DType.UINT8 in types and DType.UINT8 not in impl.dtypes:
            self.findings.hint(LEGACY_FIX)
            return ["8-bit unsigned (legacy, asymmetric) operators are not supported"]
        for i, t in enumerate(node.inputs):
            if t is None:
                continue
            if needs_quantization(t) and raw.builtin not in MOVERS:
                reasons.append(f"input {t.name} is {t.dtype.value} without scale and zero point")
            if t.quant is not None and t.quant.scale.size > 1 and i not in impl.parameter_inputs:
                reasons.append(f"input {t.name} is quantized per channel, which only weights may be")
        for t in node.outputs:
            if needs_quantization(t) and raw.builtin not in MOVERS:
                reasons.append(f"output {t.name} is {t.dtype.value} without scale and zero point")
        return reasons

    def _shapes_agree(self, raw: RawOp, inferred: list[TensorType], where: str) -> bool:
        broken = self.findings.broken
        if len(inferred) != len(raw.outputs):
            broken.append(f"{where} has {len(raw.outputs)} outputs, the operator has {len(inferred)}")
            return False
        agree = True
        for index, want in zip(raw.outputs, inferred, strict=True):
            tensor, stated = self.tensors[index], self.model.tensors[index]
            if want.dtype is not tensor.dtype:
                broken.append(
                    f"{where}: output {tensor.name} is {tensor.dtype.value}, the operator gives {want.dtype.value}"
                )
                agree = False
            elif want.shape != tensor.shape:
                if math.prod(want.shape) * want.dtype.size > MAX_TENSOR_BYTES:
                    broken.append(f"{where}: the operator gives the shape {list(want.shape)}, which is too large")
                    agree = False
                elif (not tensor.shape and not stated.has_rank) or any(d < 0 for d in stated.signature):
                    # The file leaves the shape open: LiteRT computes it, and so does the operator's rule.
                    self.tensors[index] = tensor.replace(shape=want.shape)
                else:
                    broken.append(
                        f"{where}: output {tensor.name} is stated as {list(tensor.shape)}, "
                        f"the operator gives {list(want.shape)}"
                    )
                    agree = False
        return agree

    # -- the interface and the verdict

    def _check_interface(self) -> None:
        unsupported, names = self.findings.unsupported, self.names
        if not self.model.ops:
            unsupported.append("the model holds no operators")
        if not self.model.inputs:
            unsupported.append("the model has no inputs")
        if not self.model.outputs:
            unsupported.append("the model has no outputs")
        for i in self.model.inputs:
            raw = self.model.tensors[i]
            if any(d < 0 for d in raw.signature):
                self.findings.warnings.append(
                    f"input {names[i]}: the dynamic shape {list(raw.signature)} is taken as {list(raw.shape)}"
                )
        ignored = self.findings.ignored_axes
        if ignored:
            self.findings.warnings.append(
                f"quantized_dimension has no meaning on {len(ignored)} tensors with one scale or one dimension "
                f"(the first is {ignored[0]}) and is ignored"
            )
        for i, n in Counter(self.model.outputs).items():
            if n > 1:
                unsupported.append(f"tensor {names[i]} is an output of the model twice")
            if i in self.tensors and self.tensors[i].is_constant:
                unsupported.append(f"output {names[i]} is a constant")
            if i in self.model.inputs:
                unsupported.append(f"output {names[i]} is an input as well")
        if self.model.subgraphs > 1:
            self.findings.warnings.append(
                f"the model has {self.model.subgraphs} subgraphs; no operator here calls another one, the first is used"
            )

    def _raise_findings(self) -> None:
        found = self.findings
        if found.broken:
            listed = found.broken[:_MAX_LISTED]
            more = len(found.broken) - len(listed)
            text = listed[0] if len(found.broken) == 1 else "".join(f"\n  - {line}" for line in listed)
            lead = "the model contradicts itself: "
            raise ModelFileError(lead + text + (f"\n  - and {more} more" if more else ""), hints=found.hints)
        if found.unsupported:
            count = len(found.unsupported)
            raise UnsupportedModelError(
                f"the model is not supported ({count} reason{'s' * (count > 1)})",
                hints=found.hints,
                reasons=found.unsupported,
            )
