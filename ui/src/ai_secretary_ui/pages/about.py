"""About: what this is, which version, how to use it from outside, which keys help."""

from __future__ import annotations

import platform
from importlib import metadata

from ai_secretary import __version__
from ai_secretary.i18n import N_, Translator
from ai_secretary_ui import PageView, formatting, pictures
from ai_secretary_ui import components as c

_ = Translator("ui")

SHORTCUTS = (
    (("Ctrl", "K"), N_("Find or run anything")),
    (("Ctrl", "M"), N_("Speak in the chat, press again to send")),
    (("Enter",), N_("Send a message")),
    (("Shift", "Enter"), N_("New line in a message")),
    (("Esc",), N_("Close what is open; what was typed stays")),
)
EXAMPLE = """from openai import OpenAI

client = OpenAI(base_url="{base}/v1", api_key="…")
answer = client.chat.completions.create(
    model="secretary",
    messages=[{{"role": "user", "content": "{question}"}}],
)
print(answer.choices[0].message.content)"""


async def build(view: PageView) -> None:
    application = view.application
    facts = await application.database_facts()
    settings = application.settings
    c.page_header(_("About"), _("AI Secretary {version}", version=__version__))
    with c.grid(2, classes="as-stretch"):
        with c.card(classes="a-hero"), c.el("a-head"):
            c.svg(pictures.BRAND_FLAT, "a-logo")
            with c.el():
                c.text("AI Secretary", "m-bantitle", "h2")
                c.text(
                    _("Answers for you on the phone, in Telegram, on a website and for any program that speaks the OpenAI API. "
                      "Everything that it can do is a plugin; nothing leaves this server without your key."),
                    "as-muted as-prose", "p",
                )  # fmt: skip
                with c.el("as-actions as-gap"):
                    c.button(_("Description of the API"), href="/openapi.json", small=True, icon="api")
                    if view.can("plugins:read"):
                        c.button(_("Plugins"), href="/ui/plugins", small=True, icon="extension")
        with c.card(_("This installation")):
            kind = "PostgreSQL" if facts.get("kind") == "postgresql" else "SQLite"
            c.key_value(
                [
                    (_("Version"), __version__),
                    (_("Running for"), formatting.duration(application.uptime)),
                    (_("Address"), f"{settings.host}:{settings.port}"),
                    (_("Database"), kind),
                    (_("Time zone"), settings.timezone),
                    ("Python", platform.python_version()),
                    ("NiceGUI", metadata.version("nicegui")),
                    (_("Plugins"), formatting.number(len(application.host.list()))),
                ]
            )
    with c.grid(2, classes="as-stretch"):
        with c.card(_("From your own program")):
            c.text(
                _(
                    "The secretary speaks the OpenAI API. The model “secretary” is everything you see in the chat; "
                    "other models are listed by /v1/models."
                ),
                "as-13 as-muted as-prose",
            )
            base = f"http://{'127.0.0.1' if settings.host in {'0.0.0.0', '::'} else settings.host}:{settings.port}"  # noqa: S104
            with c.el("a-code"):
                c.code(EXAMPLE.format(base=base, question=_("Are you open on Saturday?")), wrap=False)
            if view.can("users:admin"):
                with c.el("as-actions as-gap"):
                    c.button(_("Make a key"), href="/ui/users", small=True, icon="key")
        with c.card(_("Keys that help")), c.el("a-keys"):
            for keys, meaning in SHORTCUTS:
                with c.el("a-key"):
                    for key in keys:
                        c.text(key, "as-kbd", "span")
                c.text(_(meaning), "as-13")
    with c.card(_("Licences")):
        c.text(
            _("AI Secretary: Apache-2.0; plugins name their own. Golos Text and JetBrains Mono: SIL Open Font Licence 1.1. "
              "Material Symbols: Apache-2.0. Licence texts are in the packages."),
            "as-13 as-muted as-prose",
        )  # fmt: skip
