"""What `make lab` adds to Jupyter's settings.

Messages from the kernel go out at once. Jupyter's server leaves the socket to the browser as the
system makes it. A small message then waits for the receipt of the one before it (Nagle's
algorithm), and the browser's system holds that receipt back for 40 ms: each move of a slider shows
that much later. TCP_NODELAY ends the wait.

Widget views stay out of saved notebooks. Only the kernel that made a widget can show it; any other
says "Error displaying widget: model not found" in place of the text and the figure at rest.

A notebook is opened as it will be left. JupyterLab writes the kernel's description into it as soon
as the kernel is there, and asks at closing whether to save that: so it finds it there.
"""

from ipykernel.ipkernel import IPythonKernel
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """The usual connection between a page and its kernel, on a socket that does not wait."""

    def connect(self):
        self.websocket_handler.set_nodelay(True)
        return super().connect()


class QuietFiles(AsyncLargeFileManager):
    """The usual access to files, with what is said above about notebooks."""

    async def get(self, path, content=True, **options):
        model = await super().get(path, content, **options)
        notebook = model["content"] if model["type"] == "notebook" else None
        if notebook and notebook["metadata"].get("kernelspec", {}).get("name") == "python3":
            notebook["metadata"]["language_info"] = dict(IPythonKernel.language_info)
        return model

    async def save(self, model, path=""):
        notebook = model.get("content") if model["type"] == "notebook" else None
        for cell in notebook["cells"] if notebook else []:
            for output in cell.get("outputs", []):
                output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        return await super().save(model, path)


settings = get_config()  # noqa: F821
settings.ServerApp.kernel_websocket_connection_class = PromptConnection
settings.ServerApp.contents_manager_class = QuietFiles
