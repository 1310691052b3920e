"""Families whose models were written for one trial, which are most: the short way to a family."""

from __future__ import annotations

import json
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from study.config.training import TrainingSection
from study.families.trained import TrainedFamily

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from model.codec_folder import SavedCodec
    from study.config.family import Dependent
    from study.config.section import Section
    from study.families.point_patches import PointPatches
    from study.families.stacked import SingleArchitecture


class SingleFamily(TrainedFamily):
    """A family of `study.families.stacked.SingleModule`; see docs/families.md.

    A subclass has a `name`, the sections `model` and `loss` (a weight for each term of its name), a
    `default_space`, and makes a module.
    """

    name: str
    model: type[Section]
    loss: type[Section]
    training: type[TrainingSection] = TrainingSection
    normals_switch: str | None = None
    dependent: tuple[Dependent, ...] = ()
    takes_octree = False
    worker_modules: tuple[str, ...] = ("study.training.training", "study.families.stacked")

    @abstractmethod
    def module(self, model: Any) -> nn.Module:  # noqa: ANN401  its own section
        """Return a module with these settings, on the CPU."""

    def geometry(self, _model: Any) -> tuple[()]:  # noqa: ANN401  its own section
        """Return nothing: patches are points."""
        return ()

    def patches(self, _geometry: Any) -> PointPatches:  # noqa: ANN401
        """Return points alone."""
        from study.families.point_patches import PointPatches

        return PointPatches()

    def architecture(self, model: Any) -> SingleArchitecture:  # noqa: ANN401  its own section
        """Return the module, stacked."""
        from study.families.point_patches import PointPatches
        from study.families.stacked import SingleArchitecture

        return SingleArchitecture(lambda: self.module(model), self._identity(model), PointPatches())

    def open_codec(self, folder: Path) -> SavedCodec:
        """Make the module that the folder describes, and give it the weights."""
        from model.folder_files import CODEC, damaged
        from study.families.patchwise_folder import require_fit
        from study.families.requirements import outline

        told = self._described(folder)
        try:
            model = self.model.model_validate_json(json.dumps(told.get("model")), strict=True)
        except ValueError as error:
            raise damaged(folder / CODEC, f"its settings are not those of {self.name}") from error
        # Shapes are compared before any memory is taken: settings may name any number.
        try:
            outlined = outline(lambda: self.module(model))
        # The code is a family's: what it raises of such settings cannot be foreseen.
        except Exception as error:
            reason = f"{self.name} has no module of its settings: {error}"
            raise damaged(folder / CODEC, reason) from error
        require_fit(folder, outlined)
        # Its own words, not today's: a key that came since is not in them, nor in the codec's id.
        return self._loaded(folder, told, self.module(model))

    def _loaded(self, folder: Path, identity: dict[str, Any], module: nn.Module) -> SavedCodec:
        """Give a module a codec's weights."""
        from study.families.patchwise_folder import load_patchwise

        found: SavedCodec = load_patchwise(folder, identity, module)
        return found

    def _described(self, folder: Path) -> dict[str, Any]:
        """Return what a folder says of the architecture.

        Raises:
            CodecError: it is another family's, or damaged.
        """
        from model.codec_folder import BAG, FAMILY, LEARNED
        from model.errors import CodecError
        from model.folder_files import CODEC, read_description, require_keys

        described = read_description(folder)
        kind = described.get("kind", LEARNED)
        if kind != FAMILY:
            theirs = "D-PCC's" if kind in (LEARNED, BAG) else f"of the kind {kind!r}"
            raise CodecError(
                f"{folder} must be a codec of {self._place}, and is {theirs}, which is opened "
                "without a family's name; leave --family out"
            )
        require_keys(folder / CODEC, described, {"architecture": dict})
        told: dict[str, Any] = described["architecture"]
        if told.get("family") != self._place:
            raise CodecError(
                f"{folder} must be a codec of {self._place}, and is one of {told.get('family')!r}; "
                "name that with --family, if you trust its code: it is run"
            )
        return told

    @property
    def _place(self) -> str:
        """Where the code is."""
        kind = type(self)
        return f"{kind.__module__}:{kind.__qualname__}"

    def _identity(self, model: Section) -> dict[str, Any]:
        """Return what decides the shapes of the parameters, and where the code is."""
        return {"family": self._place, "model": model.model_dump(mode="json")}
