"""What `make lab` adds to Jupyter's settings: messages from the kernel go out at once.

Jupyter's server leaves the socket to the browser as the system makes it. A small message then
waits for the receipt of the one before it (Nagle's algorithm), and the browser's system holds that
receipt back for 40 ms: each move of a slider shows that much later. TCP_NODELAY ends the wait.
"""

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """The usual connection between a page and its kernel, on a socket that does not wait."""

    def connect(self):
        self.websocket_handler.set_nodelay(True)
        return super().connect()


get_config().ServerApp.kernel_websocket_connection_class = PromptConnection  # noqa: F821
