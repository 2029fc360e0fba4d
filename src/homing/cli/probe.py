"""`homing probe`: a witness elsewhere, which asks the doors about once a second and signs what it saw."""

import asyncio
import json as json_
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from homing.api.v1.availability_wire import MOST_REPORTS
from homing.availability.probe import PATIENCE_S, REPORT_S, Probe, Spool, Target
from homing.cli import output
from homing.cli.send import api_url, post
from homing.ground import log
from homing.ground.config import parse_host_port
from homing.ground.errors import Misuse, Temporary

app = typer.Typer(help="Be a witness elsewhere: ask the doors, sign what was seen, post it later.", no_args_is_help=True)

FolderOption = Annotated[Path, typer.Option("--folder", metavar="FOLDER", help="Where the witness keeps its key and reports.")]
KeyOption = Annotated[
    str | None, typer.Option("--key", help="API key. Default: HOMING_API_KEY.", envvar="HOMING_API_KEY", show_default=False)
]
DEFAULT_FOLDER = Path("probe")


@app.command("init")
def init(folder: FolderOption = DEFAULT_FOLDER) -> None:
    """Make the witness's key, and print its public key: the platform must know it."""
    public_key = Spool(folder).make()
    typer.echo(public_key)
    output.remark("let the platform know it: POST /api/v1/availability/witnesses, or `homing availability witness add` there")


@app.command("run")
def run(
    http: Annotated[
        str | None, typer.Option("--http", metavar="URL", help="The API, such as https://mail.example.com.", show_default=False)
    ] = None,
    smtp: Annotated[str | None, typer.Option("--smtp", metavar="HOST:PORT", help="The SMTP door.", show_default=False)] = None,
    folder: FolderOption = DEFAULT_FOLDER,
    key: KeyOption = None,
    every: Annotated[float, typer.Option("--every", metavar="SECONDS", min=0.2, max=60.0, help="Between two questions.")] = 1.0,
    report: Annotated[
        int, typer.Option("--report", metavar="SECONDS", min=1, max=3_600, help="What one report is about.")
    ] = REPORT_S,
    patience: Annotated[
        float, typer.Option("--patience", metavar="SECONDS", min=1.0, max=300.0, help="For one answer.")
    ] = PATIENCE_S,
    insecure: Annotated[bool, typer.Option("--insecure", help="Do not judge certificates: for trials.")] = False,
    post_reports: Annotated[bool, typer.Option("--post", help="Post reports to --http while running, when it answers.")] = False,
    duration: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", help="Stop by itself after that.", show_default=False)
    ] = None,
) -> None:
    """Ask the doors until Ctrl-C. With a key the questions are attempts of its account."""
    if http is None and smtp is None:
        raise Misuse("name a door: --http URL, --smtp HOST:PORT, or both")
    if post_reports and (http is None or not key):
        raise Misuse("--post needs --http and a key (--key, or HOMING_API_KEY)")
    try:
        where = None if smtp is None else parse_host_port(smtp)
    except ValueError as trouble:
        raise Misuse(f"--smtp: {trouble}") from trouble
    base = None if http is None else api_url(http)
    log.set_up(level="info")
    target = Target(api=base, smtp=where, key=key, trust_anybody=insecure, patience_s=patience)
    spool = Spool(folder)
    spool.key()

    async def work() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        if duration is not None:
            loop.call_later(duration, stop.set)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Probe(spool, target, every_s=every, report_s=report).run(stop))
            if post_reports and base is not None and key is not None:
                tasks.create_task(_post_now_and_then(spool, base, key, stop, every_s=float(report)))

    asyncio.run(work())


async def _post_now_and_then(spool: Spool, url: str, key: str, stop: asyncio.Event, *, every_s: float) -> None:
    while not stop.is_set():
        try:
            await asyncio.to_thread(_post_all, spool, url, key)
        except Temporary as trouble:
            output.remark(f"posted later: {trouble}")
        try:
            async with asyncio.timeout(every_s):
                await stop.wait()
        except TimeoutError:
            continue


@app.command("post")
def post_command(
    http: Annotated[str, typer.Option("--http", metavar="URL", help="The API, such as https://mail.example.com.")],
    folder: FolderOption = DEFAULT_FOLDER,
    key: KeyOption = None,
) -> None:
    """Post the reports that wait. What was taken is put into `posted`."""
    if not key:
        raise Misuse("an API key is needed: --key, or HOMING_API_KEY")
    count = _post_all(Spool(folder), api_url(http), key)
    output.console().print(f"{count} reports posted" if count else "no report waits")


def _post_all(spool: Spool, url: str, key: str) -> int:
    count = 0
    while waiting := spool.waiting()[:MOST_REPORTS]:
        reports: list[dict[str, Any]] = [json_.loads(path.read_text("ascii")) for path in waiting]
        post(url, "/api/v1/availability/evidence", key, {"reports": reports})
        for path in waiting:
            spool.posted(path)
        count += len(waiting)
    return count
