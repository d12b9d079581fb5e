"""ELU against LiteRT's default kernels, in a child process: ``BUILTIN_REF`` has no ELU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from mcu_gen.frontends import load_tflite
from mcu_gen.graph import Executor
from ops.cases_elu import CASES
from support.three_way import compare, random_samples

_CHILD = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
data = np.load(sys.argv[1])
out = {}
for name in {n.split("/")[0] for n in data.files}:
    kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    net = Interpreter(model_content=data[name + "/model"].tobytes(), experimental_op_resolver_type=kind)
    net.allocate_tensors()
    net.set_tensor(net.get_input_details()[0]["index"], data[name + "/x"])
    net.invoke()
    out[name] = net.get_tensor(net.get_output_details()[0]["index"])
np.savez(sys.argv[2], **out)
"""


def test_elu_is_litert_elu(tmp_path: Path) -> None:
    arrays: dict[str, np.ndarray] = {}
    computed: dict[str, np.ndarray] = {}
    for i, case in enumerate(CASES):
        model = case.build()
        graph = load_tflite(model, "elu")
        x = case.inputs[0][0] if case.inputs is not None else random_samples(graph, case.name)[0][0]
        arrays[f"{i}/model"], arrays[f"{i}/x"] = np.frombuffer(model, np.uint8), x
        computed[str(i)] = Executor(graph).run({"x": x})["y"]
    np.savez(tmp_path / "in.npz", **arrays)  # type: ignore[arg-type]
    command = [sys.executable, "-c", _CHILD, str(tmp_path / "in.npz"), str(tmp_path / "out.npz")]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    expected = np.load(tmp_path / "out.npz")
    for i, case in enumerate(CASES):
        assert compare([[expected[str(i)]]], [[computed[str(i)]]], 1e-5) == "", case.name
