"""AWS calls by botocore: the guard before writes, expired credentials, and scopes that do not delay each other."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from botocore.loaders import JSONFileLoader
from botocore.session import Session

from tgi_operator.backends.sagemaker.aws import sessions
from tgi_operator.backends.sagemaker.aws.client import SageMakerAPI
from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.leadership.fence import NotLeadingError

IRELAND, VIRGINIA = Scope("", "eu-west-1"), Scope("", "us-east-1")
DEREGISTER = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/falcon/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
THREADS, SIZE = 7, 8
"""Threads of resources and of the sweep of Application Auto Scaling."""

TARGETS = {"ServiceNamespace": "sagemaker"}
JSON = "application/x-amz-json-1.1"
EXPIRED = '{"__type": "ExpiredTokenException", "message": "The security token included in the request is expired"}'


class Guard:
    """Allows some calls."""

    def __init__(self, lets_through: int) -> None:
        self.left = lets_through
        self.asked = 0

    def __call__(self) -> None:
        self.asked += 1
        self.left -= 1
        if self.left < 0:
            raise NotLeadingError("not any more")


class Made:
    """Counts the created sessions and clients, the parsed models, and the threads that do this."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sessions = 0
        self.clients: Counter[tuple[str, str]] = Counter()
        self.models: Counter[str] = Counter()
        self.threads: set[threading.Thread] = set()
        made = self

        class Counted(Session):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                made.sessions += 1
                made.threads.add(threading.current_thread())

            def create_client(self, name: str, **options: object) -> object:
                made.clients[name, str(options["region_name"])] += 1
                made.threads.add(threading.current_thread())
                return super().create_client(name, **options)

        load = JSONFileLoader.load_file

        def counted(loader: JSONFileLoader, path: str) -> object:
            found = load(loader, path)
            if found is not None:
                made.models[path] += 1
            return found

        monkeypatch.setattr(sessions, "Session", Counted)
        monkeypatch.setattr(JSONFileLoader, "load_file", counted)


class Service:
    """The AWS that the operator calls: refuses credentials while they are `expired`, and delays some requests."""

    def __init__(self) -> None:
        self.expired = False
        self.requests = 0
        self.held_regions: set[str] = set()
        self.release = asyncio.Event()
        self.held = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        # The signature names the region after the key and the date.
        if request.headers["Authorization"].split("/")[2] in self.held_regions:
            self.held += 1
            await self.release.wait()
        if self.expired:
            return web.Response(status=400, text=EXPIRED, content_type=JSON)
        return web.Response(text='{"Endpoints": [], "ScalableTargets": []}', content_type=JSON)


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    yield service
    service.release.set()
    await runner.cleanup()


@pytest.fixture
async def api(service: Service) -> AsyncIterator[SageMakerAPI]:
    api = SageMakerAPI(THREADS, lambda: None)
    yield api
    service.release.set()
    await api.close()


async def meaning_of(api: SageMakerAPI, scope: Scope, operation: str = "ListEndpoints") -> Meaning | None:
    """Return the meaning of the refusal of a call; None if it is accepted."""
    try:
        await api.call(scope, operation, TARGETS if operation == "DescribeScalableTargets" else {})
    except AWSError as error:
        return error.meaning
    return None


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what changes it is in other threads too
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("operation", ["DeleteModel", "DeregisterScalableTarget"])
@pytest.mark.parametrize("lets_through", [0, 1, 2])
async def test_each_try_of_a_write_asks_the_guard(operation: str, lets_through: int) -> None:
    guard = Guard(lets_through)
    api = SageMakerAPI(THREADS, guard)
    request = {"DeleteModel": {"ModelName": "falcon"}, "DeregisterScalableTarget": DEREGISTER}[operation]
    with pytest.raises(NotLeadingError):
        await api.call(IRELAND, operation, request)
    assert guard.asked == lets_through + 1
    await api.close()


async def test_reads_do_not_ask_the_guard() -> None:
    guard = Guard(0)
    api = SageMakerAPI(THREADS, guard)
    with pytest.raises(AWSError):
        await api.call(IRELAND, "DescribeModel", {"ModelName": "falcon"})
    assert guard.asked == 0
    await api.close()


async def test_operation_that_is_not_in_the_table_is_not_called(api: SageMakerAPI, service: Service) -> None:
    with pytest.raises(KeyError, match="ListModels"):
        await api.call(IRELAND, "ListModels", {})
    assert service.requests == 0


async def test_many_calls_refused_for_expired_credentials_cost_one_session(
    api: SageMakerAPI, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Made(monkeypatch)
    calls = [(IRELAND, "ListEndpoints"), (VIRGINIA, "ListEndpoints"), (IRELAND, "DescribeScalableTargets")]
    assert [await meaning_of(api, *each) for each in calls] == [None] * 3
    service.expired = True
    refused = await asyncio.gather(*(meaning_of(api, *calls[number % 3]) for number in range(64)))
    assert set(refused) == {Meaning.CREDENTIALS_EXPIRED}
    assert made.sessions == 2, "the first one, and one renewal"
    service.expired = False
    assert [await meaning_of(api, *each) for each in calls] == [None] * 3
    assert set(made.clients.values()) == {2}, "one of each session"
    assert set(made.models.values()) == {1}, "what one session has parsed, the other has too"
    assert threading.main_thread() not in made.threads


async def test_credentials_that_stay_expired_are_renewed_once_a_minute(
    api: SageMakerAPI, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Made(monkeypatch)
    service.expired = True
    for _ in range(5):
        assert await meaning_of(api, IRELAND) is Meaning.CREDENTIALS_EXPIRED
    assert made.sessions == 2
    monkeypatch.setattr(sessions, "RENEWAL_SECONDS", 0)
    assert await meaning_of(api, IRELAND) is Meaning.CREDENTIALS_EXPIRED
    assert made.sessions == 3


async def test_call_refused_for_credentials_of_an_earlier_session_renews_nothing(
    api: SageMakerAPI, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "RENEWAL_SECONDS", 0)
    made = Made(monkeypatch)
    assert await meaning_of(api, IRELAND) is None
    service.held_regions = {VIRGINIA.region}
    slow = asyncio.create_task(meaning_of(api, VIRGINIA))
    await until(lambda: service.held == 1)
    service.expired = True
    assert await meaning_of(api, IRELAND) is Meaning.CREDENTIALS_EXPIRED
    assert made.sessions == 2
    service.release.set()
    assert await slow is Meaning.CREDENTIALS_EXPIRED
    assert made.sessions == 2


async def test_credentials_that_come_late_are_found(
    api: SageMakerAPI, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    assert await meaning_of(api, IRELAND) is Meaning.ACCESS_DENIED
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "sandbox")
    assert await meaning_of(api, IRELAND) is None
    assert service.requests == 1


async def test_region_that_hangs_holds_no_thread_of_another(api: SageMakerAPI, service: Service) -> None:
    service.held_regions = {VIRGINIA.region}
    calls = [meaning_of(api, VIRGINIA, "DescribeScalableTargets") for _ in range(3 * SIZE)]
    hanging = [asyncio.create_task(call) for call in calls]
    await until(lambda: service.held == SIZE)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*(meaning_of(api, IRELAND) for _ in range(SIZE))) == [None] * SIZE
    assert service.held == SIZE, "the rest waits for a thread of its own region"
    hanging.append(asyncio.create_task(meaning_of(api, VIRGINIA, "ListEndpoints")))
    await until(lambda: service.held == SIZE + 1)
    service.release.set()
    await asyncio.gather(*hanging)


async def test_scope_that_is_dropped_keeps_no_client_and_no_thread_and_its_call_under_way_ends(
    api: SageMakerAPI, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Made(monkeypatch)
    assert [await meaning_of(api, scope) for scope in (IRELAND, VIRGINIA)] == [None, None]
    service.held_regions = {VIRGINIA.region}
    under_way = asyncio.create_task(meaning_of(api, VIRGINIA))
    await until(lambda: service.held == 1)
    api.drop(VIRGINIA)
    closing = asyncio.create_task(api.close())
    await asyncio.sleep(0.1)
    assert not closing.done(), "the Lease must not be released while a call is under way"
    service.release.set()
    assert await under_way is None
    await closing
    await until(lambda: not any(f"aws-{VIRGINIA}" in thread.name for thread in threading.enumerate()))
    assert await meaning_of(api, VIRGINIA) is None
    assert made.clients["sagemaker", VIRGINIA.region] == 2, "it was made again"
