"""Schemathesis reads the OpenAPI document and sends what it allows and what it forbids: nothing may break, everything
must be answered as documented."""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.control import SkipTest
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from homing.events import store
from tests.kit.declared import errors_of
from tests.kit.resources import resource_door


def errors_are_declared(context: Any, response: Any, case: Any) -> None:
    """Every error of an answer is one that the operation names in x-homing-errors."""
    if response.status_code < 400 or "json" not in response.headers["content-type"][0] or "errors" not in response.json():
        return  # pages for people say it in HTML
    declared = {(error["status"], str(error.get("code", ""))) for error in case.operation.definition.raw["x-homing-errors"]}
    for error in errors_of(response.json()["errors"]):
        assert (response.status_code, str(error.get("code", ""))) in declared, f"{case.operation.label} does not declare {error}"


CHECKS = [
    errors_are_declared,
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
schemathesis.serializer.alias("application/x-ndjson", "text/plain")
EXAMPLES = 600  # of all operations together, so that they stay below a minute however many there are

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize(
    "mode", [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE], ids=lambda mode: mode.value
)
async def test_every_operation_answers_as_its_document_says(pool, mode):
    await store.ensure_partitions(pool, datetime.now(UTC).date())
    async with resource_door(pool) as house:
        await house.door.domain()
        base, key = f"http://127.0.0.1:{house.door.port}", house.door.key
        tried = await asyncio.to_thread(try_all, base, key, mode)
    assert tried > 10
    assert all(fault.value != "server" for _, fault in house.door.counted)


def try_all(base: str, key: str, mode: Any) -> int:
    """Send generated requests to every operation from another thread; return how many operations there were."""
    document = schemathesis.openapi.from_url(f"{base}/api/openapi.json")
    document.config.generation.update(modes=[mode])
    tried = 0
    operations = [found.ok() for found in document.get_all_operations()]
    for operation in operations:
        tried += 1

        @settings(
            max_examples=max(3, EXAMPLES // len(operations)),
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            assume(
                case.path_parameters.get("recipient") not in ("summary", "export", "import")
            )  # those are other operations' paths
            case.call_and_validate(base_url=base, headers={"Authorization": key}, checks=CHECKS, timeout=20)

        with contextlib.suppress(SkipTest, Unsatisfiable):  # some operations have nothing that could be wrong
            send()
    return tried
