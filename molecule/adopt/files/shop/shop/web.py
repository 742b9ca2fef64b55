from __future__ import annotations

import os

import bottle

app = bottle.Bottle()


@app.route("/")
def index():
    return f"the shop in {os.environ.get('SHOP_COLOUR', 'no colour')}"
