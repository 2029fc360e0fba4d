"""Workers die in the midst of an import: another goes on, and every row is counted once."""

import signal
import urllib.request

from tests.kit.house import House

ROWS = 120_000


def test_an_import_goes_on_where_the_dead_stopped(postgres_server):
    with postgres_server.fresh() as dsn, House(database=dsn) as house:
        text = "recipient,type\n" + "".join(f"u{n}@there.test,transactional\n" for n in range(ROWS)) + "nobody,transactional\n"
        request = urllib.request.Request(
            f"http://127.0.0.1:{house.http_port}/api/v1/suppression-list/import?name=old",
            data=text.encode(),
            headers={"Authorization": house.key, "Content-Type": "text/csv"},
            method="POST",
        )
        status, answer = house._call(request, 60)
        assert status == 200, answer
        path = f"/api/v1/suppression-list-imports/{answer['results']['id']}"

        def stands() -> dict:
            return house.get(path)[1]["results"]

        for least in (1, ROWS // 3):
            house.wait_until(lambda least=least: stands()["records"] >= least, 40, "it has begun")
            for pid in house.workers():
                house.signal(pid, signal.SIGKILL)
            house.wait_until(house.is_ready, 30, "successors serve")
        house.wait_until(lambda: stands()["state"] == "done", 60, "it is done")
        one = stands()
        assert [one[name] for name in ("records", "added", "updated", "unchanged", "refused")] == [ROWS + 1, ROWS, 0, 0, 1]
        assert [row["line"] for row in one["refused_rows"]] == [ROWS + 2]
        assert house.sql("SELECT count(*) FROM suppressions")[0][0] == ROWS
        assert list((house.data / "imports").iterdir()) == []
