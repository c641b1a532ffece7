"""The load test of Locust: clients that send a request as soon as they have an answer. No module imports this one."""

import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from locust import HttpUser, LoadTestShape, User, events, task
from locust.env import Environment

from tgi_sandbox.demo.load_plan import VARIABLE, LoadPlan, LoadSample

PLAN = LoadPlan.read(Path(os.environ[VARIABLE]))

QUESTION = {"inputs": "What is deep learning?", "parameters": {"max_new_tokens": 50}}
"""At the simulator's usual pace, its answer takes a second."""

_SAMPLE_SECONDS = 0.5
_RATE_SAMPLES = 6
_MOST_CONNECTIONS = 64


class InFlight:
    """Counts the requests that wait for their answers."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one more request during the block."""
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1


IN_FLIGHT = InFlight()


class SageMakerClient(User):
    """Sends requests to an endpoint as applications do: InvokeEndpoint of sagemaker-runtime, by boto3."""

    @task
    def ask(self) -> None:
        """Send one request."""
        began, body, error = time.perf_counter(), b"", None
        with IN_FLIGHT.one():
            try:
                answer = _sagemaker().invoke_endpoint(
                    EndpointName=PLAN.target, ContentType="application/json", Body=json.dumps(QUESTION)
                )
                body = answer["Body"].read()
            except (BotoCoreError, ClientError) as caught:
                error = caught
        self.environment.events.request.fire(
            request_type="InvokeEndpoint",
            name=PLAN.target,
            response_time=(time.perf_counter() - began) * 1000,
            response_length=len(body),
            exception=error,
        )


class PodsClient(HttpUser):
    """Sends requests to the Service of the pods through the API server: this machine needs no open port."""

    host = PLAN.host

    def on_start(self) -> None:
        """Use the credentials of the cluster's administrator."""
        self.client.verify = PLAN.certificate_authority
        self.client.headers["Authorization"] = f"Bearer {Path(PLAN.token_file).read_text()}"

    @task
    def ask(self) -> None:
        """Send one request."""
        with IN_FLIGHT.one():
            self.client.post(PLAN.target, json=QUESTION)


class Shape(LoadTestShape):
    """As many clients as the plan has."""

    def tick(self) -> tuple[int, float]:
        """Return the current number of clients, and the limit of changes per second."""
        seconds = self.get_run_time()  # type: ignore[no-untyped-call]
        return PLAN.clients(seconds), _MOST_CONNECTIONS


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def begin(environment: Environment, **_: Any) -> None:
    """Report samples to the demo."""
    # In fact a greenlet: Locust has patched the module.
    threading.Thread(target=_sample, args=(environment,), daemon=True).start()


def _sample(environment: Environment) -> None:
    total = environment.stats.total
    # Locust's own rate covers the last ten seconds, which are ten minutes at the speed of AWS here.
    answered = deque([total.num_requests], _RATE_SAMPLES)
    with Path(PLAN.samples).open("w", buffering=1) as file:
        while True:
            rate = (total.num_requests - answered[0]) / (len(answered) * _SAMPLE_SECONDS)
            answered.append(total.num_requests)
            file.write(LoadSample(IN_FLIGHT.count, rate, total.num_requests, total.num_failures).line())
            time.sleep(_SAMPLE_SECONDS)


@cache
def _sagemaker() -> Any:
    # A failure has to be visible, not retried.
    config = Config(max_pool_connections=_MOST_CONNECTIONS, retries={"total_max_attempts": 1})
    return boto3.client("sagemaker-runtime", config=config)
