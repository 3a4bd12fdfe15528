"""Kernels whose messages go through files of their own."""

import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbgrader.converters import Autograde
from traitlets.config import PyFileConfigLoader

from quantgrader.kernels import START_SECONDS, SteadyKernelManager
from tools.course import ROOT

#: Prints how the kernel is spoken to.
LOOK = "from ipykernel.connect import get_connection_info\nprint(get_connection_info())"


def executed(manager, source=LOOK):
    """What a notebook of one cell prints."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    client = NotebookClient(notebook, km=manager, startup_timeout=START_SECONDS)
    client.execute(cleanup_kc=True)
    return notebook.cells[0].outputs[0].text


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files, with a short path and empty."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_a_kernel_takes_no_port(temporary):
    manager = SteadyKernelManager()
    folders = []
    manager.observe(lambda change: folders.append(Path(change.new).parent), "ip")
    assert '"transport": "ipc"' in executed(manager)
    (folder,) = folders
    assert folder.parent == temporary
    assert not folder.exists(), "the sockets are left behind"


def test_only_this_user_can_open_its_sockets(temporary):
    assert (
        executed(
            SteadyKernelManager(),
            "import json, os; from pathlib import Path\n"
            "from ipykernel.connect import get_connection_info\n"
            "folder = Path(json.loads(get_connection_info())['ip']).parent\n"
            "print(oct(folder.stat().st_mode)[-3:], len(list(folder.iterdir())))",
        )
        == "700 5\n"
    )


def test_where_the_path_is_too_long_for_a_socket_it_gets_ports(temporary, monkeypatch):
    long = temporary / ("long" * 25)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert '"transport": "tcp"' in executed(SteadyKernelManager())


def test_nbgrader_starts_such_kernels(monkeypatch):
    monkeypatch.chdir(ROOT)
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    steps = [step.__name__ for step in config.Autograde.autograde_preprocessors]
    own = Autograde.class_traits()["autograde_preprocessors"].default()
    assert steps == [step.__name__.replace("Execute", "SteadyExecute") for step in own]
    execute = config.Autograde.autograde_preprocessors[steps.index("SteadyExecute")](config=config)
    assert execute.kernel_manager_class is SteadyKernelManager
    assert execute.startup_timeout == START_SECONDS
    assert execute.timeout == 60
