"""`tgi-operator run`: the operator's process."""

import asyncio
import logging
import os
import signal
import socket
import sys
import uuid

import aiohttp

from tgi_operator.api.identifiers import API_VERSION
from tgi_operator.cli.given_settings import InvalidSettingsError, given_settings
from tgi_operator.cli.kubeconfig import POD_NAMESPACE
from tgi_operator.cli.target import NO_CRD
from tgi_operator.control.metrics_access import MetricsAccess
from tgi_operator.control.probes import Server
from tgi_operator.control.wiring import build, secret_watch
from tgi_operator.exit_codes import ExitCode
from tgi_operator.handlers import configure_logging, watch
from tgi_operator.kube import APIError, Kube, NoClusterError
from tgi_operator.leadership.candidate import Terms
from tgi_operator.leadership.election import Election
from tgi_operator.leadership.standing import Standing, Unopposed
from tgi_operator.settings import Settings

logger = logging.getLogger(__name__)


def run(flags: dict[str, str]) -> int:
    """Run the operator until SIGTERM or SIGINT. Return the exit code."""
    try:
        settings = given_settings(flags)
    except InvalidSettingsError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.USAGE
    configure_logging(settings.log_format, debug=settings.log_level == "DEBUG")
    logging.getLogger().setLevel(settings.log_level)
    for noisy in ("kopf.objects", "kopf.activities", "botocore", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It logs each refusal with a traceback. The call that needs the credentials reports the same in one line.
    logging.getLogger("botocore.credentials").setLevel(logging.CRITICAL)
    try:
        asyncio.run(_operate(settings))
    except NoClusterError as error:
        sys.stderr.write(f"tgi-operator: {error}\n")
        return ExitCode.USAGE
    except asyncio.CancelledError:
        logger.info("Stopped during startup")
    return ExitCode.SUCCESS


async def _operate(settings: Settings) -> None:
    _stop_on_sigterm()
    standing = await _standing(settings)
    kube = await Kube.connect(standing.check)
    try:
        cluster = settings.cluster_id or await kube.cluster_id()
        # kopf must not cancel tasks that were started before it.
        controller = build(settings, kube, cluster, standing.check)
        # Without the fence, because a standby is scraped too.
        reviews = await Kube.connect() if settings.metrics_auth == "on" else None
        access = MetricsAccess(reviews) if reviews is not None else None
        server = Server(controller, standing, settings.http_address, settings.http_port, access)
        await server.start()
        try:
            await standing.win()
            await _warn_without_crd(kube)
            kinds = await controller.start()
            controller.run(secret_watch(settings, kube, controller).run())
            logger.info("Watching %s", ", ".join(settings.watch_namespaces) or "all namespaces")
            await watch(controller, kube, kinds, settings.watch_namespaces)
        finally:
            await controller.close()
            await server.close()
            if reviews is not None:
                await reviews.close()
    finally:
        await kube.close()
        await standing.resign()


async def _warn_without_crd(kube: Kube) -> None:
    try:
        found = await kube.get(f"/apis/{API_VERSION}")
    except (APIError, aiohttp.ClientError, TimeoutError):
        return  # the controller reports it, and tries again
    if found is None:
        logger.warning("Cannot read TGIEndpoints: %s", NO_CRD)


def _stop_on_sigterm() -> None:
    # Until kopf handles signals: the first process of a container would otherwise ignore them.
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def _standing(settings: Settings) -> Standing:
    if settings.leader_election == "off":
        return Unopposed()
    terms = Terms(settings.lease_duration, settings.renew_deadline, settings.retry_period)
    # A restarted container is another candidate: it does not know the unfinished work of its predecessor.
    identity = f"{socket.gethostname()}_{uuid.uuid4()}"
    return Election(await Kube.connect(), _namespace(settings), identity, terms, _end)


def _namespace(settings: Settings) -> str:
    if settings.leader_election_namespace:
        return settings.leader_election_namespace
    return POD_NAMESPACE.read_text().strip() if POD_NAMESPACE.exists() else "default"


def _end() -> None:
    """End the process immediately, with all its connections and threads, as `kill -9` would."""
    logger.error("This operator is no longer the leader and is exiting")
    logging.shutdown()
    os._exit(ExitCode.NOT_LEADING)
