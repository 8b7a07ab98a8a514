"""Commands. Each imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ai_secretary import __version__
from ai_secretary.cli.people import keys, users
from ai_secretary.cli.run import give_up, read_settings, with_application

if TYPE_CHECKING:
    from ai_secretary.app import Application

app = typer.Typer(name="ai-secretary", help="AI Secretary: answers for you.", no_args_is_help=True, add_completion=False)
plugins_app = typer.Typer(help="Plugins: list, examine, turn on and off.", no_args_is_help=True)
app.add_typer(plugins_app, name="plugins")
app.add_typer(users, name="user")
app.add_typer(keys, name="key")


def main() -> None:
    app()


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    safe_mode: Annotated[bool, typer.Option("--safe-mode", help="Load built-in plugins only.")] = False,
) -> None:
    """Start the server."""
    settings = read_settings(host=host, port=port, safe_mode=safe_mode or None)
    from ai_secretary.app.server import run_server

    raise typer.Exit(run_server(settings))


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@app.command()
def migrate() -> None:
    """Bring the database of the core and of every plugin to the newest schema."""

    async def work(application: Application) -> None:
        print(f"The database is at the newest schema: {application.settings.resolved_database_url.partition('://')[0]}")
        for record in application.host.list():
            if record.state == "failed" and record.code == "plugin_migrations":
                give_up(f"{record.id}: {record.reason}")

    with_application(work, plugins=True)


@app.command()
def doctor() -> None:
    """Check this installation: settings, database, plugins, models, voices."""

    async def work(application: Application) -> None:
        bad = 0
        print(f"AI Secretary {__version__}, data in {application.settings.data_dir.resolve()}")
        for record in application.host.list():
            print(f"  {'ok ' if record.running else record.state:12} plugin {record.id} {record.version}  {record.reason}")
            if record.hint:
                print(f"{'':15}{record.hint}")
            bad += record.state in ("failed", "incompatible")
        for report in await application.health.check_all():
            print(f"  {report.state:12} {report.title}: {report.summary}")
            if report.hint and report.state != "ok":
                print(f"{'':15}{report.hint}")
            bad += report.state == "error"
        print(
            f"{len(application.registries.models())} models, {len(application.registries.voices())} voices, "
            f"{len(application.registries.recognizers())} recognisers"
        )
        if bad:
            raise typer.Exit(1)

    with_application(work, plugins=True)


@plugins_app.command("list")
def plugins_list() -> None:
    """Every installed plugin and its state."""

    async def work(application: Application) -> None:
        for record in application.host.list():
            print(f"{record.state:12} {record.id:20} {record.version:10} {record.title}")
            if record.reason:
                print(f"{'':12} {record.reason}")

    with_application(work, plugins=True)


@plugins_app.command("info")
def plugins_info(plugin_id: str) -> None:
    """Everything that is known of one plugin."""

    async def work(application: Application) -> None:
        record = application.host.get(plugin_id)
        manifest = record.manifest
        print(f"{record.title} {record.version} ({record.found.distribution})")
        print(f"state        {record.state} {record.reason}")
        print(f"core range   {record.found.requires_core}")
        if manifest is not None:
            print(f"does         {manifest.summary}")
            print(f"brings       {', '.join(manifest.capabilities)}")
            print(f"permissions  {', '.join(manifest.permissions) or 'none'}")
            print(f"licence      {manifest.licence}")
            for note in manifest.licence_notes:
                print(f"             {note}")
        if record.details:
            print(record.details)

    with_application(work, plugins=True)


def _switch(plugin_id: str, *, enable: bool) -> None:
    async def work(application: Application) -> None:
        await application.host.discover_only()
        await application.host.remember(plugin_id, disabled=not enable)
        print(f"{plugin_id} is {'on' if enable else 'off'} from the next start; in a running server use its Plugins page.")

    with_application(work)


@plugins_app.command("enable")
def plugins_enable(plugin_id: str) -> None:
    """Turn a plugin on."""
    _switch(plugin_id, enable=True)


@plugins_app.command("disable")
def plugins_disable(plugin_id: str) -> None:
    """Turn a plugin off; its data stays."""
    _switch(plugin_id, enable=False)


@plugins_app.command("doctor")
def plugins_doctor() -> None:
    """Check every plugin and say how to mend what is wrong."""
    doctor()
