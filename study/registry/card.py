"""What a person reads about a registered codec: its card, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.fronts.measures import MEASURES
from study.report.rows import as_text
from study.tracking.notes import code, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

_USE = """\
## Use

```python
import mlflow

mlflow.set_tracking_uri("sqlite:///studies/mlflow.db")  # or the address of your server
model = mlflow.pyfunc.load_model("models:/{model}/VERSION")  # or models:/{model}@ALIAS
data = model.predict(points).tobytes()  # points: (n, 3) float64; data: the compressed file
cloud = model.get_raw_model().decompress(data)  # cloud.points: (m, 3)
```

or `study compress models:/{model}/VERSION chair.ply`. Either needs the package `dpcc-study`, which
holds all code: here are only numbers (JSON and safetensors), and nothing here is run.
"""


_FIRST_FAMILY = "D-PCC"
"""Of codecs that do not say theirs: there was no other when they were exported."""


def card(about: Mapping[str, Any], model: str) -> str:
    """Return the card of a codec; its first line stands by itself in MLflow's list of versions.

    Nothing in it goes out of date: MLflow itself shows the version's number and its aliases.

    Args:
        about: what the codec's folder says about it (`study.checkpoints.export`).
        model: the registered model's name.
    """
    trial, study, epoch = about["trial"], plain(about["study"]["name"]), about["epochs"]
    kind = f"a point cloud codec ({plain(about.get('family', _FIRST_FAMILY))})"
    parts = [
        f"Trial {trial} of the study {study} after epoch {epoch}: {kind}.\n",
        f"## Numbers\n\nOf {about['data']['measured_on']}; {about['metrics_are']}.\n",
        _table("measure", "value", _numbers(about["metrics"])),
        f"PSNR: {about['data']['psnr']}.\n",
        "## Trained on\n",
        _table("data", "", _data(about["data"])),
        "A codec is as good as its training data are like what it codes.\n",
        "## Setting\n",
        _table(
            "setting", "value", {plain(n): plain(as_text(v)) for n, v in about["params"].items()}
        ),
        _USE.format(model=model),
    ]
    return "\n".join(parts)


def _numbers(metrics: Mapping[str, float | None]) -> dict[str, str]:
    """Return metrics as text, those of `MEASURES` first; None is how JSON holds an infinity."""
    known = [name for name in MEASURES if name in metrics]
    names = [*known, *(name for name in metrics if name not in MEASURES)]
    return {name: _shown(name, metrics[name]) for name in names}


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "infinite"
    return f"{value:{MEASURES[name].digits}}" if name in MEASURES else f"{value:.4g}"


def _data(data: Mapping[str, Any]) -> dict[str, str]:
    recipe = {name: value for name, value in data["recipe"].items() if value is not None}
    del recipe["source"]
    told = ", ".join(f"{name} {value}" for name, value in recipe.items())
    return {
        "source": code(str(data["source"])),
        "content hash": f"`{data['content_hash']}`" if data["content_hash"] else "not known",
        "recipe": plain(told),
    }


def _table(left: str, right: str, rows: Mapping[str, str]) -> str:
    lines = [f"| {left} | {right} |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows.items())]) + "\n"
