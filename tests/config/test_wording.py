"""A mistake is answered in one line that names the key and the way out."""

from __future__ import annotations

from functools import partial

import pytest

from redditgnn.config.arguments import check_types
from redditgnn.config.compose import compose_settings
from redditgnn.errors import ConfigError
from redditgnn.graph.data import GraphSpec
from redditgnn.model.sage import GraphSAGE

MISTAKES = {
    "model=gatt": r"model=gatt: no such option \(did you mean model=gat\?\); the options.* gat, ",
    "modle=gat": r"modle: no such key \(did you mean model\?\)",
    "model.hiden_channels=3": r"did you mean model.hidden_channels\?.*--cfg job",
    "model.heads=3": r"model.heads: no such key under the chosen model",
    "~model": "model must be chosen: model=NAME, see 'redditgnn list'",
    "+foo=1": "foo: there is no such key",
    "foo": r"'foo' is not KEY=VALUE; quote lists and spaces",
    "seed=x": "seed must be int, got 'x'",
    "device=gpu": "device must be auto, cpu, cuda or cuda:NUMBER, got 'gpu'",
    "kernels.backend=cuda": "kernels.backend must be auto or torch or numba or triton, got 'cuda'",
    "kernels.back=torch": r"kernels.back: no such key \(did you mean kernels\?\)",
    "+kernels.foo=1": "kernels.foo: there is no such key of Kernels; leave it out",
    "~kernels": "kernels must have the key backend, got None; try kernels.backend=auto",
    "~kernels.backend": "kernels must have the key backend, got {}; try kernels.backend=auto",
    "kernels=torch": "kernels must have the key backend, got torch; try kernels.backend=auto",
    "protocol=both": "protocol=both: no such option; the options are inductive, temporal, transd",
    "protocol=null": "protocol must be the name of an option, see 'redditgnn list protocols'",
    "~protocol": "protocol must be the name of an option, transductive or inductive or temporal",
    "protocol.until=3": "protocol.until: no such key under the chosen protocol",
    "protocol.name=inductive": "protocol=transductive: protocol.name must be .* got 'inductive'",
    "+protocol.foo=1": "protocol=transductive has no key foo; leave it out",
}
BUILT = {
    "model.norm=foo": "model.norm must be batch or layer or null, got 'foo'",
    "model.hidden_channels=1.5": "model.hidden_channels must be int, got 1.5",
    "model.residual=3": "model.residual must be bool or linear, got 3",
    "trainer.epochs=true": "trainer.epochs must be int, got True",
    "trainer.grad_clip=x": "trainer.grad_clip must be a number or null, got 'x'",
    "trainer.precision=fp8": "trainer.precision must be fp32 or tf32 or bf16, got 'fp8'",
    "trainer.compile=1": "trainer.compile must be bool, got 1",
    "trainer.memory_limit_gib=all": "trainer.memory_limit_gib must be a number or null, got 'all'",
    "trainer.memory_limit_gib=true": "trainer.memory_limit_gib must be a number or null, got True",
    "trainer.patience=true": "trainer.patience must be int or null, got True",
    "dataset.feature_dtype=int8": "dataset.feature_dtype must be fp32 or fp16 or bf16, got 'int8'",
    "sampler.num_neighbors=5": r"sampler.num_neighbors must be list\[int\], got 5",
    "optimizer.lr=abc": "optimizer.lr must be a number, got 'abc'",
    "+model.foo=1": "model.foo: there is no such key of GraphSAGE; leave it out",
    "+optimizer.foo=1": "optimizer.foo: there is no such key of adam",
    "model._target_=torch.nope": "Error locating target 'torch.nope'; is it spelt right",
}


@pytest.mark.parametrize(("override", "message"), MISTAKES.items(), ids=MISTAKES.keys())
def test_a_wrong_override_is_refused_when_composed(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        compose_settings([override])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("override", "message"), BUILT.items(), ids=BUILT.keys())
def test_a_value_of_the_wrong_type_is_refused_when_built(override: str, message: str) -> None:
    settings = compose_settings([override])
    with pytest.raises(ConfigError, match=message) as raised:
        settings.check()
    assert "\n" not in str(raised.value)


class Mine(GraphSAGE):
    """A model of somebody else's, whose constructor is ours."""


def test_an_inherited_constructor_is_held_to_its_annotations() -> None:
    call = partial(Mine, norm="foo")
    with pytest.raises(ConfigError, match="model.norm must be batch or layer or null, got 'foo'"):
        check_types("model", call)


def test_what_torch_itself_refuses_is_one_line() -> None:
    settings = compose_settings(["scheduler.factor=2", "model=mlp"])
    optimizer = settings.build("optimizer", settings.build("model", GraphSpec(10, 4, 3, False)))
    with pytest.raises(ConfigError, match="scheduler=constant: Constant multiplicative factor"):
        settings.build("scheduler", optimizer)
