"""The model of a finished run with its weights, and the graph that it answers questions about."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError, DataError, require
from redditgnn.evaluation.exact import EdgeListener, ExactInference
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.graph.temporal import WindowTest
from redditgnn.model.base import Backbone
from redditgnn.parts import Parts
from redditgnn.prediction.facts import TrainingFacts, fit_features
from redditgnn.prediction.layers import HiddenStates
from redditgnn.record import checkpoint
from redditgnn.run.update import updates_models, weights_of_window


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What run.json says of a run.

    Attributes:
        settings: What it was run with. `TrainedModel.on` may have named other data.
        fingerprint: What it was trained on.
        facts: Sizes and names of the graph of training, which older runs lack.
    """

    settings: Settings
    fingerprint: str
    facts: TrainingFacts | None


class TrainedModel:
    """The model of the run in `folder`, on its own graph or on another.

    Attributes:
        folder: `results_dir/runs/RUN_ID`.
        settings: The settings that it was run with.
    """

    def __init__(
        self,
        folder: Path,
        description: Description,
        *,
        takes_other_data: bool = False,
        window: int | None = None,
    ) -> None:
        """Take the run of `folder`.

        `takes_other_data`: the settings name data that the run need not have been trained on.
        `window` is the number of a test window of `protocol=temporal`. None: the last.
        """
        self.folder, self.settings = folder, description.settings
        self._fingerprint, self._facts = description.fingerprint, description.facts
        self._takes_other_data, self._window = takes_other_data, window

    @property
    def run_id(self) -> str:
        return self.folder.name

    @cached_property
    def facts(self) -> TrainingFacts:
        """Sizes and names of the graph that the model was trained on."""
        if self._facts is None:
            return TrainingFacts.of(Parts(self.settings, graph=self.graph).train_graph)
        return self._facts

    @cached_property
    def graph(self) -> GraphData:
        """The dataset, which must be what the run was trained on, unless other data were named.

        Of a run of `protocol=temporal` it has the edges that are seen at the end of a test window,
        and its test nodes are those that are scored there.

        Raises:
            DataError: it has changed since, or other data have other features.
            ConfigError: there is no such window.
        """
        graph = self._dataset.graph
        if self.is_on_own_graph:
            return self._in_window(graph)
        if self._takes_other_data:
            return fit_features(self._in_window(graph), self.facts)
        raise DataError(
            f"{self.folder}: the run was trained on other data than {graph.name} is now "
            f"({self._differences(graph)}); name the data that it was trained on, or add "
            f"data_dir={self.settings.data_dir} to use these as another graph"
        )

    @property
    def is_on_own_graph(self) -> bool:
        """Whether the data are what the run was trained on."""
        fingerprint = self._dataset.graph.fingerprint
        return str(fingerprint.of_a_run(self.settings.protocol_part)) == self._fingerprint

    @property
    def window(self) -> int | None:
        """The number of the window of `protocol=temporal` whose edges `graph` has, from 1."""
        return None if self._window_test is None else self._window_test[0]

    @cached_property
    def _dataset(self) -> Parts:
        """The data as they were loaded."""
        return Parts(self.settings)

    @cached_property
    def _window_test(self) -> tuple[int, WindowTest] | None:
        """Number and test of the window that is answered, None under another protocol."""
        split = self._dataset.temporal
        return None if split is None else split.scored_window(self._window)

    def _in_window(self, graph: GraphData) -> GraphData:
        """Return the graph that is seen in the window, if there is one."""
        if self._window_test is not None:
            _, test = self._window_test
            return replace(test.graph, test_mask=test.nodes)
        require(
            self._window is None,
            f"--window={self._window} needs a run of protocol=temporal; {self.run_id} has "
            f"protocol={self.settings.protocol}",
        )
        return graph

    @property
    def _weights(self) -> Path:
        """The file of the model's weights."""
        if self.window is None or not updates_models(self.settings):
            return weights_of_window(self.folder, 1)
        return weights_of_window(self.folder, self.window)

    def _differences(self, graph: GraphData) -> str:
        now = graph.fingerprint.of_a_run(self.settings.protocol_part)
        try:
            then = Fingerprint.parse(self._fingerprint)
        except ConfigError:  # an older version's form
            return f"{self._fingerprint}, now {now}"
        parts = (field.name for field in fields(now))
        return "other " + ", ".join(p for p in parts if getattr(now, p) != getattr(then, p))

    @cached_property
    def model(self) -> Backbone:
        """The model with the weights of its best epoch, in evaluation mode.

        Raises:
            DataError: the weights are missing or damaged, or of another model.
        """
        _ = self.graph  # refuses other data
        path = self._weights
        if not path.exists():
            raise DataError(
                f"{path} is missing: the run ended before its first evaluation; choose another "
                "run, or train it again"
            )
        model: Backbone = self.settings.build("model", self.facts.spec)
        try:
            weights = checkpoint.load(path, way_out="choose another run, or train it again")
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise DataError(
                f"{path} does not fit model={self.settings.choices['model']}, whose code has "
                "changed since; use the version of the code that the column commit names"
            ) from error
        return model.to(self._parts.device).eval()

    @cached_property
    def _parts(self) -> Parts:
        parts = Parts(self.settings, graph=self.graph)
        parts.train_graph = parts.graph  # nothing is trained
        return parts

    def logits(self) -> Float[Tensor, "nodes classes"]:
        """Return the logits of all nodes from all edges, on the CPU. They are computed once."""
        return self._logits

    @cached_property
    def _logits(self) -> Tensor:
        return self._infer()[0]

    def _infer(
        self, layer: int | None = None, edge_listener: EdgeListener | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the logits, and the states after `layer`, from one pass over the graph."""
        model, trainer = self.model, self._parts.trainer
        states = HiddenStates(layer)
        with self._parts.in_effect():
            parts = self._parts.with_precomputed_features()
            inference = ExactInference(
                parts.graph,
                parts.device,
                chunk_edges=trainer.eval_chunk_edges,
                precision=trainer.precision,
            )
            edges = nullcontext() if edge_listener is None else inference.edge_hook(edge_listener)
            with edges, inference.layer_hook(states):
                return inference(model), states.value
