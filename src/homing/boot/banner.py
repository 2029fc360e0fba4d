"""What `homing up` says once it serves."""

import sys

from rich.console import Console
from rich.panel import Panel

from homing.boot.names import tracking_base
from homing.ground.config import Settings


def show(settings: Settings, *, first_key: str | None, workers: int, embedded: bool) -> None:
    """Print where everything listens; at the first start also the key, and a command to paste."""
    scheme = "https" if settings.tls_cert else "http"
    base = f"{scheme}://{settings.http}"
    store = "embedded PostgreSQL" if embedded else "your PostgreSQL"
    lines = [
        f"[bold]REST API[/]   {base}/api/v1",
        f"[bold]SMTP[/]       {settings.smtp}  (user SMTP_Injection, password: an API key)",
        *([f"[bold]MX[/]         {settings.mx}"] if settings.mx else []),
        *([f"[bold]Tracking[/]   {settings.tracking}  ({tracking_base(settings)})"] if settings.tracking else []),
        f"[bold]Metrics[/]    {base}/metrics   [bold]Health[/] {base}/health/ready",
        f"[bold]Data[/]       {settings.data.resolve()}  ({store}, {workers} workers)",
    ]
    if first_key is not None:
        lines += [
            "",
            "This is a new installation. Its first API key, shown only now:",
            f"  [bold green]{first_key}[/]",
            "",
            "A first message, from another terminal (replace the addresses by your own):",
            "  homing domain add acme.test --trust",
            f"  homing send --key {first_key} --from news@acme.test --to you@example.com --subject Hello --text 'It works.'",
        ]
    Console(file=sys.stdout, highlight=False, soft_wrap=True).print(
        Panel("\n".join(lines), title="homing is up", border_style="green", expand=False)
        if sys.stdout.isatty()
        else "homing is up\n" + "\n".join(lines)
    )
    sys.stdout.flush()
