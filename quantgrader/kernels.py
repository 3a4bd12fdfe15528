"""Kernels that start even where another program takes one of their ports in the meantime.

Jupyter chooses five free ports, lets go of them, and tells the kernel to take them a second later.
Where many programs open connections, as in tests or while a class is graded, one of the ports may
be taken by then: the kernel ends at once, and all that is heard is "Kernel died before replying to
kernel_info". Jupyter's server knows of it and tries other ports; a notebook that is run without a
server, by nbclient or by nbgrader, is given up.
"""

from jupyter_client.manager import AsyncKernelManager

__all__ = ["SteadyKernelManager", "steadied"]

_STARTS = 3


class SteadyKernelManager(AsyncKernelManager):
    """Starts a kernel that ends before its first word once more, with other ports.

    For ``NotebookClient(kernel_manager_class=...)``; for nbgrader there is `steadied`. A kernel
    that ends three times is left to whoever waits for it.
    """

    async def start_kernel(self, **kwargs):
        """Start a kernel, and wait until it answers or has ended for the third time."""
        self._record_random_port_names()
        for start in range(1, _STARTS + 1):
            await super().start_kernel(**kwargs)
            if start == _STARTS or await self._answers():
                return
            self.log.warning("The kernel ended at its start; it gets other ports.")
            self.cleanup_random_ports()

    async def _answers(self):
        """Whether the kernel says something, and does not end before."""
        client = self.client()
        client.start_channels()
        try:
            await client.wait_for_ready()
        except RuntimeError:  # it died; jupyter_client has no other name for it
            return False
        finally:
            client.stop_channels()
        return True


def steadied(converter, trait):
    """The preprocessors that an nbgrader ``converter`` has by default, with such kernels.

    nbgrader's own step names its kernel manager in its code, so a setting is not enough.

    >>> from nbgrader.validator import Validator
    >>> [step.__name__ for step in steadied(Validator, "preprocessors")]
    ['CheckCellMetadata', 'ClearOutput', 'SteadyExecute']
    """
    from nbgrader.preprocessors import Execute

    class SteadyExecute(Execute):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, kernel_manager_class=SteadyKernelManager, **kwargs)

    steps = converter.class_traits()[trait].default()
    return [SteadyExecute if step is Execute else step for step in steps]
