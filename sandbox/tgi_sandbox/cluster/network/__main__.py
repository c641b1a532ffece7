"""`python -m tgi_sandbox.cluster.network`: one process beside the control plane, until it is stopped."""

import argparse
import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from tgi_sandbox.cluster.api import ApiServer
from tgi_sandbox.cluster.layout import Layout
from tgi_sandbox.cluster.network.kubelet import application
from tgi_sandbox.cluster.network.network import Network
from tgi_sandbox.cluster.network.tunnels import listen
from tgi_sandbox.cluster.network.watcher import Watcher
from tgi_sandbox.cluster.ports import LOOPBACK, free_ports


async def run(layout: Layout, aws: str | None) -> None:
    """Serve until the process receives a stop signal; `aws` is the address of the AWS emulator, if any."""
    api = ApiServer.from_kubeconfig(layout.kubeconfig, layout.certificate_authority)
    (kubelet_port,) = free_ports(1)
    network = Network(api, layout, kubelet_port, aws)
    watcher = Watcher(api, network, asyncio.get_running_loop())
    threading.Thread(target=watcher.run, daemon=True).start()
    kubelet = uvicorn.Server(
        uvicorn.Config(
            application(network.log),
            host=LOOPBACK,
            port=kubelet_port,
            ssl_certfile=str(layout.kubelet_certificate),
            lifespan="off",
            log_level="warning",
        )
    )
    async with await listen(layout.network_socket, network.route):
        await kubelet.serve()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the flags and run."""
    parser = argparse.ArgumentParser(description="The network of the sandbox's pods and nodes.", allow_abbrev=False)
    parser.add_argument("--directory", type=Path, required=True, help="the folder of the control plane")
    parser.add_argument("--aws", help="the address of an AWS emulator; with it, the operator runs in its pods")
    options = parser.parse_args(arguments)
    asyncio.run(run(Layout(options.directory), options.aws))


if __name__ == "__main__":
    main()
