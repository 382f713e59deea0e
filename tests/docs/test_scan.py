"""The page of the scan tells every verdict, mode and limit as the code has them."""

from __future__ import annotations

from registry_cli.inspect.binary.limits import Budget
from registry_cli.rules.scan_policy import DEFAULT, MODES
from registry_cli.scan.pickle import machine
from registry_cli.scan.pickle.global_verdicts import judge, use_of
from registry_cli.scan.scanner import DEPTH
from registry_cli.scan.verdicts import DANGEROUS, VERDICTS, AllowedGlobals
from tests.docs.test_docs import first_table, read, section

PAGE = read("scan.md")


def test_verdicts_and_modes() -> None:
    assert tuple(first_table(section(PAGE, "Verdicts"))) == VERDICTS
    assert tuple(first_table(section(PAGE, "The setting"))) == MODES
    assert f"scan: {DEFAULT}" in PAGE


def test_limits() -> None:
    spent = Budget()
    for number in (
        f"{spent.opcodes // 1_000_000} million opcodes", f"{spent.unpacked >> 30} GiB out of compression",
        f"{spent.seeking >> 30} GiB searched", f"{spent.members:,} members", f"{machine._STACK >> 20} million values",
        f"{machine.PLACES >> 20} million places",
    ):  # fmt: skip
        assert number in PAGE.replace("\n", " "), number
    assert f"up to {('five', DEPTH)[DEPTH != 5]} deep" in PAGE


def test_what_is_said_to_be_denied_is() -> None:
    for path in ("numpy.testing.x", "numpy.f2py.x", "numpy.load", "numpy.memmap", "torch.hub.x", "torch.load",
                 "torch.serialization.x", "torch.jit.x", "torch.utils.x", "torch.distributed.x", "joblib.load",
                 "joblib.parallel.x", "sklearn.datasets.x", "pandas.io.x", "pandas.eval", "cloudpickle.x", "dill.x"):  # fmt: skip
        module, _, name = path.rpartition(".")
        assert judge(use_of(module, name, "call"), AllowedGlobals()).level == DANGEROUS, path
