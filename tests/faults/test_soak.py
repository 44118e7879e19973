"""The soak in short: some seconds of transfers by three processes, with connections cut and one process killed."""

from faults.soak import run


def test_money_is_neither_made_nor_lost(engine):
    url = engine.url.render_as_string(hide_password=False)
    total = run(url, processes=3, seconds=9)  # the first of which its processes take to start
    assert total["done"] > 10
