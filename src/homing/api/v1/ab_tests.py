"""/api/v1/ab-test: which of several templates does best (SparkPost reference, section 2.24)."""

from collections.abc import Callable
from typing import Any, NoReturn

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from msgspec import structs

from homing.abtests import store
from homing.abtests.keeper import Tell, told
from homing.abtests.rules.phase import phase
from homing.abtests.rules.phase import told as status_of
from homing.abtests.types import AbTest, Phase, Status
from homing.accounts.types import Sender
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.reading import query_of, read_body, refusals, sender_of
from homing.api.v1.ab_tests_pages import (
    CANCEL,
    CREATE,
    CREATE_DRAFT,
    DELETE,
    DELETE_DRAFT,
    LIST,
    RETRIEVE,
    RETRIEVE_DRAFT,
    SCHEDULE,
    UPDATE,
    UPDATE_DRAFT,
)
from homing.api.v1.ab_tests_wire import (
    DRAFTS,
    PATH,
    AbTestIn,
    ScheduleIn,
    changed,
    check,
    check_filter,
    created,
    must_be,
    read_version,
    refuse,
    restarted,
    scheduled,
    show,
)
from homing.events.types import EventType
from homing.ground.clock import Clock
from homing.ground.db import Executor, Pool, trouble_is_temporary
from homing.ingress.rules.problem import Wrong
from homing.templates import store as templates

ONE = f"{PATH}/{{test_id:str}}"
DRAFT = f"{DRAFTS}/{{test_id:str}}"
GRANTS = ("ab-testing/manage",)
_RUNNING = (Phase.SENDING, Phase.WAITING)
_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool, bodies: Bodies, clock: Clock, tell: Tell, forget: Callable[[], None]) -> list[HTTPRouteHandler]:
    """Return the routes.

    tell     lets events come into the log with the caller's transaction
    forget   called after a change: what sending remembers of tests is old
    """

    async def known(request: Request[Any, Any, Any], test_id: str, *, version: int | None = None) -> AbTest:
        """Return the test that a path names, if this sender may see it. Raises Wrong."""
        sender = sender_of(request)
        found = None
        if "\0" not in test_id:
            found = await store.find(
                pool, sender.account_id, sender.subaccount_id, test_id, version=version, any_of=sender.acts_for_all
            )
        if found is None:
            _missing(test_id)
        return found

    async def locked(connection: Executor, sender: Sender, test_id: str) -> AbTest:
        """Return the latest version of the sender's own test, locked. Raises Wrong."""
        found = None
        if "\0" not in test_id:
            found = await store.lock(connection, sender.account_id, sender.subaccount_id, test_id)
        if found is None:
            _missing(test_id)
        return found

    async def can_send(test: AbTest) -> None:
        """See that every template of a test can be sent. Raises Wrong."""
        for arm in test.plan.arms:
            found = await templates.find(pool, test.account_id, test.subaccount_id, arm.template_id)
            if found is None:
                raise refuse(f"template {arm.template_id} does not exist")
            if found.published_version is None:
                raise refuse(f"template {arm.template_id} has no published version")

    async def stored(request: Request[Any, Any, Any], *, draft: bool) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                made = created(read_body(body, AbTestIn), sender_of(request), draft=draft, now=clock.now())
                if not draft:
                    await can_send(made)
                if not await store.insert(pool, made):
                    raise refuse(f"A/B test {made.test_id} already exists", status=409)
        forget()
        return await json_answer(request, _encode({"results": {"id": made.test_id}}))

    @post(PATH, status_code=200, opt={"grants": GRANTS, "operation": CREATE})
    async def create_ab_test(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await stored(request, draft=False)

    @get(PATH, opt={"grants": GRANTS, "operation": LIST})
    async def list_ab_tests(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            wanted = check_filter(query_of(request).get("status"))
        sender, now = sender_of(request), clock.now()
        found = await store.of_account(pool, sender.account_id, sender.scope)
        found = [one for one in found if wanted is None or status_of(phase(one, now)) == wanted]
        counts = await store.counts_of(pool, found)
        listed = [show(one, counted, now=now) for one, counted in zip(found, counts, strict=True)]
        return await json_answer(request, _encode({"results": listed}))

    @get(ONE, opt={"grants": GRANTS, "operation": RETRIEVE})
    async def get_ab_test(request: Request[Any, Any, Any], test_id: str) -> Response[bytes]:
        with refusals():
            version = read_version(query_of(request).get("version"))
            found = await known(request, test_id, version=version)
        (counts,) = await store.counts_of(pool, [found])
        return await json_answer(request, _encode({"results": show(found, counts, now=clock.now())}))

    @put(ONE, opt={"grants": GRANTS, "operation": UPDATE})
    async def update_ab_test(request: Request[Any, Any, Any], test_id: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals(), trouble_is_temporary():
                given, now = read_body(body, AbTestIn), clock.now()
                async with pool.acquire() as connection, connection.transaction():
                    before = await locked(connection, sender_of(request), test_id)
                    where = phase(before, now)
                    if where in _RUNNING:
                        raise refuse(f"A/B test {test_id} is running", status=409)
                    if where is Phase.DRAFT:
                        raise must_be(test_id, ("scheduled", "cancelled", "completed"))
                    if where is Phase.SCHEDULED:
                        after = changed(before, given, now=now)
                        check(after, now=now)
                        await can_send(after)
                        await store.change(connection, after)
                    else:
                        after = restarted(before, given, now=now)
                        await can_send(after)
                        await store.insert(connection, after)
        forget()
        return await json_answer(request, _encode({"results": {"version": after.version}}))

    @post(f"{ONE}/cancel", status_code=200, opt={"grants": GRANTS, "operation": CANCEL})
    async def cancel_ab_test(request: Request[Any, Any, Any], test_id: str) -> Response[bytes]:
        with refusals(), trouble_is_temporary():
            async with pool.acquire() as connection, connection.transaction():
                before, now = await locked(connection, sender_of(request), test_id), clock.now()
                if before.status in (Status.DRAFT, Status.COMPLETED):
                    raise must_be(test_id, ("scheduled", "running"))
                if before.status is Status.SCHEDULED:
                    after = structs.replace(before, status=Status.CANCELLED, over_at=now, updated_at=now)
                    await store.change(connection, after)
                    await tell(connection, [told(after, EventType.AB_TEST_CANCELLED, at=now)])
        forget()
        return await json_answer(request, _encode({"results": {"status": "cancelled"}}))

    @delete(ONE, status_code=204, opt={"grants": GRANTS, "operation": DELETE})
    async def delete_ab_test(request: Request[Any, Any, Any], test_id: str) -> None:
        await _delete(request, test_id, (Status.CANCELLED, Status.COMPLETED))

    @post(DRAFTS, status_code=200, opt={"grants": GRANTS, "operation": CREATE_DRAFT})
    async def create_ab_test_draft(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await stored(request, draft=True)

    @get(DRAFT, opt={"grants": GRANTS, "operation": RETRIEVE_DRAFT})
    async def get_ab_test_draft(request: Request[Any, Any, Any], test_id: str) -> Response[bytes]:
        with refusals():
            found = await known(request, test_id)
            if found.status is not Status.DRAFT:
                _missing(test_id)
        return await json_answer(request, _encode({"results": show(found, {}, now=clock.now())}))

    @put(DRAFT, opt={"grants": GRANTS, "operation": UPDATE_DRAFT})
    async def update_ab_test_draft(request: Request[Any, Any, Any], test_id: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals(), trouble_is_temporary():
                given = read_body(body, AbTestIn)
                async with pool.acquire() as connection, connection.transaction():
                    before = await locked(connection, sender_of(request), test_id)
                    if before.status is not Status.DRAFT:
                        raise must_be(test_id, ("draft",))
                    await store.change(connection, changed(before, given, now=clock.now()))
        return await json_answer(request, _encode({"results": {"id": test_id}}))

    @delete(DRAFT, status_code=204, opt={"grants": GRANTS, "operation": DELETE_DRAFT})
    async def delete_ab_test_draft(request: Request[Any, Any, Any], test_id: str) -> None:
        await _delete(request, test_id, (Status.DRAFT,))

    @post(f"{DRAFT}/schedule", status_code=200, opt={"grants": GRANTS, "operation": SCHEDULE})
    async def schedule_ab_test_draft(request: Request[Any, Any, Any], test_id: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals(), trouble_is_temporary():
                given = read_body(body, ScheduleIn)
                async with pool.acquire() as connection, connection.transaction():
                    before = await locked(connection, sender_of(request), test_id)
                    if before.status is not Status.DRAFT:
                        raise must_be(test_id, ("draft",))
                    after = scheduled(before, given, now=clock.now())
                    await can_send(after)
                    await store.change(connection, after)
        forget()
        return await json_answer(request, _encode({"results": {"id": test_id}}))

    async def _delete(request: Request[Any, Any, Any], test_id: str, statuses: tuple[Status, ...]) -> None:
        with refusals(), trouble_is_temporary():
            async with pool.acquire() as connection, connection.transaction():
                try:
                    found = await locked(connection, sender_of(request), test_id)
                except Wrong:
                    raise ApiError(NOT_FOUND) from None
                if found.status not in statuses:
                    raise must_be(test_id, [status.value for status in statuses])
                await store.delete(connection, found)
        forget()

    return [
        create_ab_test,
        list_ab_tests,
        get_ab_test,
        update_ab_test,
        cancel_ab_test,
        delete_ab_test,
        create_ab_test_draft,
        get_ab_test_draft,
        update_ab_test_draft,
        delete_ab_test_draft,
        schedule_ab_test_draft,
    ]


def _missing(test_id: str) -> NoReturn:
    shown = "".join(sign for sign in test_id[:64] if sign.isprintable())
    raise refuse(f"A/B test {shown} does not exist", status=404)
