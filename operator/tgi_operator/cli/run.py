"""`tgi-operator run`: the operator's process."""

import asyncio
import logging
import os
import sys

from pydantic import ValidationError

from tgi_operator.engine.engine import Engine
from tgi_operator.engine.server import Server
from tgi_operator.handlers import configure_logging, watch
from tgi_operator.kube import Kube, NoClusterError
from tgi_operator.settings import PREFIX, Settings

logger = logging.getLogger(__name__)


def run(flags: dict[str, str]) -> int:
    """Run the operator until it is told to stop; return the exit code."""
    try:
        settings = Settings.read(flags, dict(os.environ))
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0])
            flag = f"--{name.replace('_', '-')} ({PREFIX}{name.upper()})"
            sys.stderr.write(f"tgi-operator: {flag} is {problem['input']!r}: {problem['msg']}\n")
        return 2
    configure_logging(settings.log_format, debug=settings.log_level == "DEBUG")
    logging.getLogger().setLevel(settings.log_level)
    for noisy in ("kopf.objects", "kopf.activities", "botocore", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        asyncio.run(_operate(settings))
    except NoClusterError as error:
        sys.stderr.write(f"tgi-operator: {error}\n")
        return 2
    return 0


async def _operate(settings: Settings) -> None:
    kube = await Kube.connect()
    engine = None
    try:
        cluster = settings.cluster_id or await kube.cluster_id()
        # Tasks begun before kopf are not kopf's to cancel.
        engine = Engine(settings, kube, cluster)
        server = Server(engine, settings.http_address, settings.http_port)
        await server.start()
        kinds = await engine.start()
        logger.info("Watching %s", ", ".join(settings.watch_namespaces) or "all namespaces")
        try:
            await watch(engine, kube, kinds, settings.watch_namespaces)
        finally:
            await engine.close()
            await server.close()
    finally:
        await kube.close()
