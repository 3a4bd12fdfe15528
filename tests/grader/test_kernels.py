"""A kernel one of whose ports is taken before it starts gets other ports."""

import logging
import socket

import nbformat
import pytest
from nbclient import NotebookClient
from nbgrader.converters import Autograde
from traitlets.config import PyFileConfigLoader

from quantgrader.kernels import SteadyKernelManager
from tools.course import ROOT


def executed(manager_class):
    """The text that a notebook of one line prints."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print('here')")])
    NotebookClient(notebook, kernel_manager_class=manager_class).execute()
    return notebook.cells[0].outputs[0].text


def robbed(times):
    """A manager whose port for requests is taken as soon as it is chosen, and the ports taken."""
    taken = []

    class Robbed(SteadyKernelManager):
        def write_connection_file(self, **kwargs):
            super().write_connection_file(**kwargs)
            if len(taken) < times:
                taken.append(socket.create_server((self.ip, self.shell_port)))

    return Robbed, taken


@pytest.fixture
def let_go():
    """Close sockets at the end."""
    sockets = []
    yield sockets
    for each in sockets:
        each.close()


def test_a_kernel_without_its_port_is_started_with_another(let_go, caplog):
    manager, taken = robbed(1)
    with caplog.at_level(logging.WARNING):
        assert executed(manager) == "here\n"
    let_go += taken
    assert len(taken) == 1
    assert "it gets other ports" in caplog.text


def test_a_kernel_that_never_starts_is_given_up(let_go):
    manager, taken = robbed(3)
    with pytest.raises(RuntimeError, match="Kernel died before replying to kernel_info"):
        executed(manager)
    let_go += taken
    assert len(taken) == 3


def test_nbgrader_starts_such_kernels(monkeypatch):
    monkeypatch.chdir(ROOT)
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    steps = [step.__name__ for step in config.Autograde.autograde_preprocessors]
    own = Autograde.class_traits()["autograde_preprocessors"].default()
    assert steps == [step.__name__.replace("Execute", "SteadyExecute") for step in own]
    execute = config.Autograde.autograde_preprocessors[steps.index("SteadyExecute")](config=config)
    assert execute.kernel_manager_class is SteadyKernelManager
    assert execute.timeout == 60
