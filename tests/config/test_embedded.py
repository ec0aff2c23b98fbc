"""The embedded database's life: made once, owned by one, healed after any death."""

import psycopg

from gesso.config import embedded


def test_it_answers_while_it_runs_and_not_after(place_for_data):
    place = embedded.location(place_for_data)
    assert not embedded.answers(place)
    with embedded.running(place, durable=False):
        assert embedded.answers(place)
        with psycopg.connect(host=str(place.socket_dir), user=embedded.ROLE, dbname=embedded.DATABASE) as connection:
            assert connection.execute("SELECT current_setting('data_checksums')").fetchone() == ("on",)
    assert not embedded.answers(place)
