"""A process of its own (NiceGUI has one application per process): a page full of hostile text, behind the HTTP layer.

Usage: python nicegui_page.py PORT
"""

import sys

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from ai_secretary.api.middleware import HttpLayer
from ai_secretary.config import load_settings
from ai_secretary.metrics import Metrics

app = FastAPI()


@ui.page("/")
def index() -> None:
    ui.page_title("<script>window.hacked=1</script>")
    ui.label("Имя <script>window.hacked=2</script>").classes("probe")
    ui.html('<img src="x" onerror="window.hacked=3"><a id="link" href="javascript:window.hacked=4">x</a>', sanitize=False)
    ui.add_head_html("<script>window.own_script=1</script>")
    ui.markdown("**bold** <img src=x onerror='window.hacked=5'>")
    ui.select(["a", "b"], value="a")
    ui.table(rows=[{"a": "<script>window.hacked=6</script>"}])
    ui.button("press", on_click=lambda: (ui.notify("pressed"), ui.run_javascript("window.answered=1")))


ui.run_with(app, mount_path="/ui", storage_secret="for this test only")
layer = HttpLayer(app, load_settings(), Metrics())
uvicorn.run(layer, host="127.0.0.1", port=int(sys.argv[1]), proxy_headers=False, log_config=None)
