"""What learning costs, before anything is generated: `plan --train` and `analyze --train`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcu_gen import api
from mcu_gen.graph import Node
from mcu_gen.plan.training import training_costs
from mcu_gen.quantize.writer import write_tflite
from mcu_gen.train import make_training_graph, parse_spec, transform
from train.networks import Network, build, conv, dense, op, pool

from .conftest import BOARD, DIGITS, Cli

FLOAT = DIGITS / "digits_float.tflite"

#: 128-64-10, and what each choice costs by hand: (parameters, saved bytes, input gradient, weight gradient).
MLP = Network("mlp", (1, 128), [dense(64, activation="relu"), dense(10), op("softmax")])
BY_HAND = {
    "head": (650, 4 * (64 + 10 + 10), 0, 640),
    "all": (8_256 + 650, 4 * (128 + 64 + 10 + 10), 640, 8_192 + 640),
    "bias": (74, 4 * (64 + 10 + 10), 640, 0),
    "layers=fully_connected0": (8_256, 4 * (128 + 64 + 10 + 10), 640, 8_192),
}

#: 6 x 6 x 3, a pool and a view in between.
CNN = Network(
    "cnn", (1, 6, 6, 3),
    [conv(4, (3, 3), activation="relu"), pool("max", (2, 2)), op("reshape"), dense(5), op("softmax")],
)  # fmt: skip


@pytest.mark.parametrize("spec", BY_HAND)
def test_costs_by_hand(spec: str) -> None:
    """Parameters, saved activations and MACs of each phase of a network whose figures anyone can compute."""
    parameters, saved, inputs, weights = BY_HAND[spec]
    found = training_costs(make_training_graph(build(MLP), parse_spec(spec)))
    assert found["trainable_parameters"] == parameters
    assert found["trained_bytes"] == 4 * parameters
    assert found["saved_bytes"] == saved
    assert found["macs"] == {
        "forward": 8_832, "loss": 0, "input_gradient": inputs, "weight_gradient": weights, "update": 0,
    }  # fmt: skip
    assert (found["mode"], found["dtype"], found["optimizer_state_bytes"]) == ("immediate", "float32", 0)


def test_a_view_is_saved_once() -> None:
    """Maps that the pool and the matrix product read; the reshape between them is the pool's output again."""
    found = training_costs(make_training_graph(build(CNN), parse_spec("all")))
    assert found["saved_bytes"] == 4 * (6 * 6 * 3 + 6 * 6 * 4 + 3 * 3 * 4 + 5 + 5)


def test_every_step_of_a_plan_says_what_it_is_for(cli: Cli) -> None:
    data = cli("plan", FLOAT, "--board", BOARD, "--train", "last:2", "--json").data
    macs = dict.fromkeys(data["training"]["macs"], 0)
    for step in data["steps"]:
        macs[step["part"]] += step["macs"]
    assert macs == data["training"]["macs"]
    assert sum(macs.values()) == data["macs"]
    layers = {s["layer"] for s in data["steps"] if s["part"] == "forward"}
    assert {s["of"] for s in data["steps"]} - {""} <= layers
    roles = [(s["of"], s["role"]) for s in data["steps"] if s["part"] == "weight_gradient"]
    assert sorted(role for _, role in roles) == ["bias", "bias", "weights", "weights"]
    assert len(set(roles)) == 4
    assert cli("plan", FLOAT, "--board", BOARD, "--json").data["training"] is None


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_the_table_of_a_training_plan(columns: int, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = cli("plan", FLOAT, "--board", BOARD, "--train", "last:2").out
    assert max(map(len, text.splitlines())) <= columns
    for words in ("input gradient", "weight gradient", "bias gradient", "immediate", "8,234 parameters"):
        assert words in text


def test_choices_beside_the_one_that_was_asked_for(cli: Cli) -> None:
    """RAM is that of the plan of each choice; the rest of the request stays what it is."""
    data = cli("analyze", FLOAT, "--board", BOARD, "--train", "last:2,loss=softmax_cross_entropy", "--json").data
    choices = data["training"]
    assert [c["train"] for c in choices if c["chosen"]] == ["last:2,loss=softmax_cross_entropy"]
    assert {c["train"].split(",")[0] for c in choices} == {"bias", "head", "last:2", "last:3", "all"}
    assert all(c["train"].endswith(",loss=softmax_cross_entropy") for c in choices)
    for c in choices:
        made = api.plan(FLOAT, BOARD, train=c["train"])
        assert (c["ram_bytes"], c["arena_bytes"]) == (made.ram_bytes, made.arena_bytes)
        assert c["macs_total"] == made.base_macs
        assert c["fits"] is True
    assert {"macs", "weight_bytes", "activation_peak_bytes", "layers", "fits"} <= set(data)


def test_choices_without_a_board(cli: Cli, tmp_path: Path) -> None:
    """Two layers: last:2 is all, last:3 is none; there is no memory to tell of."""
    model = tmp_path / "mlp.tflite"
    model.write_bytes(write_tflite(build(Network("two", (1, 12), [dense(7, activation="relu"), dense(3)], "mse"))))
    choices = cli("analyze", model, "--train", "head", "--json").data["training"]
    assert [c["train"] for c in choices] == ["bias", "head", "all"]
    assert all("ram_bytes" not in c for c in choices)
    assert "training" not in cli("analyze", model, "--json").data


def test_what_does_not_fit_is_said_and_what_is_refused_as_well(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(node: Node) -> str | None:
        return "no gradient for tests" if node.type == "depthwise_conv2d" else None

    monkeypatch.setattr(transform, "refusal", refuses)
    ran = cli("analyze", FLOAT, "--board", "hifive1_revb", "--train", "head", "--json")
    assert ran.code == 0, ran.out
    found = {c["train"]: c for c in ran.data["training"]}
    assert found["head"]["fits"] is True
    assert found["last:2"]["fits"] is False
    assert "RAM" in found["last:2"]["reason"]
    assert found["last:2"]["ram_bytes"] > 16 * 1024
    assert "no gradient for tests" in found["all"]["refused"]
    text = cli("analyze", FLOAT, "--board", "hifive1_revb", "--train", "head", "--quick").out
    assert "no gradient for tests" in text


@pytest.mark.parametrize(("spec", "code"), [("nothing", 2), ("last:99", 2), ("head,loss=hinge", 2)])
@pytest.mark.parametrize("verb", ["analyze", "plan"])
def test_requests_that_are_refused(verb: str, spec: str, code: int, cli: Cli) -> None:
    ran = cli(verb, FLOAT, "--board", BOARD, "--train", spec, "--json")
    assert ran.code == code
    assert "--train" in ran.document["error"]["where"]


def test_a_network_that_cannot_be_trained(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform, "refusal", lambda node: "no gradient for tests")
    ran = cli("analyze", FLOAT, "--train", "all", "--json")
    assert ran.code == 3
    assert len(ran.document["error"]["reasons"]) > 1


@pytest.mark.qemu
@pytest.mark.parametrize("columns", [80, 100])
def test_the_tables_of_a_training_profile(
    columns: int, cli: Cli, learner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps, then a line per layer of the network, within the width of the terminal; as CSV one row per step."""
    monkeypatch.setenv("COLUMNS", str(columns))
    ran = cli("profile", learner, "--on", "qemu", "--train", "--csv", tmp_path / "p.csv")
    assert ran.code == 0, ran.err
    steps, layers = ran.out.split("by layer of the network:")
    assert max(map(len, ran.out.splitlines())) <= columns
    assert "bias gradient" in steps
    assert all(line.rstrip().endswith("%") for line in steps.splitlines()[1:] if line.strip())
    assert "weight grad." in layers
    assert layers.count("100.0 %") == 1
    rows = (tmp_path / "p.csv").read_text().splitlines()
    assert len(rows) == 1 + len(api.open_project(learner).data["layers"])
