"""What cannot be loaded, constructed or called says why and what to do, with a wrapper."""

import ast
import os
from pathlib import Path

import pytest

from supcr_bench.measure.device import find_accelerator
from supcr_bench.subjects import gaps
from supcr_bench.subjects.find_call import find_calls
from supcr_bench.subjects.registry import load, locate
from supcr_bench.subjects.uncallable import not_called
from supcr_bench.values.definition import NO_SELF
from supcr_bench.values.errors import SubjectError, UncallableError
from supcr_bench.values.implementation import Resolution

SOURCE = '''
import dataclasses

import torch
from torch import nn

CONSTANT = 3
NOTHING = None


class Table(torch.utils.data.Dataset):
    def __getitem__(self, index):
        return index


class Right(nn.Module):
    def __init__(self, temperature=2.0):
        super().__init__()

    def forward(self, features, labels):
        """features [N, 2, d]."""
        if features.shape[1] != 2:
            raise ValueError("two views")
        return features.sum() + labels.sum()


class NeedsSize(Right):
    def __init__(self, hidden_size, temperature=2.0):
        super().__init__()
        self.half = hidden_size / 2


class NeedsConfig(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.t, self.device = config.temperature, config.device

    def forward(self, features, labels):
        return features.sum()


class NeedsKeys(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.t, self.similarity = options["tau"], options.get("similarity", "l2")

    def forward(self, features, labels):
        return features.sum() * self.t


class NeedsArgs(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.args = args

    def forward(self, features, labels):
        return features.sum() / self.args.loss.temp


class Applied(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, labels, temperature):
        return features.sum() / temperature

    @staticmethod
    def backward(ctx, grad):
        return grad, None, None


class OutputsAndBatch(nn.Module):
    def forward(self, outputs, batch):
        return outputs["embedding"].sum() + batch["age"].sum()


class BatchTuple(nn.Module):
    def forward(self, batch):
        features, labels = batch
        return features.sum() + labels.sum()


class BatchFields(nn.Module):
    def forward(self, data):
        return data.z.sum() + data.y.sum()


class WithPredictions(nn.Module):
    def forward(self, features, preds, labels):
        return (preds.view(-1) - labels.view(-1)).abs().mean() + features.sum()


class WithPredictionsAndViews(nn.Module):
    def forward(self, predictions, targets, z_p, z_i):
        apart = (predictions.view(-1) - targets.view(-1)).abs().mean()
        return apart + (z_p * z_i).sum()


class Projects(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(128, 16)

    def forward(self, features, labels):
        return self.head(features).sum()


class Model(nn.Module):
    def __init__(self, encoder, temperature=0.5):
        super().__init__()

    def ranked(self, z, y):
        """z [N, d]."""
        return z.sum() + y.sum()


class InPlace(nn.Module):
    def forward(self, features, labels):
        features /= features.norm(dim=1, keepdim=True)
        return features.sum()


class Fails(Right):
    def __init__(self, path="/nowhere/at/all"):
        open(path)


class NeedsEpoch(Right):
    def forward(self, features, labels, epoch):
        """features [N, 2, d]."""
        return super().forward(features, labels) * epoch


class NeedsScale(Right):
    def __init__(self, mean, std, device):
        super().__init__()
        self.mean, self.std = mean.to(device), std


def needs_indices(features, labels, indices, temperature=0.5):
    return features.sum()


def on_cuda(features, labels):
    return (features.sum() + labels.sum()).to("cuda")


class CudaByDefault(Right):
    def __init__(self, device="cuda"):
        super().__init__()
        self.zero = torch.zeros(1, device=device)


def imports_when_called(features, labels):
    import a_package_that_nobody_has


def pathless(features, labels):
    """features: [N, 2, d]."""
    if features.ndim == 3:
        return features @ labels
    return features.sum() + labels.sum()


def no_scalar(features, labels):
    """features [N, d]."""
    return features.sum(dim=1)


def of_a_batch(batch, temperature=0.5):
    return (batch["z1"] * batch["z2"]).sum() + batch["targets"].sum()


def takes_nothing():
    return torch.zeros(())


def needs_events(features, survival_times, events, output):
    return (features.sum(dim=1) * events + survival_times.sum() + output.sum()).sum()


class Distance:
    def __init__(self, kind):
        self.kind = kind

    def of(self, labels):
        return labels.abs().sum() if self.kind == "l1" else self.kind == "l2" and labels.norm()


class PassesOn:
    def __init__(self, distance):
        self.distance = Distance(distance)

    def __call__(self, features, labels):
        return features.sum() + self.distance.of(labels)


def needs_confidence(z, rank, confidence, *, temperature=0.1):
    return (z.sum(dim=1) * confidence).sum()


def even(kind, z, labels):
    return odd(kind, z, labels)


def odd(kind, z, labels):
    return even(kind, z, labels)


class OneMethod:
    def compute(self, z, targets):
        """z [N, 2, d]"""
        return Right()(z, targets)

    def describe(self, depth):
        return ""


class TwoMethods(nn.Module):
    def loss_one(self, features, labels):
        return features.sum()

    def loss_two(self, features, labels):
        return features.sum()


def of_unit_rows(features, labels):
    lengths = features.norm(dim=-1)
    assert torch.allclose(lengths, torch.ones_like(lengths)), "features must be L2-normalized"
    return features.sum()


class Scheduled(Right):
    def __init__(self, temperature_scheduler):
        super().__init__(temperature_scheduler(0))


class TwoViewsAlone(nn.Module):
    def forward(self, zis, zjs):
        return torch.nn.functional.cross_entropy(zis @ zjs.T, torch.arange(len(zis)))


def query_and_key(query, positive_key):
    return torch.nn.functional.cross_entropy(query @ positive_key.T, torch.arange(len(query)))


def scaled(image_features, text_features, logit_scale):
    return (image_features @ text_features.T).sum() * logit_scale


class OneArgument(nn.Module):
    def forward(self, batch):
        return self.of(batch)

    def of(self, batch):
        return batch[0].sum() + batch[1].sum()


class Starred(nn.Module):
    def forward(self, x, *labels):
        return torch.mm(x, labels[0]).sum()


def letters(a, b, c, d, e):
    return a.sum() * c + b.sum() * e + d.sum()


class OneNumber(nn.Module):
    def forward(self, features, labels):
        loss = features.sum() + labels.sum()
        return loss.item()


def in_numpy(features, labels):
    return features.sum().detach().numpy()


def of_numpy(features, labels):
    return features.numpy().sum()


def forgets(features, labels):
    features.sum()


def per_row_list(features, labels):
    """features [N, d]."""
    return [row.sum() for row in features]


def per_row_and_count(features, labels):
    """features [N, d]."""
    return features.sum(dim=1), torch.tensor(float(len(labels)))


def of_two_names(features, labels):
    """features [N, d]."""
    return {"rnc_loss": features.sum(), "mse_loss": features.mean()}


@dataclasses.dataclass
class Options:
    tau: float
    similarity: str = "l2"


class OptionsOfAClass(Right):
    def __init__(self, config: Options):
        super().__init__(config.tau)


class OptionsRenamed(Right):
    def __init__(self, cfg):
        super().__init__()
        self.options = cfg.losses
        self.scale = cfg["scale"]

    def forward(self, features, labels):
        return super().forward(features, labels) / self.options.rnc.temp * self.scale


class OptionsWithDefaults(Right):
    def __init__(self, cfg):
        super().__init__(cfg.get("temperature", 2.0))


class OptionsOfABase(NeedsArgs):
    pass


class OptionsOrNone(Right):
    def __init__(self, config=None):
        super().__init__(config.tau)


class OneOfTwo(Right):
    def __init__(self, method, device):
        super().__init__()
        if method not in ("expw", "threshold"):
            raise ValueError(method)
        self.zero = torch.zeros(1, device=device)


class Kept(Right):
    def __init__(self, args, *, size: int = 3):
        super().__init__()
        self.args, self.size = args, size


class OptionsInside(Right):
    def __init__(self, cfg):
        super().__init__()
        self.loss: dict = cfg["model"]["loss"]
        self.tau = self.loss["tau"]


class Trained(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.tau = cfg.tau

    def forward(self, x):
        return x

    def training_step(self, batch, batch_index):
        return self.ranked(self(batch[0]), batch[1])

    def ranked(self, features, gaze):
        return features.sum() / self.tau + gaze.sum()


class ClipNeedsAFunction(nn.Module):
    def __init__(self, criterion):
        super().__init__()

    def forward(self, image_features1, image_features2, logit_scale):
        return logit_scale * (image_features1 @ image_features2.T).sum()


def triplet(anchor, positive, negative):
    return ((anchor - positive).norm(dim=1) - (anchor - negative).norm(dim=1)).relu().mean()


class KeyNamedLikeAMethod(Right):
    def __init__(self, *, cfg):
        super().__init__(cfg["t"])


class KeysThatAreNoNames(Right):
    def __init__(self, cfg):
        super().__init__(cfg["lambda"])
        self.t, self.mode = cfg["loss-temp"], cfg.mode


class AttributeThatIsNoName(Right):
    def __init__(self, cfg):
        super().__init__(getattr(cfg, "lambda") * cfg.scale)


class AttributeNamedLikeAMethod(Right):
    def __init__(self, cfg):
        super().__init__(cfg["weight"] * cfg.keys)


class KeyBesideADefault(Right):
    def __init__(self, cfg):
        super().__init__(cfg["t"] * getattr(cfg, "scale", 1.0))
        self.mode = cfg.mode if "mode" in cfg else "mean"


class OptionsRebound(Right):
    def __init__(self, cfg):
        seed, cfg = cfg.seed, cfg.loss
        cfg = cfg["rnc"]
        super().__init__(cfg.temperature * seed)


class BatchOfKeywords(nn.Module):
    def forward(self, outputs, batch):
        return (outputs["in"] + outputs["1"]).sum() + batch["in"].sum() + batch["labels"].sum()


class FixedWidth(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(128, affine=False)

    def forward(self, features, labels):
        return self.norm(features).sum()


def loss(features, labels):
    """features [N, d]."""
    return features.sum(dim=1)


def windows(features, labels):
    """
    :param features: (batch_size, 1, features, length)
    :param labels: (batch_size, 1, 1, length)
    """
    return torch.cdist(features, features).mul(labels.view(-1, 1) - labels.view(1, -1)).sum()


def with_options(features, labels, args):
    return features.sum() / args.temp
'''
STAND_INS = """
import a_trainer_that_nobody_has as trainer
import a_logger_that_nobody_has
class Loss(trainer.Module):
    def __init__(self):
        super().__init__()
        self.save_settings()
    def forward(self, features, labels):
        return features.sum() + labels.sum()
"""
PARTS = """
import torch
from a_logger_that_nobody_has import get_logger
from ..core import base
from .registry import register_loss, pairwise as near

log = get_logger(__name__)

@register_loss("rnc")
class Loss(base.Base):
    def forward(self, features, labels):
        log.info("called")
        return near(features).sum() + labels.sum()
"""
STARRED = """
import torch
from types_that_nobody_has import *
def loss(features: Shaped[torch.Tensor, "n d"], labels):
    return features.sum() + labels.sum() * SCALE
"""
DOTTED = """
import torch
import a_tree_that_nobody_has.b.c as named
import a_tree_that_nobody_has.b.d
from settings_that_nobody_has import SETTINGS, BOTH, WEIGHTS, Shaped, unused
Rows = Shaped[torch.Tensor, "n d"]
SCALE = SETTINGS["loss"]["scale"]
class Loss(torch.nn.Module):
    def forward(self, features: Rows, labels: Shaped["n"]):
        near = named.near(features, BOTH["lambda"], BOTH.mode)
        near = near.sum() + a_tree_that_nobody_has.b.d.far(labels).sum()
        return near + a_tree_that_nobody_has.total(features) * SCALE * WEIGHTS[0]
"""
PART_OF_TORCH = """
import torch
from torch.nn.a_part_of_long_ago import norm
def loss(features, labels):
    return norm(features) + labels.sum()
"""
MEMBER = """
from .parts import Base
class Loss(Base):
    def __init__(self, size):
        super().__init__()
        self.half = size / 2
    def forward(self, features, labels):
        return features.sum() + labels.sum()
"""
SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
options = parser.parse_args()
def loss(features, labels):
    return features.sum()
"""
REGISTERED = """
from .checks import check_positive
from .losses import Base, WithTemperature, register
from .models import Encoder

class Model(Base):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
    def forward(self, features):
        return self.project(self.encoder(features))

@register("rnc")
class Loss(Base, WithTemperature):
    def __init__(self, temperature=2.0):
        super().__init__(reduction="mean")
        self.temperature = float(check_positive(float(temperature), "temperature"))
    def forward(self, features, labels):
        return self.reduce(features / self.temperature) + labels.sum()
"""
STAR = """
from .base import *
def loss(features, labels):
    return F.normalize(features).sum() + torch.abs(labels).sum() * math.pi
def train(args):
    for batch in make_loader(args):
        loss(*batch)
"""
RUNS = """
import torch
SCALE = 2.0
rows = open("/no/such/file.csv").read()
def loss(features, labels):
    return SCALE * features.sum() + labels.sum()
"""
STAND_IN = """
from authors.base import Base, Mixin
class Loss(Base):
    def forward(self, features, labels):
        return features.sum() + labels.sum()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(SOURCE)
    (tmp_path / "stands.py").write_text(STAND_IN)
    (tmp_path / "several.py").write_text(STAND_INS)
    (tmp_path / "parts.py").write_text(PARTS)
    (tmp_path / "starred.py").write_text(STARRED)
    (tmp_path / "dotted.py").write_text(DOTTED)
    (tmp_path / "part_of_torch.py").write_text(PART_OF_TORCH)
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "registered.py").write_text(REGISTERED)
    (tmp_path / "star.py").write_text(STAR)
    (tmp_path / "runs.py").write_text(RUNS)
    (tmp_path / "dotted_own.py").write_text("import utils.near\ndef loss(z, y): ...\n")
    (tmp_path / "framework.py").write_text("import paddle\nclass Loss(paddle.nn.Layer): ...\n")
    (tmp_path / "lacks.py").write_text(
        "import scikit_that_nobody_has.metrics\nfrom logs_that_nobody_has import log\n"
    )
    (tmp_path / "own.py").write_text("from utils import near\ndef loss(z, y): ...\n")
    (tmp_path / "its_package").mkdir()
    (tmp_path / "its_package" / "parts.py").write_text("import torch\nBase = torch.nn.Module\n")
    (tmp_path / "its_package" / "member.py").write_text(MEMBER)
    (tmp_path / "its_package" / "passes.py").write_text("from .lost import f, unused\n")
    (tmp_path / "its_package" / "uses.py").write_text(
        "from .passes import f as near\ndef loss(z, y): return near(z) + y.sum()\n"
    )
    (tmp_path / "its_package" / "outer.py").write_text("from .inner import Loss\n")
    (tmp_path / "its_package" / "inner.py").write_text("from . import lost\nLoss = lost.Loss\n")
    (tmp_path / "broken.py").write_text("import torch\ndef loss(:\n")
    (tmp_path / "relative.py").write_text(STAND_IN.replace("authors", "").replace(", Mixin", ""))
    (tmp_path / "early.py").write_text("import torch\nzero = torch.zeros(1).cuda()\n")
    return tmp_path


def outcome(folder: Path, name: str, lines: int = 13) -> UncallableError:
    with pytest.raises(UncallableError) as caught:
        find_calls(load(locate(f"{folder}/{name}")))
    found = caught.value
    assert found.reason.startswith(f"{folder}/{name}")
    assert found.reason.count("\n") + found.advice.count("\n") == 0
    assert 2 + (found.wrapper or "").count("\n") <= lines
    ast.parse(found.wrapper or "")
    return found


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("broken.py:loss", "load", "SyntaxError"),
        ("mine.py:Rihgt", "load", "(did you mean 'Right'?). It defines Table, Right"),
        ("mine.py:CONSTANT", "load", "is of type int, which is neither"),
        ("mine.py:NOTHING", "load", "is of type NoneType, which is neither"),
        ("mine.py:Table", "call", "neither forward nor __call__, and none of its methods fits"),
        ("stands.py:Loss", "package", "No module named 'authors'"),
        ("several.py:Loss", "package", "No module named 'a_trainer_that_nobody_has'"),
        ("script.py:loss", "load", "SystemExit: 2"),
        ("relative.py:Loss", "package", "line 2, imports `Base` from `base.py`, which does not"),
        (
            "its_package/outer.py:Loss",
            "package",
            "inner.py, line 1, imports `lost.py`, which does not",
        ),
        (
            "parts.py:Loss",
            "package",
            "No module named 'a_logger_that_nobody_has'",
        ),
        ("framework.py:Loss", "package", "No module named 'paddle'"),
        ("own.py:loss", "package", "No module named 'utils'"),
        ("mine.py:TwoViewsAlone", "call", "takes no labels: by their names, `zis` and `zjs` are"),
        ("mine.py:query_and_key", "call", "takes no labels: by their names, `query` and `positive"),
        ("mine.py:scaled", "call", "takes no labels: by their names, `image_features` and `text_"),
        ("mine.py:OneArgument", "call", "takes one argument, `batch`, not embeddings and labels"),
        ("mine.py:Starred", "call", "mat1 and mat2 shapes cannot be multiplied"),
        ("mine.py:letters", "call", "the names `a`, `b`, `c`, `d` and `e` do not say which are"),
        ("mine.py:OneNumber", "call", "labels): it returned a float, not a tensor."),
        ("mine.py:in_numpy", "call", "labels): it returned a NumPy value, not a tensor."),
        ("mine.py:of_numpy", "call", "Can't call numpy() on Tensor that requires grad"),
        ("mine.py:forgets", "call", "it returned None; is a `return` missing?"),
        ("mine.py:per_row_list", "call", "it returned a list of 3 losses."),
        ("mine.py:per_row_and_count", "call", "it returned a loss of shape (3,), not a scalar."),
        ("mine.py:of_two_names", "call", "a dict of several losses: 'rnc_loss', 'mse_loss'."),
        (
            "mine.py:ClipNeedsAFunction",
            "call",
            "takes no labels: by their names, `image_features1` and `image_features2` are embedd",
        ),
        ("mine.py:triplet", "call", "no labels: by their names, `anchor`, `positive` and `negat"),
        ("mine.py:FixedWidth", "call", "running_mean should contain 7 elements not 128"),
        ("mine.py:OptionsOrNone", "construct", "no attribute 'tau' (mine.py, line"),
        ("early.py:zero", "device", "CUDA"),
        ("mine.py:NeedsSize", "construct", "it needs `hidden_size`"),
        ("mine.py:of_unit_rows", "call", "features must be L2-normalized"),
        ("mine.py:Scheduled", "construct", "it needs `temperature_scheduler`"),
        ("mine.py:NeedsConfig", "construct", "it needs `config`"),
        ("mine.py:NeedsScale", "construct", "it needs `mean`, `std` and `device`"),
        ("mine.py:NeedsKeys", "construct", "it needs `options`"),
        ("mine.py:NeedsArgs", "construct", "it needs `args`"),
        ("mine.py:Applied", "call", "which is called by its `apply`"),
        ("mine.py:InPlace", "call", "leaf Variable"),
        (
            "mine.py:OutputsAndBatch",
            "call",
            "reads `embedding` and `age` from `outputs` and `batch`.",
        ),
        ("mine.py:BatchTuple", "call", "`features` and `labels` from one argument, `batch`."),
        ("mine.py:BatchFields", "call", "`z` and `y` from one argument, `data`."),
        ("mine.py:WithPredictions", "call", "beside embeddings and labels it needs `preds`"),
        ("mine.py:WithPredictionsAndViews", "call", "and labels it needs `predictions`"),
        ("mine.py:Projects", "call", "(features [N,d], labels): RuntimeError: mat1 and mat2"),
        ("mine.py:Model.ranked", "construct", "it needs `encoder`"),
        ("mine.py:Fails", "construct", "FileNotFoundError"),
        ("mine.py:NeedsEpoch", "call", "beside embeddings and labels it needs `epoch`"),
        ("mine.py:needs_indices", "call", "it needs `indices`"),
        ("mine.py:on_cuda", "device", "mine.py, line"),
        ("mine.py:CudaByDefault", "device", "CUDA"),
        ("mine.py:imports_when_called", "package", "a_package_that_nobody_has"),
        ("mine.py:pathless", "call", "two-view path raises RuntimeError"),
        ("mine.py:no_scalar", "call", "it returned a loss of shape (3,), not a scalar"),
        ("mine.py:of_a_batch", "call", "it reads `z1`, `z2` and `targets` from one argument"),
        ("mine.py:needs_confidence", "call", "beside embeddings and labels it needs `confidence`"),
        (
            "mine.py:takes_nothing",
            "call",
            "takes neither embeddings nor labels, and returns a value of type Tens",
        ),
        ("mine.py:OneMethod", "call", "one method fits: `compute(z, targets)`"),
        ("mine.py:TwoMethods", "call", "several methods fit: `loss_one"),
    ],
)
def test_each_outcome_is_told_by_its_kind_and_reason(
    folder: Path, name: str, kind: str, said: str
) -> None:
    found = outcome(folder, name)
    assert (found.kind, said in found.reason) == (kind, True), found.reason


@pytest.mark.parametrize(
    ("name", "filled"),
    [
        ("stands.py:Loss", {}),
        ("relative.py:Loss", {}),
        ("parts.py:Loss", {"pairwise = ...": "pairwise = abs"}),
        ("starred.py:loss", {"SCALE = ...": "SCALE = 1"}),
        ("part_of_torch.py:loss", {"norm = ...": "norm = lambda x: x.sum()"}),
        ("its_package/member.py:Loss", {"size=...": "size=3"}),
        ("mine.py:OneArgument", {}),
        (
            "mine.py:ClipNeedsAFunction",
            {
                "criterion=None": "criterion=len",
                "image_features2=...": "image_features2=features + labels.sum()",
                "logit_scale=...": "logit_scale=1",
            },
        ),
        ("mine.py:query_and_key", {"positive_key=...": "positive_key=features + labels.mean()"}),
        (
            "mine.py:scaled",
            {"text_features=...": "text_features=features + labels.sum()", "scale=...": "scale=1"},
        ),
        (
            "mine.py:letters",
            {"a=...": "a=features", "b=...": "b=features", "d=...": "d=labels", "=...": "=1"},
        ),
        ("mine.py:per_row_list", {}),
        ("mine.py:per_row_and_count", {}),
        ("mine.py:of_two_names", {}),
        ("mine.py:OptionsOfAClass", {"Options(tau=...)": "Options(tau=2.0)"}),
        ("mine.py:OptionsRenamed", {"'temp': ...": "'temp': 2.0", "'scale': ...": "'scale': 1"}),
        ("mine.py:OptionsWithDefaults", {}),
        ("mine.py:KeysThatAreNoNames", {"'lambda': ...": "'lambda': 2.0"}),
        (
            "mine.py:AttributeThatIsNoName",
            {"'lambda': ..., 'scale': ...": "'lambda': 2, 'scale': 1"},
        ),
        (
            "mine.py:AttributeNamedLikeAMethod",
            {"'weight': ..., 'keys': ...": "'weight': 1, 'keys': 2"},
        ),
        ("mine.py:KeyBesideADefault", {"'t': ...": "'t': 2.0"}),
        (
            "mine.py:OptionsRebound",
            {
                "'loss': AnyConfig({'rnc': AnyConfig({'temperature': ...})})": (
                    "'loss': AnyConfig({'rnc': AnyConfig({'temperature': 2.0})})"
                ),
                "'seed': ...": "'seed': 1",
            },
        ),
        ("mine.py:BatchOfKeywords", {}),
        ("mine.py:OptionsOfABase", {"temp=...": "temp=2.0"}),
        ("mine.py:OptionsOrNone", {"tau=...": "tau=2.0"}),
        ("mine.py:OneOfTwo", {"method=...": "method='expw'"}),
        ("mine.py:with_options", {"temp=...": "temp=2.0"}),
        ("mine.py:Kept", {"args=None": "args=0"}),
        ("mine.py:OptionsInside", {"{'loss': {'tau': ...}}": "{'loss': {'tau': 2.0}}"}),
        ("mine.py:loss", {}),
        ("mine.py:KeyNamedLikeAMethod", {"'t': ...": "'t': 2.0"}),
        ("several.py:Loss", {}),
        ("mine.py:of_unit_rows", {}),
        ("mine.py:Scheduled", {"temperature_scheduler=...": "temperature_scheduler=float"}),
        ("mine.py:NeedsSize", {"hidden_size=...": "hidden_size=3"}),
        ("mine.py:NeedsConfig", {"temperature=...": "temperature=1.0"}),
        ("mine.py:NeedsKeys", {"'tau': ...": "'tau': 1.0"}),
        (
            "mine.py:NeedsArgs",
            {"loss=types.SimpleNamespace(temp=...)": "loss=types.SimpleNamespace(temp=2.0)"},
        ),
        ("mine.py:Applied", {}),
        ("mine.py:OutputsAndBatch", {}),
        ("mine.py:BatchTuple", {}),
        ("mine.py:BatchFields", {}),
        ("mine.py:WithPredictions", {}),
        ("mine.py:WithPredictionsAndViews", {}),
        ("mine.py:Model.ranked", {}),
        (
            "mine.py:NeedsScale",
            {"mean=...": "mean=__import__('torch').ones(1)", 'device="cpu"': "device='cpu'"},
        ),
        ("mine.py:NeedsEpoch", {"epoch=...": "epoch=1"}),
        ("mine.py:needs_indices", {}),
        ("mine.py:on_cuda", {}),
        ("mine.py:CudaByDefault", {}),
        ("mine.py:pathless", {}),
        ("mine.py:no_scalar", {}),
        ("mine.py:of_a_batch", {}),
        ("mine.py:needs_confidence", {}),
        ("mine.py:needs_events", {}),
        ("mine.py:PassesOn", {"distance=...": 'distance="l2"'}),
        ("registered.py:Loss", {"'reduce': ...": "'reduce': lambda self, x: x.sum()"}),
        ("star.py:loss", {}),
        ("runs.py:loss", {}),
        ("mine.py:OneMethod", {}),
        ("mine.py:TwoMethods", {}),
    ],
)
def test_a_wrapper_runs_once_its_gap_is_filled(
    folder: Path, name: str, filled: dict[str, str]
) -> None:
    wrapper = outcome(folder, name).wrapper
    assert wrapper is not None
    for gap, text in filled.items():
        assert gap in wrapper
        wrapper = wrapper.replace(gap, text)
    (folder / "wrapped.py").write_text(wrapper)
    assert find_calls(load(locate(f"{folder}/wrapped.py:loss")))


def test_modules_in_modules_and_what_is_read_by_keys_have_stand_ins(folder: Path) -> None:
    wrapper = outcome(folder, "dotted.py:Loss", lines=21).wrapper or ""
    assert "stub.unused = None\n" in wrapper
    filled = {
        "near": "lambda x, *_: x",
        "far": "abs",
        "total": "lambda x: x.sum()",
        "WEIGHTS": "[1]",
    }
    for name, code in filled.items():
        assert f"stub.{name} = ..." in wrapper
        wrapper = wrapper.replace(f"stub.{name} = ...", f"stub.{name} = {code}")
    for read in ("SETTINGS = {'loss': {'scale': ...}}", "AnyConfig({'lambda': ..., 'mode': ...})"):
        assert read in wrapper
        wrapper = wrapper.replace(read, read.replace("...", "1"))
    (folder / "wrapped.py").write_text(wrapper)
    assert find_calls(load(locate(f"{folder}/wrapped.py:loss")))


def test_the_stand_in_of_a_part_of_an_installed_package_leaves_the_package_alone(
    folder: Path,
) -> None:
    # Another part than that of which the process has got a stand-in from a wrapper.
    (folder / "other_part.py").write_text(PART_OF_TORCH.replace("a_part", "one_part"))
    wrapper = outcome(folder, "other_part.py:loss").wrapper or ""
    assert "\nstub = sys.modules['torch.nn.one_part_of_long_ago'] = types." in wrapper


def test_what_another_file_passes_on_is_not_said_to_be_unused(folder: Path) -> None:
    wrapper = outcome(folder, "its_package/uses.py:loss").wrapper or ""
    assert "stub.f = ...  # put here what it is\nstub.unused = None\n" in wrapper


@pytest.mark.parametrize(
    ("name", "advised"),
    [
        ("relative.py:Loss", "Put it there, or use this wrapper, which stands in for it, and"),
        ("framework.py:Loss", "supcr-bench measures PyTorch: write it in torch, in place of pad"),
        ("own.py:loss", "Put the author's `utils.py` beside the file, or use this wrapper"),
        ("lacks.py:loss", "Install `scikit_that_nobody_has` and `logs_that_nobody_has`. If one is"),
        ("mine.py:FixedWidth", "It holds a layer for embeddings of one width"),
        ("mine.py:WithPredictions", "`loss`; it gives the labels for `preds`."),
        ("mine.py:OneNumber", "without `.item()` (mine.py, line "),
        ("mine.py:in_numpy", "without `.numpy()` (mine.py, line "),
        ("mine.py:of_numpy", "NumPy keeps no gradient"),
        ("mine.py:scaled", "or say in this wrapper how it gets them, and verify its `loss`."),
        ("mine.py:OptionsWithDefaults", "Verify this wrapper's `loss`."),
        ("mine.py:OneOfTwo", "Fill in `method` ('expw' or 'threshold') in this wrapper and"),
        ("mine.py:PassesOn", "Fill in `distance` ('l1' or 'l2') in this wrapper and verify"),
        ("mine.py:needs_confidence", "`loss`; it gives 1 for each row as `confidence`."),
        ("mine.py:needs_events", "it gives 1 for each row as `events` and the labels for `outp"),
        ("star.py:loss", "Put it there, or use this wrapper, which stands in for it, and"),
        ("dotted_own.py:loss", "Put the author's `utils/near.py` beside the file, or use"),
        ("runs.py:loss", "this wrapper's `loss`, which runs imports and definitions alone."),
    ],
)
def test_the_advice_names_the_cause_or_what_to_fill_in(
    folder: Path, name: str, advised: str
) -> None:
    assert advised in outcome(folder, name).advice


def test_a_file_of_the_author_put_where_it_is_missing_makes_the_loss_run(folder: Path) -> None:
    (folder / "base.py").write_text("from torch.nn import Module as Base\n")
    assert find_calls(load(locate(f"{folder}/relative.py:Loss")))


@pytest.mark.parametrize(
    "named", ["its_package:Right", "its_package/deep/:Right", "its_package/deep/it:Right"]
)
def test_a_folder_or_a_file_without_its_ending_is_told_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "its_package" / "deep").mkdir()
    (folder / "its_package" / "deep" / "it.py").write_text(SOURCE)
    with pytest.raises(SubjectError, match=r"did you mean 'its_package/deep/+it\.py:Right'"):
        locate(named)


def test_the_search_of_a_folder_is_short_and_passes_over_what_is_no_code_of_the_author(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for place in (".venv", "env/lib/site-packages", "__pycache__", "many", "a.py"):
        (tmp_path / place).mkdir(parents=True)
    for place in (".venv/a.py", "env/lib/site-packages/a.py", "__pycache__/a.py"):
        (tmp_path / place).write_text("class Hidden: ...\n")
    (tmp_path / "b.py").symlink_to("nowhere")
    os.mkfifo(tmp_path / "c.py")
    (tmp_path / "d.py").write_bytes(b"\xff\nclass Shown: ...\n")
    for number in range(1000):
        (tmp_path / "many" / f"m{number:03}.py").touch()
    (tmp_path / "many" / "z.py").write_text("class Late: ...\n")
    with pytest.raises(SubjectError, match=r"did you mean 'd\.py:Shown'"):
        locate(".:Shown")
    for named in (".:Hidden", "..:Late", f"{tmp_path}:Late", "many/:Late", "many:Lost"):
        file = Path(named.partition(":")[0], "losses.py")
        with pytest.raises(SubjectError, match=rf"is a folder: name a file, as in {file}:"):
            locate(named)


def test_a_folder_named_like_an_installed_package_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch").mkdir()
    monkeypatch.chdir(tmp_path)
    assert locate("torch:cdist").kind == "module"


@pytest.mark.parametrize("target", [".losses", "..losses", "..."])
def test_a_relative_module_is_told_to_be_none(target: str) -> None:
    with pytest.raises(SubjectError, match="begins with a dot: name the module in full, or a file"):
        locate(f"{target}:Loss")


def test_a_model_is_told_the_method_that_is_its_loss(folder: Path) -> None:
    (folder / "wrapped.py").write_text(outcome(folder, "mine.py:Trained").wrapper or "")
    text = (folder / "wrapped.py").read_text().replace("tau=...", "tau=2.0")
    (folder / "constructed_first.py").write_text(text)
    found = outcome(folder, "constructed_first.py:loss")
    assert "takes one argument, `x`" in found.reason
    assert found.reason.endswith("Its method `ranked(features, gaze)` fits.")
    (folder / "method.py").write_text(found.wrapper or "")
    assert find_calls(load(locate(f"{folder}/method.py:loss")))


def test_a_part_that_is_missing_when_called_is_named_without_names_of_the_harness() -> None:
    own = Resolution(definition=NO_SELF)
    name = "supcr_bench_side_0a1b2c.parts"
    error = ModuleNotFoundError(f"No module named {name!r}", name=name)
    found = not_called(load(locate("scan")), (own, error), [own], None, "cpu")
    assert "No module named 'parts'" in found.reason
    assert found.advice == "Put the author's `parts.py` beside its file."


def test_windows_in_a_docstring_are_not_two_views(folder: Path) -> None:
    (own,) = find_calls(load(locate(f"{folder}/mine.py:windows")))
    assert own.definition.call == "features_single_view"


def test_the_advice_for_methods_can_be_followed(folder: Path) -> None:
    assert "OneMethod.compute`" in outcome(folder, "mine.py:OneMethod").advice
    (own,) = find_calls(load(locate(f"{folder}/mine.py:OneMethod.compute")))
    assert own.definition.call == "features_two_views"


def test_a_message_without_its_wrapper_says_where_it_is_printed(folder: Path) -> None:
    found = outcome(folder, "mine.py:NeedsSize")
    command = f"supcr-bench verify {folder}/mine.py:NeedsSize"
    assert str(found) == f"{found.headline} `{command}` prints the wrapper."
    assert str(outcome(folder, "mine.py:Fails")).endswith("Correct its constructor.")


def test_a_script_is_told_what_not_to_run_when_imported(folder: Path) -> None:
    advice = outcome(folder, "script.py:loss").advice
    assert advice.startswith("Python runs the whole file to import it: move what defines nothing")
    assert outcome(folder, "broken.py:loss").advice.startswith("Correct the file")


def test_a_module_that_is_not_there_is_not_said_to_be_a_package(folder: Path) -> None:
    with pytest.raises(UncallableError) as caught:
        load(locate("no_such_module:Loss"))
    assert caught.value.advice.startswith("Name a module that Python can import here")


def test_a_part_of_a_model_is_told_from_a_loss(folder: Path) -> None:
    advice = outcome(folder, "mine.py:Projects").advice
    assert advice.startswith("It holds parameters of its own (`head.weight`)")


ON_THE_CPU = """
import torch

def loss(features, labels, temperature=2.0):
    \"\"\"features [N, 2, d].\"\"\"
    z = features.flatten(0, 1)
    return (torch.cdist(z, z) / temperature + torch.eye(len(z))).sum()
"""


def test_a_tensor_made_on_another_device_than_the_inputs_is_the_cause() -> None:
    own = Resolution(definition=NO_SELF)
    error = RuntimeError("Expected all tensors to be on the same device, but found two devices")
    cases = (("cuda", "give it `device=` of an input"), ("cpu", "on a machine with that device"))
    for device, said in cases:
        found = not_called(load(locate("scan")), (own, error), [own], None, device)
        assert found.kind == "device"
        assert said in found.advice


@pytest.mark.gpu
@pytest.mark.skipif(find_accelerator() is None, reason="needs an accelerator")
def test_a_tensor_made_on_the_cpu_is_the_cause_on_a_real_accelerator(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(ON_THE_CPU)
    accelerator = find_accelerator()
    assert accelerator is not None
    with pytest.raises(UncallableError, match=r"mine.py, line 7") as raised:
        find_calls(load(locate(f"{tmp_path / 'mine.py'}:loss")), accelerator.type)
    assert "give it `device=` of an input" in raised.value.advice


def test_an_argument_that_functions_pass_to_each_other_is_to_be_filled_in(tmp_path):
    (tmp_path / "mine.py").write_text(SOURCE)
    even = load(locate(f"{tmp_path / 'mine.py'}:even")).factory
    assert gaps.gap("kind", even) == gaps.Gap()
